package daemon_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestFromFilesToDisplay is the main job: a configuration, a login, a session, its
// pixels, a key press that reaches the command, and the end.
func TestFromFilesToDisplay(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	proof := n.path("proof")

	s := n.StartSession(map[string]any{"app": "xterm"})
	v := n.view(s.ID)
	n.AwaitState(s.ID, transporter.Running)
	v.awaitColours(t, 2) // an X server alone shows one colour; a terminal has text and background

	typeUntil(t, ": > "+proof+"\n", v.Type, func() bool { return exists(proof) }) // the window has the keyboard
	typeUntil(t, "echo typed $DISPLAY > "+proof+"\n", v.Type, func() bool {
		data, err := os.ReadFile(proof)
		return err == nil && strings.HasPrefix(string(data), "typed :")
	})

	if status := n.Call(n.Token(), "DELETE", "/api/v1/sessions/"+s.ID, nil, nil); status != 200 {
		t.Fatalf("terminate: status %d", status)
	}
	ended := n.AwaitState(s.ID, transporter.Ended)
	if !strings.Contains(ended.Reason, "ann") {
		t.Errorf("the reason %q does not say who ended the session", ended.Reason)
	}
	if _, _, err := n.TryDisplay(s.ID, n.bearer(), ""); err == nil {
		t.Error("the display of an ended session opened")
	}
}

// view opens a session's display as a viewer.
func (n *api) view(id string) *liveViewer {
	n.t.Helper()
	conn := n.Display(id)
	n.t.Cleanup(func() { conn.Close() })
	v, err := newViewer(conn)
	if err != nil {
		n.t.Fatal(err)
	}
	return &liveViewer{viewer: v, conn: conn}
}

func (n *api) bearer() http.Header {
	return http.Header{"Authorization": {"Bearer " + n.Token()}}
}

// liveViewer is a viewer whose stream can be given up on.
type liveViewer struct {
	*viewer
	conn interface{ SetReadDeadline(time.Time) error }
}

// awaitColours reads updates until the screen shows at least this many colours.
func (v *liveViewer) awaitColours(t *testing.T, want int) {
	t.Helper()
	_ = v.conn.SetReadDeadline(time.Now().Add(patience))
	for incremental := false; v.colours() < want; incremental = true {
		if err := v.Request(incremental); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Update(); err != nil {
			t.Fatalf("the screen shows %d colours, waited for %d: %v", v.colours(), want, err)
		}
	}
}

// typeUntil types a line until it has its effect: a window that is there need not have
// the keyboard yet.
func typeUntil(t *testing.T, line string, typing func(string) error, done func() bool) {
	t.Helper()
	next := time.Now()
	await(t, "the effect of typing "+line, func() error {
		if done() {
			return nil
		}
		if time.Now().After(next) {
			next = time.Now().Add(2 * time.Second)
			return errors.Join(errors.New("typed, no effect yet"), typing(line))
		}
		return errors.New("no effect")
	})
}

// TestSessionEndsWithItsCommand shows the reason and the last words of a command.
func TestSessionEndsWithItsCommand(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	for _, c := range []struct{ command, reason, lastLine string }{
		{"echo all done; exit 0", "the command ended", "all done"},
		{"echo cannot open model >&2; exit 3", "status 3", "cannot open model"},
		{"kill -9 $$", "SIGKILL", ""},
		{"no-such-program", "status 127", "no-such-program"},
	} {
		t.Run(c.command, func(t *testing.T) {
			s := n.StartSession(map[string]any{"command": c.command, "geometry": "640x480"})
			ended := n.AwaitState(s.ID, transporter.Ended)
			if !strings.Contains(ended.Reason, c.reason) {
				t.Errorf("reason %q does not say %q", ended.Reason, c.reason)
			}
			var log struct{ Lines []string }
			if status := n.Call(n.Token(), "GET", "/api/v1/sessions/"+s.ID+"/log", nil, &log); status != 200 {
				t.Fatalf("log: status %d", status)
			}
			if !strings.Contains(strings.Join(log.Lines, "\n"), c.lastLine) {
				t.Errorf("the log %q does not hold %q", log.Lines, c.lastLine)
			}
		})
	}
}

// TestAnEditTakesEffectWithoutRestart writes an app, breaks it, and mends it.
func TestAnEditTakesEffectWithoutRestart(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	apps := func() string {
		var list struct{ Apps []transporter.App }
		n.Call(n.Token(), "GET", "/api/v1/apps", nil, &list)
		var names []string
		for _, a := range list.Apps {
			names = append(names, a.ID+"="+a.Name)
		}
		return strings.Join(names, " ")
	}
	awaitApp := func(want string) {
		t.Helper()
		n.Await("the app list to say "+want, func() error {
			if got := apps(); !strings.Contains(got+" ", want+" ") {
				return fmt.Errorf("it says %s", got)
			}
			return nil
		})
	}
	n.Write("apps/clock.ini", "name = Clock\ncommand = xclock\n", 0o644)
	awaitApp("clock=Clock")

	n.Write("apps/clock.ini", "name = Big Clock\ncomand = xclock\n", 0o644)
	said, _, code := n.Ctl("reload", "--wait")
	if code != 3 || !strings.Contains(said, "apps/clock.ini:2:1") || !strings.Contains(said, `did you mean "command"`) ||
		!strings.Contains(said, "held-back  apps/clock.ini:1: name    Clock → Big Clock\n") {
		t.Errorf("reload of a broken app: exit %d, said %q", code, said)
	}
	awaitApp("clock=Clock") // as it last was good

	n.Write("apps/clock.ini", "name = Big Clock\ncommand = xclock\n", 0o644)
	if said, stderr, code := n.Ctl("reload", "--wait"); code != 0 || !strings.Contains(said, "applied  apps/clock.ini:1: name  Clock → Big Clock\n") {
		t.Errorf("reload of a mended app: exit %d, said %q %q", code, said, stderr)
	}
	awaitApp("clock=Big Clock")
}

// TestABrokenTreeKeepsTheLastGoodGeneration breaks a file that everything needs, and
// starts the node again on it.
func TestABrokenTreeKeepsTheLastGoodGeneration(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.Write("permissions.ini", "[admin\nusers = ann\n", 0o644)
	if said, _, code := n.Ctl("reload", "--wait"); code != 2 || !strings.Contains(said, "permissions.ini:1:") {
		t.Fatalf("reload: exit %d, said %q", code, said)
	}
	stillAdmin := func() {
		t.Helper()
		var reply struct {
			Nodes []struct {
				Accepted bool
				Problems []struct{ File string }
			}
		}
		if status := n.Call(n.Token(), "GET", "/api/v1/config", nil, &reply); status != 200 {
			t.Fatalf("an admin of the last good generation is refused: %d", status)
		}
		if c := reply.Nodes[0]; c.Accepted || len(c.Problems) == 0 || c.Problems[0].File != "permissions.ini" {
			t.Errorf("the configuration's state does not name the broken file: %+v", c)
		}
	}
	n.Await("the broken file to be reported", func() error {
		var reply struct{ Nodes []struct{ Accepted bool } }
		n.Call(n.Token(), "GET", "/api/v1/config", nil, &reply)
		if len(reply.Nodes) == 0 || reply.Nodes[0].Accepted {
			return errors.New("still shown as accepted")
		}
		return nil
	})
	stillAdmin()
	n.Kill()
	n.Start()
	stillAdmin()
}

// TestANodeStartsWithoutItsShare takes the whole configuration away, as a share that is not mounted does.
func TestANodeStartsWithoutItsShare(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.Stop()
	if err := os.Rename(n.path("config"), n.path("away")); err != nil {
		t.Fatal(err)
	}
	n.Start()
	if status := n.Call(n.Token(), "GET", "/api/v1/me", nil, nil); status != 200 {
		t.Errorf("the last good generation does not serve: %d", status)
	}
	if out, _, _ := n.Ctl("status"); !strings.Contains(out, "broken; the node runs on its last good configuration") || !strings.Contains(out, "cannot be read") {
		t.Errorf("fastxctl status says %s", out)
	}
	if err := os.Rename(n.path("away"), n.path("config")); err != nil {
		t.Fatal(err)
	}
	n.Await("the share to be back", func() error {
		if out, _, _ := n.Ctl("status"); !strings.Contains(out, "accepted") || strings.Contains(out, "cannot be read") {
			return fmt.Errorf("fastxctl status says %s", out)
		}
		return nil
	})
}

// TestTwoDaemonsDoNotShareANode refuses a second daemon on the same FX_LOCAL_DIR.
func TestTwoDaemonsDoNotShareANode(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	second := &node{api: newAPI(t), Root: n.Root, Env: n.Env, bin: n.bin}
	second.launch()
	select {
	case <-second.done:
	case <-time.After(patience):
		_ = second.cmd.Process.Kill()
		t.Fatal("a second fastxd runs on the same directories")
	}
	if log := second.Log(); !strings.Contains(log, "another fastxd") {
		t.Errorf("the second daemon does not say why it ended: %q", log)
	}
}

// TestPlainHTTPIsRedirected sends a plain request to the TLS port.
func TestPlainHTTPIsRedirected(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	resp, err := n.Client.Get(strings.Replace(n.URL, "https", "http", 1) + "/some/page?x=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if got := resp.Header.Get("Location"); resp.StatusCode/100 != 3 || got != n.URL+"/some/page?x=1" {
		t.Errorf("status %d to %q", resp.StatusCode, got)
	}
}

// TestADirectoryThatMovesWaitsForARestart edits the node file and reads the exit code that says so.
func TestADirectoryThatMovesWaitsForARestart(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	delete(n.Env, "FX_VAR_DIR")
	n.Stop()
	if err := os.WriteFile(n.path("node.env"), []byte("FX_VAR_DIR="+n.path("var")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n.Start()
	if err := os.WriteFile(n.path("node.env"), []byte("FX_VAR_DIR="+n.path("var2")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	said, _, code := n.Ctl("reload", "--wait")
	if want := "restart-needed  " + n.path("node.env") + ":1: FX_VAR_DIR  " + n.path("var") + " → " + n.path("var2") + "\n"; code != 4 || !strings.Contains(said, want) {
		t.Errorf("reload: exit %d, said %q", code, said)
	}
}

// TestEveryStarterApplicationRuns starts what fastxctl init sets up, looks at each, and sees
// that none has ended at once.
func TestEveryStarterApplicationRuns(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	var list struct{ Apps []transporter.App }
	if status := n.Call(n.Token(), "GET", "/api/v1/apps", nil, &list); status != 200 || len(list.Apps) < 3 {
		t.Fatalf("status %d, %d applications", status, len(list.Apps))
	}
	for _, app := range list.Apps {
		t.Run(app.ID, func(t *testing.T) {
			s := n.StartSession(map[string]any{"app": app.ID})
			v := n.view(s.ID)
			v.awaitColours(t, 2)
			n.Await("its viewer to be counted", func() error {
				if now := n.AwaitState(s.ID, transporter.Running); now.Started.IsZero() || now.Clients != 1 {
					return fmt.Errorf("started %v, %d clients", now.Started, now.Clients)
				}
				return nil
			})
			if app.Geometry != "rootless" && v.Screen.Bounds().Size().String() != sizeOf(app.Geometry) {
				t.Errorf("the screen is %v, the application says %s", v.Screen.Bounds().Size(), app.Geometry)
			}
		})
	}
}

// sizeOf turns "800x600" into what image.Point prints.
func sizeOf(geometry string) string {
	return "(" + strings.Replace(geometry, "x", ",", 1) + ")"
}

// TestANodeSaysWhatItIs reads the node list: load, services, and metadata, which a file can add to.
func TestANodeSaysWhatItIs(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	if err := os.WriteFile(n.path("node.env"), []byte("METADATA_rack=b7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n.Start()
	var list struct {
		Nodes []struct {
			Services []string
			Metadata map[string]string
			Load     struct{ Cores int }
		}
	}
	if status := n.Call(n.Token(), "GET", "/api/v1/nodes", nil, &list); status != 200 || len(list.Nodes) != 1 {
		t.Fatalf("status %d, %d nodes", status, len(list.Nodes))
	}
	got := list.Nodes[0]
	if m := got.Metadata; m["rack"] != "b7" || m["osId"] == "" || m["version"] == "" {
		t.Errorf("metadata %v", m)
	}
	if len(got.Services) != 4 || got.Load.Cores == 0 {
		t.Errorf("services %v, load %+v", got.Services, got.Load)
	}
}
