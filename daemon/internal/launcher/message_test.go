package launcher

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func (n *node) say(c ticket.Claims, text string) (transporter.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return transporter.Call(ctx, n.caller, transporter.LauncherMessage.On("n1"), transporter.MessageRequest{Ticket: n.sign(c), Text: text})
}

// hears collects what is said to viewers.
func (n *node) hears() <-chan transporter.Message {
	n.t.Helper()
	said := make(chan transporter.Message, 8)
	must(n.t, transporter.Subscribe(n.caller, transporter.MessageSaid, func(m transporter.Message) { said <- m }))
	return said
}

func next(t *testing.T, said <-chan transporter.Message) transporter.Message {
	t.Helper()
	select {
	case m := <-said:
		return m
	case <-time.After(time.Minute):
		t.Fatal("nobody says anything")
		return transporter.Message{}
	}
}

func TestAMessageIsSaidToWhoLooksAtASession(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	said := n.hears()
	id := n.run("").ID
	if m, err := n.say(claims(ticket.Message, id), "Noon is near."); err != nil || m.Text != "Noon is near." {
		t.Fatalf("%+v, %v", m, err)
	}
	m := next(t, said)
	if m.Session != id || m.User != "alice" || m.From != "alice" || m.Text != "Noon is near." || m.At.IsZero() {
		t.Errorf("it said %+v", m)
	}
	all := claims(ticket.Message, "")
	all.Node = "" // for any launcher
	if _, err := n.say(all, "to all"); err != nil {
		t.Fatal(err)
	}
	if m := next(t, said); m.Session != "" || m.Text != "to all" {
		t.Errorf("to everyone it said %+v", m)
	}
}

func TestAMessageNeedsATicketOfItsOwn(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	said := n.hears()
	id := n.run("").ID
	over := n.begin("die").ID
	n.becomes(over, transporter.Ended)
	elsewhere, forged, used := claims(ticket.Message, id), claims(ticket.Message, id), claims(ticket.Message, id)
	elsewhere.Node, forged.Owner = "n2", "mallory"
	if _, err := n.say(used, "once"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claims ticket.Claims
		text   string
		want   transporter.Code
	}{
		"of another kind":       {claims(ticket.Read, id), "x", transporter.Forbidden},
		"for another node":      {elsewhere, "x", transporter.Forbidden},
		"with another's name":   {forged, "x", transporter.Forbidden},
		"that was used":         {used, "x", transporter.Unauthorized},
		"for no such session":   {claims(ticket.Message, ticket.NewID()), "x", transporter.NotFound},
		"for one that is over":  {claims(ticket.Message, over), "x", transporter.Conflict},
		"and a text too long":   {claims(ticket.Message, id), strings.Repeat("x", 501), transporter.Invalid},
		"and two lines of text": {claims(ticket.Message, id), "a\nb", transporter.Invalid},
	} {
		if _, err := n.say(c.claims, c.text); code(err) != c.want {
			t.Errorf("a ticket %s: %v, want %s", name, err, c.want)
		}
	}
	if m := next(t, said); m.Text != "once" || len(said) > 0 {
		t.Errorf("it said %+v, and %d more", m, len(said))
	}
}

func TestWhatWasSaidIsAudited(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	path := filepath.Join(n.dirs.Local, "audit.log")
	log, err := audit.Open(audit.Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	n.start(func(l *Launcher) { l.opts.Audit = log })
	id := n.run("").ID
	_, err = n.say(claims(ticket.Message, id), "Save \"it\" now.")
	must(t, err)
	_, _ = n.say(claims(ticket.Message, id), "")
	log.Close()
	lines, err := os.ReadFile(path)
	must(t, err)
	for _, want := range []string{
		`"action":"message","user":"alice","node":"n1","session":"` + id + `","outcome":"ok","detail":"Save \"it\" now."}`,
		`"outcome":"refused","detail":"the message is empty`,
	} {
		if !strings.Contains(string(lines), want) {
			t.Errorf("the log lacks %s:\n%s", want, lines)
		}
	}
}
