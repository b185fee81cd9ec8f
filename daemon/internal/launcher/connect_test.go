package launcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// watcher is a webserver with its lobby.
type watcher struct {
	n     *node
	lobby *display.Lobby
}

func (n *node) watcher() watcher {
	n.t.Helper()
	lobby, err := display.OpenLobby(filepath.Join(n.dirs.Run, "display.sock"), slog.New(slog.DiscardHandler))
	must(n.t, err)
	n.t.Cleanup(func() { lobby.Close() })
	return watcher{n, lobby}
}

// connect asks for the display and waits for it.
func (w watcher) connect(c ticket.Claims) (*display.Viewer, error) {
	w.n.t.Helper()
	return w.ask(transporter.ConnectRequest{Ticket: w.n.sign(c)})
}

func (w watcher) ask(r transporter.ConnectRequest) (*display.Viewer, error) {
	w.n.t.Helper()
	visit := w.lobby.Expect()
	defer visit.Cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r.Meet = visit.Meet()
	_, err := transporter.Call(ctx, w.n.caller, transporter.LauncherConnect.On("n1"), r)
	if err != nil {
		return nil, err
	}
	viewer, err := visit.Wait(ctx)
	if err == nil {
		w.n.t.Cleanup(func() { viewer.Close() })
	}
	return viewer, err
}

func (w watcher) greeting(v *display.Viewer) string {
	buf := make([]byte, 12)
	v.RFB.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := v.RFB.Read(buf)
	if err != nil {
		return err.Error()
	}
	return string(buf[:n])
}

func (n *node) clients(id string, want int) {
	n.t.Helper()
	n.until(fmt.Sprintf("%d viewers look on", want), func() bool {
		s, _ := n.view(id)
		return s.Clients == want
	})
}

func TestConnect(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	w := n.watcher()
	id := n.run("").ID
	c := claims(ticket.Connect, id)
	one, err := w.connect(c)
	must(t, err)
	two, err := w.connect(claims(ticket.Connect, id))
	must(t, err)
	for _, v := range []*display.Viewer{one, two} {
		if got := w.greeting(v); got != "RFB 003.008\n" {
			t.Errorf("the display says %q", got)
		}
	}
	n.clients(id, 2)
	if _, err := w.connect(c); code(err) != transporter.Unauthorized || !strings.Contains(err.Error(), "used already") {
		t.Errorf("a used ticket: %v", err)
	}
	one.Close()
	n.clients(id, 1)
	_, err = n.terminate(id)
	must(t, err)
	over := &display.Over{}
	if _, err := two.RFB.Read(make([]byte, 1)); !errors.As(err, &over) || over.Reason != "the session has ended: ended by alice" {
		t.Errorf("the other viewer is told %v", err)
	}
	n.clients(id, 0)
	var e *transporter.Error
	_, err = w.connect(claims(ticket.Connect, id))
	if !errors.As(err, &e) || e.Code != transporter.Conflict || !strings.Contains(e.Message, "ended by alice") || !strings.Contains(e.Detail, "some output") {
		t.Errorf("an ended session: %#v", err)
	}
}

// TestAGlanceCountsAsNobody looks at a display for a thumbnail: it works as ever, needs the same
// ticket, and the session still has nobody who looks on.
func TestAGlanceCountsAsNobody(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	w := n.watcher()
	id := n.run("").ID
	c := claims(ticket.Connect, id)
	v, err := w.ask(transporter.ConnectRequest{Ticket: n.sign(c), Peek: true})
	must(t, err)
	if got := w.greeting(v); got != "RFB 003.008\n" {
		t.Errorf("the display says %q", got)
	}
	one, err := w.connect(claims(ticket.Connect, id))
	must(t, err)
	n.clients(id, 1)
	one.Close()
	n.clients(id, 0)
	if _, err := w.ask(transporter.ConnectRequest{Ticket: n.sign(c), Peek: true}); code(err) != transporter.Unauthorized {
		t.Errorf("a used ticket: %v", err)
	}
	if _, err := w.ask(transporter.ConnectRequest{Ticket: n.sign(claims(ticket.Read, id)), Peek: true}); code(err) != transporter.Forbidden {
		t.Errorf("a ticket for something else: %v", err)
	}
	_, err = n.terminate(id)
	must(t, err)
	over := &display.Over{}
	if _, err := v.RFB.Read(make([]byte, 64)); !errors.As(err, &over) {
		t.Errorf("after the session's end a glance goes on: %v", err)
	}
}

func TestConnectWaitsForTheDisplay(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	w := n.watcher()
	id := n.begin("slow").ID
	done := make(chan error, 1)
	go func() {
		v, err := w.connect(claims(ticket.Connect, id))
		if err == nil && w.greeting(v) != "RFB 003.008\n" {
			err = errors.New("that is no display")
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("connect did not wait: %v", err)
	case <-time.After(50 * time.Millisecond): // it may be right by chance, never wrong
	}
	n.goOn()
	must(t, <-done)
}

func TestConnectIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t).start(func(l *Launcher) { l.pace.display = 50 * time.Millisecond })
	w := n.watcher()
	good := n.run("").ID
	old := claims(ticket.Connect, good)
	old.IssuedAt -= 3600
	for name, c := range map[string]struct {
		claims ticket.Claims
		want   transporter.Code
		says   string
	}{
		"no such session":     {claims(ticket.Connect, ticket.NewID()), transporter.NotFound, "there is no session"},
		"another kind":        {claims(ticket.Read, good), transporter.Forbidden, "something else"},
		"an old ticket":       {old, transporter.Unauthorized, "older than this node's launcher"},
		"a display not there": {claims(ticket.Connect, n.begin("slow").ID), transporter.Unavailable, "the session is starting"},
		"an X server's no":    {claims(ticket.Connect, n.run("nodisplay").ID), transporter.Unavailable, "the X server refuses"},
	} {
		if _, err := w.connect(c.claims); code(err) != c.want || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s %q", name, err, c.want, c.says)
		}
	}
	_, err := transporter.Call(t.Context(), n.caller, transporter.LauncherConnect.On("n1"), transporter.ConnectRequest{
		Ticket: n.sign(claims(ticket.Connect, good)),
		Meet:   transporter.Rendezvous{Network: "unix", Address: filepath.Join(n.dirs.Run, "none")},
	})
	if code(err) != transporter.Unavailable {
		t.Errorf("a webserver that is gone: %v", err)
	}
	n.clients(good, 0)
}

func TestAStoppedLauncherLetsViewersGoAndSessionsLive(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	w := n.watcher()
	s := n.run("")
	v, err := w.connect(claims(ticket.Connect, s.ID))
	must(t, err)
	proc := n.supervisor(s.ID)
	n.halt()
	<-v.Gone()
	if !proc.Alive() {
		t.Error("the supervisor died with the launcher")
	}
}
