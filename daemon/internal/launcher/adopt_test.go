package launcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// What shortLivedDaemon is told, by its environment.
const (
	daemonDirs   = "TEST_DAEMON_DIRS"
	daemonStep   = "TEST_DAEMON_STEP"
	daemonTicket = "TEST_DAEMON_TICKET"
)

// shortLivedDaemon is a daemon that is killed, as by kill -9, after one step of a start.
func shortLivedDaemon() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	hub, err := transporter.NewHub(log)
	if err != nil {
		return 2
	}
	conn, err := transporter.Open(context.Background(), transporter.Options{Role: spec.Launcher, Node: "n1", Hub: hub, Log: log})
	if err != nil {
		return 2
	}
	l, err := New(options(conn, dirsIn(os.Getenv(daemonDirs)), log))
	if err != nil {
		return 2
	}
	l.since = time.Unix(0, 0)
	l.step = func(name string) {
		if name == os.Getenv(daemonStep) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	go l.Run(context.Background())
	for {
		_, err := l.start(context.Background(), transporter.TicketRequest{Ticket: os.Getenv(daemonTicket)})
		if code(err) != transporter.Unavailable { // it is not ready yet
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
		time.Sleep(time.Millisecond)
	}
}

// killedAfter has a daemon start a session and die after one step of it.
func (n *node) killedAfter(step, command string) string {
	n.t.Helper()
	o := order(command)
	self, err := os.Executable()
	must(n.t, err)
	cmd := exec.Command(self)
	cmd.Env = []string{
		daemonDirs + "=" + filepath.Dir(n.dirs.Local), daemonStep + "=" + step, daemonTicket + "=" + n.startTicket(o),
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		n.t.Fatalf("the daemon ended with %v: %s", err, out)
	}
	return o.Session
}

func TestADaemonThatIsKilledDuringAStart(t *testing.T) {
	t.Parallel()
	const stopped = "the daemon was stopped while the session was being started"
	for step, want := range map[string]struct {
		state  transporter.State // "" = there is no such session
		reason string
	}{
		"lock":   {},
		"record": {transporter.Ended, stopped},
		"log":    {transporter.Ended, stopped},
		"spawn":  {transporter.Running, ""},
		"note":   {transporter.Running, ""},
	} {
		t.Run("after "+step, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			id := n.killedAfter(step, "")
			n.start()
			if want.state == "" {
				n.isEmpty()
				return
			}
			s := n.becomes(id, want.state)
			if s.Reason != want.reason || s.User != "alice" || s.Command != "" || s.Name != "My app" {
				t.Errorf("the session is %+v", s)
			}
			n.until("the launcher is ready", n.l.Ready)
			n.until("the record says it", func() bool { return n.record(id).State == string(want.state) })
			if _, err := n.terminate(id); err != nil {
				t.Errorf("terminate: %v", err)
			}
		})
	}
	if len(births) != 5 {
		t.Error("a step of a start has no test")
	}
}

func TestALivingSessionIsUnknownUntilItsSupervisorReports(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	quick, s := n.run("other"), n.run("drop")
	n.halt()
	n.start()
	n.becomes(quick.ID, transporter.Running)
	if got, _ := n.view(s.ID); got.State != transporter.Unknown || n.l.Ready() {
		t.Errorf("before it reports, the session is %s and the launcher ready: %v", got.State, n.l.Ready())
	}
	n.goOn()
	after := n.becomes(s.ID, transporter.Running)
	if !after.Started.Equal(s.Started) {
		t.Errorf("it was started at %v and now at %v", s.Started, after.Started)
	}
	n.until("the launcher is ready", n.l.Ready)
}

func TestASupervisorThatNeverReportsDoesNotKeepTheNodeUnreadyForEver(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s := n.begin("mute")
	n.halt()
	n.start(func(l *Launcher) { l.pace.adopt = 0 })
	if got, _ := n.view(s.ID); got.State != transporter.Unknown || !n.l.Ready() {
		t.Errorf("the session is %s and the launcher ready: %v", got.State, n.l.Ready())
	}
}

func TestADeadSessionsReason(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*session.Record, *os.File){
		"the session's supervisor was killed":                        func(*session.Record, *os.File) {},
		"the machine was restarted":                                  func(r *session.Record, _ *os.File) { r.BootID = "another" },
		"the daemon was stopped while the session was being started": func(r *session.Record, _ *os.File) { r.Supervisor = session.Process{} },
		"the command exited with status 1": func(_ *session.Record, log *os.File) {
			fmt.Fprint(log, "output\n", session.EndPrefix, "the command exited with status 1\n")
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			id := n.dead(spoil)
			n.start()
			s := n.becomes(id, transporter.Ended)
			if s.Reason != want {
				t.Errorf("the reason is %q", s.Reason)
			}
			n.until("the launcher is ready", n.l.Ready)
			if rec := n.record(id); rec.State != "ended" || rec.Reason != want || rec.Ended.IsZero() {
				t.Errorf("the record is %+v", rec)
			}
			if _, err := os.Stat(session.Dir(n.dirs.Run, id)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its folder is still there: %v", err)
			}
		})
	}
}

// dead makes the files of a session that ran under a process that is no more.
func (n *node) dead(change func(*session.Record, *os.File)) string {
	n.t.Helper()
	id := ticket.NewID()
	o := order("xterm")
	o.Session = id
	l := n.build()
	place, err := l.lodge(o)
	must(n.t, err)
	rec := l.recordOf(o, place)
	n.conn.Close()
	rec.State, rec.Started, rec.Supervisor = "running", time.Now(), session.Process{PID: 1 << 22, Start: 1}
	must(n.t, os.MkdirAll(filepath.Join(n.dirs.Local, "sessions"), 0o700))
	must(n.t, os.MkdirAll(filepath.Join(rec.Dir, "xdg"), 0o700))
	log, err := session.OpenLog(session.LogPath(n.dirs.Local, id))
	must(n.t, err)
	defer log.Close()
	lock, err := session.CreateLock(session.LockPath(n.dirs.Local, id))
	must(n.t, err)
	defer session.Unlock(lock)
	change(&rec, log)
	must(n.t, session.WriteRecord(session.RecordPath(n.dirs.Local, id), &rec))
	return id
}

func TestLeftoversAreKilledAndNobodyElse(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	left, innocent := sleeper(t), sleeper(t)
	reused := innocent
	reused.Start-- // what the record means had the number before
	elsewhere := sleeper(t)
	n.dead(func(r *session.Record, _ *os.File) {
		r.Processes = []session.Process{left, reused, {PID: 1}, {PID: 0}, {PID: -1}}
	})
	n.dead(func(r *session.Record, _ *os.File) {
		r.BootID, r.Processes = "another", []session.Process{elsewhere}
	})
	outside := filepath.Join(n.dirs.Temp, "precious")
	must(t, os.Mkdir(outside, 0o700))
	n.dead(func(r *session.Record, _ *os.File) { r.Dir = outside })
	n.start()
	await(t, "the leftover is killed", func() bool { return !left.Alive() })
	if !innocent.Alive() || !elsewhere.Alive() {
		t.Error("a process of the same number was killed")
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("a folder that is no session's was removed: %v", err)
	}
}

func sleeper(t *testing.T) session.Process {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	must(t, cmd.Start())
	p, err := session.ProcessOf(cmd.Process.Pid)
	must(t, err)
	done := make(chan struct{})
	go func() { defer close(done); cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-done })
	return p
}

func TestARecordThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"empty":       func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"cut short":   func(p string) error { return os.Truncate(p, 40) },
		"garbage":     func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte{0xff}, 5000), 0o600) },
		"another's":   func(p string) error { return replace(p, `"id": "`, `"id": "0`) },
		"of a bad id": func(p string) error { return replace(p, `"id": "`, `"id": "../`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t).start()
			s := n.run("drop")
			n.halt()
			path := session.RecordPath(n.dirs.Local, s.ID)
			must(t, spoil(path))
			dead := n.dead(func(*session.Record, *os.File) {})
			must(t, spoil(session.RecordPath(n.dirs.Local, dead)))
			n.start()
			if got := n.becomes(s.ID, transporter.Unknown); got.User != "" || got.ID != s.ID {
				t.Errorf("the session is %+v", got)
			}
			if _, err := os.Stat(path + ".broken"); err != nil {
				t.Error(err)
			}
			if _, ok := n.view(dead); ok {
				t.Error("a dead session without a record is listed")
			}
			n.goOn()
			got := n.becomes(s.ID, transporter.Running)
			if got.User != "alice" || got.Command != "drop" { // from the copy that the supervisor has open
				t.Errorf("the session is %+v", got)
			}
			n.until("the record is written anew", func() bool {
				rec, err := session.ReadRecord(path)
				return err == nil && rec.State == "running" && rec.User == "alice"
			})
			if n.log.count("a session's record cannot be used") != 2 {
				t.Errorf("the log says %q", n.log.all())
			}
		})
	}
}

func TestARecordOfANewerVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s := n.run("")
	n.halt()
	path := session.RecordPath(n.dirs.Local, s.ID)
	must(t, replace(path, `"format": 1`, `"format": 2`))
	before, err := os.ReadFile(path)
	must(t, err)
	n.start()
	n.becomes(s.ID, transporter.Running)
	n.halt()
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the record was changed: %v\n%s", err, after)
	}
}

func TestALostRecordOfALivingSession(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s := n.run("")
	n.halt()
	must(t, os.Remove(session.RecordPath(n.dirs.Local, s.ID)))
	n.start()
	if got := n.becomes(s.ID, transporter.Running); got.User != "alice" {
		t.Errorf("the session is %+v", got)
	}
	n.until("the record is there again", func() bool {
		_, err := session.ReadRecord(session.RecordPath(n.dirs.Local, s.ID))
		return err == nil
	})
}

func TestLitterIsRemoved(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	dir := filepath.Join(n.dirs.Local, "sessions")
	must(t, os.Mkdir(dir, 0o700))
	for _, name := range []string{"a.lock", "a.log", "b.log", ".c.json.123", "README", "d.json.broken"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	n.start()
	if got := strings.Join(n.files(), " "); got != "README d.json.broken" {
		t.Errorf("what is left is %s", got)
	}
}

func TestOnlyOneLauncherServesAFolder(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	conn := n.open(spec.Launcher)
	defer conn.Close()
	second, err := New(options(conn, n.dirs, slog.New(n.log)))
	must(t, err)
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("Run: %v", err)
	}
	n.run("") // which the first one survived
}

// replace changes text in a file in place, as a careless hand would.
func replace(path, from, to string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600)
}

// all returns what was logged.
func (b *logbook) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines...)
}

// count tells how often a message was logged.
func (b *logbook) count(message string) int {
	n := 0
	for _, line := range b.all() {
		if strings.Contains(line, message) {
			n++
		}
	}
	return n
}
