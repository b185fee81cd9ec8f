package manager

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// After how long things count as over.
const (
	silentAfter  = 3                // intervals without a word: a node's sessions are unknown
	forgetAfter  = 10 * time.Minute // without a word: a node is not listed any more
	reserveLimit = 2 * time.Minute  // a start of another manager that was never released
	tellAfter    = 30 * time.Second // a started session that its node never listed
)

// ledger is what a manager knows of the cluster. It has no clock and no connection: every
// message comes with the time, so that a message repeated or late changes nothing.
type ledger struct {
	interval time.Duration // of heartbeats
	nodes    map[string]*node
	starts   map[string]*start // starts under way, and those done that their node has not told yet
}

// node is what is known of one node.
type node struct {
	name     string
	instance string
	former   []string // the instances before, whose late messages do not count
	heard    time.Time
	beat     transporter.Beat // the last one, of whichever instance; zero when there was none
	beatSeq  uint64           // of this instance
	beaten   time.Time        // when the last beat came
	left     bool             // it said so
	list     sessionList
}

// keepFormer is how many former instances of a node are remembered.
const keepFormer = 8

func newLedger(interval time.Duration) *ledger {
	return &ledger{interval: interval, nodes: map[string]*node{}, starts: map[string]*start{}}
}

// from returns the node a message comes from, or nil when its instance is no more.
// A new instance takes the place of the one before.
func (l *ledger) from(now time.Time, name, instance string) *node {
	n := l.nodes[name]
	if n == nil {
		n = &node{name: name, instance: instance}
		l.nodes[name] = n
	}
	if slices.Contains(n.former, instance) {
		return nil
	}
	if n.instance != instance {
		n.former = append(n.former, n.instance)
		n.former = n.former[max(0, len(n.former)-keepFormer):]
		n.instance, n.beatSeq, n.left = instance, 0, false
		n.list.renew()
	}
	n.heard = now
	return n
}

// hearBeat takes in a heartbeat.
func (l *ledger) hearBeat(now time.Time, b transporter.Beat) {
	n := l.from(now, b.Node, b.Instance)
	if n == nil || b.Seq <= n.beatSeq || n.left {
		return
	}
	n.beat, n.beatSeq, n.beaten, n.left = b, b.Seq, now, b.Leaving
	for _, other := range l.nodes {
		if n.left && other != n && !l.over(now, other) {
			n.list.yield(other.list)
		}
	}
}

func launches(b transporter.Beat) bool {
	return slices.Contains(b.Services, string(spec.Launcher))
}

// hearList takes in a part of a node's whole list.
func (l *ledger) hearList(now time.Time, p transporter.SessionsOf) {
	n := l.from(now, p.Node, p.Instance)
	if n == nil || !n.list.part(p) {
		return
	}
	for id := range n.list.entries {
		l.told(id)
	}
	for _, other := range l.nodes {
		if other != n && l.over(now, other) {
			other.list.yield(n.list)
		}
	}
}

// hearNews takes in the change of one session.
func (l *ledger) hearNews(now time.Time, c transporter.SessionNews) {
	n := l.from(now, c.Node, c.Instance)
	if n == nil || !n.list.news(c) {
		return
	}
	l.told(c.Session.ID)
}

// expire forgets what has been over for long.
func (l *ledger) expire(now time.Time) {
	maps.DeleteFunc(l.starts, func(_ string, s *start) bool { return l.settled(now, s) })
	maps.DeleteFunc(l.nodes, func(_ string, n *node) bool {
		return (n.left || now.Sub(n.heard) > forgetAfter) && len(n.list.entries) == 0
	})
}

// silent reports whether nothing has been heard of a node for too long to say what it does.
func (l *ledger) silent(now time.Time, n *node) bool {
	return now.Sub(n.heard) > silentAfter*l.interval
}

// over reports whether a node says nothing any more.
func (l *ledger) over(now time.Time, n *node) bool { return n.left || l.silent(now, n) }

// lost says why nothing can be known of a node's sessions; "" means that it can.
func (l *ledger) lost(now time.Time, n *node) string {
	switch {
	case n.left:
		return fmt.Sprintf("fastxd on node %s was stopped at %s; the session may still run there", n.name, stamp(n.heard))
	case l.silent(now, n):
		return fmt.Sprintf("node %s has not been heard of since %s; the session may still run there", n.name, stamp(n.heard))
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// show is a session as it is to be shown: what is not known is not guessed, and a
// session that has ended stays so.
func (l *ledger) show(now time.Time, n *node, e entry) transporter.Session {
	s := e.session
	if s.State == transporter.Ended {
		return s
	}
	if why := l.lost(now, n); why != "" {
		s.State, s.Reason = transporter.Unknown, why
	} else if e.stale {
		s.State = transporter.Unknown
		s.Reason = fmt.Sprintf("fastxd on node %s was restarted and has not listed its sessions yet", n.name)
	}
	return s
}

// session returns one session.
func (l *ledger) session(now time.Time, id string) (transporter.Session, bool) {
	for _, n := range l.nodes {
		if e, ok := n.list.get(id); ok {
			return l.show(now, n, e), true
		}
	}
	if s := l.starts[id]; s != nil && !s.told {
		return s.session, true
	}
	return transporter.Session{}, false
}

// sessions returns every session, or one user's, sorted by id, each once.
func (l *ledger) sessions(now time.Time, user string) []transporter.Session {
	byID := map[string]transporter.Session{}
	for id, s := range l.starts {
		if !s.told {
			byID[id] = s.session
		}
	}
	for _, n := range l.nodes {
		for id, e := range n.list.entries {
			if !e.gone {
				byID[id] = l.show(now, n, e)
			}
		}
	}
	maps.DeleteFunc(byID, func(_ string, s transporter.Session) bool { return user != "" && s.User != user })
	return slices.SortedFunc(maps.Values(byID), func(a, b transporter.Session) int { return strings.Compare(a.ID, b.ID) })
}

// list returns the nodes that are there or were a short while ago, sorted by name.
func (l *ledger) list(now time.Time) []transporter.Node {
	out := []transporter.Node{}
	for _, name := range slices.Sorted(maps.Keys(l.nodes)) {
		n := l.nodes[name]
		if n.beat.Node == "" || n.left || now.Sub(n.heard) > forgetAfter {
			continue
		}
		out = append(out, transporter.Node{Beat: n.beat, Sessions: l.load(n), Heard: n.heard})
	}
	return out
}

// load counts the sessions of a node that have not ended, with those about to start.
func (l *ledger) load(n *node) int {
	count := 0
	for _, e := range n.list.entries {
		if !e.gone && e.session.State != transporter.Ended {
			count++
		}
	}
	for _, s := range l.starts {
		if !s.told && s.session.Node == n.name {
			count++
		}
	}
	return count
}

// drop forgets a session of a node that is gone.
func (l *ledger) drop(id string) {
	for _, n := range l.nodes {
		delete(n.list.entries, id)
	}
	delete(l.starts, id)
}

// amend takes in what a launcher answered about a session, ahead of its news.
func (l *ledger) amend(s transporter.Session, gone bool) {
	if n := l.nodes[s.Node]; n != nil {
		n.list.amend(s, gone)
	}
	if known := l.starts[s.ID]; known != nil && !known.pending {
		known.session = s
	}
}

// drained takes in that a node was drained or undrained, ahead of its heartbeat.
func (l *ledger) drained(name string, drain bool) {
	if n := l.nodes[name]; n != nil {
		n.beat.Drain = drain
	}
}
