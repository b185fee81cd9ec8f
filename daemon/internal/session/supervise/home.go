package supervise

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// probeSize is enough to need a block of its own, which a full file system or quota refuses.
const probeSize = 4096

// checkHome tells on the returned channel whether files can be made in the home
// directory. It may take as long as a network file system does.
func checkHome(home, id string) <-chan error {
	result := make(chan error, 1)
	go func() { result <- probeHome(home, id) }()
	return result
}

// probeHome writes, syncs and removes a small file, and says in a sentence what is wrong.
func probeHome(home, id string) error {
	info, err := os.Stat(home)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = writeProbe(filepath.Join(home, ".fx-probe-"+id))
	}
	if err == nil {
		return nil
	}
	return ended("home directory " + home + " cannot be written: " + homeAdvice(err))
}

func writeProbe(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) { // of a supervisor that was killed
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeSize))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(name))
}

// homeAdvice says what the error is and what to do about it.
func homeAdvice(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return oneLine(err.Error())
	}
	switch errno {
	case syscall.ENOSPC, syscall.EDQUOT:
		return errno.Error() + "; free some space or ask for more quota, then start again"
	case syscall.ENOENT:
		return errno.Error() + "; ask your administrator to create it, then start again"
	default:
		return errno.Error() + "; ask your administrator to mend it, then start again"
	}
}
