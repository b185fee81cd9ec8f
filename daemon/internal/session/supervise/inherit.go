package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// The descriptors that the launcher passes, as the package session lists them.
const (
	fdRecord = 0
	fdErrors = 2
	fdLock   = 3
	fdLog    = 4
)

// Inherit takes over what the launcher passed.
func Inherit() (Inputs, error) {
	if err := closeOnExec(); err != nil { // first of all: a child with the lock would outlive us
		return Inputs{}, err
	}
	if !isOpenFile(fdLock) || !isOpenFile(fdLog) {
		return Inputs{}, errors.New("descriptors 3 and 4 are no lock and no log; fastxd starts this program, not a person")
	}
	log, err := inheritLog()
	if err != nil {
		return Inputs{}, err
	}
	rec, err := session.DecodeRecord(os.NewFile(fdRecord, "record"))
	if err != nil {
		return Inputs{}, fmt.Errorf("the supervisor cannot use what it was given: %w", err)
	}
	return Inputs{Record: rec, Log: log, Lock: os.NewFile(fdLock, "lock"), Limits: Defaults()}, nil
}

// inheritLog makes the ring of descriptor 4, and a copy of it of descriptor 2 so that
// a crash of this program appends its own story.
func inheritLog() (*session.Ring, error) {
	log, err := session.NewRing(os.NewFile(fdLog, "log"))
	if err != nil {
		return nil, err
	}
	return log, syscall.Dup3(fdLog, fdErrors, 0)
}

// closeOnExec keeps every descriptor but the first three from the children, those that a
// careless launcher passed included.
func closeOnExec() error {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range fds {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > fdErrors {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// isOpenFile reports whether fd is a file that may be read and written. A program that
// was passed nothing has files of its runtime at the low numbers.
func isOpenFile(fd int) bool {
	var st syscall.Stat_t
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	return errno == 0 && flags&syscall.O_ACCMODE == syscall.O_RDWR &&
		syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG
}
