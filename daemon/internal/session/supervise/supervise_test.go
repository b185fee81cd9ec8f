package supervise

import (
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

func TestSessionFromStartToEnd(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	first := <-tr.launcher.reports
	if first.Type != "hello" || first.PID != tr.cmd.Process.Pid || first.State != "starting" && first.State != "running" {
		t.Errorf("first report %+v", first)
	}
	running := first.Report
	if running.State != "running" || len(running.Processes) < 2 { // the command may be told of later
		running = tr.await("running")
	}
	if running.Display == "" || running.Started.IsZero() || len(running.Processes) != 2 || running.Processes[0].Name != "Xvnc" {
		t.Errorf("running report %+v", running)
	}
	for seq := range uint64(3) {
		if got := tr.greeting(tr.viewer(seq)); got != "RFB 003.008\n" {
			t.Errorf("viewer %d reads %q", seq, got)
		}
	}
	tr.end()
	for _, p := range running.Processes {
		if p.Alive() {
			t.Errorf("%s outlives its session", p.Name)
		}
	}
	for _, path := range []string{tr.rec.Dir, "/tmp/.X11-unix/X" + running.Display[1:]} {
		if exists(path) {
			t.Errorf("%s outlives its session", path)
		}
	}
	if !tr.locked() {
		t.Error("the lock is free before goodbye")
	}
	tr.order(session.Order{Type: "goodbye"})
	tr.waitExit()
	if tr.locked() {
		t.Error("the lock outlives the supervisor")
	}
	if reason, at, ok := session.EndNote(tr.logPath()); reason != "ended by ann" || at.IsZero() || !ok {
		t.Errorf("end note %q %v %v", reason, at, ok)
	}
}

func TestSessionEndsWithItsCommand(t *testing.T) {
	t.Parallel()
	for command, reason := range map[string]string{
		"true":             "the command ended",
		"exit 3":           "the command ended with status 3",
		"kill -9 $$":       "the command was killed by signal 9 (SIGKILL)",
		"kill -HUP $$":     "the command was killed by signal 1 (SIGHUP)", // which the supervisor itself does not heed
		"no-such-program":  "the command ended with status 127",
		"kill -INT $$":     "the command was killed by signal 2 (SIGINT)",
		"exec xterm -e ls": "the command ended",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			tr := startTrial(t, command)
			if r := tr.await("ended"); r.Reason != reason {
				t.Errorf("reason %q, want %q", r.Reason, reason)
			}
		})
	}
}

func TestCommandGetsALoginsEnvironment(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, `echo said to the log; env >"$HOME/env"; { umask; pwd; shopt login_shell; ulimit -n; echo "$PROFILE"; } >"$HOME/more"; exec cat`)
	tr.rec.Params = map[string]string{"project": "moon", "x y": "a'b\nc"}
	tr.ok(os.WriteFile(tr.home+"/.profile", []byte("PROFILE=was-read\n"), 0o644))
	tr.launcher = tr.listen()
	tr.start()
	// cat ends at once: its input is /dev/null
	tr.await("ended")
	env := strings.Split(tr.file("env"), "\n")
	for _, want := range []string{
		"HOME=" + tr.home, "USER=ann", "LOGNAME=ann", "SHELL=/bin/bash", "XDG_SESSION_TYPE=x11",
		"XDG_RUNTIME_DIR=" + tr.rec.Dir + "/xdg", "XAUTHORITY=" + tr.rec.Dir + "/xauth",
		"FX_SESSION_ID=" + tr.rec.ID, "FX_SESSION_NAME=Ann's session", "FX_PARAM_PROJECT=moon", "FX_PARAM_X_Y=a'b",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in the command's environment", want)
		}
	}
	for _, line := range env {
		name, _, _ := strings.Cut(line, "=")
		if slices.Contains([]string{"SERVICES", "FX_TRANSPORTER_SECRET", "LEAK", limitsVariable}, name) {
			t.Errorf("%s leaks into the session", line)
		}
	}
	more := strings.Split(tr.file("more"), "\n")
	for i, want := range []string{"0022", tr.home, "login_shell    \ton", "", "was-read"} {
		if want != "" && more[i] != want {
			t.Errorf("line %d: %q, want %q", i, more[i], want)
		}
	}
	if !slices.Contains(tr.tail(100), "said to the log") {
		t.Error("the command's output is not in the log")
	}
}

func TestSessionGetsAMessageBusWhenAskedFor(t *testing.T) {
	t.Parallel()
	for _, bus := range []bool{true, false} {
		t.Run(strconv.FormatBool(bus), func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, `echo "${DBUS_SESSION_BUS_ADDRESS-none}" >~/bus`)
			tr.rec.StartDBus = bus
			tr.launcher = tr.listen()
			tr.start()
			if r := tr.await("ended"); r.Reason != "the command ended" {
				t.Errorf("reason %q", r.Reason)
			}
			if got := strings.TrimSpace(tr.file("bus")); (got != "none") != bus {
				t.Errorf("bus address %q", got)
			}
		})
	}
}

func TestSessionGetsAWindowManagerWhenAskedFor(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, `until xprop -root _NET_SUPPORTING_WM_CHECK | grep -q window; do :; done; xprop -root _NET_WM_NAME; xdpyinfo | grep dimensions: >~/size; exec xterm -e cat`)
	tr.rec.WindowManager, tr.rec.Geometry, tr.rec.MaxGeometry = true, "rootless", "1000x700"
	tr.launcher = tr.listen()
	tr.start()
	running := tr.await("running")
	if names := len(running.Processes); names != 3 || running.Processes[1].Name != "window manager" {
		t.Errorf("processes %+v", running.Processes)
	}
	if size := tr.file("size"); !strings.Contains(size, "1000x700 pixels") {
		t.Errorf("a rootless session's screen: %s", size)
	}
	tr.end()
}

func TestSessionEndsWithItsXServer(t *testing.T) {
	t.Parallel()
	for sig, reason := range map[syscall.Signal]string{
		syscall.SIGKILL: "the X server ended unexpectedly: it was killed by signal 9 (SIGKILL)",
		syscall.SIGTERM: "the X server ended unexpectedly: it ended", // after it has hung up on the command
	} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			tr := startTrial(t, "exec xprop -root -spy >~/up") // ends as soon as its connection does
			running := tr.await("running")
			tr.file("up")
			tr.ok(syscall.Kill(running.Processes[0].PID, sig))
			if r := tr.await("ended"); r.Reason != reason {
				t.Errorf("reason %q, want %q", r.Reason, reason)
			}
			if exists("/tmp/.X11-unix/X" + running.Display[1:]) {
				t.Error("the socket of the X server is left")
			}
		})
	}
}

func TestKilledSupervisorLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	running := tr.await("running")
	tr.ok(tr.cmd.Process.Kill())
	tr.waitExit()
	t.Cleanup(func() { os.Remove("/tmp/.X11-unix/X" + running.Display[1:]) }) // no start minds it
	for _, p := range running.Processes {
		tr.eventually(p.Name+" is gone", func() bool { return !p.Alive() })
	}
	tr.eventually("the lock is free", func() bool { return !tr.locked() })
	if reason, _, ok := session.EndNote(tr.logPath()); ok {
		t.Errorf("a killed supervisor's last words: %q", reason)
	}
}

func TestDescendantsThatRunAwayAreEnded(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"daemon":           `(setsid sleep 3600 & echo $! >~/pid)`,
		"stubborn daemon":  `(setsid bash -c 'trap "" TERM HUP; echo $$ >~/pid; while :; do sleep 3600; done' &) ; until [ -s ~/pid ]; do :; done`,
		"background child": `sleep 3600 & echo $! >~/pid`,
		"stopped child":    `sleep 3600 & kill -STOP $!; echo $! >~/pid`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := startTrial(t, command)
			if r := tr.await("ended"); r.Reason != "the command ended" {
				t.Errorf("reason %q", r.Reason)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(tr.file("pid")))
			tr.ok(err)
			if st, err := session.StatOf(pid); err == nil && st.State != 'Z' {
				t.Errorf("process %d outlives its session: %+v", pid, st)
			}
		})
	}
}

func TestProcessesOfOthersAreNotTouched(t *testing.T) {
	t.Parallel()
	bystander := exec.Command("sleep", "3600")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { bystander.Process.Kill(); bystander.Wait() }()
	tr := startTrial(t, "exec xterm -e cat")
	tr.await("running")
	tr.end()
	if p, err := session.ProcessOf(bystander.Process.Pid); err != nil || !p.Alive() {
		t.Errorf("the bystander was ended: %v", err)
	}
}

func TestStubbornCommandIsKilledBeforeItsDisplayGoes(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, `trap "" TERM HUP; touch ~/up
while [ -S /tmp/.X11-unix/X${DISPLAY#:} ]; do sleep 0.01; done; touch ~/display-went-first; while :; do sleep 1; done`)
	tr.limits.Grace = time.Millisecond
	tr.launcher = tr.listen()
	tr.start()
	running := tr.await("running")
	tr.eventually("the command runs", func() bool { return exists(filepath.Join(tr.home, "up")) })
	tr.end()
	if running.Processes[1].Alive() {
		t.Error("the command outlives its session")
	}
	if exists(filepath.Join(tr.home, "display-went-first")) {
		t.Error("the display went first")
	}
}

// TestTheCommandWaitsForTheWindowManager puts a slow window manager first in the search path.
func TestTheCommandWaitsForTheWindowManager(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, `test -e ~/manager-began && touch ~/in-order; exec sleep 3600`)
	tr.rec.WindowManager = true
	programs := t.TempDir()
	real := findProgram(Defaults().Programs, "openbox")
	slow := "#!/bin/sh\nsleep 0.3\ntouch ~/manager-began\nexec " + real + "\n"
	tr.ok(os.WriteFile(filepath.Join(programs, "openbox"), []byte(slow), 0o755))
	tr.limits.Programs = append([]string{programs}, tr.limits.Programs...)
	tr.launcher = tr.listen()
	tr.start()
	tr.await("running")
	tr.eventually("the command runs after the window manager", func() bool { return exists(filepath.Join(tr.home, "in-order")) })
}

// TestAWindowManagerThatDiesHoldsNobodyUp lets it end before it is at work.
func TestAWindowManagerThatDiesHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, `touch ~/up; exec sleep 3600`)
	tr.rec.WindowManager = true
	programs := t.TempDir()
	tr.ok(os.WriteFile(filepath.Join(programs, "openbox"), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	tr.limits.Programs = append([]string{programs}, tr.limits.Programs...)
	tr.launcher = tr.listen()
	tr.start()
	tr.await("running")
	tr.eventually("the command runs", func() bool { return exists(filepath.Join(tr.home, "up")) })
}

func TestHangUpDoesNotEndASession(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	tr.await("running")
	tr.ok(tr.cmd.Process.Signal(syscall.SIGHUP))
	if got := tr.greeting(tr.viewer(1)); got != "RFB 003.008\n" {
		t.Errorf("after SIGHUP a viewer reads %q", got)
	}
}

func TestSIGTERMEndsASessionWithoutWaitingForAnybody(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	tr.await("running")
	tr.ok(tr.cmd.Process.Signal(syscall.SIGTERM))
	tr.waitExit()
	if reason, _, _ := session.EndNote(tr.logPath()); reason != "the session's supervisor was told to stop" {
		t.Errorf("end note %q", reason)
	}
}

func TestALotOfOutputStaysWithinTheLogsLimit(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, `yes 'a line of much output' | head -n 2000000; echo the last words; touch ~/poured; sleep 3600`)
	tr.await("running")
	biggest := int64(0)
	tr.eventually("all is poured out", func() bool {
		info, err := os.Stat(tr.logPath())
		tr.ok(err)
		biggest = max(biggest, info.Size())
		return exists(filepath.Join(tr.home, "poured"))
	})
	if biggest > session.LogLimit || biggest < session.LogLimit/2 {
		t.Errorf("the log grew to %d bytes", biggest)
	}
	tr.end()
	if !slices.Contains(tr.tail(100), "the last words") {
		t.Error("the last words are lost")
	}
}
