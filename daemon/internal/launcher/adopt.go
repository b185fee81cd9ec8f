package launcher

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// adopt reads what an earlier launcher has left.
//
//   - A record whose lock is held belongs to a living session: unknown, until its
//     supervisor reports.
//   - A record whose lock is free belongs to a dead one: ended, and what is left of it is cleared up.
//   - A record that cannot be read is moved aside; if its lock is held, the session is
//     listed by its id and gets its record back from its supervisor.
//   - A lock or a log without a record, or a record that was not finished, is litter.
func (l *Launcher) adopt() error {
	dir := filepath.Join(l.opts.Dirs.Local, "sessions")
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the session records: %w", err)
	}
	ids := make(map[string]bool)
	for _, f := range files {
		name := f.Name()
		if strings.HasPrefix(name, ".") && strings.Contains(name, ".json.") {
			os.Remove(filepath.Join(dir, name))
			continue
		}
		ext := filepath.Ext(name)
		if id := strings.TrimSuffix(name, ext); session.ValidID(id) && slices.Contains([]string{".json", ".lock", ".log"}, ext) {
			ids[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		l.adoptOne(id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adopted = true
	return nil
}

// adoptOne puts a session into the table, or clears away what is left of none.
func (l *Launcher) adoptOne(id string) {
	e, err := l.read(id)
	if errors.Is(err, fs.ErrNotExist) && !l.lockHeld(e) {
		l.clear(e)
		if err := l.erase(id); err != nil {
			l.opts.Log.Warn("cannot remove what is left of a start that was broken off", "session", id, "error", err)
		}
		return
	}
	if e.blank {
		l.opts.Log.Error("a session's record cannot be used", "session", id, "error", err)
		if !l.lockHeld(e) {
			return // dead, and nothing to tell of it
		}
	}
	e.child = isChild(e.rec.Supervisor)
	l.list(e)
	if e.life.alive() {
		if l.foreign(e) { // with or without launchd now, its supervisor has to reach launcher.sock
			if err := l.letIn(); err != nil {
				l.opts.Log.Error("the sessions' supervisors cannot reach launcher.sock", "error", err)
			}
		}
		l.countAlone(e)
		l.check(e)
	}
}

// countAlone begins to count for a session that somebody was connected to when the launcher before
// this one ended: nobody is now.
func (l *Launcher) countAlone(e *entry) {
	e.files.Lock()
	defer e.files.Unlock()
	l.update(e, func() bool {
		if e.blank || !e.alone.IsZero() {
			return false
		}
		e.setAlone(true, l.opts.Now())
		return true
	})
}

// list puts a session into the table; one that has not ended is unknown until its supervisor reports.
func (l *Launcher) list(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions[e.id] = e
	if e.life.alive() {
		e.setLife(life{State: transporter.Unknown, Started: e.life.Started})
		e.awaited = true
	}
}

// isChild reports whether an earlier Run in this very process started p.
func isChild(p session.Process) bool {
	st, err := session.StatOf(p.PID)
	return err == nil && st.Start == p.Start && st.Parent == os.Getpid()
}

// read makes a session of its record, or a blank one of its name.
func (l *Launcher) read(id string) (*entry, error) {
	path := session.RecordPath(l.opts.Dirs.Local, id)
	rec, err := session.ReadRecord(path)
	if err == nil && rec.ID != id {
		err = fmt.Errorf("%w: it is that of session %s", session.ErrBadRecord, rec.ID)
	}
	if err == nil {
		rec.Node = l.opts.Node
		return newEntry(*rec), nil
	}
	e := l.blank(id)
	e.foreign = !errors.Is(err, fs.ErrNotExist)
	if errors.Is(err, session.ErrTorn) || errors.Is(err, session.ErrBadRecord) {
		err = errors.Join(err, os.Rename(path, path+".broken"))
		e.foreign = false
	}
	return e, err
}

// blank is a session of which nothing but the id is known.
func (l *Launcher) blank(id string) *entry {
	run, account, dir := l.opts.Dirs.Run, l.opts.Account, session.Dir(l.opts.Dirs.Run, id)
	if uid, ok := lodging(id); ok {
		account, dir = session.Account{UID: uid}, session.UserDir(id)
	}
	e := newEntry(session.Record{
		Format: session.Format, ID: id, Node: l.opts.Node, Account: account, BootID: l.boot,
		Created: l.opts.Now().UTC(), Dir: dir, Socket: session.LauncherSocket(run),
		TempDir: l.opts.Dirs.Temp, State: string(transporter.Unknown),
	})
	e.blank = true
	return e
}

// lodging tells whose session id is if it runs as its user: the directory that systemd has made for it is
// that user's, and nobody but root can make one there.
func lodging(id string) (uid int, ok bool) {
	info, err := os.Lstat(filepath.Dir(session.UserDir(id)))
	if err != nil {
		return 0, false
	}
	return int(info.Sys().(*syscall.Stat_t).Uid), true
}
