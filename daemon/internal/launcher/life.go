package launcher

import (
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// life is the state of one session and how it came about. It is a value without
// I/O: events go in, the next life comes out.
//
//	         spawned             running              over
//	pending ────────▶ starting ────────▶ running ────────▶ ended
//	                      ▲                  ▲                ▲
//	                      └──── unknown ◀────┘ silent         │ from every state
//	                               └──────────────────────────┘
//
// Ended is final. Nothing but a word from the supervisor leads from unknown to a
// living state, and nothing leads back from running to starting.
type life struct {
	State   transporter.State
	Reason  string
	Started time.Time
	Ended   time.Time
}

// event is something that was seen to happen to a session.
type event struct {
	kind   happening
	reason string    // with over: why
	at     time.Time // with running and over: when
}

type happening int

const (
	spawned  happening = iota // the supervisor's process exists
	starting                  // the supervisor says that it waits for the display
	running                   // the supervisor says that the display answers
	silent                    // the supervisor lives and says nothing
	over                      // the session has ended
)

// next returns the life after the event, and whether anything changed.
func (l life) next(e event) (life, bool) {
	switch {
	case l.State == transporter.Ended:
		return l, false
	case e.kind == over:
		return life{State: transporter.Ended, Reason: e.reason, Started: l.Started, Ended: e.at}, true
	case e.kind == silent:
		return l.move(transporter.Unknown, l.State != transporter.Pending)
	case e.kind == running:
		if l.Started.IsZero() {
			l.Started = e.at
		}
		return l.move(transporter.Running, true)
	case e.kind == spawned:
		return l.move(transporter.Starting, l.State == transporter.Pending)
	default: // starting
		return l.move(transporter.Starting, l.State != transporter.Running)
	}
}

// move changes the state where that is allowed.
func (l life) move(to transporter.State, allowed bool) (life, bool) {
	if !allowed || l.State == to {
		return l, false
	}
	l.State = to
	return l, true
}

// alive reports whether the session takes up a place on the node.
func (l life) alive() bool { return l.State != transporter.Ended }
