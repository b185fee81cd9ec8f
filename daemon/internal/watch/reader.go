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
	jobs    chan job
	results chan result
	notify  *fsnotify.Watcher // nil where there is no inotify
	events  <-chan fsnotify.Event
	watched map[string]bool
	how     map[job]Reader
	more    []string // the files outside that those of the last set name
}

// job is how to look.
type job int

const (
	thorough job = iota // all files are read
	glancing            // files that look as they did when they were read are not read again
)

// readers do each kind of job; they share what they know of the files.
func readers(o Options) map[job]Reader {
	if o.read != nil {
		return map[job]Reader{thorough: o.read, glancing: o.read}
	}
	known := fileset.Known{Only: o.Only}
	return map[job]Reader{thorough: known.ReadDirs, glancing: known.Glance}
}

func newReader(o Options) *reader {
	r := &reader{o: o, how: readers(o), jobs: make(chan job, 1), results: make(chan result, 1), watched: map[string]bool{}, events: o.told}
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
		if set, dirs, err = r.how[j](r.o.Dir, extra...); err != nil {
			r.follow([]string{r.o.Dir, filepath.Dir(r.o.Dir)}) // where it comes back, if it is gone
			return result{err: err}
		}
		r.more = r.o.More(set)
		named := r.extra()
		if !r.follow(dirs) && slices.Equal(named, extra) {
			break
		}
		extra, j = named, glancing // the files that were read just now count as read
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
