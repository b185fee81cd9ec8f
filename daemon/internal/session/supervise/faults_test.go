package supervise

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// mount mounts a file system for one test.
func mount(t *testing.T, kind, dir string, flags uintptr, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount the small file system this test needs")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, kind, flags, options); err != nil {
		t.Skipf("this machine lets nobody mount a %s: %v", kind, err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func TestHomeThatCannotBeWrittenEndsTheSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, reason string
		spoil        func(t *testing.T, home string)
	}{
		{"full", "no space left on device; free some space or ask for more quota, then start again", func(t *testing.T, home string) {
			mount(t, "tmpfs", home, 0, "size=64k")
			os.WriteFile(home+"/filler", make([]byte, 1<<20), 0o600)
		}},
		{"read-only", "read-only file system; ask your administrator to mend it, then start again", func(t *testing.T, home string) {
			mount(t, "tmpfs", home, syscall.MS_RDONLY, "size=64k")
		}},
		{"missing", "no such file or directory; ask your administrator to create it, then start again", func(t *testing.T, home string) {
			if err := os.Remove(home); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file", "not a directory; ask your administrator to mend it, then start again", func(t *testing.T, home string) {
			if err := os.Remove(home); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(home, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, "true")
			c.spoil(t, tr.home)
			tr.launcher = tr.listen()
			tr.start()
			want := "home directory " + tr.home + " cannot be written: " + c.reason
			if r := tr.await("ended"); r.Reason != want {
				t.Errorf("reason %q\nwant   %q", r.Reason, want)
			}
		})
	}
}

func TestHomeCheckLeavesNothingBehindAndMindsNoLeftover(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for range 2 {
		if err := probeHome(home, "ab"); err != nil {
			t.Fatal(err)
		}
		entries, _ := os.ReadDir(home)
		if len(entries) != 0 {
			t.Fatalf("left in the home: %v", entries)
		}
		if err := os.WriteFile(home+"/.fx-probe-ab", []byte("of a killed supervisor"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLeftoversOfDeadServersBlockNoStart puts every kind of leftover in the way of the
// first display numbers; a supervisor takes the first number that Xvnc can use.
func TestLeftoversOfDeadServersBlockNoStart(t *testing.T) {
	t.Parallel()
	const first = 41300
	if err := os.MkdirAll("/tmp/.X11-unix", 0o1777); err != nil {
		t.Fatal(err)
	}
	leave := []func(n int) error{
		func(n int) error { // a lock whose process number lives again
			return os.WriteFile(lockFile(n), fmt.Appendf(nil, "%10d\n", os.Getpid()), 0o444)
		},
		func(n int) error { return os.WriteFile(lockFile(n), []byte("     99999\n"), 0o444) }, // of a dead one
		func(n int) error { return os.WriteFile(lockFile(n), nil, 0o444) },                    // torn
		func(n int) error { return os.WriteFile(socketFile(n), nil, 0o600) },                  // a plain file
		func(n int) error { return os.Mkdir(socketFile(n), 0o700) },
		func(n int) error { return os.Symlink("/nowhere", socketFile(n)) },
		func(n int) error { // of another user
			if os.Geteuid() != 0 {
				return os.WriteFile(socketFile(n), nil, 0)
			}
			return firstError(deadSocket(socketFile(n)), os.Chown(socketFile(n), 65534, 65534))
		},
		func(n int) error { return liveSocket(t, socketFile(n)) },        // a server in another network namespace
		func(n int) error { return liveSocket(t, "@"+socketFile(n)) },    // a server with another /tmp
		func(n int) error { return deadSocket(socketFile(n)) },           // our own: Xvnc replaces it
		func(n int) error { return liveSocket(t, "@fastx-display-999") }, // in nobody's way
	}
	for i, plant := range leave {
		n := first + i
		t.Cleanup(func() { os.RemoveAll(lockFile(n)); os.RemoveAll(socketFile(n)) })
		if err := plant(n); err != nil {
			t.Fatalf("leftover %d: %v", i, err)
		}
	}
	tr := newTrial(t, "exec xterm -e cat")
	tr.limits.FirstDisplay = first
	tr.launcher = tr.listen()
	tr.start()
	if r := tr.await("running"); r.Display != ":"+strconv.Itoa(first+9) {
		t.Errorf("display %s, want :%d", r.Display, first+9)
	}
	tr.end()
	for n := first; n < first+7; n++ {
		if !exists(lockFile(n)) && !exists(socketFile(n)) {
			t.Errorf("what was in the way of :%d was removed, and it was not ours", n)
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func liveSocket(t *testing.T, path string) error {
	l, err := net.Listen("unix", path)
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return err
}

func deadSocket(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}

func TestNumberTakenInTheLastMomentIsLeftToTheOther(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, "true")
	tr.limits.FirstDisplay = 41400
	// An Xvnc that ends at once for the first number it is told, as the real one does then.
	dir := tr.home + "/bin"
	tr.ok(os.Mkdir(dir, 0o755))
	script := "#!/bin/sh\n[ $1 = :41400 ] && { echo server already running >&2; exit 1; }\nexec /usr/bin/Xvnc \"$@\"\n"
	tr.ok(os.WriteFile(dir+"/Xvnc", []byte(script), 0o755))
	tr.limits.Programs = append([]string{dir}, tr.limits.Programs...)
	tr.launcher = tr.listen()
	tr.start()
	if r := tr.await("running"); r.Display != ":41401" {
		t.Errorf("display %s", r.Display)
	}
	if log := strings.Join(tr.tail(100), "\n"); !strings.Contains(log, "server already running") {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestXServerThatDoesNotStartIsAReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, reason string }{
		{"missing", "", "Xvnc is not installed; install tigervnc-standalone-server (Debian) or tigervnc-server (RHEL)"},
		{"broken", "#!/bin/sh\nexit 9\n", "the X server ended unexpectedly: it ended with status 9"},
		{"not a program", "\x7fELF", "the X server cannot be started: exec format error"},
		{"silent", "#!/bin/sh\nexec sleep 3600\n", "the X server did not start within 0.5 s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, "true")
			tr.limits.Programs, tr.limits.Start = []string{tr.home}, 500*time.Millisecond
			if c.name == "broken" {
				tr.limits.Start = patience
			}
			if c.script != "" {
				tr.ok(os.WriteFile(tr.home+"/Xvnc", []byte(c.script), 0o755))
			}
			tr.launcher = tr.listen()
			tr.start()
			if r := tr.await("ended"); r.Reason != c.reason {
				t.Errorf("reason %q, want %q", r.Reason, c.reason)
			}
		})
	}
}

func TestBadOrderIsAReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(*session.Record)
		reason string
	}{
		"geometry":     {func(r *session.Record) { r.Geometry = "800" }, `the geometry "800" is not WIDTHxHEIGHT`},
		"huge":         {func(r *session.Record) { r.Geometry = "40000x10" }, `the geometry "40000x10" is not WIDTHxHEIGHT`},
		"max geometry": {func(r *session.Record) { r.Geometry, r.MaxGeometry = "rootless", "-1x5" }, `the geometry "-1x5" is not WIDTHxHEIGHT`},
		"shell":        {func(r *session.Record) { r.Account.Shell = "/no/shell" }, "the command cannot be started with /no/shell: no such file or directory"},
		"directory": {func(r *session.Record) { r.Dir += strings.Repeat("x", 100) },
			"bytes long, but a Unix socket takes at most 107; choose a shorter FX_RUN_DIR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, "true")
			c.spoil(tr.rec)
			tr.launcher = tr.listen()
			tr.start()
			if r := tr.await("ended"); !strings.HasSuffix(r.Reason, c.reason) {
				t.Errorf("reason %q, want %q", r.Reason, c.reason)
			}
		})
	}
}

func TestRecordThatCannotBeReadIsTheLogsLastWord(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"torn": `{"format":1,"id":"a`, "newer": `{"format":99,"id":"ab"}`, "id": `{"format":1,"id":"../x"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, "true")
			lock, err := session.CreateLock(tr.lockPath())
			tr.ok(err)
			defer lock.Close()
			tr.ok(os.WriteFile(tr.home+"/record", []byte(content), 0o600))
			tr.startOn(lock, tr.home+"/record")
			tr.waitExit()
			if reason, _, ok := session.EndNote(tr.logPath()); !ok || !strings.HasPrefix(reason, "the supervisor cannot use what it was given: the session record ") {
				t.Errorf("end note %q, log %q", reason, tr.tail(5))
			}
		})
	}
}

func TestFiftySupervisorsAtOnceGetFiftyDisplays(t *testing.T) {
	const many = 50
	trials := make([]*trial, many)
	for i := range trials {
		trials[i] = newTrial(t, "exec cat <>/dev/ptmx")
		trials[i].launcher = trials[i].listen()
	}
	var all sync.WaitGroup
	for _, tr := range trials {
		all.Go(tr.start)
	}
	all.Wait()
	seen := make(map[string]bool)
	for _, tr := range trials {
		r := tr.await("running")
		if seen[r.Display] {
			t.Errorf("display %s was given out twice", r.Display)
		}
		seen[r.Display] = true
		if got := tr.greeting(tr.viewer(1)); got != "RFB 003.008\n" {
			t.Errorf("display %s greets with %q", r.Display, got)
		}
		if log := strings.Join(tr.tail(100), "\n"); strings.Contains(log, "trying another display") {
			t.Errorf("a number was tried twice:\n%s", log)
		}
	}
}

func TestLauncherThatComesBackFindsTheSession(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	tr.await("running")
	viewer := tr.viewer(1)
	for range 3 {
		tr.launcher.close()
		tr.launcher = tr.listen()
		r := tr.report("hello", func(r session.Report) bool { return r.Type == "hello" })
		if r.State != "running" || r.Display == "" || len(r.Processes) != 2 {
			t.Fatalf("hello %+v", r)
		}
	}
	if got := tr.greeting(viewer); got != "RFB 003.008\n" {
		t.Errorf("the viewer from before reads %q", got)
	}
	if got := tr.greeting(tr.viewer(2)); got != "RFB 003.008\n" {
		t.Errorf("a viewer after reads %q", got)
	}
}

func TestLauncherHearsOfAnEndItMissed(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "until [ -e ~/end ]; do sleep 0.01; done; exit 4")
	tr.await("running")
	tr.launcher.close()
	tr.ok(os.WriteFile(tr.home+"/end", nil, 0o600))
	tr.eventually("the last words are written", func() bool { _, _, ok := session.EndNote(tr.logPath()); return ok })
	if !tr.locked() {
		t.Error("the lock is free before anybody heard the end")
	}
	tr.launcher = tr.listen()
	r := tr.report("hello", func(r session.Report) bool { return r.Type == "hello" })
	if r.State != "ended" || r.Reason != "the command ended with status 4" {
		t.Errorf("hello %+v", r)
	}
	tr.order(session.Order{Type: "viewer", Seq: 7})
	if r := tr.report("viewer", func(r session.Report) bool { return r.Type == "viewer" }); r.Error != "the session has ended" || r.Seq != 7 {
		t.Errorf("answer %+v", r)
	}
	tr.order(session.Order{Type: "goodbye"})
	tr.waitExit()
}

func TestEndNobodyAsksForStaysInTheLog(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, "echo -- ended: forged; exit 5")
	tr.limits.EndWait = time.Millisecond
	tr.start()
	tr.waitExit()
	if tr.locked() {
		t.Error("the lock is held by nobody")
	}
	if reason, _, _ := session.EndNote(tr.logPath()); reason != "the command ended with status 5" {
		t.Errorf("end note %q", reason)
	}
}

func TestOrdersThatMakeNoSenseAreIgnored(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	tr.await("running")
	unasked, err := os.Create(tr.home + "/unasked")
	tr.ok(err)
	defer unasked.Close()
	tr.order(session.Order{Type: "goodbye"}) // too early
	tr.order(session.Order{Type: "dance"})
	tr.ok(tr.launcher.current().Send(session.Order{Type: "unknown"}, unasked))
	if got := tr.greeting(tr.viewer(1)); got != "RFB 003.008\n" {
		t.Errorf("after nonsense a viewer reads %q", got)
	}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", tr.cmd.Process.Pid))
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); target == unasked.Name() {
			t.Error("a descriptor that was passed unasked for is left open")
		}
	}
	if len(fds) == 0 {
		t.Error("no descriptors found, so the test proves nothing")
	}
	tr.end()
	tr.order(session.Order{Type: "viewer", Seq: 2}) // answered, since that goodbye was for nothing
	if r := tr.report("viewer", func(r session.Report) bool { return r.Type == "viewer" }); r.Error != "the session has ended" {
		t.Errorf("answer %+v", r)
	}
}

func TestSessionInheritsNoDescriptors(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, "ls -l /proc/self/fd >~/fds; exec xterm -e cat")
	tr.launcher = tr.listen()
	leak, err := os.Create(tr.home + "/leak")
	tr.ok(err)
	defer leak.Close()
	tr.extra = leak
	tr.start()
	running := tr.await("running")
	xserver, err := exec.Command("ls", "-l", fmt.Sprintf("/proc/%d/fd", running.Processes[0].PID)).Output()
	tr.ok(err)
	for _, fds := range []string{tr.file("fds"), string(xserver)} {
		if strings.Contains(fds, tr.home+"/leak") || strings.Contains(fds, tr.lockPath()) || strings.Contains(fds, tr.logPath()) {
			t.Errorf("descriptors leak into the session:\n%s", fds)
		}
	}
}

// TestSecondUserIsRefused tries everything a session has as another user, from directories
// that the other may enter.
func TestSecondUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can try what another user can do")
	}
	tr := startTrial(t, "echo a secret; exec xterm -e cat")
	running := tr.await("running")
	tr.eventually("the log has something", func() bool { return strings.Contains(strings.Join(tr.tail(100), "\n"), "a secret") })
	as := func(uid uint32, args ...string) (string, error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = []string{"DISPLAY=" + running.Display, "PATH=/usr/bin:/bin", "XAUTHORITY=" + session.XauthFile(tr.rec.Dir)}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	rfb := session.RFBSocket(tr.rec.Dir)
	for _, args := range [][]string{
		{"xdpyinfo"},
		{"xset", "q"},
		{"perl", "-MIO::Socket::UNIX", "-e", "IO::Socket::UNIX->new(Peer => shift) or die $!", rfb},
		{"cat", session.RecordPath(tr.local, tr.rec.ID)},
		{"cat", tr.logPath()},
		{"cat", session.XauthFile(tr.rec.Dir)},
		{"ls", tr.rec.Dir},
		{"flock", "-n", tr.lockPath(), "true"},
	} {
		if out, err := as(65534, args...); err == nil {
			t.Errorf("%v: another user may: %s", args, out)
		}
		if args[0] == "flock" {
			continue // the owner finds it held
		}
		if out, err := as(0, args...); err != nil {
			t.Errorf("%v: the owner may not, so the test proves nothing: %v %s", args, err, out)
		}
	}
	if mode := fileMode(t, rfb); mode.Perm()&0o077 != 0 {
		t.Errorf("the RFB socket's mode is %v", mode)
	}
}

func fileMode(t *testing.T, path string) os.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestDirectoryOfAnotherUserIsNotUsed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory of another user")
	}
	tr := newTrial(t, "true")
	tr.ok(os.Mkdir(tr.rec.Dir, 0o777))
	tr.ok(os.Chown(tr.rec.Dir, 65534, 65534))
	tr.launcher = tr.listen()
	tr.start()
	if r := tr.await("ended"); !strings.Contains(r.Reason, "is not a directory of this user") {
		t.Errorf("reason %q", r.Reason)
	}
}
