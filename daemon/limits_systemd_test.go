package daemon_test

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// configure writes files of the configuration and takes them over.
func (m *machine) configure(files map[string]string) {
	m.t.Helper()
	for name, text := range files {
		m.Must("sh", "-c", fmt.Sprintf("cat >/etc/fastx/%s <<'EOF'\n%sEOF", name, text))
	}
	m.Must("fastxctl", "reload", "--wait")
}

// run starts an application and waits until it runs.
func (m *machine) run(app string) string {
	m.t.Helper()
	id := m.StartSession(map[string]any{"app": app}).ID
	m.AwaitState(id, transporter.Running)
	return id
}

// control reads a file of a session's control group; name is CONTROLLER/FILE as version 1 has it.
func (m *machine) control(id, name string) (string, error) {
	dir := "/sys/fs/cgroup/" + path.Dir(name) + "/" + strings.TrimPrefix(m.cgroup(id, path.Dir(name)), "/")
	return m.Exec("cat", dir+"/"+path.Base(name))
}

// cgroup is a session's control group in one hierarchy.
func (m *machine) cgroup(id, controller string) string {
	m.t.Helper()
	pid := m.Must("systemctl", "show", "--property=MainPID", "--value", session.Unit(id))
	for line := range strings.Lines(m.Must("cat", "/proc/"+pid+"/cgroup")) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); slices.Contains(strings.Split(f[1], ","), controller) {
			return f[2]
		}
	}
	m.t.Skipf("this machine's control groups have no hierarchy %s of their own: what is tested needs version 1", controller)
	return ""
}

// awaitControl waits until a line of a session's control group says a number that is large enough.
func (m *machine) awaitControl(id, file, key string, least int) {
	m.t.Helper()
	m.Await(fmt.Sprintf("%s of %s to be %d", key, file, least), func() error {
		text, err := m.control(id, file)
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) == 2 && f[0] == key {
				if n, _ := strconv.Atoi(f[1]); n >= least {
					return nil
				}
			}
		}
		return fmt.Errorf("%q, %v", text, err)
	})
}

// awaitGone waits until nothing is left of a session's unit.
func (m *machine) awaitGone(id string) {
	m.t.Helper()
	m.Await("the unit to be gone", func() error {
		if out := m.Must("systemctl", "show", "--property=LoadState", "--value", session.Unit(id)); out != "not-found" {
			return fmt.Errorf("it is %s", out)
		}
		return nil
	})
}

// TestDrillLimitsUnderSystemd misuses sessions in every way that their profiles forbid, while another
// session looks on, under a fastxd that is root and so starts each session as a service of its own.
func TestDrillLimitsUnderSystemd(t *testing.T) {
	m := startMachine(t, "root")
	m.configure(map[string]string{
		"performance/small.ini": "memory_max = 256M\nio_weight = 50\n",
		"performance/tasks.ini": "tasks_max = 100\ncpu_quota = 50%\n",
		"apps/hog.ini":          "command = exec tail /dev/zero\nprofile = small\n",
		"apps/terminal.ini":     "command = exec xterm -e tail /dev/zero\nprofile = small\n",
		"apps/survivor.ini":     "command = tail /dev/zero; exec sleep 600\nprofile = small\n",
		"apps/bomb.ini":         "command = bomb() { bomb | bomb & }; bomb; exec sleep 600\nprofile = tasks\n",
		"apps/login.ini":        "command = { umask; tty; yes | head -n 1 >/dev/null; echo ${PIPESTATUS[0]}; pwd; env | grep -c -e INVOCATION -e JOURNAL -e NOTIFY; echo end; } >~/login 2>&1; exec sleep 600\n",
		"apps/flood.ini":        "command = exec yes >&2\n",
	})
	other := m.run("xterm")
	t.Run("services", func(t *testing.T) { m.sessionsAreServices(t, other) })
	t.Run("login", func(t *testing.T) { m.aServiceIsLikeALogin(t) })
	t.Run("memory", func(t *testing.T) { m.aHogEndsItsOwnSession(t, other) })
	t.Run("autopsy", func(t *testing.T) { m.aKilledSupervisorIsExplained(t) })
	t.Run("tasks", func(t *testing.T) { m.aForkBombIsBounded(t, other) })
	t.Run("refused", func(t *testing.T) { m.noSystemdNoSession(t) })
	t.Run("log", func(t *testing.T) { m.aFloodOfOutputFillsNoDisk(t) })
	m.reconnect(t, other)
}

// sessionsAreServices looks at what systemd made of a session without limits.
func (m *machine) sessionsAreServices(t *testing.T, id string) {
	for property, want := range map[string]string{"Slice": session.Slice, "ActiveState": "active", "MemoryMax": "infinity", "KillMode": "mixed"} {
		if got := m.Must("systemctl", "show", "--property="+property, "--value", session.Unit(id)); got != want {
			t.Errorf("the session's %s is %s, want %s", property, got, want)
		}
	}
	m.checkHeld(t, id)
	gone := m.run("xterm")
	m.Call(m.Token(), "DELETE", "/api/v1/sessions/"+gone, nil, nil)
	m.awaitGone(gone)
}

// aServiceIsLikeALogin looks for what a service of systemd has and a login has not: another umask, a broken
// pipe that nobody is told of (141 is the status of who is), variables.
func (m *machine) aServiceIsLikeALogin(t *testing.T) {
	id := m.run("login")
	m.Await("the session to tell of itself", func() error {
		_, err := m.Exec("grep", "-qx", "end", "/root/login")
		return err
	})
	if got, want := m.Must("cat", "/root/login"), "0022\nnot a tty\n141\n/root\n0\nend"; got != want {
		t.Errorf("the session has %q, want %q", got, want)
	}
	m.Call(m.Token(), "DELETE", "/api/v1/sessions/"+id, nil, nil)
}

// aHogEndsItsOwnSession lets a session need more memory than it may.
func (m *machine) aHogEndsItsOwnSession(t *testing.T, other string) {
	for _, app := range []string{"hog", "terminal"} { // a terminal ends in good order when its program is killed
		id := m.StartSession(map[string]any{"app": app}).ID
		s := m.AwaitState(id, transporter.Ended)
		if want := "the session needed more memory than memory_max = 256M in performance/small.ini allows"; s.Reason != want {
			t.Errorf("%s: the reason is %q, want %q", app, s.Reason, want)
		}
		m.checkHeld(t, id)
		m.AwaitState(other, transporter.Running)
		m.reconnect(t, other)
		m.awaitGone(id)
	}
}

// checkHeld looks whether a session's log says that a limit is not enforced. That of I/O may not be: not every
// kernel has a scheduler that weighs.
func (m *machine) checkHeld(t *testing.T, id string) {
	var log struct{ Lines []string }
	m.Call(m.Token(), "GET", "/api/v1/sessions/"+id+"/log", nil, &log)
	if len(log.Lines) == 0 {
		t.Error("the session's log is empty")
	}
	for _, line := range log.Lines {
		if strings.Contains(line, "not enforced") && !strings.HasPrefix(line, "-- io_weight = 50 in performance/small.ini") {
			t.Errorf("the session's log says %q", line)
		}
	}
}

// aKilledSupervisorIsExplained kills the supervisor of a session after a program of it was killed for want of
// memory, as the kernel may.
func (m *machine) aKilledSupervisorIsExplained(t *testing.T) {
	id := m.run("survivor")
	m.awaitControl(id, "memory/memory.oom_control", "oom_kill", 1)
	m.AwaitState(id, transporter.Running)
	m.Must("systemctl", "kill", "--kill-who=main", "--signal=KILL", session.Unit(id))
	s := m.AwaitState(id, transporter.Ended)
	if want := "its supervisor was killed, and the session needed more memory than memory_max = 256M in performance/small.ini allows"; s.Reason != want {
		t.Errorf("the reason is %q, want %q", s.Reason, want)
	}
	m.awaitGone(id)
}

// aForkBombIsBounded lets a session start processes without end. The others, and its own display, answer all the
// same, new sessions start, and it ends when it is told to.
func (m *machine) aForkBombIsBounded(t *testing.T, other string) {
	id := m.run("bomb")
	m.awaitControl(id, "pids/pids.events", "max", 1)
	for range 3 {
		m.reconnect(t, other)
		m.reconnect(t, id)
		m.Call(m.Token(), "DELETE", "/api/v1/sessions/"+m.run("xterm"), nil, nil)
	}
	tasks, err := m.control(id, "pids/pids.current")
	if n, _ := strconv.Atoi(strings.TrimSpace(tasks)); n == 0 || n > 100 {
		t.Errorf("the session has %s tasks, %v", tasks, err)
	}
	if quota, err := m.control(id, "cpu/cpu.cfs_quota_us"); err != nil || strings.TrimSpace(quota) != "50000" {
		t.Errorf("the session's share of the CPU is %s, %v", quota, err)
	}
	m.AwaitState(id, transporter.Running)
	var s transporter.Session
	if status := m.Call(m.Token(), "DELETE", "/api/v1/sessions/"+id, nil, &s); status != 200 || s.State != transporter.Ended {
		t.Errorf("terminate: %d, %+v", status, s)
	}
	m.awaitGone(id)
}

// noSystemdNoSession starts a session while systemd cannot be reached: rather none than one without limits.
func (m *machine) noSystemdNoSession(t *testing.T) {
	before := len(m.Sessions())
	m.Must("mv", "/run/systemd/private", "/run/systemd/away")
	var refusal apiError
	status := m.Call(m.Token(), "POST", "/api/v1/sessions", map[string]any{"app": "hog"}, &refusal)
	m.Must("mv", "/run/systemd/away", "/run/systemd/private")
	if status != 500 || !strings.Contains(refusal.Error.Message+refusal.Error.Detail, "reach systemd to start fastx-session-") {
		t.Errorf("status %d, %+v", status, refusal)
	}
	if after := len(m.Sessions()); after != before {
		t.Errorf("%d sessions are listed, and %d were before", after, before)
	}
}

// aFloodOfOutputFillsNoDisk lets a session write to its standard error without end, at least ten times as much as
// the disk may lose.
func (m *machine) aFloodOfOutputFillsNoDisk(t *testing.T) {
	const most = 20 << 10 // KiB
	before, began := m.used(), time.Now()
	id := m.run("flood")
	m.Await("enough output", func() error {
		wrote, _ := m.Exec("sh", "-c", "awk '/^wchar:/ { print $2 }' /proc/$(pgrep -x yes)/io")
		if n, _ := strconv.Atoi(strings.TrimSpace(wrote)); n < 10*most<<10 || *soak && time.Since(began) < 60*time.Second {
			return fmt.Errorf("%s bytes", wrote)
		}
		return nil
	})
	if grown := m.used() - before; grown > most {
		t.Errorf("the disk has %d KiB less", grown)
	} else {
		t.Logf("in %s the disk has %d KiB less", time.Since(began).Round(time.Second), grown)
	}
	m.Call(m.Token(), "DELETE", "/api/v1/sessions/"+id, nil, nil)
	m.awaitGone(id)
}

// used is how much of the disk all files of the machine take, in KiB.
func (m *machine) used() int {
	m.t.Helper()
	out := m.Must("sh", "-c", "du -skxc /var /tmp /run /root /etc 2>/dev/null | tail -n 1 | cut -f 1")
	n, err := strconv.Atoi(out)
	if err != nil {
		m.t.Fatalf("du says %q", out)
	}
	return n
}
