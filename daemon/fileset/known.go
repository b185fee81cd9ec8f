package fileset

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Known remembers files as they were read, so that a look at hundreds of them, of which one has changed, costs the
// reading of one. The zero value knows nothing yet. It is for one goroutine at a time.
type Known struct {
	Only []string // the entries of the directory that are read; nil = all

	files map[string]memory // by path
}

// memory is a file as it was read once.
type memory struct {
	stamp stamp
	file  File
	read  time.Time
	plain bool // the path is the file itself, in a directory that is watched
}

// racy is the age that a change must have had when its file was read for the file's stamp to tell the next change
// from it: the clock of a file system may be coarse.
const racy = 2 * time.Second

// ReadDirs is the function ReadDirs. It opens every file and remembers what they hold.
func (k *Known) ReadDirs(dir string, extra ...string) (Set, []string, error) {
	return k.readDirs(dir, extra, trust{})
}

// Glance is ReadDirs that opens only the files whose size, times, owner, mode or inode are not what they were when the
// file was read, or that had only just been changed then. That is as true as the file system's times are: it misses what
// mapped memory changes before it is written back, and what a network mount has not heard of yet. ReadDirs does not.
func (k *Known) Glance(dir string, extra ...string) (Set, []string, error) {
	return k.readDirs(dir, extra, trust{files: k.files})
}

// Touched is Glance for those who have watched, ever since the last look of k, every directory that it returned: only these
// paths, what lies below them, and what no event tells of are looked at. A plain file elsewhere in the tree is what it was.
func (k *Known) Touched(paths []string, dir string, extra ...string) (Set, []string, error) {
	return k.readDirs(dir, extra, trust{k.files, paths, true})
}

// trust is which files need not be read.
type trust struct {
	files   map[string]memory // what is known
	touched []string          // what has changed since
	heard   bool              // and nothing else has
}

func (k *Known) readDirs(dir string, extra []string, t trust) (Set, []string, error) {
	for attempt := 1; ; attempt++ {
		r := &reader{only: k.Only, trust: t, seen: make(map[string]memory, len(k.files)), dirs: map[string]bool{}}
		set, err := r.all(dir, extra)
		switch {
		case err == nil:
			k.files = r.seen
			return set, r.watched(), nil
		case attempt == attempts || !errors.Is(err, errMoved):
			return Set{}, nil, err
		}
	}
}

// untouched returns the file at a path if nobody can have changed it since it was read before.
func (r *reader) untouched(path string) (File, bool) {
	m, ok := r.trust.files[path]
	if !ok || !m.plain || !r.trust.heard || slices.ContainsFunc(r.trust.touched, func(t string) bool { return within(path, t) }) {
		return File{}, false
	}
	r.seen[path] = m
	return m.file, true
}

// within reports whether a path is top or lies below it.
func within(path, top string) bool {
	return strings.HasPrefix(path, top) && (len(path) == len(top) || path[len(top)] == filepath.Separator)
}

// recall returns the file at a path if it is the one that was read before.
func (r *reader) recall(path string, info fs.FileInfo) (File, bool) {
	m, ok := r.trust.files[path]
	if now, known := stampOf(info); !ok || !known || now != m.stamp || m.read.Sub(m.stamp.changed()) < racy {
		return File{}, false
	}
	r.seen[path] = m
	return m.file, true
}

// remember keeps a file that was read at a time in mind.
func (r *reader) remember(path string, f File, info fs.FileInfo, at time.Time) {
	if s, known := stampOf(info); known {
		r.seen[path] = memory{stamp: s, file: f, read: at}
	}
}

// markPlain notes of a file that was found whether an event would tell of its next change.
func (r *reader) markPlain(path string, plain bool) {
	if m, ok := r.seen[path]; ok {
		m.plain = plain
		r.seen[path] = m
	}
}
