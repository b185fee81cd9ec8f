package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestDrillConfigOnAMountThatHangs puts FX_CONFIG_DIR on a FUSE mount and stops its server, at full size for ten minutes.
// The node goes on: it says that it is well and that the share does not answer, lets users in, moves the bytes of the
// display that was there, starts sessions, and no threads pile up. When the mount answers again, the change that waited
// there is live soon.
func TestDrillConfigOnAMountThatHangs(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	lower := n.path("lower")
	if err := os.Rename(n.path("config"), lower); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(n.path("config"), 0o755); err != nil {
		t.Fatal(err)
	}
	server := mountFUSE(t, lower, n.path("config"))
	n.Start()
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	h := &hangDrill{node: n, viewer: n.view(s.ID)}
	h.works(t, "before the mount hangs")

	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.hang(t, filepath.Join(lower, "apps", "waiting.ini"))

	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n.Await("the change that waited", func() error {
		var list struct{ Apps []transporter.App }
		n.Call(n.Token(), "GET", "/api/v1/apps", nil, &list)
		if text := fmt.Sprint(list.Apps); !strings.Contains(text, "waiting") {
			return errors.New(text)
		}
		return nil
	})
	took := time.Since(began)
	fmt.Printf("%s: the change that waited was live %v after the mount answered again\n", t.Name(), took.Round(time.Millisecond))
	if *drillConfig && took > 5*time.Second {
		t.Errorf("the change was live after %v", took)
	}
}

// hangDrill is a node whose configuration lies on a mount that hangs, and somebody who works in a session of it.
type hangDrill struct {
	*node
	viewer *liveViewer
}

// hang holds the node to its promises while the mount does not answer, on which a change is made to wait.
func (h *hangDrill) hang(t *testing.T, change string) {
	t.Helper()
	hang, pause := time.Duration(0), time.Duration(0)
	if *drillConfig {
		hang, pause = 10*time.Minute, 5*time.Second // nobody may log in more than 60 times a minute
	}
	began := time.Now()
	out, errs, code := h.Ctl("reload", "--wait", "--timeout", "1s") // from here on a look at the files is under way and hangs
	if code != 1 || !strings.Contains(errs, "has not ended within 1s") {
		t.Fatalf("a reload of files that cannot be read ended with %d\n%s%s", code, out, errs)
	}
	if _, err := fileset.WriteFile(change, []byte("name = Waiting\ncommand = sleep 600\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	answered, before, most, rounds := h.status().ShareLastOK, h.threads(t), 0, 0
	for ; rounds < 4 || time.Since(began) < hang; rounds++ {
		h.works(t, fmt.Sprintf("after %v", time.Since(began).Round(time.Second)))
		most = max(most, h.threads(t))
		wait(pause)
	}
	if now := h.status().ShareLastOK; !now.Equal(answered) {
		t.Errorf("the share is said to have answered at %v, and did so at %v", now, answered)
	}
	fmt.Printf("%s: the mount hung for %v; %d rounds, each with a login, a start and a display; the daemon had %d threads and then at most %d\n",
		t.Name(), time.Since(began).Round(time.Second), rounds, before, most)
	if most > before+8 { // sessions and logins take some; looks at the mount would take one each
		t.Errorf("the daemon has %d threads and had %d", most, before)
	}
}

// works does what people do with a node, all the way through.
func (h *hangDrill) works(t *testing.T, when string) {
	t.Helper()
	if status, body := h.Get("/healthz"); status != 200 {
		t.Fatalf("%s: /healthz is answered %d %s", when, status, body)
	}
	if status := h.Call("", "POST", "/api/v1/login", map[string]string{"username": h.User, "password": h.Password}, nil); status != 200 {
		t.Fatalf("%s: a login is answered %d", when, status)
	}
	h.viewer.alive(t, when)
	s := h.StartSession(map[string]any{"command": "exec sleep 600", "geometry": "320x200"})
	h.AwaitState(s.ID, transporter.Running)
	h.reconnect(t, s.ID)
	if status := h.Call(h.Token(), "DELETE", "/api/v1/sessions/"+s.ID, nil, nil); status != 200 {
		t.Fatalf("%s: the end of a session is answered %d", when, status)
	}
	h.AwaitState(s.ID, transporter.Ended)
}

// threads counts the daemon's threads.
func (n *node) threads(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/" + strconv.Itoa(n.cmd.Process.Pid) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// mountFUSE mounts a directory through bindfs until the test ends, and returns the server.
func mountFUSE(t *testing.T, lower, upper string, options ...string) *os.Process {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Getuid() != 0 {
		t.Skipf("this machine has no FUSE, or not for this user: %v", err)
	}
	cmd := exec.Command("bindfs", append(options, "-f", lower, upper)...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; images/scripts/deps.sh test installs it", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = syscall.Unmount(upper, syscall.MNT_DETACH)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(t, "the mount", func() error {
		if table, _ := os.ReadFile("/proc/self/mounts"); !strings.Contains(string(table), " "+upper+" fuse") {
			return errors.New("not there")
		}
		return nil
	})
	return cmd.Process
}
