package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// memoryLimit is what an idle supervisor may take, in kB resident.
const memoryLimit = 6 << 10

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// program is the built command.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("/tmp", "fx")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "fastxd-session")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	code := 1
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
	} else if _, err := exec.LookPath("Xvnc"); err != nil {
		fmt.Fprintln(os.Stderr, "Xvnc is not installed, and these tests drive a real one: run `make test`, which installs what the tests need")
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// started is a supervisor, and the launcher that this test is.
type started struct {
	rec      *session.Record
	cmd      *exec.Cmd
	passed   []*os.File
	launcher *net.UnixListener
	link     *session.Link
	log      string
}

// prepare makes all that a launcher makes before it starts a supervisor.
func prepare(tb testing.TB, command string) *started {
	tb.Helper()
	base := shortDir(tb)
	id := "0123456789abcdef"
	rec := &session.Record{
		Format: session.Format, ID: id, Command: command, Geometry: "1280x800",
		Account: session.Account{Name: "ann", UID: os.Getuid(), GID: os.Getgid(), Home: base, Shell: "/bin/sh"},
		Dir:     session.Dir(base, id), Socket: session.LauncherSocket(base), TempDir: "/tmp",
	}
	must(tb, os.Mkdir(base+"/sessions", 0o700))
	lock, err := session.CreateLock(session.LockPath(base, id))
	must(tb, err)
	must(tb, session.WriteRecord(session.RecordPath(base, id), rec))
	record, err := os.Open(session.RecordPath(base, id))
	must(tb, err)
	log, err := session.OpenLog(session.LogPath(base, id))
	must(tb, err)
	launcher, err := net.ListenUnix("unix", &net.UnixAddr{Name: rec.Socket, Net: "unix"})
	must(tb, err)
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = record, lock, log, []string{}
	return &started{rec: rec, cmd: cmd, passed: []*os.File{record, lock, log}, launcher: launcher, log: log.Name()}
}

// start starts a session that runs command, and waits for its hello.
func start(tb testing.TB, command string) *started {
	tb.Helper()
	s := prepare(tb, command)
	must(tb, s.cmd.Start())
	tb.Cleanup(s.stop)
	conn, err := s.launcher.AcceptUnix()
	must(tb, err)
	s.link = session.NewLink(conn)
	must(tb, s.link.SetReadDeadline(time.Now().Add(patience)))
	return s
}

func (s *started) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	s.launcher.Close()
	for _, f := range s.passed {
		f.Close()
	}
}

func shortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/tmp", "fx")
	must(tb, err)
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// await reads reports up to the first of that state.
func (s *started) await(tb testing.TB, state string) {
	tb.Helper()
	for r := (session.Report{}); r.State != state; {
		if _, err := s.link.Receive(&r); err != nil {
			lines, _ := session.Tail(s.log, 30)
			tb.Fatalf("waiting for %s: %v; log:\n%s", state, err, strings.Join(lines, "\n"))
		}
	}
}

func TestIdleSupervisorIsSmall(t *testing.T) {
	s := start(t, "exec xterm -e cat")
	s.await(t, "running")
	must(t, s.link.Send(session.Order{Type: "viewer", Seq: 1}, nil))
	for r := (session.Report{}); r.Type != "viewer"; {
		fd, err := s.link.Receive(&r)
		must(t, err)
		if fd != nil {
			defer fd.Close()
		}
	}
	if kB := resident(t, s.cmd.Process.Pid); kB > memoryLimit || kB == 0 {
		t.Errorf("%d kB resident, want at most %d", kB, memoryLimit)
	} else {
		t.Logf("%d kB resident", kB)
	}
}

// resident reads VmRSS.
func resident(tb testing.TB, pid int) int {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(tb, err)
	fields := strings.Fields(string(status))
	kB, err := strconv.Atoi(fields[slices.Index(fields, "VmRSS:")+1])
	must(tb, err)
	return kB
}

func TestCommandIsNotForPersons(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, 2, "fastxd-session takes no options; fastxd starts it, one for each session.\n"},
		{[]string{"autopsy", "../x"}, 2, "fastxd-session takes no options; fastxd starts it, one for each session.\n"},
		{[]string{"a", "b"}, 2, "fastxd-session takes no options; fastxd starts it, one for each session.\n"},
		{nil, 1, "-- ended: descriptors 1 and 2 are no lock and no log; fastxd starts this program, not a person\n"},
	} {
		cmd := exec.Command(program, c.args...)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != c.code || string(out) != c.says {
			t.Errorf("%v: %v, %q", c.args, err, out)
		}
	}
}

func TestAnAutopsyThatFindsNothingSaysNothing(t *testing.T) {
	s := prepare(t, "exec cat")
	t.Cleanup(s.stop)
	must(t, os.WriteFile(s.log, []byte("the last thing that was said\n"), 0o600))
	s.cmd.Args = append(s.cmd.Args, "autopsy", s.rec.ID)
	must(t, s.cmd.Run())
	if lines, err := session.Tail(s.log, 10); len(lines) != 1 || err != nil {
		t.Errorf("the log holds %q, %v", lines, err)
	}
}

func TestSupervisorLinksTheStandardLibraryAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	must(t, err)
	for dep := range bytes.FieldsSeq(out) {
		if !bytes.HasPrefix(dep, []byte("github.com/fastx-kit/fastx-kit/daemon/")) {
			t.Errorf("%s is linked, and a supervisor must stay small", dep)
		}
	}
	out, err = exec.Command("go", "list", "-deps", ".").Output()
	must(t, err)
	for _, big := range []string{"net/http", "crypto/tls", "os/user", "text/template", "log/slog"} {
		if slices.Contains(strings.Fields(string(out)), big) {
			t.Errorf("%s is linked, and a supervisor must stay small", big)
		}
	}
}

// BenchmarkRFB measures from the start of the process to the moment the X server's RFB socket
// accepts a connection, and to its first bytes: bare Xvnc, and Xvnc under the supervisor.
func BenchmarkRFB(b *testing.B) {
	for _, side := range []struct {
		name  string
		start func(*testing.B) (begin time.Time, socket string, stop func())
	}{{"bare", bareXvnc}, {"supervised", supervised}} {
		b.Run(side.name, func(b *testing.B) {
			var accepted, greeted []time.Duration
			for b.Loop() {
				begin, socket, stop := side.start(b)
				a, g := firstBytes(b, socket)
				accepted, greeted = append(accepted, a.Sub(begin)), append(greeted, g.Sub(begin))
				stop()
			}
			b.ReportMetric(median(accepted), "ms-to-accept")
			b.ReportMetric(median(greeted), "ms-to-greeting")
			b.ReportMetric(0, "ns/op") // it holds the ending, too
		})
	}
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds() * 1000
}

func bareXvnc(b *testing.B) (time.Time, string, func()) {
	dir := shortDir(b)
	cmd := exec.Command("Xvnc", "-displayfd", "2", "-geometry", "1280x800", "-depth", "24", "-rfbunixpath", dir+"/rfb",
		"-rfbport", "-1", "-nolisten", "tcp", "-SecurityTypes", "None")
	begin := time.Now()
	must(b, cmd.Start())
	return begin, dir + "/rfb", func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() }
}

func supervised(b *testing.B) (time.Time, string, func()) {
	s := prepare(b, "exec sleep 3600")
	begin := time.Now()
	must(b, s.cmd.Start())
	return begin, session.RFBSocket(s.rec.Dir), s.stop
}

// firstBytes waits until a socket takes a connection, and then for its greeting.
func firstBytes(b *testing.B, path string) (accepted, greeted time.Time) {
	b.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		conn, err := net.Dial("unix", path)
		if err != nil {
			continue
		}
		defer conn.Close()
		accepted = time.Now()
		_, err = io.ReadFull(conn, make([]byte, 12))
		must(b, err)
		return accepted, time.Now()
	}
	b.Fatal("the RFB socket does not accept")
	return accepted, greeted
}
