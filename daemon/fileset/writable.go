package fileset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Writable reports why no file can be put into a directory or, where it is not there, into the one
// that it would be made in. It finds out by making a file there, and takes that away again.
func Writable(dir string) error {
	probe, err := os.CreateTemp(dir, stagePrefix+"*")
	if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		return Writable(filepath.Dir(dir))
	}
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// SyncDir makes a rename or a removal in dir survive a power cut.
func SyncDir(dir string) error { return syncDir(dir) }
