package watch

import (
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// maxDirs bounds how many directories are watched for hints; the rescan sees the rest.
const maxDirs = 1024

// reader does all the file I/O, in one goroutine, one job at a time.
type reader struct {
	o       Options
	jobs    chan struct{}
	results chan result
	notify  *fsnotify.Watcher // nil where there is no inotify
	events  <-chan fsnotify.Event
	watched map[string]bool
}

func newReader(o Options) *reader {
	r := &reader{o: o, jobs: make(chan struct{}, 1), results: make(chan result, 1), watched: map[string]bool{}, events: o.told}
	if o.Deaf {
		return r
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		o.Log.Warn("no file events; changes are found by rescanning only", "interval", o.Interval, "err", err)
		return r
	}
	r.notify, r.events = notify, notify.Events
	go logErrors(notify.Errors, o.Log)
	return r
}

// logErrors says what went wrong with the hints; the rescan makes up for it.
func logErrors(errors <-chan error, log *slog.Logger) {
	for err := range errors {
		log.Debug("file events", "err", err)
	}
}

func (r *reader) run() {
	if r.notify != nil {
		defer r.notify.Close()
	}
	for range r.jobs {
		r.results <- r.read()
	}
}

// maxTurns is how often a set is read again because it names further files, or because a
// directory came to be watched only after it had been read.
const maxTurns = 5

// read reads the directory, the files outside it, and the files that those name, until every
// directory that had a say is watched: what changes afterwards makes an event.
func (r *reader) read() result {
	extra := slices.Clone(r.o.Extra)
	var set fileset.Set
	for range maxTurns {
		var dirs []string
		var err error
		if set, dirs, err = r.o.read(r.o.Dir, extra...); err != nil {
			r.follow([]string{r.o.Dir, filepath.Dir(r.o.Dir)}) // where it comes back, if it is gone
			return result{err: err}
		}
		known := len(extra)
		for _, path := range r.o.More(set) {
			if !slices.Contains(extra, path) {
				extra = append(extra, path)
			}
		}
		if !r.follow(dirs) && len(extra) == known {
			break
		}
	}
	return result{set: set, scope: r.scope(extra)}
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
			continue
		}
		grown = grown || !r.watched[dir]
		r.watched[dir] = true
	}
	return grown
}
