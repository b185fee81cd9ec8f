package daemon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// nobody is the uid of the second local user.
const nobody = 65534

// TestASecondLocalUserIsRefused tries, as another Unix user, everything a session
// leaves on the machine: its X display, its RFB socket, its record, its log, the
// daemon's sockets and keys.
func TestASecondLocalUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user; make test in a container or as root runs it")
	}
	n := startNode(t)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	display := n.display(s.ID)
	// Open the outer directory, as an administrator may have: each thing must guard itself.
	if err := os.Chmod(n.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := asNobody("xset", "-display", display, "q"); err == nil {
		t.Errorf("another user opened the display: %s", out)
	} else if !strings.Contains(out, "unable to open display") {
		t.Errorf("xset failed for another reason: %s", out)
	}
	for _, path := range []string{
		n.path("run", "s", s.ID, "rfb"), n.path("run", "launcher.sock"), n.path("run", "admin.sock"), n.path("run", "display.sock"),
	} {
		mustExist(t, path)
		if out, err := asNobody("curl", "-sS", "--max-time", "5", "--unix-socket", path, "http://x/"); err == nil || !strings.Contains(out, "ermission denied") && !strings.Contains(out, "ouldn't connect") {
			t.Errorf("another user reached %s: %v %s", path, err, out)
		}
	}
	for _, path := range []string{
		n.path("local", "sessions", s.ID+".json"), n.path("local", "sessions", s.ID+".log"),
		n.path("run", "s", s.ID, "xauth"), n.path("local", "ticket-signing.key"), n.path("local", "fastx.key"),
		n.path("config", "htpasswd"), n.path("local", "audit.log"),
	} {
		mustExist(t, path)
		if out, err := asNobody("cat", path); err == nil || !strings.Contains(out, "ermission denied") {
			t.Errorf("another user read %s: %v %.40s", path, err, out)
		}
	}
}

func mustExist(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("nothing to guard: %v", err)
	}
}

// display returns the X display of a session, ":7".
func (n *node) display(id string) string {
	n.t.Helper()
	return n.awaitRecord(id, "an X display", func(r *session.Record) bool { return r.Display != "" }).Display
}

// asNobody runs a program as another user and returns what it printed.
func asNobody(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// apiError is the body of every refusal.
type apiError struct {
	Error struct{ Code, Message, Detail string }
}

// TestBadRequestsAreRefusedClearly sends what users and attackers send and reads the answers.
func TestBadRequestsAreRefusedClearly(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.Write("performance/default.ini", "max_geometry = 1920x1200\n", 0o644)
	if said, _, code := n.Ctl("reload", "--wait"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name, method, path string
		body               any
		status             int
		says               string
	}{
		{"unknown app", "POST", "/api/v1/sessions", map[string]any{"app": "xtrem"}, 404, `did you mean "xterm"`},
		{"app with a path", "POST", "/api/v1/sessions", map[string]any{"app": "../../etc/passwd"}, 404, "no application"},
		{"geometry over the limit", "POST", "/api/v1/sessions", map[string]any{"app": "xterm", "geometry": "4000x3000"}, 429, "1920x1200"},
		{"geometry that is none", "POST", "/api/v1/sessions", map[string]any{"app": "xterm", "geometry": "big"}, 400, "geometry"},
		{"neither app nor command", "POST", "/api/v1/sessions", map[string]any{}, 400, "app"},
		{"both app and command", "POST", "/api/v1/sessions", map[string]any{"app": "xterm", "command": "xclock"}, 400, "command"},
		{"command over the length", "POST", "/api/v1/sessions", map[string]any{"command": long}, 400, "command"},
		{"unknown field", "POST", "/api/v1/sessions", map[string]any{"ap": "xterm"}, 400, "ap"},
		{"session that is not there", "GET", "/api/v1/sessions/0123456789abcdef", nil, 404, "no such session"},
		{"session id with a path", "GET", "/api/v1/sessions/..%2f..%2fetc%2fpasswd", nil, 404, ""},
		{"route that is not there", "GET", "/api/v1/nothing", nil, 404, ""},
		{"method that is not there", "PUT", "/api/v1/me", nil, 405, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e apiError
			if status := n.Call(n.Token(), c.method, c.path, c.body, &e); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			if e.Error.Code == "" || !strings.Contains(e.Error.Message+e.Error.Detail, c.says) {
				t.Errorf("%+v does not say %q", e.Error, c.says)
			}
		})
	}
	if got := n.Sessions(); len(got) != 0 {
		t.Errorf("bad requests left %d sessions", len(got))
	}
}

// TestAHugeBodyIsRefusedUnread announces 100 MB and is refused before sending them.
func TestAHugeBodyIsRefusedUnread(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	for _, path := range []string{"/api/v1/login", "/api/v1/sessions"} {
		body := &countingReader{}
		body.left.Store(100 << 20)
		req, err := http.NewRequest("POST", n.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = 100 << 20
		req.Header = n.bearer()
		req.Header.Set("Content-Type", "application/json")
		resp, err := n.Client.Do(req)
		if err != nil {
			continue // cut off while sending: refused too
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
		if read := 100<<20 - body.left.Load(); read > 8<<20 {
			t.Errorf("%s: %d bytes were taken before the refusal", path, read)
		}
	}
}

// countingReader gives zeros and counts what is left.
type countingReader struct{ left atomic.Int64 }

func (r *countingReader) Read(p []byte) (int, error) {
	k := min(int64(len(p)), r.left.Load())
	if k == 0 {
		return 0, io.EOF
	}
	r.left.Add(-k)
	return int(k), nil
}

// TestLoginsAreLimitedAndLeakNothing guesses passwords until it is told to wait; neither
// the guesses nor any token or ticket ever stand in the logs.
func TestLoginsAreLimitedAndLeakNothing(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	var pass struct{ Ticket string }
	if status := n.Call(n.Token(), "POST", "/api/v1/sessions/"+s.ID+"/ticket", nil, &pass); status != 200 {
		t.Fatalf("ticket: status %d", status)
	}
	conn, _, err := n.TryDisplay(s.ID, nil, "?ticket="+pass.Ticket)
	if err != nil {
		t.Fatalf("display with a ticket: %v", err)
	}
	conn.Close()
	if _, status, err := n.TryDisplay(s.ID, nil, "?ticket="+pass.Ticket); err == nil || status/100 != 4 {
		t.Errorf("a spent ticket: status %d, %v", status, err)
	}
	guesses := []string{}
	limited := false
	for i := range 100 {
		guess := fmt.Sprintf("guess-%d-%s", i, "tr0ub4dor")
		guesses = append(guesses, guess)
		status := n.Call("", "POST", "/api/v1/login", map[string]string{"username": "ann", "password": guess}, nil)
		if limited = status == http.StatusTooManyRequests; limited {
			break
		}
		if status != http.StatusUnauthorized {
			t.Fatalf("guess %d: status %d", i, status)
		}
	}
	if !limited {
		t.Error("100 guesses were answered without a limit")
	}
	n.Stop()
	audit, err := os.ReadFile(n.path("local", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(guesses, n.Token(), pass.Ticket, n.Password) {
		if strings.Contains(n.Log(), secret) || bytes.Contains(audit, []byte(secret)) {
			t.Errorf("a log holds a secret (%d bytes of it)", len(secret))
		}
	}
	if !bytes.Contains(audit, []byte(`"ann"`)) {
		t.Error("the audit log does not name who tried to log in")
	}
}

// TestTokensAndOriginsAreChecked opens displays with what must not open them.
func TestTokensAndOriginsAreChecked(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	token := n.Token()
	forged := token[:len(token)-4] + "AAAA"
	foreign := n.bearer()
	foreign.Set("Origin", "https://evil.example")
	var other struct{ Ticket string }
	s2 := n.StartSession(map[string]any{"app": "xterm"})
	if status := n.Call(token, "POST", "/api/v1/sessions/"+s2.ID+"/ticket", nil, &other); status != 200 {
		t.Fatalf("ticket: status %d", status)
	}
	for _, c := range []struct {
		name   string
		header http.Header
		query  string
		status int
	}{
		{"no token", nil, "", 401},
		{"forged token", http.Header{"Authorization": {"Bearer " + forged}}, "", 401},
		{"login token as a ticket", nil, "?ticket=" + token, 401},
		{"ticket of another session", nil, "?ticket=" + other.Ticket, 403},
		{"ticket as a bearer", http.Header{"Authorization": {"Bearer " + other.Ticket}}, "", 401},
		{"foreign origin", foreign, "", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, status, err := n.TryDisplay(s.ID, c.header, c.query)
			if err == nil {
				conn.Close()
			}
			if status != c.status {
				t.Errorf("status %d, want %d (%v)", status, c.status, err)
			}
		})
	}
}

// TestNoFileLeavesTheTree asks for files outside what is served, in many spellings.
func TestNoFileLeavesTheTree(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	for _, path := range []string{
		"/novnc/../../../../etc/passwd", "/novnc/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/novnc/..%2f..%2f..%2fetc%2fpasswd",
		"/static/../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/novnc//etc/passwd", "/novnc/..\\..\\etc\\passwd",
	} {
		req, err := http.NewRequest("GET", n.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + req.URL.Host + path // exactly as written
		resp, err := n.Client.Do(req)
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if bytes.Contains(body, []byte("root:")) {
			t.Errorf("%s served a file of the machine", path)
		}
	}
}

// TestASecretReadableByOthersIsRefused widens a mode and reads the complaint.
func TestASecretReadableByOthersIsRefused(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	if err := os.Chmod(n.path("config", "htpasswd"), 0o644); err != nil {
		t.Fatal(err)
	}
	said, _, code := n.Ctl("reload", "--wait")
	if code != 2 || !strings.Contains(said, "htpasswd") || !strings.Contains(said, "chmod") {
		t.Errorf("reload: exit %d, said %q", code, said)
	}
	if status := n.Call(n.Token(), "GET", "/api/v1/me", nil, nil); status != 200 {
		t.Errorf("the last good generation no longer serves: %d", status)
	}
}

// TestTheDaemonIsSmall reads the memory of an idle daemon and of a supervisor. The
// bounds are the project's promise, with the race detector off.
func TestTheDaemonIsSmall(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	for what, c := range map[string]struct{ pid, limit int }{
		"fastxd":         {n.cmd.Process.Pid, 40 << 10},
		"fastxd-session": {n.supervisor(s.ID), 6 << 10},
	} {
		if kib := residentKiB(t, c.pid); kib > c.limit {
			t.Errorf("%s takes %d KiB, the promise is %d", what, kib, c.limit)
		} else {
			t.Logf("%s takes %d KiB", what, kib)
		}
	}
}

// residentKiB reads VmRSS of a process.
func residentKiB(t testing.TB, pid int) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatalf("no VmRSS of process %d", pid)
	return 0
}

// TestFilesAreWhatTheySay reads webserver.url and the output of the daemon.
func TestFilesAreWhatTheySay(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	data, err := os.ReadFile(n.path("local", "webserver.url"))
	if err != nil || strings.TrimSpace(string(data)) != n.URL {
		t.Errorf("webserver.url says %q (%v), standard output said %q", data, err, n.URL)
	}
	out, stderr, code := n.Ctl("status", "--json")
	var status struct {
		URL   string
		Ready bool
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 || status.URL != n.URL || !status.Ready {
		t.Errorf("fastxctl status: exit %d, %v, %s %s", code, err, out, stderr)
	}
}
