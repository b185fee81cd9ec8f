package launchd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// keepSpent is how long a used ticket's id is kept after the ticket has expired, should the clock be set back.
const keepSpent = time.Hour

// spent remembers the tickets that were used, in a directory that holds an empty file for each: its name
// is the ticket's id, its time of change when the ticket expires.
type spent struct {
	dir string
	mu  sync.Mutex
}

// spend uses a ticket up. That it was used before is an error of package fs, ErrExist. What it
// notes is on the disk when it returns.
func (s *spent) spend(id string, expires, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sweep(now); err != nil {
		return err
	}
	path := filepath.Join(s.dir, id)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(os.Chtimes(path, expires, expires), f.Sync(), f.Close(), fileset.SyncDir(s.dir))
}

// sweep forgets the tickets that can be used no more by their age alone.
func (s *spent) sweep(now time.Time) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.ModTime().Add(keepSpent).Before(now) {
			err = os.Remove(filepath.Join(s.dir, e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
