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

// TestAConfigurationOnAMountThatHangs puts FX_CONFIG_DIR on a FUSE mount and stops its server. The node goes on: it says
// that it is well, lets users in and starts sessions, and no threads pile up. When the mount answers again, the change
// that waited there is live soon.
func TestAConfigurationOnAMountThatHangs(t *testing.T) {
	t.Parallel()
	hang := 2 * time.Second
	if *drillConfig {
		hang = 10 * time.Minute
	}
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

	before := n.threads(t)
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := fileset.WriteFile(filepath.Join(lower, "apps", "waiting.ini"), []byte("name = Waiting\ncommand = sleep 600\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < hang; {
		if status, body := n.Get("/healthz"); status != 200 {
			t.Fatalf("after %v /healthz is answered %d %s", time.Since(began), status, body)
		}
		if status := n.Call("", "POST", "/api/v1/login", map[string]string{"username": n.User, "password": n.Password}, nil); status != 200 {
			t.Fatalf("after %v a login is answered %d", time.Since(began), status)
		}
		if ended := time.Since(began) > hang/2; ended {
			<-time.After(hang / 20)
		}
	}
	n.reconnect(t, s.ID)
	again := n.StartSession(map[string]any{"command": "exec sleep 600", "geometry": "320x200"})
	n.AwaitState(again.ID, transporter.Running)
	if after := n.threads(t); after > before+8 { // sessions and logins take some; looks at the mount would take one each
		t.Errorf("the daemon has %d threads and had %d", after, before)
	}

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
	if took := time.Since(began); *drillConfig && took > 5*time.Second {
		t.Errorf("the change was live after %v", took)
	}
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
func mountFUSE(t *testing.T, lower, upper string) *os.Process {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Getuid() != 0 {
		t.Skipf("this machine has no FUSE, or not for this user: %v", err)
	}
	cmd := exec.Command("bindfs", "-f", lower, upper)
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
