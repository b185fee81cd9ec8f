package manager

import (
	"fmt"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// start is a session that its node may not have told of yet: a reservation while it is
// pending, then what the launcher answered.
type start struct {
	session transporter.Session
	at      time.Time
	pending bool
	told    bool   // its node has told of it: what the node says holds
	manager string // the instance of the manager that made it
}

// reserve notes that a session is about to start on a node.
func (l *ledger) reserve(now time.Time, o ticket.Order, node, manager string) *start {
	s := transporter.Session{
		ID: o.Session, Name: o.Name, User: o.User, Node: node, App: o.App, Command: o.Command, Geometry: o.Geometry,
		State: transporter.Pending, Created: now.UTC(), Params: o.Params, MaxGeometry: o.MaxGeometry, Clipboard: o.Limits.Clipboard,
	}
	return l.note(&start{session: s, at: now, pending: true, manager: manager})
}

// release ends a reservation whose start failed. A later one of the same session stays.
func (l *ledger) release(s *start) {
	if l.starts[s.session.ID] == s {
		delete(l.starts, s.session.ID)
	}
}

// started ends a reservation with what the launcher answered.
func (l *ledger) started(now time.Time, s transporter.Session, manager string) {
	l.note(&start{session: s, at: now, manager: manager})
}

// note keeps a start in the place of what was noted of it before.
func (l *ledger) note(s *start) *start {
	id := s.session.ID
	before := l.starts[id]
	s.told = before != nil && before.told
	if n := l.nodes[s.session.Node]; n != nil && !s.told {
		_, s.told = n.list.entries[id]
	}
	l.starts[id] = s
	return s
}

// told notes that a node has told of a session.
func (l *ledger) told(id string) {
	if s := l.starts[id]; s != nil {
		s.told = true
	}
}

// hearReservation takes in what another manager says of its starts.
func (l *ledger) hearReservation(now time.Time, r transporter.Reservation) {
	known := l.starts[r.Session.ID]
	switch {
	case known != nil && known.manager != r.Manager: // who reserved first keeps it
	case r.Released:
		delete(l.starts, r.Session.ID)
	default:
		l.note(&start{session: r.Session, at: now, pending: true, manager: r.Manager})
	}
}

// settled reports whether a start need not be remembered any more: its node has told of it
// and since measured its load again, or it has taken too long.
func (l *ledger) settled(now time.Time, s *start) bool {
	if s.pending {
		return now.Sub(s.at) > reserveLimit
	}
	n := l.nodes[s.session.Node]
	return s.told && n != nil && n.beaten.After(s.at) || now.Sub(s.at) > tellAfter
}

// check refuses an order that would exceed one of its limits. The session itself, should it
// be known already, does not count.
func (l *ledger) check(now time.Time, o ticket.Order) error {
	if o.PerUser <= 0 && o.Total <= 0 {
		return nil
	}
	mine, all := 0, 0
	for _, s := range l.sessions(now, "") {
		if s.State == transporter.Ended || s.ID == o.Session {
			continue
		}
		all++
		if s.User == o.User {
			mine++
		}
	}
	switch {
	case o.PerUser > 0 && mine >= o.PerUser:
		return transporter.Errorf(transporter.Limit, "you have %s and the limit is %d (sessions_per_user in %s)",
			plural(mine, "session"), o.PerUser, profile(o))
	case o.Total > 0 && all >= o.Total:
		return transporter.Errorf(transporter.Limit, "the cluster has %s and the limit is %d (sessions_total in %s)",
			plural(all, "session"), o.Total, profile(o))
	}
	return nil
}

func profile(o ticket.Order) string {
	if o.Profile == "" {
		return "performance/default.ini"
	}
	return "performance/" + o.Profile + ".ini"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
