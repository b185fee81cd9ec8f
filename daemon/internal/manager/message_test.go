package manager

import (
	"context"
	"slices"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// speaks makes a launcher note what it is to say, and fail with err.
func (f *fake) speaks(err error) <-chan string {
	f.t.Helper()
	said := make(chan string, 8)
	serve := func(_ context.Context, r transporter.MessageRequest) (transporter.Message, error) {
		said <- r.Text
		return transporter.Message{Text: r.Text}, err
	}
	if err := transporter.Serve(f.conn, transporter.LauncherMessage.On(f.node), serve); err != nil {
		f.t.Fatal(err)
	}
	return said
}

func (c *cluster) say(claims ticket.Claims, text string) (transporter.Message, error) {
	claims.Kind = ticket.Message
	return call(c, transporter.ManagerMessage, transporter.MessageRequest{Ticket: c.ticketFor(claims).Ticket, Text: text})
}

func TestAMessageGoesToTheSessionsNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	nodes := map[string]<-chan string{"a": c.launcher("a").speaks(nil), "b": c.launcher("b").speaks(nil)}
	c.manager(Options{})
	s, err := c.start(ticket.Order{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.say(ticket.Claims{Session: s.ID, Node: s.Node}, "hello"); err != nil || m.Text != "hello" {
		t.Fatalf("%+v, %v", m, err)
	}
	for name, said := range nodes {
		if len(said) > 0 != (name == s.Node) {
			t.Errorf("node %s was told %d messages, the session is on %s", name, len(said), s.Node)
		}
	}
	_, err = c.say(ticket.Claims{Session: ticket.NewID()}, "x")
	wantCode(t, err, transporter.NotFound)
	_, err = call(c, transporter.ManagerMessage, transporter.MessageRequest{Ticket: c.ticketFor(ticket.Claims{Kind: ticket.Read, Session: s.ID}).Ticket})
	wantCode(t, err, transporter.Invalid)
}

// TestAMessageToEveryoneIsSaidOnce has a launcher that is gone, one that answers, and one more.
func TestAMessageToEveryoneIsSaidOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.launcher("a") // of a release that does not know of messages
	second, third := c.launcher("b").speaks(nil), c.launcher("c").speaks(nil)
	m := c.manager(Options{})
	eventually(t, "all are known", func() bool { return slices.Equal(m.launchers(), []string{"a", "b", "c"}) })
	if _, err := c.say(ticket.Claims{}, "hello"); err != nil {
		t.Fatal(err)
	}
	if len(second) != 1 || len(third) != 0 {
		t.Errorf("it was said %d and %d times", len(second), len(third))
	}
}

func TestAMessageThatWasRefusedIsNotSaidElsewhere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	first, second := c.launcher("a").speaks(transporter.Errorf(transporter.Unauthorized, "an unknown key")), c.launcher("b").speaks(nil)
	m := c.manager(Options{})
	eventually(t, "both are known", func() bool { return len(m.launchers()) == 2 })
	_, err := c.say(ticket.Claims{}, "hello")
	wantCode(t, err, transporter.Unauthorized)
	if len(first) != 1 || len(second) != 0 {
		t.Errorf("it was said %d and %d times", len(first), len(second))
	}
}

func TestAMessageNeedsALauncher(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.manager(Options{})
	_, err := c.say(ticket.Claims{}, "hello")
	wantCode(t, err, transporter.Unavailable)
}
