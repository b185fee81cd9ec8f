package manager

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestManyStartsAtOnceAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"fewest-sessions", "most-memory", "round-robin"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			var nodes []*fake
			for i := range 10 {
				nodes = append(nodes, c.launcher(fmt.Sprintf("n%d", i)))
			}
			m := c.manager(Options{})
			prepare(t, m, policy)
			eventually(t, "all nodes are known", func() bool { return len(m.nodesThatCan()) == 10 })
			var calls sync.WaitGroup
			for range 200 {
				calls.Go(func() {
					if _, err := c.start(ticket.Order{}); err != nil {
						t.Error(err)
					}
				})
			}
			calls.Wait()
			for _, f := range nodes {
				if n := f.count(); n != 20 {
					t.Errorf("node %s got %d of 200", f.node, n)
				}
			}
		})
	}
}

// nodesThatCan is who could take a session now.
func (m *Manager) nodesThatCan() []candidate {
	m.mu.Lock()
	defer m.mu.Unlock()
	cs, _ := m.ledger.candidates(m.o.Now(), nil)
	return cs
}

func prepare(t *testing.T, m *Manager, policy string) {
	t.Helper()
	change, err := m.Prepare(t.Context(), &generation.Generation{Config: &spec.Config{Env: spec.Env{LoadBalancer: policy}}})
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
}

func TestLimitsHoldUnderConcurrency(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		order ticket.Order
		want  string
	}{
		{"per user", ticket.Order{PerUser: 7}, "you have 7 sessions and the limit is 7"},
		{"in total", ticket.Order{Total: 7}, "the cluster has 7 sessions and the limit is 7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			a, b := c.launcher("a"), c.launcher("b")
			c.manager(Options{})
			var ok, refused atomic.Int32
			var calls sync.WaitGroup
			for range 60 {
				calls.Go(func() {
					_, err := c.start(tt.order)
					switch {
					case err == nil:
						ok.Add(1)
					case transporter.AsError(err).Code == transporter.Limit && strings.Contains(err.Error(), tt.want):
						refused.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			calls.Wait()
			if n := a.count() + b.count(); n != 7 || ok.Load() != 7 || refused.Load() != 53 {
				t.Errorf("%d started, %d said so, %d refused", n, ok.Load(), refused.Load())
			}
		})
	}
}

func TestFailedStartGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var fail atomic.Bool
	fail.Store(true)
	c.launcher("a", func(f *fake) {
		f.before = func(context.Context, ticket.Claims) error {
			if fail.Load() {
				return transporter.Errorf(transporter.Internal, "no home")
			}
			return nil
		}
	})
	m := c.manager(Options{})
	for range 3 {
		_, err := c.start(ticket.Order{PerUser: 1})
		if e := wantCode(t, err, transporter.Internal); e.Message != "no home" {
			t.Errorf("got %v", err)
		}
	}
	fail.Store(false)
	if _, err := c.start(ticket.Order{PerUser: 1}); err != nil {
		t.Error(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ledger.starts) != 1 {
		t.Errorf("reservations are left over: %v", m.ledger.starts)
	}
}

func TestSameIDStartsOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	release := make(chan struct{})
	arrived := make(chan struct{}, 16)
	hold := func(f *fake) {
		f.before = func(context.Context, ticket.Claims) error { arrived <- struct{}{}; <-release; return nil }
	}
	a, b := c.launcher("a", hold), c.launcher("b", hold)
	m := c.manager(Options{})
	o := ticket.Order{Session: ticket.NewID(), PerUser: 1}
	results := make(chan transporter.Session, 10)
	for range 10 {
		go func() {
			s, err := c.start(o)
			if err != nil {
				t.Error(err)
			}
			results <- s
		}()
	}
	<-arrived
	eventually(t, "it is listed as pending", func() bool { s, ok := m.find(o.Session); return ok && s.State == transporter.Pending })
	close(release)
	node := ""
	for range 10 {
		s := <-results
		if s.ID != o.Session || s.State != transporter.Running || node != "" && s.Node != node {
			t.Errorf("got %+v", s)
		}
		node = s.Node
	}
	again, err := c.start(o)
	if err != nil || again.Node != node {
		t.Errorf("later: %+v, %v", again, err)
	}
	if n := a.count() + b.count(); n != 1 {
		t.Errorf("%d sessions were started", n)
	}
	o.User = "eve"
	_, err = c.start(o)
	wantCode(t, err, transporter.Conflict)
}

// A request repeated at another manager goes where the first has begun it.
func TestTwoManagersStartOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	release := make(chan struct{})
	arrived := make(chan string, 16)
	var nodes []*fake
	for i := range 5 {
		nodes = append(nodes, c.launcher(fmt.Sprintf("n%d", i), func(f *fake) {
			f.before = func(context.Context, ticket.Claims) error { arrived <- f.node; <-release; return nil }
		}))
	}
	m1, m2 := c.manager(Options{Instance: "m1"}), c.manager(Options{Instance: "m2"})
	eventually(t, "both know all nodes", func() bool { return len(m1.nodesThatCan()) == 5 && len(m2.nodesThatCan()) == 5 })
	o := ticket.Order{Session: ticket.NewID(), PerUser: 1}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results := make(chan transporter.Session, 2)
	ask := func(m *Manager) {
		s, err := m.start(ctx, c.startTicket(o))
		if err != nil {
			t.Error(err)
		}
		results <- s
	}
	go ask(m1)
	first := <-arrived
	eventually(t, "the other knows of it", func() bool { s, ok := m2.find(o.Session); return ok && s.Node == first })
	_, err := m2.start(ctx, c.startTicket(ticket.Order{PerUser: 1}))
	wantCode(t, err, transporter.Limit)
	go ask(m2)
	if second := <-arrived; second != first {
		t.Errorf("the second manager asked %s, the first %s", second, first)
	}
	close(release)
	if a, b := <-results, <-results; a.Node != first || b.Node != first {
		t.Errorf("got %+v and %+v", a, b)
	}
	total := 0
	for _, f := range nodes {
		total += f.count()
	}
	if total != 1 {
		t.Errorf("%d sessions were started", total)
	}
}

func TestNodeThatDoesNotAnswerIsPassedOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	first := func(int) int { return 0 } // ties go to a, then b
	c.launcher("a").conn.Close()
	c.launcher("b", func(f *fake) {
		f.before = func(context.Context, ticket.Claims) error { return transporter.Errorf(transporter.Limit, "full") }
	})
	last := c.launcher("c")
	m := c.manager(Options{Rand: first})
	// a told of itself before it went away.
	m.hear(func(now time.Time) {
		m.ledger.hearBeat(now, transporter.Beat{Node: "a", Instance: "i1", Seq: 1, Services: []string{"launcher"}})
		m.ledger.hearList(now, transporter.SessionsOf{Node: "a", Instance: "i1", Seq: 1, Last: true})
	})
	eventually(t, "all are known", func() bool { return len(m.nodesThatCan()) == 3 })
	s, err := c.start(ticket.Order{})
	if err != nil || s.Node != "c" || last.count() != 1 {
		t.Fatalf("got %+v, %v", s, err)
	}
	last.conn.Close()
	_, err = c.start(ticket.Order{})
	if e := wantCode(t, err, transporter.Unavailable); e.Message != "no node can take a session: 1 full, 2 not answering" {
		t.Errorf("got %v", e)
	}
	if list := m.ledger.sessions(time.Now(), ""); len(list) != 1 {
		t.Errorf("reservations are left over: %+v", list)
	}
}

// A node that is killed while it starts a session may have started it: nobody else is asked.
func TestNodeKilledWhileStartingIsNotReplaced(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	arrived, release := make(chan struct{}, 4), make(chan struct{})
	var silent sync.WaitGroup
	a := c.launcher("a", func(f *fake) {
		f.before = func(ctx context.Context, _ ticket.Claims) error {
			arrived <- struct{}{}
			<-release
			return context.Canceled
		}
	})
	other := c.launcher("b")
	m := c.manager(Options{Rand: func(int) int { return 0 }})
	eventually(t, "both are known", func() bool { return len(m.nodesThatCan()) == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	result := make(chan error, 1)
	req := c.startTicket(ticket.Order{PerUser: 1})
	go func() {
		_, err := m.start(ctx, req)
		result <- err
	}()
	<-arrived
	silent.Go(a.conn.Close) // waits for the start, which never answers in time
	wantCode(t, <-result, transporter.Unavailable)
	if other.count() != 0 {
		t.Error("another node was asked")
	}
	if list := m.ledger.sessions(time.Now(), ""); len(list) != 0 {
		t.Errorf("its reservation is left over: %+v", list)
	}
	close(release)
	silent.Wait()
}

// Only a node that surely did nothing is passed over.
func TestFailureOfAStartIsNotTriedElsewhere(t *testing.T) {
	t.Parallel()
	for _, code := range []transporter.Code{transporter.Unavailable, transporter.Internal, transporter.Conflict} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.launcher("a", func(f *fake) {
				f.before = func(context.Context, ticket.Claims) error { return transporter.Errorf(code, "it may run") }
			})
			other := c.launcher("b")
			m := c.manager(Options{Rand: func(int) int { return 0 }})
			eventually(t, "both are known", func() bool { return len(m.nodesThatCan()) == 2 })
			_, err := c.start(ticket.Order{})
			if e := wantCode(t, err, code); e.Message != "it may run" || other.count() != 0 {
				t.Errorf("got %v; the other node started %d", err, other.count())
			}
		})
	}
}

// TestAnOrderThatNobodySignsIsNotTriedElsewhere: that the user component is away is no node's fault.
func TestAnOrderThatNobodySignsIsNotTriedElsewhere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.launcher("a"), c.launcher("b")
	m := c.manager(Options{})
	eventually(t, "both are known", func() bool { return len(m.nodesThatCan()) == 2 })
	c.user.Close()
	_, err := c.start(ticket.Order{PerUser: 1})
	if e := wantCode(t, err, transporter.Unavailable); !strings.Contains(e.Message, "the order could not be signed for node ") {
		t.Errorf("got %v", e)
	}
	if list := m.ledger.sessions(time.Now(), ""); len(list) != 0 || a.count()+b.count() != 0 {
		t.Errorf("left over is %+v; started were %d and %d", list, a.count(), b.count())
	}
}

func TestManagerLearnsWhatThereIsWhenItStarts(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	f := c.launcher("a")
	f.sessions["x"] = transporter.Session{ID: "x", Node: "a", User: "ann", State: transporter.Running}
	m := c.manager(Options{})
	eventually(t, "it knows the session", func() bool { _, ok := m.find("x"); return ok })
	eventually(t, "it has heard the node's heart", func() bool { return len(m.nodesThatCan()) == 1 }) // which comes by another way
	nodes, err := call(c, transporter.ManagerNodes, transporter.Empty{})
	if err != nil || len(nodes.Nodes) != 1 || nodes.Nodes[0].Node != "a" || nodes.Nodes[0].Sessions != 1 {
		t.Errorf("got %+v, %v", nodes, err)
	}
}

// The very first start need not fail because the nodes have not answered yet.
func TestStartWaitsForTheFirstNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.manager(Options{Interval: 30 * time.Second})
	ordered := make(chan struct{})
	wire := transporter.Event[transporter.TicketRequest]{Subject: transporter.ManagerStart.Subject}
	if err := transporter.Subscribe(c.client, wire, func(transporter.TicketRequest) { close(ordered) }); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := c.start(ticket.Order{})
		result <- err
	}()
	<-ordered
	c.launcher("a")
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestStartWithoutANodeSaysSo(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.manager(Options{Interval: time.Millisecond})
	_, err := c.start(ticket.Order{})
	if e := wantCode(t, err, transporter.Unavailable); !strings.Contains(e.Message, "no node with a launcher is known") {
		t.Errorf("got %v", e)
	}
}
