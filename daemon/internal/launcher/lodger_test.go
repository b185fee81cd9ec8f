package launcher

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const guest = 65534 // as whom the inn's sessions run

// inn is a Lodger in little: every session runs as guest, but for those that it refuses.
type inn struct {
	mu     sync.Mutex
	refuse spawn.Refusal
	orders []spawn.Order
	killed []string
	pids   map[string]int
	guests sync.WaitGroup
}

var _ spawn.Lodger = (*inn)(nil)

func (i *inn) Lodge(o *ticket.Order) (spawn.Place, error) {
	return spawn.Place{Account: session.Account{Name: o.User, UID: guest, GID: guest, Home: "/", Shell: "/bin/sh"}, Dir: session.UserDir(o.Session)}, nil
}

func (i *inn) Start(o spawn.Order) (session.Process, bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refuse != "" {
		return session.Process{}, false, i.refuse
	}
	i.orders = append(i.orders, o)
	cmd := exec.Command("/proc/self/exe", o.ID) // whoever may not enter its folder
	cmd.Args[0] = "fastxd-session"
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin"}, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Record, o.Lock, o.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: guest, Gid: guest}}
	if err := cmd.Start(); err != nil {
		return session.Process{}, false, err
	}
	i.pids[o.ID] = cmd.Process.Pid
	p, err := session.ProcessOf(cmd.Process.Pid)
	i.guests.Go(func() { cmd.Wait() }) // it is no child of the launcher's, as one of systemd's is not
	return p, false, err
}

func (i *inn) Kill(id string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.killed = append(i.killed, id)
	return syscall.Kill(i.pids[id], syscall.SIGKILL)
}

// newInn opens one and a node, whose sessions run as guest when it is started with what is returned last.
func newInn(t *testing.T) (*inn, *node, func(*Launcher)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to start processes of another user")
	}
	i := &inn{pids: make(map[string]int)}
	t.Cleanup(i.guests.Wait) // they end with the node's folders
	n := newNode(t)
	must(t, os.Chmod(filepath.Dir(n.dirs.Run), 0o711)) // as /run is; what is below is the launcher's to open
	return i, n, func(l *Launcher) { l.opts.Starter, l.lodger = i, i }
}

func TestASessionRunsAsItsUser(t *testing.T) {
	t.Parallel()
	i, n, with := newInn(t)
	n.start(with)
	s := n.run("")
	rec := n.record(s.ID)
	if rec.Account.UID != guest || rec.Account.Name != "alice" || rec.Dir != session.UserDir(s.ID) {
		t.Errorf("the record says %+v", rec)
	}
	for path, want := range map[string]os.FileMode{
		n.dirs.Run: 0o711, session.LauncherSocket(n.dirs.Run): 0o666, filepath.Join(n.dirs.Run, "s"): 0o700,
		filepath.Join(n.dirs.Local, "sessions"): 0o700, session.RecordPath(n.dirs.Local, s.ID): 0o600,
		session.LogPath(n.dirs.Local, s.ID): 0o600, session.LockPath(n.dirs.Local, s.ID): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
	i.mu.Lock()
	o := i.orders[0]
	i.mu.Unlock()
	if c, err := ticket.Peek(o.Ticket); err != nil || c.Order == nil || c.Order.Session != s.ID || o.Socket != rec.Socket || o.TempDir != n.dirs.Temp {
		t.Errorf("the Starter was given %+v", o)
	}
	// It is found again, with a launcher that cannot start such sessions, too.
	n.restart()
	n.becomes(s.ID, transporter.Running)
	n.restart(with)
	n.becomes(s.ID, transporter.Running)
	if s, err := n.terminate(s.ID); err != nil || s.State != transporter.Ended {
		t.Errorf("terminate: %+v, %v", s, err)
	}
}

func TestWhatDoesNotObeyIsKilledByWhoCan(t *testing.T) {
	t.Parallel()
	i, n, with := newInn(t)
	n.start(with)
	id := n.run("stubborn").ID
	if s, err := n.terminate(id); err != nil || s.State != transporter.Ended || s.Reason != "ended by alice" {
		t.Errorf("terminate: %+v, %v", s, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.killed) == 0 || i.killed[0] != id {
		t.Errorf("killed were %q", i.killed)
	}
}

func TestARefusalIsToldAndLeavesNothing(t *testing.T) {
	t.Parallel()
	i, n, with := newInn(t)
	i.refuse = "the account alice is locked"
	n.start(with)
	o := order("")
	_, err := transporter.Call(t.Context(), n.caller, transporter.LauncherStart.On("n1"), transporter.TicketRequest{Ticket: n.startTicket(o)})
	if e := transporter.AsError(err); e.Code != transporter.Forbidden || !strings.Contains(e.Message, "alice is locked") {
		t.Errorf("start: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(n.dirs.Local, "sessions")); err != nil || len(left) != 0 {
		t.Errorf("left is %v, %v", left, err)
	}
}
