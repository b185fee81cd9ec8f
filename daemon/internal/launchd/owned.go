package launchd

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// owned returns an error when another than the owner could change what lies at path: when it, or a directory on the way
// to it, belongs to somebody else or can be written by its group or by everyone. The way starts below
// base; symbolic links on it count as what they are and as what they lead to.
func owned(path, base string, owner int) error {
	if err := ownedAlong(filepath.Clean(path), base, owner); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return ownedAlong(real, base, owner)
}

func ownedAlong(path, base string, owner int) error {
	for ; path != base; path = filepath.Dir(path) {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		uid := int(info.Sys().(*syscall.Stat_t).Uid)
		switch {
		case uid != owner:
			return fmt.Errorf("%s belongs to uid %d, who could change what lies there; run: chown root %s", path, uid, path)
		case info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o022 != 0:
			return fmt.Errorf("%s has mode %04o, which lets others change it; run: chmod go-w %s", path, info.Mode().Perm(), path)
		}
		if path == "/" {
			break
		}
	}
	return nil
}
