package supervise

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

// xclient is a connection to an X server that speaks as much of the core protocol (X11R7.7,
// little endian) as it takes to ask for a property of the root window, and for the idle time.
type xclient struct {
	net.Conn
	root uint32
}

// The requests used, by their opcodes.
const (
	opInternAtom     = 16
	opGetProperty    = 20
	opQueryExtension = 98
	saverQueryInfo   = 1 // of MIT-SCREEN-SAVER
)

// What an answer can be, by its first byte; whatever is above is an event.
const (
	isError = 0
	isReply = 1
)

var errNotX = errors.New("the X server does not answer as one")

// dialX connects with the session's cookie. The server has lookLimit to answer; what is asked
// later has to set a deadline of its own.
func dialX(number int, cookie []byte) (*xclient, error) {
	conn, err := net.Dial("unix", socketFile(number))
	if err != nil {
		conn, err = net.Dial("unix", "@"+socketFile(number)) // the file may be missing, the abstract socket not
	}
	if err != nil {
		return nil, err
	}
	c := &xclient{Conn: conn}
	err = conn.SetDeadline(time.Now().Add(lookLimit))
	if err == nil {
		err = c.setUp(cookie)
	}
	if err != nil {
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

// saver looks up the extension that knows the idle time, and returns its opcode; 0 means that there is none.
func (c *xclient) saver() (byte, error) {
	const name = "MIT-SCREEN-SAVER"
	request := []byte{opQueryExtension, 0, byte(2 + (len(name)+3)/4), 0, byte(len(name)), 0, 0, 0}
	reply, err := c.ask(append(request, pad([]byte(name))...))
	if err != nil || reply[8] == 0 {
		return 0, err
	}
	return reply[9], nil
}

// idle asks for how long nobody has used the keyboard or mouse.
func (c *xclient) idle(saver byte) (time.Duration, error) {
	request := binary.LittleEndian.AppendUint32([]byte{saver, saverQueryInfo, 2, 0}, c.root)
	reply, err := c.ask(request)
	if err != nil {
		return 0, err
	}
	return time.Duration(binary.LittleEndian.Uint32(reply[16:])) * time.Millisecond, nil
}

// ask sends a request and reads its reply, dropping what is behind the first 32 bytes.
func (c *xclient) ask(request []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	reply, err := c.next()
	if err != nil {
		return nil, err
	}
	_, err = c.read(4 * int(binary.LittleEndian.Uint32(reply[4:])&0xffff))
	return reply, err
}

// next returns the start of the next reply. Events are passed over: this client asks for
// none, but that the keyboard was mapped anew every client is told.
func (c *xclient) next() ([]byte, error) {
	for {
		reply, err := c.read(32)
		switch {
		case err != nil:
			return nil, err
		case reply[0] == isError:
			return nil, errNotX
		case reply[0] == isReply:
			return reply, nil
		}
	}
}

func (c *xclient) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(c, b)
	return b, err
}

// pad fills up to a multiple of four bytes.
func pad(b []byte) []byte { return append(b[:len(b):len(b)], make([]byte, -len(b)&3)...) }
