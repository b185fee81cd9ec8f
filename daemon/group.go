package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// component is what webserver, manager, user and launcher have in common.
type component interface {
	reload.Service
	// Run works until ctx ends. It is called once, after the first Commit.
	Run(ctx context.Context) error
	// Ready reports whether the component does its whole job.
	Ready() bool
}

// startOrder is the order in which components start; they stop in reverse. The
// user component comes first because it makes the key the launcher trusts, the
// webserver last because whoever it lets in should find the others at work.
var startOrder = []spec.Component{spec.User, spec.Manager, spec.Launcher, spec.Webserver}

// addressed are the components that others ask by the node's name. Under another name they start anew, as they
// would with the process; the others only take it over.
var addressed = []spec.Component{spec.User, spec.Launcher}

// group runs the components that SERVICES names, each with a connection of its
// own, and follows SERVICES, the node's name and the transporter's settings as they change. To
// the reload engine it is one service.
type group struct {
	connect func(context.Context, spec.Component, identity, spec.Transporter) (*transporter.Conn, error)
	build   map[spec.Component]func(identity, *transporter.Conn) (component, error)
	moved   func() // told of another name or transporter, for connections that are not a component's
	log     *slog.Logger
	failed  chan error // a component's Run that ended by itself

	mu      sync.Mutex
	ctx     context.Context // ends when the node stops
	running map[spec.Component]*member
	ending  map[spec.Component]<-chan struct{} // closed when the member that ran before is gone
	who     identity
	link    spec.Transporter
}

// member is one running component.
type member struct {
	component
	conn   *transporter.Conn
	cancel context.CancelFunc
	done   chan struct{}
}

var _ reload.Service = (*group)(nil)

// Name is the group's name in messages; each component's own name follows it.
func (g *group) Name() string { return "services" }

// Prepare builds the components that are to start and prepares those that stay.
func (g *group) Prepare(ctx context.Context, gen *generation.Generation) (reload.Change, error) {
	if gen.Config.Env.NodeName == "" {
		return nil, errors.New("this machine has no host name; set FX_NODE_NAME")
	}
	who, _ := g.standing()
	next := &groupChange{group: g, who: who.as(gen.Config.Env.NodeName), link: gen.Config.Transporter, joining: map[spec.Component]*member{}}
	next.renamed = next.who != who
	for _, name := range startOrder {
		if err := next.prepare(ctx, name, gen); err != nil {
			next.Abort()
			return nil, err
		}
	}
	return next, nil
}

// standing is what the node is called now and where its transporter is.
func (g *group) standing() (identity, spec.Transporter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.who, g.link
}

// Members returns what runs now, in start order.
func (g *group) Members() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []*member
	for _, name := range startOrder {
		if m := g.running[name]; m != nil {
			out = append(out, m)
		}
	}
	return out
}

// Waiting names the components that do not do their whole job yet.
func (g *group) Waiting() []string {
	var names []string
	for _, m := range g.Members() {
		if !m.Ready() {
			names = append(names, m.Name())
		}
	}
	return names
}

// Stop ends all components, last started first, and waits for them.
func (g *group) Stop() {
	members := g.Members()
	slices.Reverse(members)
	for _, m := range members {
		m.stop()
	}
}

// start runs a member, once the one in whose place it comes is gone: two would be after the same sockets and
// records. Caller holds g.mu.
func (g *group) start(name spec.Component, m *member) {
	ctx, cancel := context.WithCancel(g.ctx)
	m.cancel = cancel
	g.running[name] = m
	before, ok := g.ending[name]
	go func() {
		defer close(m.done)
		if ok {
			<-before
		}
		err := m.Run(ctx)
		if ctx.Err() == nil {
			g.fail(fmt.Errorf("%s stopped by itself: %w", m.Name(), errors.Join(err, errStopped)))
		}
	}()
}

// retire stops a member and keeps nobody waiting for it. Caller holds g.mu.
func (g *group) retire(name spec.Component) {
	m, gone := g.running[name], make(chan struct{})
	delete(g.running, name)
	g.ending[name] = gone
	go func() {
		defer close(gone)
		m.stop()
	}()
}

// errStopped stands in where a component ended without an error of its own.
var errStopped = errors.New("a component must run until the node stops")

func (g *group) fail(err error) {
	select {
	case g.failed <- err:
	default: // one reason to stop is enough
	}
}

func (m *member) stop() {
	m.cancel()
	<-m.done
	m.conn.Close()
}

// groupChange is one prepared step of the group.
type groupChange struct {
	group   *group
	who     identity
	renamed bool
	link    spec.Transporter
	joining map[spec.Component]*member
	leaving []spec.Component
	changes []reload.Change
}

func (c *groupChange) prepare(ctx context.Context, name spec.Component, gen *generation.Generation) error {
	wanted := slices.Contains(gen.Config.Env.Services, name)
	c.group.mu.Lock()
	m := c.group.running[name]
	c.group.mu.Unlock()
	if !wanted {
		if m != nil {
			c.leaving = append(c.leaving, name)
		}
		return nil
	}
	if m != nil && c.renamed && slices.Contains(addressed, name) {
		c.leaving = append(c.leaving, name)
		m = nil
	}
	if m == nil {
		var err error
		if m, err = c.join(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	change, err := m.Prepare(ctx, gen)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.changes = append(c.changes, change)
	return nil
}

func (c *groupChange) join(ctx context.Context, name spec.Component) (*member, error) {
	conn, err := c.group.connect(ctx, name, c.who, c.link)
	if err != nil {
		return nil, err
	}
	built, err := c.group.build[name](c.who, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	m := &member{component: built, conn: conn, done: make(chan struct{})}
	c.joining[name] = m
	return m, nil
}

// Commit makes the prepared step the truth: staying components change, leaving
// ones stop, joining ones start, and connections follow the node's name and the transporter's settings.
func (c *groupChange) Commit() {
	for _, change := range c.changes {
		change.Commit()
	}
	g := c.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range c.leaving {
		g.retire(name)
	}
	moved := c.renamed || !sameLink(g.link, c.link)
	g.who, g.link = c.who, c.link
	if moved {
		g.relink()
	}
	for _, name := range startOrder {
		if m := c.joining[name]; m != nil {
			g.start(name, m)
		}
	}
}

// Abort takes back what Prepare built.
func (c *groupChange) Abort() {
	for _, change := range slices.Backward(c.changes) {
		change.Abort()
	}
	for _, m := range c.joining {
		m.conn.Close()
	}
}

func sameLink(a, b spec.Transporter) bool { return reflect.DeepEqual(a, b) }

// relink moves every running component's connection to the new name and settings, each on
// its own: a transporter that does not answer keeps nobody waiting, and until it
// does, the old connection stays. Caller holds g.mu.
func (g *group) relink() {
	for _, m := range g.running {
		go g.move(m.conn, m.Name(), g.who, g.link)
	}
	go g.moved()
}

func (g *group) move(conn *transporter.Conn, whose string, who identity, link spec.Transporter) {
	if err := conn.Reconfigure(g.ctx, who.node, link); err != nil {
		g.log.Error("transporter settings not taken over; the old connection stays", "service", whose, "err", err)
	}
}
