package manager

import (
	"context"
	"maps"
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// message has a launcher say something to viewers: the one that has the session, or when it is
// for everyone any that answers. One that may have said it is not followed by another.
func (m *Manager) message(ctx context.Context, req transporter.MessageRequest) (transporter.Message, error) {
	c, err := ticket.Peek(req.Ticket)
	if err != nil || c.Kind != ticket.Message {
		return transporter.Message{}, transporter.Errorf(transporter.Invalid, "this is not a ticket to send a message")
	}
	nodes := m.launchers()
	if c.Session != "" {
		known, ok := m.find(c.Session)
		if !ok {
			return transporter.Message{}, noSession(c.Session)
		}
		if known.Node == "" {
			return transporter.Message{}, transporter.Errorf(transporter.Conflict, "the session waits for a node; nobody looks at it yet")
		}
		nodes = []string{known.Node}
	}
	var none transporter.Message
	err = transporter.Errorf(transporter.Unavailable, "no node with a launcher is known, so nobody can look at a session")
	for _, node := range nodes {
		var said transporter.Message
		if said, err = transporter.Call(ctx, m.o.Conn, transporter.LauncherMessage.On(node), req); !transporter.Undelivered(err) {
			return said, err
		}
	}
	return none, err
}

// launchers names the nodes with a launcher that have been heard of lately.
func (m *Manager) launchers() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.ledger.nodes)) {
		if n := m.ledger.nodes[name]; launches(n.beat) && m.ledger.lost(m.o.Now(), n) == "" {
			names = append(names, name)
		}
	}
	return names
}
