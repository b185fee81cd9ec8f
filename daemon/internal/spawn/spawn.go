// Package spawn starts the supervisors of sessions, which outlive whoever starts them.
//
// There are two ways. Fork makes a child that leads a session of its own; it lives in the
// control group of whoever starts it, so that nothing holds a session to its memory, CPU, tasks
// and I/O limits. Systemd makes a transient service of its own, with those limits, that neither a
// stop nor a restart of the daemon's unit touches; systemd has to be this machine's init, and who
// asks it root. That is fastxd-launchd, which starts each session as the user whose it is (the package launchd is a
// Starter that asks it), or the daemon itself, whose own account all sessions then have: Best.
//
// A supervisor is started the same in both: with the descriptors that the package session lists, in
// the folder /, as the leader of a session without a terminal, with a search path for an environment.
package spawn

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

// Order is one supervisor to start.
type Order struct {
	ID      string // the session's
	Program string // the path of fastxd-session
	Record  *os.File
	Lock    *os.File
	Log     *os.File
	Limits  session.Limits
	User    *session.Account // whom it runs as; nil is whoever starts it. Only Systemd can do that, as root

	Ticket  string // the signed order, for a Starter that does not take the launcher's word
	Socket  string // where the supervisor is to report, for such a Starter too
	TempDir string
}

// Starter starts supervisors.
type Starter interface {
	// Start starts one. The process is the zero Process when it has ended already; child says that
	// it is this process's own and has to be waited for. After an error nothing runs.
	Start(o Order) (p session.Process, child bool, err error)
}

// Lodger is a Starter of sessions that belong to others than the daemon.
type Lodger interface {
	Starter
	// Lodge says as whom, and in which directory, it would run what is ordered.
	Lodge(o *ticket.Order) (Place, error)
	// Kill ends all processes of a session at once. That there are none is no error.
	Kill(id string) error
}

// Refusal is the error of a Starter that may not start a session, in a sentence.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// Best is the way that holds sessions to their limits where there is one.
func Best() Starter {
	if info, err := os.Stat("/run/systemd/system"); err == nil && info.IsDir() && os.Geteuid() == 0 {
		return Systemd{}
	}
	return Fork{}
}

// path is the whole environment of a supervisor; it makes the session's own.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// name is how a supervisor is called, wherever its program lies.
const name = "fastxd-session"

// Fork starts supervisors as children, in sessions of their own, so that no signal to the
// daemon's group or terminal reaches them.
type Fork struct{}

var _ Starter = Fork{}

// Start is Starter's.
func (Fork) Start(o Order) (session.Process, bool, error) {
	cmd := exec.Command(o.Program, o.ID)
	cmd.Args[0] = name
	cmd.Env, cmd.Dir = []string{path}, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Record, o.Lock, o.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return session.Process{}, false, fmt.Errorf("start %s: %w", filepath.Base(o.Program), err)
	}
	defer cmd.Process.Release() // who started it waits for it by its number
	p, err := session.ProcessOf(cmd.Process.Pid)
	if err != nil { // cannot be: it is a zombie at worst, since nobody else waits for it
		p = session.Process{PID: cmd.Process.Pid}
	}
	return p, true, nil
}
