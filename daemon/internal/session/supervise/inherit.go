package supervise

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// Two of the descriptors that the launcher passes, as the package session lists them.
const (
	fdLock = 1
	fdLog  = 2
)

// Inherit takes over what the launcher passed, and the umask, which for a session of its user's is the one that PAM
// gives a login (pam_umask). The log stays standard error too, so that a
// crash of this program appends its own story. The files are those of the package os, which
// nothing ever closes; another one for the same descriptor would close it when it is forgotten.
func Inherit() (Inputs, error) {
	if err := closeOnExec(); err != nil {
		return Inputs{}, err
	}
	if !isOpenFile(fdLock) || !isOpenFile(fdLog) {
		return Inputs{}, errors.New("descriptors 1 and 2 are no lock and no log; fastxd starts this program, not a person")
	}
	log, err := session.NewRing(os.Stderr)
	if err != nil {
		return Inputs{}, err
	}
	rec, err := session.DecodeRecord(io.NewSectionReader(os.Stdin, 0, maxRecord))
	if err != nil {
		return Inputs{}, fmt.Errorf("the supervisor cannot use what it was given: %w", err)
	}
	return Inputs{Record: rec, Log: log, Lock: os.Stdout, Umask: syscall.Umask(ourUmask), Limits: Defaults()}, nil
}

// SayReady tells systemd, where it has started this process and waits at that socket, that the session's start has
// begun well: the program runs and has what it needs.
func SayReady(socket string) error {
	if socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte("READY=1"))
	return errors.Join(err, conn.Close())
}

// maxRecord is more than any record takes. It is read from its start, whoever has read it before.
const maxRecord = 1 << 20

// closeOnExec keeps from the children whatever a careless launcher passed. The first three
// they do not get either: start gives each three of its own.
func closeOnExec() error {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range fds {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > fdLog {
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
