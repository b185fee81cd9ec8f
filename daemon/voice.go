package daemon

import (
	"context"
	"fmt"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// identity is who a node is to the others.
type identity struct {
	node     string // FX_NODE_NAME, else the host's name
	instance string // new at every start of the process, and with every other name
}

// as is the identity under a name: the same, or a new one.
func (who identity) as(node string) identity {
	if who.node == node {
		return who
	}
	return identity{node: node, instance: ticket.NewID()}
}

// voice is how a node speaks for itself and not for a component: its heartbeat, its announcements, and what it
// answers about itself.
type voice struct {
	who     identity
	conn    *transporter.Conn
	heart   *heart
	silence func() // ends the heartbeat and waits for its last word
}

// speak gives the node its voice.
func (n *Node) speak(ctx context.Context) error {
	n.speaking.Lock()
	defer n.speaking.Unlock()
	v, err := n.newVoice(ctx)
	if err == nil {
		n.begin(ctx, v)
	}
	return err
}

// newVoice connects as the node is called now.
func (n *Node) newVoice(ctx context.Context) (*voice, error) {
	who, link := n.group.standing()
	role := spec.User
	if services := n.keeper.Current().Config.Env.Services; len(services) > 0 {
		role = services[0]
	}
	conn, err := n.connect(ctx, role, who, link)
	if err != nil {
		return nil, err
	}
	return &voice{who: who, conn: conn, heart: newHeart(conn, n.log, func() transporter.Beat { return n.beat(who) })}, nil
}

// begin makes v the node's voice, until it is silenced.
func (n *Node) begin(ctx context.Context, v *voice) {
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	v.silence = func() { stop(); <-done }
	n.mu.Lock()
	n.voice = v
	n.mu.Unlock()
	go func() {
		defer close(done)
		if err := v.heart.Run(beating); err != nil {
			n.group.fail(fmt.Errorf("heartbeat: %w", err))
		}
	}()
	n.answer(v)
	n.hearNudges(beating, v)
}

// moved hears that the node has another name, or its transporter is elsewhere. Under another name it says goodbye
// and then comes as a new node, as after a restart.
func (n *Node) moved() {
	n.speaking.Lock()
	defer n.speaking.Unlock()
	old := n.speaker()
	if old == nil { // not yet, or no more
		return
	}
	who, link := n.group.standing()
	if old.who == who {
		n.group.move(old.conn, "node", who, link)
		return
	}
	v, err := n.newVoice(n.group.ctx)
	if err != nil {
		n.group.fail(fmt.Errorf("node %s: %w", who.node, err))
		return
	}
	old.silence()
	n.begin(n.group.ctx, v)
	old.conn.Close()
	n.log.Info("the node has another name", "node", who.node, "before", old.who.node)
}

// speaker is the node's voice, nil while it has none.
func (n *Node) speaker() *voice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.voice
}

// hush says the last heartbeat and closes the node's own connection.
func (n *Node) hush() {
	n.speaking.Lock()
	defer n.speaking.Unlock()
	n.mu.Lock()
	v := n.voice
	n.voice = nil
	n.mu.Unlock()
	v.silence()
	v.conn.Close()
}
