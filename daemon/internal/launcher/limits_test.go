package launcher

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// runLimited starts a session with limits and waits until it runs.
func (n *node) runLimited(command string, l ticket.Limits) string {
	n.t.Helper()
	o := order(command)
	o.Profile, o.Limits = "p", l
	c := n.now(claims(ticket.Start, o.Session))
	c.Order = o
	s, err := n.call(transporter.LauncherStart, n.sign(c))
	must(n.t, err)
	return n.becomes(s.ID, transporter.Running).ID
}

// touch uses the keyboard of every session that tells of it.
func (n *node) touch() {
	n.t.Helper()
	path := filepath.Join(n.dirs.Temp, "input")
	must(n.t, os.WriteFile(path, nil, 0o600))
	must(n.t, os.Chtimes(path, time.Time{}, n.time.now()))
}

// told waits until the session's warning is the one that is looked for.
func (n *node) told(id, what string, is func(*transporter.Warning) bool) {
	n.t.Helper()
	n.until("the warning "+what, func() bool { s, _ := n.view(id); return is(s.Warning) })
}

func (n *node) warned(id, text string) {
	n.t.Helper()
	n.told(id, "is "+text, func(w *transporter.Warning) bool { return w != nil && w.Text == text })
}

func (n *node) unwarned(id string) {
	n.t.Helper()
	n.told(id, "is taken back", func(w *transporter.Warning) bool { return w == nil })
}

func TestIdleViewersAreSentAwayAndTheSessionGoesOn(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	n.touch()
	id := n.runLimited("idle", ticket.Limits{Idle: 30 * time.Minute})
	w := n.watcher()
	v, err := w.connect(claims(ticket.Connect, id))
	must(t, err)
	w.greeting(v)

	const text = "everybody is disconnected, unless somebody uses the keyboard or mouse: idle_timeout = 30m in performance/p.ini"
	n.time.advance(26 * time.Minute)
	n.warned(id, text)
	n.touch()
	n.unwarned(id)
	n.time.advance(26 * time.Minute)
	n.warned(id, text)
	glance, err := w.ask(transporter.ConnectRequest{Ticket: n.sign(n.now(claims(ticket.Connect, id))), Peek: true})
	must(t, err)
	defer glance.Close()
	n.warned(id, text) // a picture for the list is no reason to wait
	n.time.advance(5 * time.Minute)

	over := &display.Over{}
	if _, err := v.RFB.Read(make([]byte, 1)); !errors.As(err, &over) || !over.Refused || over.Reason != "disconnected by idle_timeout = 30m in performance/p.ini: nobody used the keyboard or mouse" {
		t.Errorf("the viewer is told %v", err)
	}
	n.clients(id, 0)
	n.unwarned(id)
	if s := n.becomes(id, transporter.Running); s.Reason != "" {
		t.Errorf("the session is %+v", s)
	}
	back, err := w.connect(n.now(claims(ticket.Connect, id)))
	must(t, err)
	w.greeting(back)
	n.time.advance(24 * time.Minute)
	n.quiet()
	n.clients(id, 1) // who comes back has the whole time
}

// quiet lets the launcher look at its sessions once more: what it does not do now it does not do.
func (n *node) quiet() {
	for _, e := range n.l.all() {
		n.l.enforce(e)
	}
}

func TestALonelySessionIsEnded(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	id := n.runLimited("", ticket.Limits{Disconnect: 2 * time.Hour})
	const text = "the session ends, unless somebody connects: disconnect_timeout = 2h in performance/p.ini"
	n.time.advance(116 * time.Minute)
	n.warned(id, text)

	w := n.watcher()
	v, err := w.connect(n.now(claims(ticket.Connect, id)))
	must(t, err)
	n.unwarned(id)
	n.until("the record tells that somebody is there", func() bool { return n.record(id).Alone.IsZero() })
	n.time.advance(10 * time.Hour) // nobody is thrown out
	n.quiet()
	v.Close()
	n.clients(id, 0)
	n.until("the record tells since when nobody is there", func() bool { return !n.record(id).Alone.IsZero() })

	n.time.advance(116 * time.Minute)
	n.warned(id, text)
	n.time.advance(4 * time.Minute)
	s := n.becomes(id, transporter.Ended)
	if s.Reason != "ended by disconnect_timeout = 2h in performance/p.ini: nobody was connected" || s.Warning != nil {
		t.Errorf("the session is %+v", s)
	}
}

func TestNobodyWhoIsOnTheWayComesTooLate(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	id := n.runLimited("", ticket.Limits{Disconnect: 2 * time.Hour})
	e, err := n.l.find(id)
	must(t, err)
	arrived := n.l.expect(e)
	n.time.advance(3 * time.Hour)
	n.quiet()
	n.becomes(id, transporter.Running)
	arrived() // but never came
	n.becomes(id, transporter.Ended)
}

func TestARestartNeitherResetsNorLosesTheTimeAlone(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	id := n.runLimited("", ticket.Limits{Disconnect: 2 * time.Hour})
	before := n.record(id).Alone
	n.time.advance(time.Hour)
	n.restart()
	n.becomes(id, transporter.Running)
	if after := n.record(id).Alone; before.IsZero() || !after.Equal(before) {
		t.Errorf("nobody is there since %s, and since %s after a restart", before, after)
	}
	n.time.advance(56 * time.Minute)
	n.told(id, "comes", func(w *transporter.Warning) bool { return w != nil })
	n.time.advance(4 * time.Minute)
	n.becomes(id, transporter.Ended)
}

func TestTimeAloneThatRanOutWhileTheLauncherWasAwayIsAnnounced(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	id := n.runLimited("", ticket.Limits{Disconnect: 2 * time.Hour})
	n.halt()
	n.time.advance(24 * time.Hour)
	n.start()
	n.becomes(id, transporter.Running)
	n.told(id, "comes", func(w *transporter.Warning) bool { return w != nil })
	n.quiet()
	n.becomes(id, transporter.Running)
	n.time.advance(5 * time.Minute)
	n.becomes(id, transporter.Ended)
}

func TestTimeAloneBeginsWithTheEndOfALauncherThatHadViewers(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	id := n.runLimited("", ticket.Limits{Disconnect: time.Hour})
	v, err := n.watcher().connect(claims(ticket.Connect, id))
	must(t, err)
	n.until("the record tells that somebody is there", func() bool { return n.record(id).Alone.IsZero() })
	n.halt()
	<-v.Gone()
	if n.record(id).Alone.IsZero() {
		t.Error("the record does not tell that the viewer was sent away")
	}
	rec := n.record(id) // as a killed launcher leaves it
	rec.Alone = time.Time{}
	must(t, session.WriteRecord(session.RecordPath(n.dirs.Local, id), &rec))
	n.time.advance(24 * time.Hour)
	n.start()
	n.becomes(id, transporter.Running)
	if alone := n.record(id).Alone; n.time.now().Sub(alone) > time.Hour {
		t.Errorf("nobody is there since %s; want since the restart", alone)
	}
}

func TestLimitsStayWithTheSession(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	given := ticket.Limits{Idle: 1, Disconnect: time.Hour, Clipboard: "disabled", Memory: 3, CPU: 4, Tasks: 5, IOWeight: 6}
	id := n.runLimited("", given)
	want := session.Limits{Profile: "p", Idle: 1, Disconnect: time.Hour, Clipboard: "disabled", Memory: 3, CPU: 4, Tasks: 5, IOWeight: 6}
	if got := n.record(id).Limits; got != want {
		t.Errorf("the record has %+v, want %+v", got, want)
	}
	if s, _ := n.view(id); s.Clipboard != "disabled" {
		t.Errorf("the session is shown with the clipboard %q", s.Clipboard)
	}
	if s := n.run(""); s.Clipboard != "bidirectional" {
		t.Errorf("a session of an older order is shown with the clipboard %q", s.Clipboard)
	}
}

func TestLimitsThatAreNotHeldAreLamentedOnceInAGeneration(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	const what = "memory_max = 1G in performance/p.ini is not enforced: a test says so"
	n.run("unheld")
	n.run("unheld")
	if got := n.log.count(what); got != 1 {
		t.Errorf("it was said %d times, want once", got)
	}
	c, err := n.l.Prepare(context.Background(), &generation.Generation{Config: &spec.Config{}})
	must(t, err)
	c.Commit()
	n.run("unheld")
	if got := n.log.count(what); got != 2 {
		t.Errorf("after another generation it was said %d times, want twice", got)
	}
}
