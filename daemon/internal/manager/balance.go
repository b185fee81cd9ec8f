package manager

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// candidate is a node that can take a session, as a policy sees it.
type candidate struct {
	Node     string
	Sessions int    // live, and about to start
	Fresh    int    // those of them started since the node last told its load
	MemFree  uint64 // bytes, as the node last told
}

// policy chooses one of the candidates, which are at least one and sorted by name. last is
// the node chosen before, "" for none; rnd(n) is a random number below n.
type policy func(cs []candidate, last string, rnd func(n int) int) string

// The policies by their names in LOAD_BALANCER.
var policies = map[string]policy{
	"":                fewestSessions,
	"fewest-sessions": fewestSessions,
	"most-memory":     mostMemory,
	"round-robin":     roundRobin,
}

// sessionMemory is what a session that was just started is assumed to be going to take,
// until the node measures it.
const sessionMemory = 512 << 20

// fewestSessions takes a node with the fewest sessions.
func fewestSessions(cs []candidate, _ string, rnd func(int) int) string {
	return least(cs, rnd, func(c candidate) int { return c.Sessions })
}

// mostMemory takes a node with the most memory left. Two nodes of the same size are told
// apart by a mebibyte, so that noise does not decide.
func mostMemory(cs []candidate, _ string, rnd func(int) int) string {
	return least(cs, rnd, func(c candidate) int {
		return -(int(c.MemFree>>20) - c.Fresh*(sessionMemory>>20))
	})
}

// roundRobin takes the next node by name after the one before.
func roundRobin(cs []candidate, last string, _ func(int) int) string {
	for _, c := range cs {
		if c.Node > last {
			return c.Node
		}
	}
	return cs[0].Node
}

// least takes one of the candidates with the smallest cost; ties are broken by chance,
// so that several managers do not all run to the same node.
func least(cs []candidate, rnd func(int) int, cost func(candidate) int) string {
	low := cost(slices.MinFunc(cs, func(a, b candidate) int { return cmp.Compare(cost(a), cost(b)) }))
	var best []string
	for _, c := range cs {
		if cost(c) == low {
			best = append(best, c.Node)
		}
	}
	return best[rnd(len(best))]
}

// candidates returns the nodes that can take a session, sorted by name, leaving out those
// already tried, each for a reason; when there are none, the error says why.
func (l *ledger) candidates(now time.Time, tried map[string]string) ([]candidate, error) {
	var out []candidate
	why, most := map[string]int{}, 0
	for _, name := range slices.Sorted(maps.Keys(l.nodes)) {
		n := l.nodes[name]
		if reason := l.unfit(now, n, tried); reason != "" {
			why[reason]++
			if reason == unfitFull {
				most += n.beat.Max
			}
			continue
		}
		out = append(out, candidate{Node: name, Sessions: l.load(n), Fresh: l.fresh(n), MemFree: n.beat.Load.MemFree})
	}
	if len(out) == 0 {
		return nil, noNode(why, most)
	}
	return out, nil
}

// Why a node cannot take a session.
const (
	unfitAbsent  = "not to be reached"
	unfitRole    = "without a launcher"
	unfitTried   = "not answering"
	unfitDrained = "drained"
	unfitFull    = "full"
)

func (l *ledger) unfit(now time.Time, n *node, tried map[string]string) string {
	switch {
	case tried[n.name] != "":
		return tried[n.name]
	case n.left, n.beatSeq == 0, l.silent(now, n):
		return unfitAbsent
	case !launches(n.beat):
		return unfitRole
	case !n.list.whole: // its launcher has not found its sessions yet
		return unfitAbsent
	case n.beat.Drain:
		return unfitDrained
	case n.beat.Max > 0 && l.load(n) >= n.beat.Max:
		return unfitFull
	}
	return ""
}

// fresh counts what a node has been given since it last told its load.
func (l *ledger) fresh(n *node) int {
	count := 0
	for _, s := range l.starts {
		if s.session.Node == n.name && (s.pending || !s.at.Before(n.beaten)) {
			count++
		}
	}
	return count
}

// noNode makes a sentence of why no node can take a session; most is how many the full ones run.
// When every launcher is full, that is a limit.
func noNode(why map[string]int, most int) error {
	delete(why, unfitRole)
	if len(why) == 0 {
		return transporter.Errorf(transporter.Unavailable, "no node with a launcher is known; start fastxd with launcher in SERVICES on one")
	}
	code := transporter.Unavailable
	if len(why) == 1 && why[unfitFull] > 0 {
		code = transporter.Limit
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		part := fmt.Sprintf("%d %s", why[reason], reason)
		if reason == unfitFull && most > 0 {
			part += fmt.Sprintf(" (FX_MAX_SESSIONS allows %d)", most)
		}
		parts = append(parts, part)
	}
	return transporter.Errorf(code, "no node can take a session: %s", strings.Join(parts, ", "))
}
