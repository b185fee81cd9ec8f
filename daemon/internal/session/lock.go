package session

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked is what CreateLock returns for a lock that a live session holds.
var ErrLocked = errors.New("the session's lock is held")

// CreateLock creates the lock file at path, readable by its owner alone, and takes the
// lock. The lock lives as long as any descriptor of the returned open file does:
// pass it on to the supervisor and Close it, but never Unlock it then.
func CreateLock(path string) (*os.File, error) {
	f, held, err := openLock(path, os.O_CREATE)
	if held {
		err = ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("create session lock %s: %w", path, err)
	}
	return f, nil
}

// TryLock takes the lock at path if it is free: held says that somebody else has it,
// and then f is nil. A free lock that is not there is an error of package fs.
func TryLock(path string) (f *os.File, held bool, err error) {
	f, held, err = openLock(path, 0)
	if err != nil {
		return nil, false, fmt.Errorf("try session lock: %w", err)
	}
	return f, held, nil
}

func openLock(path string, flag int) (f *os.File, held bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW|flag, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, false, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, true, nil
	}
	return nil, false, &os.PathError{Op: "flock", Path: path, Err: err}
}

// Unlock gives back a lock that no supervisor shares, and closes f. Close alone would
// leave the lock taken for as long as a child that is just being started has its copy.
func Unlock(f *os.File) error {
	return errors.Join(flock(f, syscall.LOCK_UN), f.Close())
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}
