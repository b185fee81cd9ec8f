package transporter

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// drainTime is how long running requests may take when a connection is given up.
const drainTime = 10 * time.Second

// Options say how one component connects.
type Options struct {
	Role     spec.Component // whose seed to use, and the inbox prefix
	Node     string         // this node's name, by which the transporter's own lists of connections call it
	Hub      *Hub           // used when Settings names no urls
	Settings spec.Transporter
	Log      *slog.Logger
}

// Conn is one component's connection. It outlives the loss of the transporter and a change of settings or of the node's name.
//
// What stands below it is a link: one connection to one server. There is at most one
// current link; when it is lost, run makes another, and what was served and
// subscribed goes on there.
type Conn struct {
	o     Options
	log   *slog.Logger
	inbox string             // where replies come; the same on every link
	ctx   context.Context    // until Close: links are kept
	stop  context.CancelFunc // ends ctx
	work  context.Context    // until Close has waited for them: handlers run
	halt  context.CancelFunc // ends work
	ended chan struct{}      // run has returned
	ids   *ids
	calls calls

	mu       sync.Mutex
	dialer   *dialer
	node     string
	settings spec.Transporter
	link     *link         // nil while there is none
	changed  chan struct{} // closed when link or dialer changes
	why      error         // why there is no link
	regs     []*registration
	hooks    []func()
	draining sync.WaitGroup
}

// Open connects. That the transporter is away, or refuses, is no failure: it is tried
// again until it works, and Err says why it does not. Settings that can never work are one.
func Open(ctx context.Context, o Options) (*Conn, error) {
	d, err := newDialer(o)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		o: o, log: o.Log.With("role", string(o.Role)), dialer: d, node: o.Node, settings: o.Settings,
		inbox: "_INBOX_" + string(o.Role) + "." + rand.Text() + ".",
		ended: make(chan struct{}), changed: make(chan struct{}),
		ids: newIDs(), calls: calls{byID: map[string]*pending{}},
	}
	c.ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.work, c.halt = context.WithCancel(context.WithoutCancel(ctx))
	first, err := c.connect(ctx, d)
	if err != nil {
		c.away(err)
	} else {
		c.install(d, first)
	}
	go c.run()
	return c, nil
}

// Close stops hearing, lets running requests finish for a while, and disconnects.
func (c *Conn) Close() {
	c.stop()
	<-c.ended
	if l, _, _ := c.current(); l != nil {
		l.retire()
	}
	c.halt()
	c.draining.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.why = nil, errClosed
}

// Why there is no connection, when that is not the fault of a dial.
var (
	errLost   = errors.New("the connection to the transporter was lost")
	errClosed = errors.New("the connection to the transporter is closed")
)

// Connected reports whether there is a connection now.
func (c *Conn) Connected() bool { return c.Err() == nil }

// Err says why there is no connection; nil means that there is one.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		return nil
	}
	return c.why
}

// OnReconnect has f called whenever a new connection has come about, be it after a
// loss or after a change of settings: news may have been missed meanwhile. Not for the
// connection that Open made.
func (c *Conn) OnReconnect(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hooks = append(c.hooks, f)
}

// Reconfigure goes over to another name of the node or other settings: Prepare and Commit in one. When the new
// connection cannot be made, the old one stays and the error says why.
func (c *Conn) Reconfigure(ctx context.Context, node string, s spec.Transporter) error {
	sw, err := c.Prepare(ctx, node, s)
	if err != nil {
		return err
	}
	sw.Commit()
	return nil
}

// Switch is a prepared change of name and settings. Exactly one of Commit and Abort is to be called, once.
type Switch struct {
	c        *Conn
	dialer   *dialer
	node     string
	settings spec.Transporter
	link     *link
}

// Prepare opens a connection with another name or other settings beside the present one and registers
// everything there; what comes twice meanwhile is recognised by its id or sequence number.
// The same name and equal settings are nothing to do.
func (c *Conn) Prepare(ctx context.Context, node string, s spec.Transporter) (*Switch, error) {
	c.mu.Lock()
	same := node == c.node && reflect.DeepEqual(s, c.settings)
	c.mu.Unlock()
	if same {
		return &Switch{}, nil
	}
	d, err := newDialer(Options{Role: c.o.Role, Node: node, Hub: c.o.Hub, Settings: s})
	if err != nil {
		return nil, err
	}
	l, err := c.connect(ctx, d)
	if err != nil {
		return nil, err
	}
	if l.denied != nil {
		l.close()
		return nil, l.denied.err
	}
	return &Switch{c: c, dialer: d, node: node, settings: s, link: l}, nil
}

// Commit makes the new connection the current one and drains the old.
func (s *Switch) Commit() {
	if s.link == nil {
		return
	}
	c := s.c
	c.mu.Lock()
	old := c.link
	c.dialer, c.node, c.settings, c.link = s.dialer, s.node, s.settings, nil
	c.mu.Unlock()
	c.install(s.dialer, s.link)
	if old != nil {
		c.draining.Go(old.retire)
	}
	go c.resync()
}

// Abort closes the new connection.
func (s *Switch) Abort() {
	if s.link != nil {
		s.link.close()
	}
}

// run keeps a link, until Close.
func (c *Conn) run() {
	defer close(c.ended)
	for failures := 0; c.ctx.Err() == nil; {
		l, d, changed := c.current()
		if l != nil {
			if c.watch(l) {
				failures = 0
			}
			continue
		}
		select {
		case <-c.ctx.Done():
			return
		case <-changed:
			continue
		case <-time.After(backoff(failures)):
		}
		failures++
		if l, err := c.connect(c.ctx, d); err != nil {
			c.away(err)
		} else if c.install(d, l) {
			c.log.Info("connected to the transporter again")
			go c.resync()
		}
	}
}

// watch waits until the link is lost and reports whether it lived long enough to be called good.
func (c *Conn) watch(l *link) bool {
	select {
	case <-l.lost:
	case <-c.ctx.Done():
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == l {
		c.link, c.why = nil, errLost
	}
	return time.Since(l.since) > stable
}

func (c *Conn) current() (*link, *dialer, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link, c.dialer, c.changed
}

// install makes l the current link unless the settings have changed since it was dialled
// or another is there already; then l is closed.
func (c *Conn) install(d *dialer, l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialer != d || c.link != nil {
		go l.close()
		return false
	}
	for _, r := range c.regs { // those that came while it was dialled
		l.attach(r)
	}
	c.link = l
	close(c.changed)
	c.changed = make(chan struct{})
	return true
}

// away notes why there is no link, and logs it once for as long as it stays the same.
func (c *Conn) away(err error) {
	c.mu.Lock()
	news := c.why == nil || c.why.Error() != err.Error()
	c.why = err
	c.mu.Unlock()
	if news && c.ctx.Err() == nil {
		c.log.Warn("there is no connection to the transporter; trying again until there is", "err", err)
	}
}

// resync calls the hooks.
func (c *Conn) resync() {
	c.mu.Lock()
	hooks := c.hooks
	c.mu.Unlock()
	for _, f := range hooks {
		f()
	}
}
