package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Options say what a Manager works with. Conn, Instance and Log are required.
type Options struct {
	Conn     *transporter.Conn
	Instance string // new for each Manager of the cluster
	Log      *slog.Logger
	Now      func() time.Time // nil = time.Now
	Interval time.Duration    // of heartbeats; 0 = 5 s
	Rand     func(n int) int  // a random number below n; nil = math/rand
}

// Manager is the manager component.
type Manager struct {
	o Options

	mu      sync.Mutex
	ledger  *ledger
	choose  policy
	last    string        // the node chosen last
	early   time.Time     // until then, nodes may exist that have not been heard of yet
	changed chan struct{} // closed at the next news of a node
	serving bool
}

var _ reload.Service = (*Manager)(nil)

// New makes a Manager with the default policy; Run makes it work.
func New(o Options) *Manager {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Interval <= 0 {
		o.Interval = 5 * time.Second
	}
	if o.Rand == nil {
		o.Rand = rand.IntN
	}
	return &Manager{
		o: o, ledger: newLedger(o.Interval), choose: fewestSessions,
		changed: make(chan struct{}),
	}
}

// Name is the component's name.
func (m *Manager) Name() string { return string(spec.Manager) }

// Prepare makes ready for another LOAD_BALANCER. What is known of the cluster stays.
func (m *Manager) Prepare(_ context.Context, gen *generation.Generation) (reload.Change, error) {
	name := gen.Config.Env.LoadBalancer
	choose, ok := policies[name]
	switch {
	case name == "custom":
		return nil, errors.New("LOAD_BALANCER=custom is not supported by this version; use fewest-sessions, most-memory or round-robin")
	case !ok:
		return nil, fmt.Errorf("LOAD_BALANCER=%s is not known; use fewest-sessions, most-memory or round-robin", name)
	}
	return reload.Steps{OnCommit: func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.choose = choose
	}}, nil
}

// Ready reports whether requests are answered.
func (m *Manager) Ready() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.serving && m.o.Conn.Connected()
}

// Run answers requests and keeps count until ctx ends. Requests under way are finished when
// the Conn is closed.
func (m *Manager) Run(ctx context.Context) error {
	if err := errors.Join(m.listen(), m.serve()); err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	m.o.Conn.OnReconnect(m.hello)
	m.hello()
	m.set(func() { m.serving = true })
	defer m.set(func() { m.serving = false })
	tick := time.NewTicker(m.o.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.set(func() { m.ledger.expire(m.o.Now()) })
		}
	}
}

func (m *Manager) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// hello asks everyone to tell what there is. For a while after, a node that is not known
// may still be about to answer.
func (m *Manager) hello() {
	m.set(func() { m.early = m.o.Now().Add(2 * m.o.Interval) })
	if err := transporter.Publish(m.o.Conn, transporter.WhoIsThere, transporter.Empty{}); err != nil {
		m.o.Log.Debug("nobody can be asked who is there", "err", err) // asked again when the transporter is back
	}
}

// listen hears the cluster's news.
func (m *Manager) listen() error {
	c := m.o.Conn
	return errors.Join(
		transporter.Subscribe(c, transporter.NodeBeat, func(b transporter.Beat) {
			m.hear(func(now time.Time) { m.ledger.hearBeat(now, b) })
		}),
		transporter.Subscribe(c, transporter.SessionList, func(p transporter.SessionsOf) {
			m.hear(func(now time.Time) { m.ledger.hearList(now, p) })
		}),
		transporter.Subscribe(c, transporter.SessionChanged, func(n transporter.SessionNews) {
			m.hear(func(now time.Time) { m.ledger.hearNews(now, n) })
		}),
		transporter.Subscribe(c, transporter.StartReserved, func(r transporter.Reservation) {
			if r.Manager != m.o.Instance {
				m.hear(func(now time.Time) { m.ledger.hearReservation(now, r) })
			}
		}),
	)
}

// hear takes in news and wakes those who wait for it.
func (m *Manager) hear(f func(now time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m.o.Now())
	close(m.changed)
	m.changed = make(chan struct{})
}

// serve answers requests.
func (m *Manager) serve() error {
	c := m.o.Conn
	return errors.Join(
		transporter.Serve(c, transporter.ManagerStart, m.start),
		transporter.Serve(c, transporter.ManagerTerminate, m.terminate),
		transporter.Serve(c, transporter.ManagerSessions, m.sessions),
		transporter.Serve(c, transporter.ManagerSession, m.session),
		transporter.Serve(c, transporter.ManagerNodes, m.nodes),
		transporter.Serve(c, transporter.ManagerDrain, m.drain),
		transporter.Serve(c, transporter.ManagerMessage, m.message),
	)
}
