package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// file is an append-only file that rotates and heals: it is opened again when
// someone moved or removed it, and a line that was cut short by a full disk or a
// crash never swallows the next.
type file struct {
	path  string
	limit int64
	files int

	f    *os.File // nil after a failed open
	size int64
	torn bool // the last byte is not a newline
}

func (a *file) open() error {
	f, err := os.OpenFile(a.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm() != 0o600 {
		err = f.Chmod(0o600)
	}
	last := []byte{'\n'}
	if err == nil && info.Size() > 0 {
		_, err = f.ReadAt(last, info.Size()-1)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	a.f, a.size, a.torn = f, info.Size(), last[0] != '\n'
	return nil
}

func (a *file) close() {
	if a.f != nil {
		a.f.Close()
		a.f = nil
	}
}

// append writes one line, which ends in a newline, with one write.
func (a *file) append(line []byte) error {
	if a.moved() {
		a.close()
	}
	if a.f != nil && a.size > 0 && a.size+int64(len(line)) > a.limit {
		a.close()
		if err := a.rotate(); err != nil {
			return err
		}
	}
	if a.f == nil {
		if err := a.open(); err != nil {
			return err
		}
	}
	if a.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := a.f.Write(line)
	if n > 0 {
		a.size += int64(n)
		a.torn = line[n-1] != '\n'
	}
	return err
}

// moved reports whether the path no longer names the open file. A file that was emptied in place, as logrotate's
// copytruncate does, is the same and has room again.
func (a *file) moved() bool {
	if a.f == nil {
		return false
	}
	open, err := a.f.Stat()
	if err != nil {
		return true
	}
	if open.Size() < a.size {
		a.size, a.torn = open.Size(), false
	}
	named, err := os.Stat(a.path)
	return err != nil || !os.SameFile(open, named)
}

// rotate renames each file to the next number; the oldest goes.
func (a *file) rotate() error {
	for i := a.files - 1; i > 0; i-- {
		err := os.Rename(a.name(i-1), a.name(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if a.files == 1 {
		return os.Remove(a.path)
	}
	return nil
}

func (a *file) name(i int) string {
	if i == 0 {
		return a.path
	}
	return fmt.Sprintf("%s.%d", a.path, i)
}
