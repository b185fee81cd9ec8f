package manager

import (
	"context"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// start starts a session, once. Asked again with the same id, it answers with the session
// there is; while that is being started, by whichever manager, it asks the same launcher,
// which lets both wait for the one start.
func (m *Manager) start(ctx context.Context, req transporter.TicketRequest) (transporter.Session, error) {
	o, err := order(req.Ticket)
	if err != nil {
		return transporter.Session{}, err
	}
	s, known := m.find(o.Session)
	switch {
	case known && s.User != o.User:
		return transporter.Session{}, transporter.Errorf(transporter.Conflict, "there is another session %q", o.Session)
	case known && s.State != transporter.Pending:
		return s, nil
	}
	return m.launch(ctx, o, req)
}

// order reads what a start ticket orders. It is verified by the launcher, without which nothing starts.
func order(token string) (ticket.Order, error) {
	c, err := ticket.Peek(token)
	if err != nil || c.Kind != ticket.Place || c.Order == nil || !ticket.IsID(c.Order.Session) {
		return ticket.Order{}, transporter.Errorf(transporter.Invalid, "this is not a ticket to start a session")
	}
	return *c.Order, nil
}

// launch asks one node after the other, until one has the session or may have it.
func (m *Manager) launch(ctx context.Context, o ticket.Order, req transporter.TicketRequest) (transporter.Session, error) {
	for tried := map[string]string{}; ; {
		place, err := m.place(ctx, o, tried)
		if err != nil {
			return transporter.Session{}, err
		}
		node := place.session.Node
		m.tell(place.session, false)
		s, err := m.startOn(ctx, node, req)
		m.settle(place, s, err)
		m.tell(place.session, true)
		if !startsNothing(err) {
			return s, err
		}
		m.o.Log.Warn("a node could not start a session; trying another", "node", node, "session", o.Session, "err", err)
		tried[node] = unfitTried
		if transporter.AsError(err).Code == transporter.Limit {
			tried[node] = unfitFull
		}
	}
}

// startOn has a node start what was ordered, by a ticket that is good there alone.
func (m *Manager) startOn(ctx context.Context, node string, req transporter.TicketRequest) (transporter.Session, error) {
	reply, err := transporter.Call(ctx, m.o.Conn, transporter.UserPlace, transporter.PlaceRequest{Ticket: req.Ticket, Node: node})
	if e := transporter.AsError(err); e != nil { // that nobody was there to sign is not the node's fault
		return transporter.Session{}, transporter.Errorf(e.Code, "the order could not be signed for node %s: %s", node, e.Message)
	}
	return transporter.Call(ctx, m.o.Conn, transporter.LauncherStart.On(node), transporter.TicketRequest(reply))
}

// startsNothing reports whether an error means that the node has surely not started the
// session and another may do better: nobody was there to ask, or it is full.
func startsNothing(err error) bool {
	return err != nil && (transporter.Undelivered(err) || transporter.AsError(err).Code == transporter.Limit)
}

// settle turns a reservation into what became of it.
func (m *Manager) settle(place *start, s transporter.Session, err error) {
	m.set(func() {
		if err != nil {
			m.ledger.release(place)
		} else {
			m.ledger.started(m.o.Now(), s, m.o.Instance)
		}
	})
}

// tell lets the other managers know of a reservation, or of its end.
func (m *Manager) tell(s transporter.Session, released bool) {
	r := transporter.Reservation{Manager: m.o.Instance, Session: s, Released: released}
	if err := transporter.Publish(m.o.Conn, transporter.StartReserved, r); err != nil {
		m.o.Log.Debug("a reservation could not be told", "err", err)
	}
}

// place checks the limits and reserves a place on a node, in one step, so that concurrent
// starts count each other. Soon after hello it waits, half of the time there is, for a node to be heard of.
func (m *Manager) place(ctx context.Context, o ticket.Order, tried map[string]string) (*start, error) {
	patience := m.o.Interval
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)/2)
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		s, changed, err := m.reserve(o, tried)
		if err == nil || changed == nil {
			return s, err
		}
		select {
		case <-changed:
		case <-enough.C:
			return s, err
		case <-ctx.Done():
			return s, err
		}
	}
}

// reserve is one try of place. With an error that waiting may mend, it returns what to wait for.
func (m *Manager) reserve(o ticket.Order, tried map[string]string) (*start, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	if err := m.ledger.check(now, o); err != nil {
		return nil, nil, err
	}
	if s, ok := m.ledger.session(now, o.Session); ok && tried[s.Node] == "" {
		return m.ledger.reserve(now, o, s.Node, m.o.Instance), nil, nil // where it was begun
	}
	cs, err := m.ledger.candidates(now, tried)
	switch {
	case err != nil && now.Before(m.early) && len(tried) == 0:
		return nil, m.changed, err
	case err != nil:
		return nil, nil, err
	}
	m.last = m.choose(cs, m.last, m.o.Rand)
	return m.ledger.reserve(now, o, m.last, m.o.Instance), nil, nil
}
