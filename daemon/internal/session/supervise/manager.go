package supervise

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"time"
)

// managerLimit is how long a window manager may take until it is at work. Then the
// command starts without it.
const managerLimit = 3 * time.Second

// managerPoll is how often a display is asked for its window manager.
const managerPoll = 5 * time.Millisecond

// saysReady reports whether a window manager follows the Extended Window Manager Hints,
// and so says when it is at work.
func saysReady(manager string) bool { return manager != "" && filepath.Base(manager) != "twm" }

// awaitManager tells when a display has a working window manager, that is when the root
// window has the property _NET_SUPPORTING_WM_CHECK.
//
// The command must not start before: a toolkit that maps its first window while the window
// manager takes over waits seconds for an answer that nobody gives, and the
// window then has no keyboard.
func awaitManager(number int, cookie []byte) <-chan error {
	ready := make(chan error, 1)
	go func() { ready <- pollManager(number, cookie) }()
	return ready
}

func pollManager(number int, cookie []byte) error {
	c, err := dialX(number, cookie)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(managerLimit)); err != nil {
		return err
	}
	var atom uint32
	for {
		if atom == 0 {
			if atom, err = c.atom("_NET_SUPPORTING_WM_CHECK"); err != nil {
				return err
			}
		}
		if atom != 0 {
			if has, err := c.hasProperty(atom); err != nil || has {
				return err
			}
		}
		<-time.After(managerPoll)
	}
}

// xclient is a connection to an X server that speaks as much of the core protocol (X11R7.7,
// little endian) as it takes to ask for a property of the root window.
type xclient struct {
	net.Conn
	root uint32
}

// The requests used, by their opcodes.
const (
	opInternAtom  = 16
	opGetProperty = 20
)

var errNotX = errors.New("the X server does not answer as one")

// dialX connects with the session's cookie.
func dialX(number int, cookie []byte) (*xclient, error) {
	conn, err := net.Dial("unix", socketFile(number))
	if err != nil {
		conn, err = net.Dial("unix", "@"+socketFile(number)) // the file may be missing, the abstract socket not
	}
	if err != nil {
		return nil, err
	}
	c := &xclient{Conn: conn}
	if err := c.setUp(cookie); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// setUp shakes hands and finds the root window of the first screen.
func (c *xclient) setUp(cookie []byte) error {
	const name = "MIT-MAGIC-COOKIE-1"
	hello := []byte{'l', 0, 11, 0, 0, 0, byte(len(name)), 0, byte(len(cookie)), 0, 0, 0}
	hello = append(hello, pad([]byte(name))...)
	if _, err := c.Write(append(hello, pad(cookie)...)); err != nil {
		return err
	}
	head, err := c.read(8)
	if err != nil {
		return err
	}
	body, err := c.read(4 * int(binary.LittleEndian.Uint16(head[6:])))
	if err != nil {
		return err
	}
	if head[0] != 1 || len(body) < 32 {
		return errNotX
	}
	vendor := (int(binary.LittleEndian.Uint16(body[16:])) + 3) &^ 3
	screen := 32 + vendor + 8*int(body[21])
	if len(body) < screen+4 {
		return errNotX
	}
	c.root = binary.LittleEndian.Uint32(body[screen:])
	return nil
}

// atom looks up an atom; 0 means that nobody has made it yet.
func (c *xclient) atom(name string) (uint32, error) {
	request := []byte{opInternAtom, 1, byte(2 + (len(name)+3)/4), 0, byte(len(name)), 0, 0, 0}
	reply, err := c.ask(append(request, pad([]byte(name))...))
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(reply[8:]), nil
}

// hasProperty reports whether the root window has a property.
func (c *xclient) hasProperty(atom uint32) (bool, error) {
	request := []byte{opGetProperty, 0, 6, 0}
	for _, v := range []uint32{c.root, atom, 0, 0, 1} {
		request = binary.LittleEndian.AppendUint32(request, v)
	}
	reply, err := c.ask(request)
	if err != nil {
		return false, err
	}
	return binary.LittleEndian.Uint32(reply[8:]) != 0, nil // its type
}

// ask sends a request and reads its reply, dropping what is behind the first 32 bytes. This client
// asks for no events, so nothing else comes.
func (c *xclient) ask(request []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	reply, err := c.read(32)
	if err != nil {
		return nil, err
	}
	if reply[0] != 1 {
		return nil, errNotX
	}
	_, err = c.read(4 * int(binary.LittleEndian.Uint32(reply[4:])&0xffff))
	return reply, err
}

func (c *xclient) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(c, b)
	return b, err
}

// pad fills up to a multiple of four bytes.
func pad(b []byte) []byte { return append(b[:len(b):len(b)], make([]byte, -len(b)&3)...) }
