package display

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// Listen opens the Unix socket at path with mode 0600, in the place of one that nobody
// listens on any more. One that answers is an error: another process serves it.
//
//  1. A socket at path that accepts a connection belongs to someone alive.
//  2. The new one is made beside it, where nobody looks, and gets its mode.
//  3. It is renamed to path, so that what clients find there always works.
//
// Closing the listener leaves the file; its owner removes it.
func Listen(path string) (*net.UnixListener, error) {
	beside := path + ".new"
	if err := session.CheckSocketPath(beside); err != nil {
		return nil, err
	}
	if answers(path) {
		return nil, fmt.Errorf("another process listens on %s; is the daemon running already?", path)
	}
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(beside, 0o600), os.Rename(beside, path)); err != nil {
		ln.Close()
		os.Remove(beside)
		return nil, err
	}
	return ln, nil
}

// answers reports whether someone listens at path, be it with a full queue.
func answers(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil || errors.Is(err, syscall.EAGAIN) || os.IsTimeout(err)
}

// trusted refuses a peer that is neither this process's user nor root.
func trusted(conn *net.UnixConn) error {
	uid, _, _, err := session.PeerCred(conn)
	if err != nil {
		return err
	}
	if uid != os.Getuid() && uid != 0 {
		return fmt.Errorf("a process of user id %d is at the other end; only user id %d and root are trusted", uid, os.Getuid())
	}
	return nil
}
