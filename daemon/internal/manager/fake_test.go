package manager

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a hub with managers, fake launchers, and a client.
type cluster struct {
	t      *testing.T
	hub    *transporter.Hub
	key    *ticket.Key
	client *transporter.Conn
	user   *transporter.Conn // has orders signed
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	hub, err := transporter.NewHub(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	key, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, hub: hub, key: key}
	c.client, c.user = c.conn(spec.Webserver, "front"), c.conn(spec.User, "front")
	if err := transporter.Serve(c.user, transporter.UserPlace, c.place); err != nil {
		t.Fatal(err)
	}
	return c
}

// place is the user component's.
func (c *cluster) place(_ context.Context, req transporter.PlaceRequest) (transporter.PlaceReply, error) {
	claims, err := ticket.NewKeys(c.key.Public()).Verify(req.Ticket, time.Now(), ticket.Place)
	if err != nil {
		return transporter.PlaceReply{}, transporter.Errorf(transporter.Unauthorized, "%s", err)
	}
	claims.Kind, claims.Node = ticket.Start, req.Node
	token, err := c.key.Sign(claims)
	return transporter.PlaceReply{Ticket: token}, err
}

func (c *cluster) conn(role spec.Component, node string) *transporter.Conn {
	c.t.Helper()
	conn, err := transporter.Open(context.Background(), transporter.Options{Role: role, Node: node, Hub: c.hub, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(conn.Close)
	return conn
}

// manager runs one until the test ends.
func (c *cluster) manager(o Options) *Manager {
	c.t.Helper()
	if o.Instance == "" {
		o.Instance = "m1"
	}
	o.Conn, o.Log = c.conn(spec.Manager, o.Instance), slog.New(slog.DiscardHandler)
	m := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	eventually(c.t, "the manager is ready", m.Ready)
	return m
}

// fake is a launcher that keeps its sessions in memory.
type fake struct {
	t              *testing.T
	node, instance string
	conn           *transporter.Conn
	before         func(context.Context, ticket.Claims) error // called in every start

	mu       sync.Mutex
	seq      uint64
	beats    uint64
	max      int
	drained  bool
	sessions map[string]transporter.Session
	starts   map[string]int // how often each session was really started
}

func (c *cluster) launcher(node string, edit ...func(*fake)) *fake {
	c.t.Helper()
	f := &fake{
		t: c.t, node: node, instance: "i1", conn: c.conn(spec.Launcher, node),
		before:   func(context.Context, ticket.Claims) error { return nil },
		sessions: map[string]transporter.Session{}, starts: map[string]int{},
	}
	for _, e := range edit {
		e(f)
	}
	for _, err := range []error{
		transporter.Serve(f.conn, transporter.LauncherStart.On(node), f.start),
		transporter.Serve(f.conn, transporter.LauncherTerminate.On(node), f.terminate),
		transporter.Serve(f.conn, transporter.LauncherDrain.On(node), f.drain),
		transporter.Subscribe(f.conn, transporter.WhoIsThere, func(transporter.Empty) { f.tell() }),
	} {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	f.tell()
	return f
}

// tell publishes heartbeat and list.
func (f *fake) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beats++
	f.seq++
	beat := transporter.Beat{Node: f.node, Instance: f.instance, Seq: f.beats, Services: []string{"launcher"}, Max: f.max, Drain: f.drained}
	_ = transporter.Publish(f.conn, transporter.NodeBeat, beat) // the transporter may be closing
	list := []transporter.Session{}
	for _, s := range f.sessions {
		list = append(list, s)
	}
	for _, p := range transporter.SplitSessions(f.node, f.instance, f.seq, list) {
		_ = transporter.Publish(f.conn, transporter.SessionList, p)
	}
}

// put changes a session and publishes the news.
func (f *fake) put(s transporter.Session, gone bool) {
	f.seq++
	f.sessions[s.ID] = s
	if gone {
		delete(f.sessions, s.ID)
	}
	_ = transporter.Publish(f.conn, transporter.SessionChanged,
		transporter.SessionNews{Node: f.node, Instance: f.instance, Seq: f.seq, Session: s, Gone: gone})
}

func (f *fake) start(ctx context.Context, req transporter.TicketRequest) (transporter.Session, error) {
	claims, err := ticket.Peek(req.Ticket)
	if err != nil {
		return transporter.Session{}, err
	}
	if claims.Kind != ticket.Start || claims.Node != f.node {
		return transporter.Session{}, transporter.Errorf(transporter.Forbidden, "a ticket of the kind %s for %q on %s", claims.Kind, claims.Node, f.node)
	}
	if err := f.before(ctx, claims); err != nil {
		return transporter.Session{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o := claims.Order
	if s, ok := f.sessions[o.Session]; ok {
		return s, nil
	}
	f.starts[o.Session]++
	s := transporter.Session{ID: o.Session, User: o.User, Node: f.node, State: transporter.Running}
	f.put(s, false)
	return s, nil
}

func (f *fake) terminate(_ context.Context, req transporter.TicketRequest) (transporter.Session, error) {
	claims, err := ticket.Peek(req.Ticket)
	if err != nil {
		return transporter.Session{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[claims.Session]
	if !ok {
		return s, transporter.Errorf(transporter.NotFound, "node %s has no session %q", f.node, claims.Session)
	}
	gone := s.State == transporter.Ended
	s.State, s.Reason = transporter.Ended, "ended by its user"
	f.put(s, gone)
	return s, nil
}

func (f *fake) drain(_ context.Context, req transporter.DrainRequest) (transporter.Empty, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drained = req.Drain
	return transporter.Empty{}, nil
}

// count is how many sessions were really started, and whether any was started twice.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, n := range f.starts {
		if n != 1 {
			f.t.Errorf("node %s started %s %d times", f.node, id, n)
		}
	}
	return len(f.starts)
}

// ticketFor signs a ticket to start, end or drain.
func (c *cluster) ticketFor(claims ticket.Claims) transporter.TicketRequest {
	c.t.Helper()
	now := time.Now()
	claims.Subject = cmp.Or(claims.Subject, "ann")
	claims.ID, claims.IssuedAt, claims.Expires = ticket.NewID(), now.Unix(), now.Add(time.Hour).Unix()
	token, err := c.key.Sign(claims)
	if err != nil {
		c.t.Fatal(err)
	}
	return transporter.TicketRequest{Ticket: token}
}

func (c *cluster) startTicket(o ticket.Order) transporter.TicketRequest {
	if o.Session == "" {
		o.Session = ticket.NewID()
	}
	if o.User == "" {
		o.User = "ann"
	}
	return c.ticketFor(ticket.Claims{Kind: ticket.Place, Subject: o.User, Session: o.Session, Order: &o})
}

// start asks for a session through the transporter, with time enough for a busy machine.
func (c *cluster) start(o ticket.Order) (transporter.Session, error) {
	return call(c, transporter.ManagerStart, c.startTicket(o))
}

func call[Req, Resp any](c *cluster, e transporter.Endpoint[Req, Resp], req Req) (Resp, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return transporter.Call(ctx, c.client, e, req)
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func wantCode(t *testing.T, err error, code transporter.Code) *transporter.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	e := transporter.AsError(err)
	if e.Code != code {
		t.Fatalf("error is %q, want code %s", err, code)
	}
	return e
}

// clock is a time that moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
