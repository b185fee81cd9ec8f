package daemon_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// limit writes the default profile and waits until it counts.
func (n *node) limit(lines ...string) {
	n.t.Helper()
	n.Write("performance/default.ini", strings.Join(lines, "\n")+"\n", 0o644)
	if said, _, code := n.Ctl("reload", "--wait"); code != 0 {
		n.t.Fatalf("reload: exit %d, said %q", code, said)
	}
}

// TestASessionThatIsLeftAloneEnds kills the daemon in between: the time that has passed counts.
func TestASessionThatIsLeftAloneEnds(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.limit("disconnect_timeout = 4s")
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	conn := n.Display(s.ID)
	n.awaitClients(s.ID, 1)
	conn.Close()
	n.awaitClients(s.ID, 0)
	n.awaitRecord(s.ID, "since when nobody is there", func(r *session.Record) bool { return !r.Left.IsZero() })
	n.Await("a warning", func() error {
		if now := n.show(s.ID); now.Warning == nil && now.State != transporter.Ended {
			return errors.New("none")
		}
		return nil
	})
	n.Kill()
	n.Start()
	ended := n.AwaitState(s.ID, transporter.Ended)
	if want := "disconnect_timeout = 4s in performance/default.ini"; !strings.Contains(ended.Reason, want) {
		t.Errorf("the reason %q does not name %q", ended.Reason, want)
	}
}

// TestWhoDoesNothingIsSentAway types for longer than the timeout, stops, and is told why
// the connection ends. The session goes on and can be opened again.
func TestWhoDoesNothingIsSentAway(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.limit("idle_timeout = 3s")
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	ws, _, err := n.dialDisplay(s.ID, n.bearer(), "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := newViewer(websocket.NetConn(t.Context(), ws, websocket.MessageBinary))
	if err != nil {
		t.Fatal(err)
	}
	n.Await("a warning", func() error {
		if n.show(s.ID).Warning == nil {
			return errors.New("none")
		}
		return nil
	})
	if err := v.Key(0xffe1); err != nil {
		t.Fatal(err)
	}
	n.Await("the warning to be taken back", func() error {
		if w := n.show(s.ID).Warning; w != nil {
			return fmt.Errorf("it says %+v", w)
		}
		return nil
	})
	for err == nil {
		_, _, err = ws.Reader(t.Context())
	}
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.StatusNormalClosure || !strings.Contains(closed.Reason, "idle_timeout = 3s in performance/default.ini") {
		t.Errorf("the viewer is told %v", err)
	}
	n.AwaitState(s.ID, transporter.Running)
	n.reconnect(t, s.ID)
}

func (n *api) show(id string) transporter.Session {
	n.t.Helper()
	var s transporter.Session
	if status := n.Call(n.Token(), "GET", "/api/v1/sessions/"+id, nil, &s); status != 200 {
		n.t.Fatalf("show session: status %d", status)
	}
	return s
}

func (n *api) awaitClients(id string, want int) {
	n.t.Helper()
	n.Await(fmt.Sprintf("%d viewers", want), func() error {
		if got := n.show(id).Clients; got != want {
			return fmt.Errorf("%d are there", got)
		}
		return nil
	})
}
