package launcher

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	// keepEnded is how long an ended session is listed where the configuration does not say.
	keepEnded = 24 * time.Hour
	// maxEnded is how many ended sessions are listed at most, and endedEach of one user.
	maxEnded  = 1000
	endedEach = 100
)

// sweep looks after the sessions that nobody speaks for, and those that nobody uses.
func (l *Launcher) sweep() {
	now := l.opts.Now()
	for _, e := range l.all() {
		l.mu.Lock()
		child, mute := e.child, e.life.alive() && e.life.State != transporter.Pending && e.link == nil
		disobeys := e.life.alive() && e.order != "" && now.Sub(e.ordered) > l.pace.obey
		l.mu.Unlock()
		if child {
			l.reap(e)
		}
		if disobeys {
			l.kill(e)
		}
		if mute {
			l.check(e)
		}
		l.enforce(e)
	}
}

// reapForgotten takes note of the ends of supervisors whose sessions were forgotten before them.
func (l *Launcher) reapForgotten() {
	l.mu.Lock()
	orphans := l.orphans
	l.orphans = nil
	l.mu.Unlock()
	for _, e := range orphans {
		l.reap(e)
		l.mu.Lock()
		if e.child {
			l.orphans = append(l.orphans, e)
		}
		l.mu.Unlock()
	}
}

// listens looks whether launcher.sock is still where supervisors find it: cleaners of old
// files, and people, remove directories of sockets.
func (l *Launcher) listens() {
	_, err := os.Lstat(session.LauncherSocket(l.opts.Dirs.Run))
	gone := errors.Is(err, fs.ErrNotExist)
	l.mu.Lock()
	defer l.mu.Unlock()
	if gone && !l.deaf {
		l.opts.Log.Error("launcher.sock is gone from FX_RUN_DIR, so no session can be started or heard of; restart fastxd", "dir", l.opts.Dirs.Run)
	}
	l.deaf = gone
}

// reap takes note of a supervisor's end, if it is this process's child and has ended.
// It does not wait in a thread for each child as os.Process.Wait would.
func (l *Launcher) reap(e *entry) {
	e.files.Lock()
	defer e.files.Unlock()
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(e.rec.Supervisor.PID, &status, syscall.WNOHANG, nil)
	if pid == 0 && err == nil || errors.Is(err, syscall.EINTR) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.child = false
	if status.Signaled() || status.ExitStatus() != 0 {
		l.opts.Log.Warn("a supervisor failed", "session", e.id, "signal", status.Signal(), "status", status.ExitStatus())
	}
}

// check looks whether a session without a connection is alive.
func (l *Launcher) check(e *entry) {
	e.files.Lock()
	defer e.files.Unlock()
	if !e.life.alive() {
		return
	}
	lock, held, err := session.TryLock(session.LockPath(l.opts.Dirs.Local, e.id))
	switch {
	case held, errors.Is(err, fs.ErrNotExist) && e.rec.Supervisor.Alive():
		l.miss(e)
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		l.opts.Log.Warn("cannot tell whether a session lives", "session", e.id, "error", err)
		return
	case lock != nil:
		defer session.Unlock(lock)
	}
	ev := l.autopsy(e)
	l.clear(e)
	l.happen(e, ev)
}

// miss calls a session unknown whose supervisor lives and has been away for too long.
func (l *Launcher) miss(e *entry) {
	l.mu.Lock()
	missed := e.link == nil && !e.lost.IsZero() && l.opts.Now().Sub(e.lost) >= l.pace.silence
	l.mu.Unlock()
	if missed {
		l.happen(e, event{kind: silent})
	}
}

// autopsy says what a session died of. Caller holds e.files, and nobody the lock.
func (l *Launcher) autopsy(e *entry) event {
	if reason, at, ok := session.EndNote(session.LogPath(l.opts.Dirs.Local, e.id)); ok {
		return event{kind: over, reason: reason, at: at.UTC()}
	}
	l.mu.Lock()
	order := e.order
	l.mu.Unlock()
	reason := "the session's supervisor was killed"
	switch {
	case e.rec.BootID != l.boot:
		reason = "the machine was restarted"
	case e.rec.Supervisor.PID == 0:
		reason = "the daemon was stopped while the session was being started"
	case order != "":
		reason = order
	}
	return event{kind: over, reason: reason, at: l.opts.Now().UTC()}
}

// clear ends what processes a dead supervisor has left and removes the session's
// folder. On another boot the numbers mean nothing.
//
// Of a session that ran as its user there is nothing left: its lock is free only when systemd has
// killed its processes and removed its folder.
func (l *Launcher) clear(e *entry) {
	if l.foreign(e) {
		return
	}
	if e.rec.BootID == l.boot {
		l.killAll(e.rec.Processes)
		session.KillStrays(e.id, e.rec.Account.UID)
	}
	dir := e.rec.Dir
	if filepath.Base(dir) != e.id || filepath.Base(filepath.Dir(dir)) != "s" {
		return // not what recordOf makes
	}
	if err := session.RemoveDir(dir); err != nil {
		l.opts.Log.Warn("cannot remove a dead session's folder", "session", e.id, "error", err)
	}
}

// kill ends a session whose supervisor does not obey. The next sweep finds it dead.
func (l *Launcher) kill(e *entry) {
	e.files.Lock()
	defer e.files.Unlock()
	l.opts.Log.Warn("a supervisor does not end its session; killing it", "session", e.id, "pid", e.rec.Supervisor.PID)
	switch {
	case !l.foreign(e):
		l.killAll(append(slices.Clone(e.rec.Processes), e.rec.Supervisor))
	case l.lodger == nil:
		l.opts.Log.Error("only fastxd-launchd can kill a session that runs as its user, and it is not here", "session", e.id, "unit", session.Unit(e.id))
	default:
		if err := l.lodger.Kill(e.id); err != nil {
			l.opts.Log.Error("cannot kill a session", "session", e.id, "error", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.ordered = l.opts.Now() // and once more when that, too, has had its time
}

// foreign reports whether a session runs as another than the daemon's account.
func (l *Launcher) foreign(e *entry) bool { return e.rec.Account.UID != l.opts.Account.UID }

// killAll kills processes that still are who they were. The handle is taken before the
// comparison, so that the number cannot pass to another process in between.
func (l *Launcher) killAll(processes []session.Process) {
	for _, p := range processes {
		if p.PID <= 1 {
			continue
		}
		handle, err := os.FindProcess(p.PID)
		if err != nil {
			continue
		}
		if p.Alive() {
			err = handle.Kill()
		}
		handle.Release()
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			l.opts.Log.Warn("cannot kill what is left of a session", "process", p.Name, "pid", p.PID, "error", err)
		}
	}
}

// forgetOld forgets sessions that ended long ago, and the oldest of too many, of one user or in all.
func (l *Launcher) forgetOld() {
	keep := l.config.Load().KeepEnded
	if keep == 0 {
		keep = keepEnded
	}
	type old struct {
		e    *entry
		user string
		at   time.Time
	}
	var over []old
	l.mu.Lock()
	for _, e := range l.sessions {
		if !e.life.alive() {
			over = append(over, old{e, e.rec.User, e.life.Ended})
		}
	}
	l.mu.Unlock()
	slices.SortFunc(over, func(a, b old) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.e.id, b.e.id)) })
	kept, each := 0, map[string]int{}
	for _, o := range over {
		if kept < maxEnded && each[o.user] < endedEach && l.opts.Now().Sub(o.at) < keep {
			kept++
			each[o.user]++
			continue
		}
		if err := l.forget(o.e); err != nil {
			l.opts.Log.Warn("cannot forget an ended session", "session", o.e.id, "error", err)
		}
	}
}

// forget removes an ended session's files and takes it out of the table.
func (l *Launcher) forget(e *entry) error {
	e.files.Lock()
	defer e.files.Unlock()
	if err := l.erase(e.id); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[e.id] != e {
		return nil
	}
	if e.child {
		l.orphans = append(l.orphans, e)
	}
	delete(l.sessions, e.id)
	l.publish(e, true)
	e.wake()
	return nil
}
