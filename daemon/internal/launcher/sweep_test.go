package launcher

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestASessionThatIsForgottenAtOnceLeavesNoZombie ends a session and forgets it before the launcher
// has looked for its supervisor's end.
func TestASessionThatIsForgottenAtOnceLeavesNoZombie(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	for range 5 {
		id := n.run("").ID
		p := n.supervisor(id)
		_, err := n.terminate(id)
		must(t, err)
		_, err = n.terminate(id)
		must(t, err)
		if _, there := n.view(id); there {
			t.Fatal("an ended session was not forgotten")
		}
		n.until("the supervisor to be reaped", func() bool { return syscall.Kill(p.PID, 0) == syscall.ESRCH })
	}
}

// TestWithoutItsSocketTheLauncherStartsNothing removes what supervisors would look for.
func TestWithoutItsSocketTheLauncherStartsNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	must(t, os.Remove(session.LauncherSocket(n.dirs.Run)))
	n.until("it notices", func() bool { return !n.l.Ready() })
	_, err := n.call(transporter.LauncherStart, n.startTicket(order("")))
	if code(err) != transporter.Unavailable || n.log.count("launcher.sock is gone") != 1 {
		t.Errorf("a start gives %v", err)
	}
}

// TestASupervisorThatNeverReportsIsUnknown stops one before it says a word.
func TestASupervisorThatNeverReportsIsUnknown(t *testing.T) {
	t.Parallel()
	n := newNode(t).start(func(l *Launcher) { l.pace.hello = 50 * time.Millisecond })
	o := order("mute")
	_, err := n.call(transporter.LauncherStart, n.startTicket(o))
	must(t, err)
	n.becomes(o.Session, transporter.Unknown)
}

// TestWhatIsNotKnownOfASessionIsNotWritten keeps a record that another launcher may be able to read.
func TestWhatIsNotKnownOfASessionIsNotWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	e := n.l.blank(ticket.NewID())
	n.l.list(e)
	n.l.happen(e, event{kind: running, at: n.time.now()})
	if _, err := os.Stat(session.RecordPath(n.dirs.Local, e.id)); !os.IsNotExist(err) {
		t.Errorf("a blank record was written: %v", err)
	}
}
