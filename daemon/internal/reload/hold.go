package reload

import (
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// DefaultHold is how long a set has to stay as it is that allows more than the generation before, only because
// its files do not say something any more.
const DefaultHold = 10 * time.Second

// held is a set that has to wait.
type held struct {
	why   string // what it allows; "" = there is none
	since time.Time
}

// hold lets a candidate wait that looks like a security file of which the rest has yet to be written. What
// somebody asks for by name is meant, and is not held.
func (l *Loop) hold(outcome generation.Outcome) generation.Outcome {
	accepted, ok := outcome.(generation.Accepted)
	if !ok || l.asked {
		l.held = held{}
		return outcome
	}
	weaker := l.o.Keeper.Weaker(accepted.Candidate)
	why := weaker.Text()
	again := why != "" && why == l.held.why
	switch {
	case why == "" || again && l.o.Now().Sub(l.held.since) >= l.o.Hold:
		l.held = held{}
		return outcome
	case !again:
		l.held = held{why, l.o.Now()}
	}
	l.o.Keeper.Await(accepted.Candidate, weaker)
	return generation.Rejected{Problems: weaker, Again: again}
}

// matured fires when what is held has waited long enough; nil when there is none.
func (l *Loop) matured() <-chan time.Time {
	if l.held.why == "" {
		return nil
	}
	return time.After(l.o.Hold - l.o.Now().Sub(l.held.since))
}

// release looks again at what was held. When it cannot be read now, it waits once more.
func (l *Loop) release(look func() Report) {
	if look(); l.held.why != "" && l.o.Now().Sub(l.held.since) >= l.o.Hold {
		l.held.since = l.o.Now()
	}
}
