package fileset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrNoLinks is why Create cannot work on a file system.
var ErrNoLinks = errors.New("the file system gives no file a second name, so nobody could be sure to be the first")

// Owner is who a new file is to belong to; nil leaves it to the process.
type Owner struct{ UID, GID int }

// Create puts data at a path where nothing stands yet: of many who do so at once, on any number of machines that share the
// directory, one succeeds, and the others get fs.ErrExist. Nobody ever finds a part of the file there, or one with a
// wider mode.
//
//  1. stage the data beside the path, with its owner and mode, and flush it
//  2. give the stage its second name, which fails where that exists
//  3. take the first name away, and flush the directory
func Create(path string, data []byte, mode fs.FileMode, owner *Owner) (err error) {
	dir := filepath.Dir(path)
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	stage, err := os.CreateTemp(dir, stagePrefix+"*") // (1)
	if err != nil {
		return err
	}
	defer func() {
		stage.Close()
		if gone := os.Remove(stage.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) { // (3)
			err = errors.Join(err, gone)
		}
		err = errors.Join(err, syncDir(dir))
	}()
	if owner != nil {
		if err := stage.Chown(owner.UID, owner.GID); err != nil {
			return fmt.Errorf("give %s to uid %d: %w", path, owner.UID, err)
		}
	}
	if err := fill(stage, data, mode, nil); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return place(stage.Name(), path) // (2)
}

// place gives a file another name, unless something has it.
func place(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil || linked(from):
		return nil
	case errors.Is(err, syscall.EPERM), errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrNoLinks, err)
	}
	return err
}
