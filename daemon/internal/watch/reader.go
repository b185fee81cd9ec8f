package watch

import (
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// maxDirs bounds how many directories are watched for hints; the rescan sees the rest.
const maxDirs = 1024

// reader does all the file I/O, in one goroutine, one job at a time.
type reader struct {
	o       Options
	jobs    chan job
	results chan result
	notify  *fsnotify.Watcher // nil where there is no inotify
	events  <-chan fsnotify.Event
	watched map[string]bool
	deaf    bool        // to what happens in some directory of the last set
	lost    atomic.Bool // events were lost since the last look
	known   fileset.Known
	more    []string // the files outside that those of the last set name
}

// job is how to look, and what for.
type job struct {
	how     how
	touched []string // the paths that events have named
}

type how int

const (
	thorough how = iota // all files are read
	glancing            // files that look as they did when they were read are not read again
	touching            // what no event has named is not even looked at
)

// set reads the files as a job wants it.
func (r *reader) set(j job, extra []string) (fileset.Set, []string, error) {
	lost := r.lost.Swap(false)
	switch {
	case r.o.read != nil:
		return r.o.read(r.o.Dir, extra...)
	case j.how == thorough:
		return r.known.ReadDirs(r.o.Dir, extra...)
	case j.how == touching && !r.deaf && !lost:
		return r.known.Touched(j.touched, r.o.Dir, extra...)
	}
	return r.known.Glance(r.o.Dir, extra...)
}

func newReader(o Options) *reader {
	r := &reader{o: o, known: fileset.Known{Only: o.Only}, jobs: make(chan job, 1), results: make(chan result, 1), watched: map[string]bool{}, deaf: true, events: o.told}
	if o.Deaf {
		return r
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		o.Log.Warn("no file events; changes are found by rescanning only", "interval", o.Interval, "err", err)
		return r
	}
	r.notify, r.events = notify, notify.Events
	go r.miss(notify.Errors)
	return r
}

// miss hears what went wrong with the hints; the next look, and the rescan, make up for it.
func (r *reader) miss(errors <-chan error) {
	for err := range errors {
		r.lost.Store(true)
		r.o.Log.Debug("file events", "err", err)
	}
}

func (r *reader) run() {
	if r.notify != nil {
		defer r.notify.Close()
	}
	for j := range r.jobs {
		r.results <- r.read(j)
	}
}

// maxTurns is how often a set is read again because it names further files, or because a
// directory came to be watched only after it had been read.
const maxTurns = 5

// read reads the directory, the files outside it, and the files that those name, until every
// directory that had a say is watched: what changes afterwards makes an event.
func (r *reader) read(j job) result {
	extra := r.extra()
	var set fileset.Set
	for range maxTurns {
		var dirs []string
		var err error
		if set, dirs, err = r.set(j, extra); err != nil {
			r.follow([]string{r.o.Dir, filepath.Dir(r.o.Dir)}) // where it comes back, if it is gone
			r.lost.Store(true)                                 // what led here was not seen
			return result{err: err}
		}
		r.more = r.o.More(set)
		named := r.extra()
		if !r.follow(dirs) && slices.Equal(named, extra) {
			break
		}
		extra, j = named, job{how: glancing} // the files that were read just now count as read
	}
	return result{set: set, scope: r.scope(extra)}
}

// extra lists the files outside the directory, sorted: those that are always read, and those that the last set names.
func (r *reader) extra() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.o.Extra, r.more))))
}

// scope says which events concern what was read.
func (r *reader) scope(extra []string) scope {
	root, err := filepath.EvalSymlinks(r.o.Dir)
	if err != nil {
		return scope{} // it is gone by now: every event counts
	}
	s := scope{root: root, names: map[string]bool{filepath.Base(r.o.Dir): true}}
	for _, path := range extra {
		s.names[filepath.Base(path)] = true
		if real, err := filepath.EvalSymlinks(path); err == nil {
			s.names[filepath.Base(real)] = true
		}
	}
	return s
}

// follow puts the hints on these directories and no others, and reports whether one is new.
func (r *reader) follow(dirs []string) (grown bool) {
	if r.notify == nil {
		return false
	}
	r.deaf = len(dirs) > maxDirs
	dirs = dirs[:min(len(dirs), maxDirs)]
	for dir := range r.watched {
		if !slices.Contains(dirs, dir) {
			_ = r.notify.Remove(dir) // it may be gone already, and its watch with it
			delete(r.watched, dir)
		}
	}
	for _, dir := range dirs {
		// Adding again is free, and necessary where a directory was replaced by another of its name.
		if r.notify.Add(dir) != nil {
			delete(r.watched, dir)
			r.deaf = true
			continue
		}
		grown = grown || !r.watched[dir]
		r.watched[dir] = true
	}
	return grown
}
