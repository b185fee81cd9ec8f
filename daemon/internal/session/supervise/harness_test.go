package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// patience is how long a test waits for what must come; nothing is judged by it but that it came.
const patience = 60 * time.Second

// limitsVariable makes the test program a supervisor, with the limits it holds.
const limitsVariable = "FX_TEST_LIMITS"

func TestMain(m *testing.M) {
	if limits := os.Getenv(limitsVariable); limits != "" {
		os.Exit(superviseWith(limits))
	}
	if findProgram(Defaults().Programs, "Xvnc", "Xtigervnc") == "" {
		fmt.Fprintln(os.Stderr, "Xvnc is not installed, and these tests drive a real one: run `make test`, which installs what the tests need")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func superviseWith(limits string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	in, err := Inherit()
	if err == nil {
		err = json.Unmarshal([]byte(limits), &in.Limits)
	}
	if err == nil {
		err = Run(ctx, in)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, session.EndPrefix+err.Error())
		return 1
	}
	return 0
}

// trial is one supervisor under test, with a launcher of its own.
type trial struct {
	*testing.T
	rec      *session.Record
	limits   Limits
	local    string // FX_LOCAL_DIR
	run      string // FX_RUN_DIR
	home     string
	cmd      *exec.Cmd
	exited   chan struct{}
	launcher *fakeLauncher
	extra    *os.File // inherited by mistake
}

// newTrial prepares a session that runs command. Its directories may be entered by every
// user, so that only what the supervisor does keeps others out, and have short names.
func newTrial(t *testing.T, command string) *trial {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "fx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	tr := &trial{T: t, local: base + "/local", run: base + "/run", home: base + "/home", limits: Defaults(), exited: make(chan struct{})}
	for _, dir := range []string{base, tr.local, tr.local + "/sessions", tr.run, tr.run + "/s", tr.home} {
		tr.ok(os.MkdirAll(dir, 0o755))
		tr.ok(os.Chmod(dir, 0o755))
	}
	id := strings.ToLower(filepath.Base(base)) + "0123456789abcdef"
	tr.rec = &session.Record{
		Format: session.Format, ID: id[:16], User: "ann", Name: "Ann's session", Command: command, Geometry: "800x600",
		Account: session.Account{Name: "ann", UID: os.Getuid(), GID: os.Getgid(), Home: tr.home, Shell: "/bin/bash"},
		Dir:     session.Dir(tr.run, id[:16]), Socket: session.LauncherSocket(tr.run), TempDir: "/tmp",
	}
	return tr
}

// startTrial starts a session that runs command, with a launcher.
func startTrial(t *testing.T, command string) *trial {
	t.Helper()
	tr := newTrial(t, command)
	tr.launcher = tr.listen()
	tr.start()
	return tr
}

func (tr *trial) ok(err error) {
	tr.Helper()
	if err != nil {
		tr.Fatal(err)
	}
}

// start does what a launcher does: lock, record, supervisor.
func (tr *trial) start() {
	tr.Helper()
	lock, err := session.CreateLock(tr.lockPath())
	tr.ok(err)
	defer lock.Close()
	tr.ok(session.WriteRecord(session.RecordPath(tr.local, tr.rec.ID), tr.rec))
	tr.startOn(lock, session.RecordPath(tr.local, tr.rec.ID))
}

func (tr *trial) startOn(lock *os.File, recordPath string) {
	tr.Helper()
	record, err := os.Open(recordPath)
	tr.ok(err)
	defer record.Close()
	log, err := session.OpenLog(tr.logPath())
	tr.ok(err)
	defer log.Close()
	limits, err := json.Marshal(tr.limits)
	tr.ok(err)
	tr.cmd = exec.Command("/proc/self/exe")
	tr.cmd.Stdin, tr.cmd.Stdout, tr.cmd.Stderr = record, lock, log
	if tr.extra != nil {
		tr.cmd.ExtraFiles = []*os.File{tr.extra}
	}
	tr.cmd.Env = []string{limitsVariable + "=" + string(limits), "SERVICES=launcher", "FX_TRANSPORTER_SECRET=/secret", "LEAK=1",
		"GORACE=atexit_sleep_ms=0"} // the race detector would let each linger for a second
	tr.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	tr.ok(tr.cmd.Start())
	go func() { tr.cmd.Wait(); close(tr.exited) }()
	tr.Cleanup(tr.stop)
}

// stop ends what a test left behind, and shows the log of one that failed.
func (tr *trial) stop() {
	tr.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-tr.exited:
	case <-time.After(patience):
		tr.cmd.Process.Kill()
		tr.Error("the supervisor did not heed SIGTERM")
	}
	if tr.Failed() {
		tr.Logf("log of %s:\n%s", tr.rec.ID, strings.Join(tr.tail(50), "\n"))
	}
}

func (tr *trial) lockPath() string { return session.LockPath(tr.local, tr.rec.ID) }
func (tr *trial) logPath() string  { return session.LogPath(tr.local, tr.rec.ID) }

func (tr *trial) tail(n int) []string {
	lines, err := session.Tail(tr.logPath(), n)
	if err != nil {
		return []string{err.Error()}
	}
	return lines
}

func (tr *trial) waitExit() {
	tr.Helper()
	select {
	case <-tr.exited:
	case <-time.After(patience):
		tr.Fatal("the supervisor did not exit")
	}
}

// locked tells whether the session's lock is held.
func (tr *trial) locked() bool {
	tr.Helper()
	f, held, err := session.TryLock(tr.lockPath())
	tr.ok(err)
	if f != nil {
		tr.ok(session.Unlock(f))
	}
	return held
}

// eventually waits until done says so.
func (tr *trial) eventually(what string, done func() bool) {
	tr.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tr.Fatalf("waited in vain until %s", what)
		}
	}
}

// file waits for a file in the session's home that ends in a newline and returns it.
func (tr *trial) file(name string) string {
	tr.Helper()
	var data []byte
	tr.eventually(name+" is written", func() bool {
		data, _ = os.ReadFile(filepath.Join(tr.home, name))
		return strings.HasSuffix(string(data), "\n")
	})
	return string(data)
}

// await waits for a report of that state from any connection.
func (tr *trial) await(state string) session.Report {
	tr.Helper()
	return tr.report(state, func(r session.Report) bool { return r.State == state && (state != "running" || hasCommand(r)) })
}

// hasCommand reports whether the session has come as far as its command.
func hasCommand(r session.Report) bool {
	return slices.ContainsFunc(r.Processes, func(p session.Process) bool { return p.Name == "command" })
}

func (tr *trial) report(what string, want func(session.Report) bool) session.Report {
	tr.Helper()
	for late := time.After(patience); ; {
		select {
		case r := <-tr.launcher.reports:
			if r.ID != tr.rec.ID {
				tr.Fatalf("report of %q, want %q", r.ID, tr.rec.ID)
			}
			if want(r.Report) {
				if r.fd != nil {
					tr.launcher.passed <- r.fd
				}
				return r.Report
			}
		case <-late:
			tr.Fatalf("no %s report; log:\n%s", what, strings.Join(tr.tail(20), "\n"))
		}
	}
}

// viewer orders an RFB connection and returns it.
func (tr *trial) viewer(seq uint64) net.Conn {
	tr.Helper()
	tr.order(session.Order{Type: "viewer", Seq: seq})
	r := tr.report("viewer", func(r session.Report) bool { return r.Type == "viewer" })
	if r.Seq != seq || r.Error != "" {
		tr.Fatalf("answer %+v to viewer order %d", r, seq)
	}
	f := <-tr.launcher.passed
	defer f.Close()
	conn, err := net.FileConn(f)
	tr.ok(err)
	tr.Cleanup(func() { conn.Close() })
	return conn
}

// greeting reads what an RFB server says first.
func (tr *trial) greeting(conn net.Conn) string {
	tr.Helper()
	buf := make([]byte, 12)
	conn.SetReadDeadline(time.Now().Add(patience))
	_, err := io.ReadFull(conn, buf)
	tr.ok(err)
	return string(buf)
}

func (tr *trial) order(o session.Order) {
	tr.Helper()
	tr.ok(tr.launcher.current().Send(o, nil))
}

// end tells the session to end, waits until it has and checks the reason.
func (tr *trial) end() {
	tr.Helper()
	tr.order(session.Order{Type: "terminate", Reason: "ended by ann"})
	if r := tr.await("ended"); r.Reason != "ended by ann" {
		tr.Fatalf("reason %q", r.Reason)
	}
}

// fakeLauncher is the other end of launcher.sock.
type fakeLauncher struct {
	listener *net.UnixListener
	reports  chan reported
	links    chan *session.Link // holds the link of the last hello
	passed   chan *os.File      // the descriptor of the last viewer report
}

type reported struct {
	session.Report
	fd *os.File
}

func (tr *trial) listen() *fakeLauncher {
	tr.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tr.rec.Socket, Net: "unix"})
	tr.ok(err)
	f := &fakeLauncher{listener: l, reports: make(chan reported, 100), links: make(chan *session.Link, 1), passed: make(chan *os.File, 1)}
	go f.accept()
	tr.Cleanup(f.close)
	return f
}

func (f *fakeLauncher) accept() {
	for {
		conn, err := f.listener.AcceptUnix()
		if err != nil {
			return
		}
		go f.serve(session.NewLink(conn))
	}
}

func (f *fakeLauncher) serve(link *session.Link) {
	for {
		var r session.Report
		fd, err := link.Receive(&r)
		if err != nil {
			return
		}
		if r.Type == "hello" {
			select {
			case <-f.links:
			default:
			}
			f.links <- link
		}
		f.reports <- reported{r, fd}
	}
}

// current returns the link that last said hello.
func (f *fakeLauncher) current() *session.Link {
	link := <-f.links
	f.links <- link
	return link
}

// close is what kill -9 of a launcher does.
func (f *fakeLauncher) close() {
	f.listener.Close()
	select {
	case link := <-f.links:
		link.Close()
	default:
	}
}
