package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// maxDisplay is the last number that X clients take.
const maxDisplay = 59535

// display is a display number that no other supervisor of this machine takes while this one holds it.
//
// What Xvnc does by itself, found with TigerVNC 1.12 (X.Org 21.1), 50 at a time: with
// -displayfd it neither reads nor writes /tmp/.X<n>-lock; it goes up from 0 and binds the
// abstract socket @/tmp/.X11-unix/X<n>, which the kernel gives to one process only and
// takes back when that dies. So numbers never clash and stale locks never matter. But it
// takes :0, which a console's server then finds taken; it replaces the socket file of a
// server it cannot see (root even that of another user); it ends with "server already
// running" where a file of another user is in the way of a number it was told; and each
// number in use costs two lines of the session's log.
//
// So the number is chosen here: one with nothing in its way, reserved by an abstract socket
// of our own, which needs no file, cannot go stale, and does not let 50 starts at once try
// the same. Should somebody else take it in the same moment, Xvnc ends at once and the
// next number is tried. When /tmp/.X11-unix is unusable, Xvnc serves the abstract socket alone.
type display struct {
	number int
	socket int // holds the reservation
}

// reserveDisplay takes the first free number from first on.
func reserveDisplay(first int) (*display, error) {
	for n := first; n <= maxDisplay; n++ {
		fd, err := bindAbstract("@fastx-display-" + strconv.Itoa(n))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reserve a display number: %w", err)
		}
		if isFree(n) {
			return &display{number: n, socket: fd}, nil
		}
		syscall.Close(fd)
	}
	return nil, fmt.Errorf("no display number from :%d on is free", first)
}

// isFree reports whether nothing is in the number's way: no server, no lock, and at most
// a dead socket of our own user, which Xvnc replaces.
func isFree(n int) bool {
	if _, err := os.Lstat(lockFile(n)); !os.IsNotExist(err) {
		return false
	}
	fd, err := bindAbstract("@" + socketFile(n))
	if err != nil {
		return false
	}
	syscall.Close(fd)
	return !exists(socketFile(n)) || isDeadSocket(socketFile(n))
}

// isDeadSocket reports whether path is a socket of our own that nobody listens on.
func isDeadSocket(path string) bool {
	if !isOwnSocket(path) {
		return false
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	return syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}) == syscall.ECONNREFUSED
}

func isOwnSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == os.ModeSocket && int(info.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !os.IsNotExist(err)
}

// bindAbstract takes an abstract socket name; Go writes its leading zero byte as '@'.
func bindAbstract(name string) (int, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: name}); err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (d *display) name() string { return ":" + strconv.Itoa(d.number) }

// release gives the number back, and removes the socket that a killed X server left.
func (d *display) release() {
	if d == nil {
		return
	}
	if path := socketFile(d.number); isDeadSocket(path) {
		os.Remove(path)
	}
	syscall.Close(d.socket)
}

func lockFile(n int) string   { return "/tmp/.X" + strconv.Itoa(n) + "-lock" }
func socketFile(n int) string { return "/tmp/.X11-unix/X" + strconv.Itoa(n) }

// parseSize reads "1920x1080".
func parseSize(s string) (w, h int, err error) {
	ws, hs, ok := strings.Cut(s, "x")
	w, errW := strconv.Atoi(ws)
	h, errH := strconv.Atoi(hs)
	if !ok || errW != nil || errH != nil || w < 1 || h < 1 || w > 32767 || h > 32767 {
		return 0, 0, fmt.Errorf("the geometry %q is not WIDTHxHEIGHT", s)
	}
	return w, h, nil
}
