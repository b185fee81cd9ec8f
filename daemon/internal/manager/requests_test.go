package manager

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestTerminateIsRoutedToTheSessionsNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.launcher("a")
	c.launcher("b")
	m := c.manager(Options{})
	s, err := c.start(ticket.Order{})
	if err != nil {
		t.Fatal(err)
	}
	kill := ticket.Claims{Kind: ticket.Terminate, Session: s.ID, Node: s.Node}
	ended, err := call(c, transporter.ManagerTerminate, c.ticketFor(kill))
	if err != nil || ended.State != transporter.Ended {
		t.Fatalf("got %+v, %v", ended, err)
	}
	if shown, err := call(c, transporter.ManagerSession, transporter.SessionRequest{ID: s.ID}); err != nil || shown.State != transporter.Ended {
		t.Errorf("right after: %+v, %v", shown, err)
	}
	if _, err := call(c, transporter.ManagerTerminate, c.ticketFor(kill)); err != nil {
		t.Errorf("forgetting: %v", err)
	}
	eventually(t, "it is forgotten", func() bool { _, ok := m.find(s.ID); return !ok })
	_, err = call(c, transporter.ManagerSession, transporter.SessionRequest{ID: s.ID})
	if e := wantCode(t, err, transporter.NotFound); e.Message != fmt.Sprintf("there is no session %q", s.ID) {
		t.Errorf("got %v", e)
	}
	kill.Node = ""
	_, err = call(c, transporter.ManagerTerminate, c.ticketFor(kill))
	wantCode(t, err, transporter.NotFound)
}

func TestSessionOfALostNodeCanBeDropped(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	time0 := &clock{now: begin}
	f := c.launcher("a")
	m := c.manager(Options{Now: time0.Now})
	s, err := c.start(ticket.Order{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "its node told of it", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, ok := m.ledger.nodes["a"].list.get(s.ID)
		return ok
	})
	f.conn.Close()
	kill := c.ticketFor(ticket.Claims{Kind: ticket.Terminate, Session: s.ID, Node: "a"})
	_, err = call(c, transporter.ManagerTerminate, kill)
	if e := wantCode(t, err, transporter.Unavailable); e.Message != "no launcher answers on node a" {
		t.Errorf("a node that may only be slow: %v", e)
	}
	time0.advance(time.Minute)
	shown, err := call(c, transporter.ManagerSession, transporter.SessionRequest{ID: s.ID})
	if err != nil || shown.State != transporter.Unknown {
		t.Fatalf("got %+v, %v", shown, err)
	}
	dropped, err := call(c, transporter.ManagerTerminate, kill)
	if err != nil || dropped.State != transporter.Unknown || !strings.HasSuffix(dropped.Reason, "the session may still run there; it is no longer listed") {
		t.Fatalf("got %+v, %v", dropped, err)
	}
	if _, ok := m.find(s.ID); ok {
		t.Error("it is still listed")
	}
}

func TestSessionsComeInPages(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	f := c.launcher("a")
	const n = 1500
	for i := range n {
		id := fmt.Sprintf("%016x", i)
		user := []string{"ann", "bob"}[i%2]
		f.sessions[id] = transporter.Session{ID: id, Node: "a", User: user, Name: strings.Repeat("x", 500), State: transporter.Running}
	}
	m := c.manager(Options{})
	eventually(t, "all are known", func() bool { _, ok := m.find(fmt.Sprintf("%016x", n-1)); return ok })
	for user, want := range map[string]int{"": n, "ann": n / 2, "nobody": 0} {
		pages, got, after := 0, 0, ""
		for more := true; more; pages++ {
			page, err := call(c, transporter.ManagerSessions, transporter.SessionsRequest{User: user, After: after})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.Sessions {
				if s.ID <= after || user != "" && s.User != user {
					t.Fatalf("%q comes after %q", s.ID, after)
				}
				after = s.ID
			}
			got, more = got+len(page.Sessions), page.More
		}
		if got != want || want == n && pages < 2 {
			t.Errorf("%q: %d sessions on %d pages, want %d", user, got, pages, want)
		}
	}
}

func TestDrainedNodeGetsNoMore(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.launcher("a")
	c.manager(Options{})
	drain := func(on bool) {
		t.Helper()
		req := transporter.DrainRequest{Ticket: c.ticketFor(ticket.Claims{Kind: ticket.Drain, Node: "a"}).Ticket, Drain: on}
		if _, err := call(c, transporter.ManagerDrain, req); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.start(ticket.Order{}); err != nil {
		t.Fatal(err)
	}
	drain(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := transporter.Call(ctx, c.client, transporter.ManagerStart, c.startTicket(ticket.Order{}))
	wantCode(t, err, transporter.Unavailable)
	drain(false)
	if _, err := c.start(ticket.Order{}); err != nil {
		t.Error(err)
	}
}

func TestTicketsOfAnotherKindAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.manager(Options{})
	login := c.ticketFor(ticket.Claims{Kind: ticket.Login, Subject: "ann", Session: "x", Node: "n"})
	for _, req := range []transporter.TicketRequest{login, {}, {Ticket: "fx1.x.y.z"}} {
		_, err := call(c, transporter.ManagerStart, req)
		wantCode(t, err, transporter.Invalid)
		_, err = call(c, transporter.ManagerTerminate, req)
		wantCode(t, err, transporter.Invalid)
		_, err = call(c, transporter.ManagerDrain, transporter.DrainRequest{Ticket: req.Ticket})
		wantCode(t, err, transporter.Invalid)
	}
	_, err := c.start(ticket.Order{Session: "../../etc"})
	wantCode(t, err, transporter.Invalid)
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	gen := func(lb string) *generation.Generation {
		return &generation.Generation{Config: &spec.Config{Env: spec.Env{LoadBalancer: lb}}}
	}
	for lb, want := range map[string]string{
		"": "", "fewest-sessions": "", "most-memory": "", "round-robin": "",
		"custom": "LOAD_BALANCER=custom is not supported by this version; use fewest-sessions, most-memory or round-robin",
		"best":   "LOAD_BALANCER=best is not known; use fewest-sessions, most-memory or round-robin",
	} {
		change, err := m.Prepare(t.Context(), gen(lb))
		if err == nil {
			change.Abort()
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q", lb, got)
		}
	}
	two := []candidate{{Node: "a", Sessions: 1}, {Node: "b", Sessions: 2}}
	change, err := m.Prepare(t.Context(), gen("round-robin"))
	if err != nil || m.choose(two, "a", m.o.Rand) == "b" {
		t.Fatal("Prepare took effect before Commit", err)
	}
	change.Commit()
	if m.choose(two, "a", m.o.Rand) != "b" || m.Name() != "manager" {
		t.Error("Commit took no effect")
	}
}
