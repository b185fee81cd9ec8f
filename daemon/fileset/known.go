package fileset

import (
	"errors"
	"io/fs"
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
}

// racy is the age that a change must have had when its file was read for the file's stamp to tell the next change
// from it: the clock of a file system may be coarse.
const racy = 2 * time.Second

// ReadDirs is the function ReadDirs. It opens every file and remembers what they hold.
func (k *Known) ReadDirs(dir string, extra ...string) (Set, []string, error) {
	return k.readDirs(dir, extra, nil)
}

// Glance is ReadDirs that opens only the files whose size, times, owner, mode or inode are not what they were when the
// file was read, or that had only just been changed then. That is as true as the file system's times are: it misses what
// mapped memory changes before it is written back, and what a network mount has not heard of yet. ReadDirs does not.
func (k *Known) Glance(dir string, extra ...string) (Set, []string, error) {
	return k.readDirs(dir, extra, k.files)
}

func (k *Known) readDirs(dir string, extra []string, trusted map[string]memory) (Set, []string, error) {
	for attempt := 1; ; attempt++ {
		r := &reader{only: k.Only, trusted: trusted, seen: map[string]memory{}, dirs: map[string]bool{}}
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

// recall returns the file at a path if it is the one that was read before.
func (r *reader) recall(path string, info fs.FileInfo) (File, bool) {
	m, ok := r.trusted[path]
	if now, known := stampOf(info); !ok || !known || now != m.stamp || m.read.Sub(m.stamp.changed()) < racy {
		return File{}, false
	}
	r.seen[path] = m
	return m.file, true
}

// remember keeps a file that was read at a time in mind.
func (r *reader) remember(path string, f File, info fs.FileInfo, at time.Time) {
	if s, known := stampOf(info); known {
		r.seen[path] = memory{s, f, at}
	}
}
