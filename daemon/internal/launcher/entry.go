package launcher

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// entry is one session in the launcher's table. The package comment says which lock guards what.
type entry struct {
	id    string
	files sync.Mutex

	rec     session.Record // what is on disk, or is about to be
	life    life
	blank   bool // the record could not be read: rec holds only what a file name tells
	foreign bool // and belongs to another version: it is not written

	// Guarded by Launcher.mu alone.
	link    *peer // the supervisor's connection, nil when there is none
	lost    time.Time
	awaited bool                       // it lived before this launcher and has not reported yet
	child   bool                       // its supervisor is this process's child and has not been reaped
	viewers map[*display.Delivery]bool // false for those that are being sent away

	expected int                  // viewers on their way
	came     time.Time            // when the last viewer did
	alone    time.Time            // since when nobody is connected; as in rec, but with the monotonic clock
	input    time.Time            // when the keyboard or mouse was last used, as far as is known
	warning  *transporter.Warning // what is announced
	order    string               // the reason it was ordered to end for
	ordered  time.Time            // when
	ender    string               // the ticket by which
	told     *peer                // who has been given the order
	failed   error                // why it could not be started
	changed  chan struct{}
}

func newEntry(rec session.Record) *entry {
	return &entry{
		id: rec.ID, rec: rec, alone: rec.Alone, changed: make(chan struct{}), viewers: make(map[*display.Delivery]bool),
		life: life{
			State: transporter.State(rec.State), Reason: rec.Reason, Started: rec.Started, Ended: rec.Ended,
		},
	}
}

// wake tells all who wait that something about the session changed.
func (e *entry) wake() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// setLife changes what is known of the session, in the record too.
func (e *entry) setLife(n life) {
	e.life = n
	e.rec.State, e.rec.Reason, e.rec.Started, e.rec.Ended = string(n.State), n.Reason, n.Started, n.Ended
}

// setAlone notes that nobody is connected any more, or somebody is.
func (e *entry) setAlone(alone bool, now time.Time) {
	switch {
	case !alone:
		e.alone, e.rec.Alone = time.Time{}, time.Time{}
	case e.alone.IsZero():
		e.alone, e.rec.Alone = now, now.UTC()
	}
}

// view is the session as others see it.
func (e *entry) view(node string) transporter.Session {
	r := &e.rec
	params := maps.Clone(r.Params)
	if params == nil {
		params = map[string]string{}
	}
	return transporter.Session{
		ID: r.ID, Name: r.Name, User: r.User, Node: node, App: r.App, Command: r.Command, Geometry: r.Geometry,
		State: e.life.State, Reason: e.life.Reason, Created: r.Created, Started: e.life.Started,
		Clients: len(e.viewers), Params: params, Clean: r.Clean,
		MaxGeometry: r.MaxGeometry, Clipboard: cmp.Or(r.Limits.Clipboard, session.Bidirectional), Warning: e.warning,
	}
}

// find returns the session of this id.
func (l *Launcher) find(id string) (*entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.sessions[id]
	if e == nil {
		return nil, transporter.Errorf(transporter.NotFound, "there is no session %q on node %s", id, l.opts.Node)
	}
	return e, nil
}

// all returns the table, sorted by id.
func (l *Launcher) all() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sorted()
}

func (l *Launcher) sorted() []*entry {
	return slices.SortedFunc(maps.Values(l.sessions), func(a, b *entry) int { return strings.Compare(a.id, b.id) })
}

// happen applies an event to a session whose files are locked: everyone hears of it, the
// record is written, and when it ended, its viewers are sent away.
func (l *Launcher) happen(e *entry, ev event) {
	l.update(e, func() bool {
		next, changed := e.life.next(ev)
		e.setLife(next)
		return changed
	})
}

// update changes a session whose files are locked, and when change reports a change,
// tells everyone and writes the record. Caller holds e.files.
func (l *Launcher) update(e *entry, change func() bool) {
	l.mu.Lock()
	if !change() {
		l.mu.Unlock()
		return
	}
	finish := func() {}
	if !e.life.alive() {
		finish = l.bury(e)
	}
	l.publish(e, false)
	e.wake()
	rec := e.rec
	l.mu.Unlock()
	finish()
	l.save(e, &rec)
}

// bury is what the end of a session brings with it. It returns what has to be done without Launcher.mu.
func (l *Launcher) bury(e *entry) func() {
	e.awaited, e.warning = false, nil
	viewers := slices.Collect(maps.Keys(e.viewers))
	reason := ended(e.life.Reason)
	return func() {
		for _, v := range viewers {
			v.Close(reason)
		}
	}
}

// ended says that a session is over, and why.
func ended(reason string) string {
	if reason == "" {
		return "the session has ended"
	}
	return "the session has ended: " + reason
}

// save writes the record. That the disk is full must not end a session: the record
// then tells an older state, which the next start corrects.
func (l *Launcher) save(e *entry, rec *session.Record) {
	if e.foreign || e.blank { // what is not known must not be written over what may be
		return
	}
	if err := session.WriteRecord(session.RecordPath(l.opts.Dirs.Local, e.id), rec); err != nil {
		l.opts.Log.Error("cannot write what became of a session; its record is out of date", "session", e.id, "error", err)
	}
}

// erase removes all files of a session.
func (l *Launcher) erase(id string) error {
	local := l.opts.Dirs.Local
	var errs []error
	// The record goes first: without it, the rest is known to be litter.
	for _, path := range []string{session.RecordPath(local, id), session.LogPath(local, id), session.LockPath(local, id)} {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
