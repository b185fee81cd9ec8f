// Package nudge lets the nodes of a cluster see a change of their shared files at once.
//
// A node that accepts new files announces their digest. The others, which may get no file events
// from the share, look at their files then instead of at their next rescan:
//
//  1. a digest that has been seen, or that nobody would announce, is nothing to do
//  2. a pause of up to Spread, so that a cluster does not read the share in step
//  3. look; where the share still shows the old files, again after twice the time, up to
//     Patience: from then on the rescan goes on alone
//
// Whatever is announced, and however often, a node looks Burst times at once and then once in Every. A node
// that saw new files because they were announced does not announce them again.
package nudge

import (
	"context"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The times and limits; the package comment says what they are for.
const (
	Spread   = 50 * time.Millisecond
	Patience = time.Minute
	Burst    = 8
	Every    = 2 * time.Second

	longest = 5 * time.Second // pause between two looks: no longer than a rescan takes
)

// Options are what a Nudge is made of.
type Options struct {
	Seen     func() string         // the digest of the shared files as they were last read; "" = they were not
	Look     func(context.Context) // reads the files and takes what they say
	Announce func(digest string)   // tells the other nodes
}

// Nudge hears and makes the announcements of one node.
type Nudge struct {
	o     Options
	limit *rate.Limiter
	kick  chan struct{}

	mu     sync.Mutex
	wanted string // announced last by another node
	known  string // accepted here, or heard: needs no announcing
	looks  uint64
}

// New makes a Nudge; Run makes it act on what it hears.
func New(o Options) *Nudge {
	return &Nudge{o: o, limit: rate.NewLimiter(rate.Every(Every), Burst), kick: make(chan struct{}, 1)}
}

var digests = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Accepted announces that this node runs the files of a digest, unless that is known.
func (n *Nudge) Accepted(digest string) {
	n.mu.Lock()
	news := digest != n.known
	n.known = digest
	n.mu.Unlock()
	if news && digest != "" {
		n.o.Announce(digest)
	}
}

// Again announces what was accepted last once more, for those who may have missed it.
func (n *Nudge) Again() {
	n.mu.Lock()
	digest := n.known
	n.mu.Unlock()
	if digest != "" && digest == n.o.Seen() {
		n.o.Announce(digest)
	}
}

// Heard takes note of what another node accepted.
func (n *Nudge) Heard(digest string) {
	if !digests.MatchString(digest) || digest == n.o.Seen() { // (1)
		return
	}
	n.mu.Lock()
	n.wanted, n.known = digest, digest
	n.mu.Unlock()
	select {
	case n.kick <- struct{}{}:
	default: // Run is on its way
	}
}

// Looks is how often the node has looked because of what it heard.
func (n *Nudge) Looks() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.looks
}

// Run looks for what is announced, until ctx ends.
func (n *Nudge) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.kick:
			n.pursue(ctx)
		}
	}
}

// pursue looks until it has seen what was announced last. What is announced meanwhile begins anew with short pauses.
func (n *Nudge) pursue(ctx context.Context) {
	began, step, sought := time.Now(), Spread, ""
	for pause := rand.N(Spread); ; pause = step/2 + rand.N(step/2) { // (2)
		if sleep(ctx, pause) != nil || n.seen() || time.Since(began) > Patience || n.limit.Wait(ctx) != nil {
			return
		}
		if wanted := n.look(ctx); wanted != sought { // (3)
			began, step, sought = time.Now(), Spread, wanted
		}
		if n.seen() {
			return
		}
		step = min(2*step, longest)
	}
}

// look returns what it looked for.
func (n *Nudge) look(ctx context.Context) string {
	n.mu.Lock()
	n.looks++
	wanted := n.wanted
	n.mu.Unlock()
	n.o.Look(ctx)
	return wanted
}

func (n *Nudge) seen() bool {
	n.mu.Lock()
	wanted := n.wanted
	n.mu.Unlock()
	return wanted == n.o.Seen()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
