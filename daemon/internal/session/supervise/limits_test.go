package supervise

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// startLimited starts a session with limits.
func startLimited(t *testing.T, command string, l session.Limits) *trial {
	t.Helper()
	tr := newTrial(t, command)
	tr.rec.Limits = l
	tr.launcher = tr.listen()
	tr.start()
	return tr
}

// rfb is a viewer that has shaken hands.
type rfb struct {
	*trial
	net.Conn
}

func (tr *trial) rfb(seq uint64) rfb {
	tr.Helper()
	v := rfb{tr, tr.trialViewer(seq)}
	for _, step := range []struct {
		say  string
		hear int
	}{{"", 12}, {"RFB 003.008\n", 2}, {"\x01", 4}, {"\x01", 24}} { // version, security types, result, screen
		_, err := io.WriteString(v, step.say)
		tr.ok(err)
		v.hear(step.hear)
	}
	return v
}

func (tr *trial) trialViewer(seq uint64) net.Conn {
	tr.Helper()
	conn := tr.viewer(seq)
	tr.ok(conn.SetReadDeadline(time.Now().Add(patience)))
	return conn
}

func (v rfb) hear(n int) {
	v.Helper()
	_, err := io.ReadFull(v.Conn, make([]byte, n))
	v.ok(err)
}

// key presses and releases a key.
func (v rfb) key(keysym uint32) {
	v.Helper()
	for _, down := range []byte{1, 0} {
		_, err := v.Write(binary.BigEndian.AppendUint32([]byte{4, down, 0, 0}, keysym))
		v.ok(err)
	}
}

// pointer moves the mouse.
func (v rfb) pointer(x, y byte) {
	v.Helper()
	_, err := v.Write([]byte{5, 0, 0, x, 0, y})
	v.ok(err)
}

// cut offers text for the clipboard.
func (v rfb) cut(text string) {
	v.Helper()
	_, err := v.Write(append(binary.BigEndian.AppendUint32([]byte{6, 0, 0, 0}, uint32(len(text))), text...))
	v.ok(err)
}

// awaitInput waits for a report of input at or after a moment.
func (tr *trial) awaitInput(after time.Time) session.Report {
	tr.Helper()
	return tr.report("input", func(r session.Report) bool { return r.Input.After(after) })
}

func TestInputIsToldAndBeingLookedAtIsNone(t *testing.T) {
	t.Parallel()
	tr := startLimited(t, "exec xterm -e cat", session.Limits{Profile: "p", Idle: 10 * time.Second})
	first := tr.awaitInput(time.Time{}).Input
	v := tr.rfb(1)
	tr.eventually("looking on has taken longer than two inputs may differ by", func() bool { return time.Since(first) > 3*inputStep })
	looked := time.Now()
	v.key('a') // the first key of a viewer maps the keyboard anew, which all clients are told
	second := tr.awaitInput(first).Input
	if second.Before(looked.Add(-inputStep)) {
		t.Errorf("input at %s is told, before the key was pressed at %s: being looked at counts", second, looked)
	}
	tr.eventually("the key is long ago", func() bool { return time.Since(second) > 3*inputStep })
	moved := time.Now()
	v.pointer(50, 60)
	if third := tr.awaitInput(second).Input; third.Before(moved.Add(-inputStep)) {
		t.Errorf("the mouse moved at %s, and input at %s is told", moved, third)
	}
}

func TestInputIsToldAgainToANewLauncher(t *testing.T) {
	t.Parallel()
	tr := startLimited(t, "exec xterm -e cat", session.Limits{Profile: "p", Idle: time.Minute})
	input := tr.awaitInput(time.Time{}).Input
	tr.launcher.close()
	tr.launcher = tr.listen()
	r := tr.report("hello", func(r session.Report) bool { return r.Type == "hello" })
	if r.Input.Sub(input).Abs() > inputStep {
		t.Errorf("the new launcher hears of input at %s, the one before at %s", r.Input, input)
	}
}

func TestInputIsNotLookedForWithoutALimit(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	tr.await("running")
	tr.rfb(1).key('a')
	tr.order(session.Order{Type: "terminate", Reason: "ended by ann"})
	tr.report("ended", func(r session.Report) bool {
		if !r.Input.IsZero() {
			t.Errorf("input is told: %+v", r)
		}
		return r.State == "ended"
	})
}

func TestIdleTimeThatCannotBeMeasuredIsToldOnce(t *testing.T) {
	t.Parallel()
	var told []error
	w := &idleWatch{number: maxDisplay, tell: func(time.Time) { t.Error("an idle time is told") }}
	for range 3 { // nobody serves that display
		err := w.look()
		if err != nil && !w.failed {
			told = append(told, err)
		}
		w.failed = err != nil
	}
	if len(told) != 1 || w.client != nil {
		t.Errorf("it was told %v, and the client is %v", told, w.client)
	}
}

func TestClipboardGoesOnlyWhereItMay(t *testing.T) {
	t.Parallel()
	// What the X server does is asked for with its own tool, which then tries to change it.
	const ask = `for p in SendCutText SendPrimary AcceptCutText SetPrimary; do
		vncconfig -set $p=1; echo "$p=$(vncconfig -get $p)"; done >~/clipboard; exec xterm -e cat`
	for way, want := range map[string]string{
		"":                    "1111",
		session.Bidirectional: "1111",
		session.LocalToRemote: "0011",
		session.RemoteToLocal: "1100",
		session.NoClipboard:   "0000",
		"sideways":            "0000", // of a version to come
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			tr := startLimited(t, ask, session.Limits{Profile: "p", Clipboard: way})
			got := ""
			tr.eventually("all parameters are asked for", func() bool {
				lines := strings.Fields(tr.file("clipboard"))
				got = ""
				for _, line := range lines {
					got += line[len(line)-1:]
				}
				return len(lines) == 4
			})
			if got != want {
				t.Errorf("send, send primary, accept, set primary are %s, want %s", got, want)
			}
			if accepted := tr.takesClipboard(tr.await("running").Display); accepted != (want[2] == '1') {
				t.Errorf("text from a viewer reaches the session: %v", accepted)
			}
		})
	}
}

// takesClipboard offers text as a viewer and reports whether the X server then has the selection. A
// key pressed behind it tells that the offer was heard.
func (tr *trial) takesClipboard(display string) bool {
	tr.Helper()
	number, err := strconv.Atoi(strings.TrimPrefix(display, ":"))
	tr.ok(err)
	x, err := dialX(number, tr.cookieOnDisk())
	tr.ok(err)
	defer x.Close()
	saver, err := x.saver()
	tr.ok(err)
	v := tr.rfb(1)
	tr.eventually("nobody has used the keyboard for a moment", func() bool {
		idle, err := x.idle(saver)
		tr.ok(err)
		return idle > time.Second
	})
	v.cut("hello")
	v.key('a')
	tr.eventually("the key was heard", func() bool {
		idle, err := x.idle(saver)
		tr.ok(err)
		return idle < time.Second
	})
	owner, err := x.owner("CLIPBOARD")
	tr.ok(err)
	return owner != 0
}

// cookieOnDisk reads the cookie from the session's authority file: the last 16 bytes of its last entry.
func (tr *trial) cookieOnDisk() []byte {
	tr.Helper()
	data, err := os.ReadFile(session.XauthFile(tr.rec.Dir))
	tr.ok(err)
	return data[len(data)-16:]
}

// owner returns the window that owns a selection, 0 for none.
func (c *xclient) owner(selection string) (uint32, error) {
	atom, err := c.atom(selection)
	if err != nil || atom == 0 {
		return 0, err
	}
	const opGetSelectionOwner = 23
	reply, err := c.ask(binary.LittleEndian.AppendUint32([]byte{opGetSelectionOwner, 0, 2, 0}, atom))
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(reply[8:]), nil
}

func TestLimitsWithoutAControlGroupAreSaidNotToHold(t *testing.T) {
	t.Parallel()
	tr := startLimited(t, "exec cat", session.Limits{Profile: "small", Memory: 256 << 20, Tasks: 100})
	const why = "only a fastxd that runs as root under systemd can give a session a control group of its own"
	want := []string{
		"memory_max = 256M in performance/small.ini is not enforced: " + why,
		"tasks_max = 100 in performance/small.ini is not enforced: " + why,
	}
	if hello := <-tr.launcher.reports; !slices.Equal(hello.Unheld, want) {
		t.Errorf("the launcher hears %q, want %q", hello.Unheld, want)
	}
	tr.await("ended")
	for i, line := range tr.tail(1000)[:2] {
		if line != "-- "+want[i] {
			t.Errorf("line %d of the log is %q, want %q", i+1, line, want[i])
		}
	}
}

func TestProgramsAreKilledBeforeTheirSupervisor(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "cat /proc/self/oom_score_adj >~/adj; exec xterm -e cat")
	running := tr.await("running")
	own := badness(t, tr.cmd.Process.Pid)
	if before := badness(t, os.Getpid()); own != before {
		t.Errorf("the supervisor's oom_score_adj is %d, and was %d", own, before)
	}
	if got := strings.TrimSpace(tr.file("adj")); got != fmt.Sprint(own+programBadness) {
		t.Errorf("the command's oom_score_adj is %s, want %d more than %d", got, programBadness, own)
	}
	if got := badness(t, running.Processes[0].PID); got != own+serverBadness {
		t.Errorf("the X server's oom_score_adj is %d, want %d more than %d", got, serverBadness, own)
	}
}

func badness(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
	if err != nil {
		t.Fatal(err)
	}
	return number(strings.TrimSpace(string(data)))
}

func TestThreadsAreMadeBeforeTheyAreNeeded(t *testing.T) {
	t.Parallel()
	tr := startTrial(t, "exec xterm -e cat")
	tr.await("running")
	if tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", tr.cmd.Process.Pid)); len(tasks) < spareThreads {
		t.Errorf("the supervisor has %d threads, want at least %d", len(tasks), spareThreads)
	}
}
