// Package supervise is what one session's supervisor does, from the record to the end:
//
//	record → X server → home check → running → window manager → command → ended
//
// One goroutine, locked to its thread, starts, reaps and kills all processes; the kernel
// kills the X server and the command should that thread die. The others only copy
// output, talk to the launcher, ask the X server for its idle time and check the home directory. The package speaks to no
// other part of the project than the launcher, and to that only through the package session.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// Inputs are what a supervisor works with.
type Inputs struct {
	Record *session.Record
	Log    *session.Ring
	Lock   *os.File // held until Run returns
	Umask  int      // of the session's programs
	Limits Limits
}

// Limits are what bounds a session from outside. Defaults returns those for use.
type Limits struct {
	Programs     []string      // the directories where programs are looked for
	FirstDisplay int           // the lowest display number to take
	Start        time.Duration // for the X server and the home check together
	Grace        time.Duration // between asking the command to end and killing it
	EndWait      time.Duration // for a goodbye
}

// Defaults returns the limits of a real session. Display numbers start where neither a
// console, nor a server that an administrator gave a fixed number, nor ssh's forwarded
// displays are. The session's own PATH is its user's business, not that of Programs.
func Defaults() Limits {
	return Limits{
		Programs:     []string{"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"},
		FirstDisplay: 100,
		Start:        30 * time.Second,
		Grace:        5 * time.Second,
		EndWait:      session.EndWait,
	}
}

// hangUpTime is how long an X server may take from hanging up on its clients to its end.
const hangUpTime = 250 * time.Millisecond

// supervisor is one running session.
type supervisor struct {
	Inputs
	rec      *session.Record
	display  *display
	children *children
	reporter *reporter
	output   *output
	cookie   []byte
	ready    <-chan error // from the X server that starts
	xserver  int          // process ids; 0 = not started
	manager  int
	command  int
	cgroup   cgroup // the session's own, empty where it has none
	kills    *killWatch
	starved  bool // it ended for want of memory
}

// ended is why a session is over, in a sentence. It is an error so that any step may return it.
type ended string

func (e ended) Error() string { return string(e) }

// Run runs the session to its end, which is no error. It owns the process that it runs
// in: its children, its SIGHUP and SIGCHLD, its umask. When ctx ends, so does the session.
func Run(ctx context.Context, in Inputs) error {
	runtime.LockOSThread() // the children's parent-death signal follows this thread
	defer runtime.UnlockOSThread()
	defer runtime.KeepAlive(in.Lock)
	s, err := newSupervisor(in)
	if err != nil {
		return err
	}
	keepThreads(spareThreads)
	go s.reporter.run()
	err = s.live(ctx)
	s.clear()
	s.report(ctx, err.Error())
	return nil
}

func newSupervisor(in Inputs) (*supervisor, error) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // not Ignore, which the children would inherit
	if err := becomeSubreaper(); err != nil {
		return nil, err
	}
	out, err := newOutput(in.Log)
	if err != nil {
		return nil, err
	}
	own := ownCgroup("/proc/self", session.Unit(in.Record.ID))
	unheld := own.unheld(in.Record.Limits)
	for _, what := range unheld {
		in.Log.Printf("%s", what)
	}
	return &supervisor{
		Inputs:   in,
		rec:      in.Record,
		children: newChildren(),
		reporter: newReporter(in.Record, unheld),
		output:   out,
		cgroup:   own,
	}, nil
}

// live goes through the session's life and returns why it is over. The X server comes
// first because it takes longest; the home is checked meanwhile.
func (s *supervisor) live(ctx context.Context) error {
	if err := s.makeDir(); err != nil {
		return err
	}
	limit := time.After(s.Limits.Start)
	defer s.watchKills()()
	if err := s.startX(s.Limits.FirstDisplay); err != nil {
		return err
	}
	home := checkHome(s.rec.Account.Home, s.rec.ID)
	if err := s.awaitX(ctx, limit); err != nil {
		return err
	}
	silent := ended("home directory " + s.rec.Account.Home + " does not answer; tell your administrator, then start again")
	if err := s.await(ctx, home, limit, silent); err != nil {
		return err
	}
	s.reporter.running(s.display.name(), s.processes())
	defer s.watchInput()()
	if err := s.startPrograms(ctx); err != nil {
		return err
	}
	s.reporter.started(s.processes())
	return s.await(ctx, nil, nil, nil)
}

// await waits for ready and returns what comes from it, or why the session is over:
// that happened which late stands for, a process ended, or somebody said so.
func (s *supervisor) await(ctx context.Context, ready <-chan error, limit <-chan time.Time, late error) error {
	for {
		select {
		case err := <-ready:
			return err
		case <-s.children.news:
			s.children.reap()
			if err := s.whoEnded(); err != nil {
				return err
			}
		case reason := <-s.reporter.terminate:
			return ended(reason)
		case <-ctx.Done():
			return ended("the session's supervisor was told to stop")
		case <-limit:
			return late
		}
	}
}

// whoEnded looks at the processes the session hangs on. A command that fails may have lost
// its display, whose server hangs up before it ends: then the X server is the reason.
func (s *supervisor) whoEnded() error {
	xEnded := func() bool { return s.xserver != 0 && s.children.ended(s.xserver) }
	if s.manager != 0 && s.children.ended(s.manager) {
		s.Log.Printf("the window manager %s", describe(s.children.status(s.manager)))
		s.manager = 0
	}
	commandEnded := s.command != 0 && s.children.ended(s.command)
	if commandEnded && s.children.status(s.command) != 0 {
		s.children.waitFor(xEnded, hangUpTime)
	}
	switch {
	case xEnded():
		return s.because(s.children.status(s.xserver), "the X server ended unexpectedly: it ")
	case commandEnded:
		return s.because(s.children.status(s.command), "the command ")
	}
	return nil
}

// clear ends every process of the session and removes its files, in this order:
//
//  1. ask the command's process group to end, wait, and kill it;
//  2. stop the X server, and with it whatever shows a window;
//  3. kill every descendant that is left;
//  4. write the rest of the output to the log;
//  5. remove what the X server and we left in the file system.
func (s *supervisor) clear() {
	s.children.endGroup(s.command, s.Limits.Grace)
	s.children.end(s.manager)
	s.children.end(s.xserver)
	if left := s.children.endAll(); left > 0 {
		s.Log.Printf("%d processes of the session could not be killed", left)
	}
	s.output.close()
	s.display.release()
	if err := session.RemoveDir(s.rec.Dir); err != nil {
		s.Log.Printf("cannot remove the session's directory: %v", err)
	}
}

// report leaves the reason in the log and tells it to the launcher until that says
// goodbye. Nobody is waited for when the machine goes down: the log is enough.
func (s *supervisor) report(ctx context.Context, reason string) {
	s.noteKills()
	fmt.Fprintf(s.Log, "%s%s\n", session.EndPrefix, oneLine(reason))
	s.reporter.ended(reason)
	select {
	case <-s.reporter.goodbye:
	case <-ctx.Done():
	case <-time.After(s.Limits.EndWait):
	}
	s.reporter.close()
}

func (s *supervisor) processes() []session.Process {
	var list []session.Process
	for _, p := range []struct {
		pid  int
		name string
	}{{s.xserver, "Xvnc"}, {s.manager, "window manager"}, {s.command, "command"}} {
		if proc, err := session.ProcessOf(p.pid); p.pid != 0 && err == nil {
			proc.Name = p.name
			list = append(list, proc)
		}
	}
	return list
}

// makeDir makes the session's directory with the cookie and XDG_RUNTIME_DIR in it.
func (s *supervisor) makeDir() error {
	dir := s.rec.Dir
	if err := session.CheckSocketPath(session.RFBSocket(dir)); err != nil {
		return ended(err.Error())
	}
	private := []string{session.XDGDir(dir)}
	if s.rec.Clean {
		private = append(private, session.CleanConfigDir(dir))
	}
	var err error
	for _, d := range private {
		err = errors.Join(err, os.MkdirAll(d, 0o700))
	}
	if err := errors.Join(err, ownPrivateDir(dir)); err != nil {
		return ended("the session's directory cannot be made: " + err.Error())
	}
	s.cookie = newCookie()
	if err := writeXauth(session.XauthFile(dir), s.cookie, -1); err != nil {
		return ended("the session's cookie cannot be written: " + err.Error())
	}
	return nil
}

// ownPrivateDir makes sure that dir is a directory of ours that nobody else can enter.
func ownPrivateDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st := info.Sys().(*syscall.Stat_t); !info.IsDir() || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory of this user", dir)
	}
	return os.Chmod(dir, 0o700)
}
