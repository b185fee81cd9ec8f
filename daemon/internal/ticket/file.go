package ticket

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// maxFile is more than any PEM file of one key takes.
const maxFile = 16 << 10

// guard is what the permission bits of a file must not say.
type guard struct {
	others fs.FileMode // refused always
	group  fs.FileMode // refused where the group is not one of this process
	remedy string
}

var (
	privateFile = guard{others: 0o027, group: 0o040, remedy: "chmod 600"}
	publicFile  = guard{others: 0o022, remedy: "chmod 644"}
)

// ReadPrivate reads a private key's file if nobody but root and the daemon can have read or changed it.
func ReadPrivate(path string) ([]byte, error) { return readGuarded(path, privateFile) }

// readGuarded reads a small regular file after it has checked, on the open file,
// who could have read or changed it.
func readGuarded(path string, g guard) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hang us
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := g.check(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes and cannot be a key", path, maxFile)
	}
	return data, err
}

func (g guard) check(path string, info fs.FileInfo) error {
	mode := info.Mode()
	owner := info.Sys().(*syscall.Stat_t)
	switch {
	case !mode.IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case mode&g.others != 0, mode&g.group != 0 && !myGroup(int(owner.Gid)):
		return fmt.Errorf("%s has mode %04o, which lets others at it; run: %s %s", path, mode.Perm(), g.remedy, path)
	case !trustedOwner(path, owner.Uid):
		return fmt.Errorf("%s belongs to uid %d; it must belong to root or to the daemon's user", path, owner.Uid)
	}
	return nil
}

// trustedOwner reports whether a file belongs to root, to this process, or to the
// owner of its folder, who could replace it anyway (so root can read the daemon's).
func trustedOwner(path string, uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() {
		return true
	}
	dir, err := os.Stat(filepath.Dir(path))
	return err == nil && dir.Sys().(*syscall.Stat_t).Uid == uid
}

func myGroup(gid int) bool {
	groups, _ := os.Getgroups()
	return gid == os.Getegid() || slices.Contains(groups, gid)
}

// place writes data beside path, makes it durable, and hands the temporary file
// to put, which gives it its name. What root writes belongs to the folder's owner.
func place(path string, data []byte, mode fs.FileMode, put func(tmp string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after a rename
	_, err = f.Write(data)
	if err = errors.Join(err, giveToOwner(f, dir), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := put(f.Name()); err != nil {
		return err
	}
	return syncDir(dir)
}

// giveToOwner lets root make files in the folder of another, who is to use them.
func giveToOwner(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
