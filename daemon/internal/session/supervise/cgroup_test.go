package supervise

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// machine is a /proc/self and the control groups of a machine that is none.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T, cgroup, mountinfo string) machine {
	m := machine{t, t.TempDir()}
	m.write("proc/cgroup", cgroup)
	m.write("proc/mountinfo", mountinfo)
	return m
}

func (m machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// own is the control group of the session x, with what was written below the root.
func (m machine) own() cgroup {
	own := ownCgroup(filepath.Join(m.root, "proc"), session.Unit("x"))
	for c, dir := range own {
		own[c] = filepath.Join(m.root, dir)
	}
	return own
}

const unitX = "/fastx.slice/fastx-session-x.service"

func TestControlGroupsOfVersion2(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "0::"+unitX+"\n", "30 23 0:26 / /cg rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n")
	m.write("cg"+unitX+"/memory.max", "268435456\n")
	m.write("cg"+unitX+"/memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n")
	m.write("cg"+unitX+"/pids.max", "100\n")
	m.write("cg"+unitX+"/cpu.max", "150000 100000\n")
	m.write("cg"+unitX+"/io.weight", "default 50\n")
	l := session.Limits{Profile: "p", Memory: 256 << 20, Tasks: 100, CPU: 150, IOWeight: 50}
	if got := m.own().unheld(l); got != nil {
		t.Errorf("these are not held: %q", got)
	}
	if got := m.own().oomKills(); got != 2 {
		t.Errorf("%d were killed, want 2", got)
	}
	m.write("cg"+unitX+"/memory.max", "max\n")
	m.write("cg"+unitX+"/cpu.max", "max 100000\n")
	want := []string{
		"memory_max = 256M in performance/p.ini is not enforced: this machine's control groups do not offer it",
		"cpu_quota = 150% in performance/p.ini is not enforced: this machine's control groups do not offer it",
	}
	if got := m.own().unheld(l); !slices.Equal(got, want) {
		t.Errorf("these are not held: %q, want %q", got, want)
	}
}

// TestControlGroupsOfVersion1 is as in a container: the hierarchies of the machine are to be seen in
// parts, and the unit has folders only in those where something limits it.
func TestControlGroupsOfVersion1(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "9:cpu,cpuacct:/docker/c\n8:memory:/docker/c"+unitX+"\n7:pids:/docker/c"+unitX+"\n1:name=systemd:/docker/c"+unitX+"\n0::/\n",
		"1 0 0:1 /docker/c /cg/memory rw shared:1 - cgroup cgroup rw,memory\n2 0 0:2 / /cg/pids rw - cgroup cgroup rw,pids\n"+
			"3 0 0:3 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n4 0 0:4 / /cg/unified rw - cgroup2 cgroup2 rw\n")
	m.write("cg/memory"+unitX+"/memory.limit_in_bytes", "268435456\n")
	m.write("cg/memory"+unitX+"/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
	m.write("cg/pids/docker/c"+unitX+"/pids.max", "99\n")
	l := session.Limits{Profile: "p", Memory: 256<<20 + 1, Tasks: 100, CPU: 150}
	want := []string{"cpu_quota = 150% in performance/p.ini is not enforced: this machine's control groups do not offer it"}
	if got := m.own().unheld(l); !slices.Equal(got, want) {
		t.Errorf("these are not held: %q, want %q", got, want)
	}
	if got := m.own().oomKills(); got != 1 {
		t.Errorf("%d were killed, want 1", got)
	}
}

func TestAControlGroupOfManySessionsIsNobodysOwn(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "0::/system.slice/fastxd.service\n", "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n")
	m.write("cg/system.slice/fastxd.service/memory.events", "oom_kill 5\n")
	m.write("cg/system.slice/fastxd.service/memory.max", "1\n")
	if own := m.own(); len(own) != 0 || own.oomKills() != 0 || len(own.unheld(session.Limits{Memory: 1})) != 1 {
		t.Errorf("it is taken for the session's own: %v", own)
	}
}

func TestWasKilled(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{9: true, 137 << 8: true, 15: false, 0: false, 1 << 8: false, 143 << 8: false} {
		if got := wasKilled(syscall.WaitStatus(status)); got != want {
			t.Errorf("wait status %#x: %v", status, got)
		}
	}
}

// TestOnlyAKillJustNowExplainsAnEnd lets a process be killed, and time pass.
func TestOnlyAKillJustNowExplainsAnEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	killed := func(n int) {
		if err := os.WriteFile(filepath.Join(dir, "memory.events"), fmt.Appendf(nil, "oom 9\noom_kill %d\n", n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	killed(0)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := &killWatch{group: cgroup{"memory": dir}}
		go w.run(ctx)
		want := func(want bool) {
			t.Helper()
			if got := w.justNow(); got != want {
				t.Errorf("killed just now: %t, want %t", got, want)
			}
		}
		want(false)
		killed(1)
		want(true)
		time.Sleep(killsShown + time.Second)
		want(false)
		killed(2)
		time.Sleep(killsEvery + killsShown + time.Second) // seen by the watch alone
		want(false)
	})
}
