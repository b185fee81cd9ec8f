package cluster

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// fake is a cluster that answers by table: ann may do anything with her own sessions,
// boss anything at all. Tokens are names.
type fake struct {
	sessions []transporter.Session
	asked    []string // what the manager and launchers were asked to do, with which ticket
}

func newClient(t *testing.T, f *fake, token string) Client {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	hub, err := transporter.NewHub(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	conn, err := transporter.Open(t.Context(), transporter.Options{Role: spec.Manager, Node: "n1", Hub: hub, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	serve(t, conn, transporter.UserAuthorize, f.authorize)
	serve(t, conn, transporter.ManagerSession, f.session)
	serve(t, conn, transporter.ManagerSessions, f.page)
	serve(t, conn, transporter.ManagerTerminate, func(r transporter.TicketRequest) (transporter.Session, error) {
		f.asked = append(f.asked, "terminate with "+r.Ticket)
		return transporter.Session{State: transporter.Ended}, nil
	})
	serve(t, conn, transporter.LauncherLog.On("n1"), func(r transporter.TicketRequest) (transporter.LogReply, error) {
		return transporter.LogReply{Lines: []string{"read with " + r.Ticket}}, nil
	})
	return Client{Conn: conn, Token: token}
}

func serve[Req, Resp any](t *testing.T, c *transporter.Conn, e transporter.Endpoint[Req, Resp], h func(Req) (Resp, error)) {
	t.Helper()
	if err := transporter.Serve(c, e, func(_ context.Context, r Req) (Resp, error) { return h(r) }); err != nil {
		t.Fatal(err)
	}
}

func (f *fake) authorize(r transporter.AuthorizeRequest) (transporter.AuthorizeReply, error) {
	if r.Token != "boss" && r.Owner != r.Token {
		return transporter.AuthorizeReply{}, transporter.Errorf(transporter.Forbidden, "no")
	}
	return transporter.AuthorizeReply{Ticket: string(r.Action) + " " + r.Session + " on " + r.Node}, nil
}

func (f *fake) session(r transporter.SessionRequest) (transporter.Session, error) {
	for _, s := range f.sessions {
		if s.ID == r.ID {
			return s, nil
		}
	}
	return transporter.Session{}, transporter.Errorf(transporter.NotFound, "there is no session %q", r.ID)
}

// page answers one session at a time.
func (f *fake) page(r transporter.SessionsRequest) (transporter.SessionsReply, error) {
	for i, s := range f.sessions {
		if s.ID > r.After {
			return transporter.SessionsReply{Sessions: []transporter.Session{s}, More: i+1 < len(f.sessions)}, nil
		}
	}
	return transporter.SessionsReply{}, nil
}

func twoSessions() *fake {
	return &fake{sessions: []transporter.Session{{ID: "a1", User: "ann", Node: "n1"}, {ID: "b1", User: "bob", Node: "n1"}}}
}

func TestASessionOfOthersLooksLikeNone(t *testing.T) {
	t.Parallel()
	c := newClient(t, twoSessions(), "ann")
	_, others := c.Session(t.Context(), "b1")
	_, none := c.Session(t.Context(), "b2")
	if strings.ReplaceAll(others.Error(), "b1", "b2") != none.Error() {
		t.Errorf("a session of somebody else answers %q, one that is not there %q", others, none)
	}
	if s, err := c.Session(t.Context(), "a1"); err != nil || s.User != "ann" {
		t.Errorf("one's own: %+v, %v", s, err)
	}
}

func TestEveryDeedCarriesItsTicket(t *testing.T) {
	t.Parallel()
	f := twoSessions()
	c := newClient(t, f, "ann")
	if lines, err := c.Log(t.Context(), "a1"); err != nil || !slices.Equal(lines, []string{"read with read a1 on n1"}) {
		t.Errorf("log: %q, %v", lines, err)
	}
	if _, err := c.Terminate(t.Context(), "a1"); err != nil || !slices.Equal(f.asked, []string{"terminate with terminate a1 on n1"}) {
		t.Errorf("terminate: %q, %v", f.asked, err)
	}
	if _, err := c.Terminate(t.Context(), "b1"); err == nil || len(f.asked) != 1 {
		t.Errorf("a session of somebody else was terminated: %q, %v", f.asked, err)
	}
}

func TestAListIsPutTogetherFromItsPages(t *testing.T) {
	t.Parallel()
	all, err := newClient(t, twoSessions(), "boss").Sessions(t.Context(), "")
	if err != nil || len(all) != 2 || all[0].ID != "a1" || all[1].ID != "b1" {
		t.Errorf("everyone's: %+v, %v", all, err)
	}
	if _, err := newClient(t, twoSessions(), "ann").Sessions(t.Context(), ""); err == nil {
		t.Error("ann may see everyone's sessions")
	}
}

func TestASessionThatNeverCameToANodeHasNoLog(t *testing.T) {
	t.Parallel()
	f := &fake{sessions: []transporter.Session{{ID: "a1", User: "ann"}}}
	if lines, err := newClient(t, f, "ann").Log(t.Context(), "a1"); err != nil || len(lines) != 0 {
		t.Errorf("log: %q, %v", lines, err)
	}
}
