package manager

import (
	"context"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// pageLimit keeps a reply well below transporter.MessageLimit.
const pageLimit = 400 << 10

// terminate has a session's node end it, or forget it when it has ended. When the
// node is gone, the session is only dropped from the list: should it still run, its
// node brings it back by telling of it.
func (m *Manager) terminate(ctx context.Context, req transporter.TicketRequest) (transporter.Session, error) {
	c, err := ticket.Peek(req.Ticket)
	if err != nil || c.Kind != ticket.Terminate {
		return transporter.Session{}, transporter.Errorf(transporter.Invalid, "this is not a ticket to end a session")
	}
	known, ok := m.find(c.Session)
	node := known.Node
	if !ok {
		node = c.Node
	}
	if node == "" {
		return transporter.Session{}, noSession(c.Session)
	}
	s, err := transporter.Call(ctx, m.o.Conn, transporter.LauncherTerminate.On(node), req)
	switch {
	case err == nil:
		m.set(func() { m.ledger.amend(s, known.State == transporter.Ended) })
		return s, nil
	case ok && transporter.AsError(err).Code == transporter.Unavailable:
		if why := m.dropLost(known); why != "" {
			known.State, known.Reason = transporter.Unknown, why
			return known, nil
		}
	}
	return transporter.Session{}, err
}

// dropLost drops a session if its node is gone, and says so.
func (m *Manager) dropLost(s transporter.Session) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.ledger.nodes[s.Node]
	if n == nil {
		return ""
	}
	why := m.ledger.lost(m.o.Now(), n)
	if why != "" {
		m.ledger.drop(s.ID)
		why += "; it is no longer listed"
		m.o.Log.Info("a session of a lost node was dropped from the list", "session", s.ID, "node", s.Node)
	}
	return why
}

func (m *Manager) find(id string) (transporter.Session, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ledger.session(m.o.Now(), id)
}

func noSession(id string) error {
	return transporter.Errorf(transporter.NotFound, "there is no session %q", id)
}

// session answers with one session.
func (m *Manager) session(_ context.Context, req transporter.SessionRequest) (transporter.Session, error) {
	s, ok := m.find(req.ID)
	if !ok {
		return s, noSession(req.ID)
	}
	return s, nil
}

// sessions answers with one page of sessions.
func (m *Manager) sessions(_ context.Context, req transporter.SessionsRequest) (transporter.SessionsReply, error) {
	m.mu.Lock()
	all := m.ledger.sessions(m.o.Now(), req.User)
	m.mu.Unlock()
	from, found := slices.BinarySearchFunc(all, req.After, func(s transporter.Session, id string) int {
		return strings.Compare(s.ID, id)
	})
	if found {
		from++
	}
	rest := all[from:]
	n := transporter.Fit(rest, pageLimit)
	return transporter.SessionsReply{Sessions: rest[:n], More: n < len(rest)}, nil
}

// nodes answers with all nodes. Should there be too many problems in their
// configurations to fit into a reply, it is their texts that are left out.
func (m *Manager) nodes(context.Context, transporter.Empty) (transporter.NodesReply, error) {
	m.mu.Lock()
	nodes := m.ledger.list(m.o.Now())
	m.mu.Unlock()
	if transporter.Fit(nodes, pageLimit) < len(nodes) {
		for i := range nodes {
			nodes[i].Config.Problems = nil
		}
	}
	return transporter.NodesReply{Nodes: nodes}, nil
}

// drain has a node take no more sessions, or take them again.
func (m *Manager) drain(ctx context.Context, req transporter.DrainRequest) (transporter.Empty, error) {
	c, err := ticket.Peek(req.Ticket)
	if err != nil || c.Kind != ticket.Drain || c.Node == "" {
		return transporter.Empty{}, transporter.Errorf(transporter.Invalid, "this is not a ticket to drain a node")
	}
	reply, err := transporter.Call(ctx, m.o.Conn, transporter.LauncherDrain.On(c.Node), req)
	if err == nil {
		m.set(func() { m.ledger.drained(c.Node, req.Drain) })
	}
	return reply, err
}
