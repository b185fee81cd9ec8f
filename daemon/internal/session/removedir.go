package session

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// RemoveDir removes a session's directory and what is in it, but never anything of another
// file system: a desktop mounts its user's remote files below XDG_RUNTIME_DIR, and os.RemoveAll
// would delete those. A directory that is not there is no error.
func RemoveDir(dir string) error {
	info, err := os.Lstat(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return removeOn(device(info), dir, info)
}

func removeOn(dev uint64, path string, info os.FileInfo) error {
	if device(info) != dev {
		return fmt.Errorf("%s is a mount point", path)
	}
	if !info.IsDir() {
		return os.Remove(path)
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		child := filepath.Join(path, e.Name())
		info, statErr := os.Lstat(child)
		if statErr == nil {
			statErr = removeOn(dev, child, info)
		}
		if err == nil {
			err = statErr
		}
	}
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func device(info os.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Dev) }
