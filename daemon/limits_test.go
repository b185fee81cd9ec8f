package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// limit writes the profile that every session has and takes it over.
func (n *node) limit(profile string) {
	n.t.Helper()
	n.Write("performance/default.ini", profile, 0o644)
	if said, problems, code := n.Ctl("reload", "--wait"); code != 0 {
		n.t.Fatalf("reload: %d %s %s", code, said, problems)
	}
}

// TestALonelySessionEndsThoughTheDaemonIsKilled lets nobody connect to a session. It is announced that it
// ends and then it does, with the limit named; that the daemon is killed meanwhile neither resets the time nor loses it.
func TestALonelySessionEndsThoughTheDaemonIsKilled(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.limit("disconnect_timeout = 4s\n")
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	alone := n.alone(s.ID)
	n.Kill()
	n.Start()
	n.AwaitState(s.ID, transporter.Running)
	if after := n.alone(s.ID); !after.Equal(alone) {
		t.Errorf("nobody is connected since %s, and since %s after the kill", alone, after)
	}
	n.awaitWarning(s.ID, "the session ends, unless somebody connects: disconnect_timeout = 4s in performance/default.ini")
	ended := n.AwaitState(s.ID, transporter.Ended)
	if ended.Reason != "ended by disconnect_timeout = 4s in performance/default.ini: nobody was connected" {
		t.Errorf("the reason is %q", ended.Reason)
	}
	n.Await("the X server to be gone", func() error {
		if left := n.xservers(t)[s.ID]; left != 0 {
			return fmt.Errorf("%d left", left)
		}
		return nil
	})
}

// alone is since when nobody is connected, as the record tells.
func (n *node) alone(id string) time.Time {
	n.t.Helper()
	return n.awaitRecord(id, "a time", func(r *session.Record) bool { return !r.Alone.IsZero() }).Alone
}

// awaitWarning waits until a session's warning says a text.
func (n *api) awaitWarning(id, text string) transporter.Warning {
	n.t.Helper()
	var s transporter.Session
	n.Await("a warning that says "+text, func() error {
		s = transporter.Session{}
		n.Call(n.Token(), "GET", "/api/v1/sessions/"+id, nil, &s)
		if s.Warning == nil || s.Warning.Text != text {
			return fmt.Errorf("the session is %+v", s)
		}
		return nil
	})
	return *s.Warning
}

// TestAnIdleViewerIsDisconnected looks at a session without touching anything: it is announced that everybody
// is disconnected and then the viewer is, with the limit named. The session goes on.
func TestAnIdleViewerIsDisconnected(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.limit("idle_timeout = 4s\nclipboard = disabled\n")
	s := n.StartSession(map[string]any{"app": "xterm"})
	if s := n.AwaitState(s.ID, transporter.Running); s.Clipboard != "disabled" || s.Warning != nil {
		t.Errorf("the session is %+v", s)
	}
	ws, _, err := n.dialDisplay(s.ID, n.bearer(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	conn := &frames{ws: ws}
	v, err := newViewer(conn)
	if err != nil {
		t.Fatal(err)
	}
	n.awaitWarning(s.ID, "everybody is disconnected, unless somebody uses the keyboard or mouse: idle_timeout = 4s in performance/default.ini")
	if err := v.Key('a'); err != nil {
		t.Fatal(err)
	}
	n.Await("the warning to be taken back", func() error {
		s := n.Sessions()[0]
		if s.Warning != nil || s.Clients != 1 {
			return fmt.Errorf("the session is %+v", s)
		}
		return nil
	})
	_, err = io.Copy(io.Discard, conn)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.StatusPolicyViolation || !strings.Contains(closed.Reason, "idle_timeout = 4s in performance/default.ini: nobody used the keyboard or mouse") {
		t.Errorf("the viewer is told %v", err)
	}
	n.AwaitState(s.ID, transporter.Running)
	n.reconnect(t, s.ID)
}

// frames is a display as a stream of RFB bytes whose last error tells how the WebSocket was closed.
type frames struct {
	ws   *websocket.Conn
	rest []byte
}

func (f *frames) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		var err error
		if _, f.rest, err = f.ws.Read(context.Background()); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *frames) Write(p []byte) (int, error) {
	return len(p), f.ws.Write(context.Background(), websocket.MessageBinary, p)
}

// TestLimitsThatCannotBeHeldAreSaid starts a session with a memory limit where nothing can hold it to that.
func TestLimitsThatCannotBeHeldAreSaid(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.limit("memory_max = 1G\n")
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	const what = "memory_max = 1G in performance/default.ini is not enforced"
	var log struct{ Lines []string }
	n.Call(n.Token(), "GET", "/api/v1/sessions/"+s.ID+"/log", nil, &log)
	if len(log.Lines) == 0 || !strings.Contains(log.Lines[0], what) {
		t.Errorf("the session's log begins with %q", log.Lines)
	}
	if !strings.Contains(n.Log(), what) {
		t.Errorf("the daemon's log does not say %q", what)
	}
}

// TestAnIdlePageStaysAwayAndItsSessionEnds leaves a page alone until a limit sends it away. It says why, does not come
// back by itself, and so the next limit ends the session, which is no failure.
func TestAnIdlePageStaysAwayAndItsSessionEnds(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Start()
	b := openTab(t, n.URL)
	b.signIn(n)
	n.limit("idle_timeout = 4s\ndisconnect_timeout = 20s\n")
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	b.Go(n.URL + "/sessions/" + s.ID)
	b.connected()
	b.Until(`document.querySelector('#veil-text').textContent == 'Disconnected by idle_timeout = 4s in performance/default.ini: nobody used the keyboard or mouse.'`)
	b.Until(`document.querySelector('.outcome:not(.failed) .reason')?.textContent == 'Ended by disconnect_timeout = 20s in performance/default.ini: nobody was connected.'`)
	b.wantNoComplaints()
}
