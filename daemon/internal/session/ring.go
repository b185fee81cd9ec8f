package session

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// keep is how much of a full log stays when it is cut.
const keep = LogLimit / 2

// OpenLog opens the log at path for a Ring, creating it readable by its owner alone. It is the
// supervisor's standard error, too: the ring and a crash of the supervisor share one offset,
// so what either writes is appended.
func OpenLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// Ring is a log that holds the last output and never more than LogLimit bytes: before
// it would grow past that, its last half is moved to the front, from the start of
// a line on. It is plain text at any time. A write never fails, so that a full disk
// stops no session: what cannot be written is counted and reported in the log itself
// as soon as there is room again. Safe for concurrent use in one process.
type Ring struct {
	mu      sync.Mutex
	f       *os.File
	lost    int64 // bytes not written and not yet reported
	dropped int64 // bytes not written, in all
	lastErr error
	buf     [8 << 10]byte
}

// NewRing appends to f, which must not be opened with O_APPEND.
func NewRing(f *os.File) (*Ring, error) {
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return nil, fmt.Errorf("session log: %w", err)
	}
	return &Ring{f: f}, nil
}

// Write appends p; it always says that all of it was written.
func (r *Ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for rest := p; len(rest) > 0; {
		n := min(len(rest), keep)
		r.append(rest[:n])
		rest = rest[n:]
	}
	return len(p), nil
}

// Printf appends one line of the supervisor's own, marked as such.
func (r *Ring) Printf(format string, args ...any) {
	fmt.Fprintf(r, "-- "+format+"\n", args...)
}

// Dropped tells how many bytes could not be written so far, and why the last could not.
func (r *Ring) Dropped() (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped, r.lastErr
}

// append writes p, after a note on what is missing before it.
func (r *Ring) append(p []byte) {
	if r.lost > 0 {
		lost := r.lost
		note := fmt.Appendf(nil, "\n-- %d bytes of output are missing here: %v\n", lost, r.lastErr)
		if !r.put(note) {
			r.lose(len(p), r.lastErr)
			return
		}
		r.lost -= lost
	}
	if n, err := r.write(p); err != nil {
		r.lose(len(p)-n, err)
	}
}

// put writes all of p or nothing.
func (r *Ring) put(p []byte) bool {
	n, err := r.write(p)
	if err == nil {
		return true
	}
	r.lastErr = err
	if end, err := r.f.Seek(int64(-n), io.SeekCurrent); err == nil {
		r.f.Truncate(end)
	}
	return false
}

func (r *Ring) lose(n int, err error) {
	r.lost += int64(n)
	r.dropped += int64(n)
	r.lastErr = err
}

// write appends p, at most half a log, making room for it first.
func (r *Ring) write(p []byte) (int, error) {
	size, err := r.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if size+int64(len(p)) > LogLimit {
		if err := r.cut(size); err != nil {
			return 0, err
		}
	}
	return r.f.Write(p)
}

// cut moves the last half of the log to its front:
//
//  1. find the first line that starts in the last half;
//  2. copy from there to the front, over blocks the file already has, which a full disk allows;
//  3. cut off what is now behind the end.
func (r *Ring) cut(size int64) error {
	from, err := r.lineStart(size-keep, size)
	if err != nil {
		return err
	}
	var to int64
	for to < size-from {
		n, err := r.f.ReadAt(r.buf[:min(int64(len(r.buf)), size-from-to)], from+to)
		if n == 0 {
			return err
		}
		if _, err := r.f.WriteAt(r.buf[:n], to); err != nil {
			return err
		}
		to += int64(n)
	}
	if err := r.f.Truncate(to); err != nil {
		return err
	}
	_, err = r.f.Seek(to, io.SeekStart)
	return err
}

// lineStart returns the place after the first newline from pos on, or pos when one
// endless line fills all the rest.
func (r *Ring) lineStart(pos, size int64) (int64, error) {
	for at := pos; at < size; {
		n, err := r.f.ReadAt(r.buf[:min(int64(len(r.buf)), size-at)], at)
		if n == 0 {
			return 0, err
		}
		if i := bytes.IndexByte(r.buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		at += int64(n)
	}
	return pos, nil
}
