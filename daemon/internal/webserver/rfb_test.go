package webserver

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// screen is a small X server as a viewer sees it: one still picture, and a note of the
// keys that were pressed.
type screen struct {
	width, height int
	pixel         func(x, y int) [3]byte

	mu    sync.Mutex
	keys  []uint32
	texts []string
	asked []int32 // the encodings that were asked for last
}

// plainScreen is one to look at, all of one colour.
var plainScreen = &screen{width: 640, height: 400, pixel: func(int, int) [3]byte { return [3]byte{200, 40, 40} }}

// pressed returns the keysyms that went down so far.
func (s *screen) pressed() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint32(nil), s.keys...)
}

// asksFor reports whether the viewer's last list of encodings holds one.
func (s *screen) asksFor(encoding int32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.asked, encoding)
}

// serve speaks RFB 3.8 without authentication until the viewer leaves.
func (s *screen) serve(conn net.Conn) {
	io.WriteString(conn, "RFB 003.008\n")
	if !skip(conn, 12) {
		return
	}
	conn.Write([]byte{1, 1}) // one security type: None
	if !skip(conn, 1) {
		return
	}
	conn.Write([]byte{0, 0, 0, 0})
	if !skip(conn, 1) {
		return
	}
	init := binary.BigEndian.AppendUint16(nil, uint16(s.width))
	init = binary.BigEndian.AppendUint16(init, uint16(s.height))
	init = append(init, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0)
	init = binary.BigEndian.AppendUint32(init, 4)
	conn.Write(append(init, "test"...))
	for s.message(conn) {
	}
}

// message answers one message of the viewer.
func (s *screen) message(conn net.Conn) bool {
	kind := make([]byte, 1)
	if _, err := io.ReadFull(conn, kind); err != nil {
		return false
	}
	switch kind[0] {
	case 0: // SetPixelFormat: noVNC asks for what it was offered
		return skip(conn, 19)
	case 2: // SetEncodings
		n, ok := read(conn, 3)
		if !ok {
			return false
		}
		list, ok := read(conn, 4*int(binary.BigEndian.Uint16(n[1:])))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = nil
		for ; len(list) >= 4; list = list[4:] {
			s.asked = append(s.asked, int32(binary.BigEndian.Uint32(list)))
		}
		return ok
	case 3: // FramebufferUpdateRequest
		n, ok := read(conn, 9)
		return ok && (n[0] == 1 || s.draw(conn))
	case 4: // KeyEvent
		n, ok := read(conn, 7)
		if ok && n[0] == 1 {
			s.mu.Lock()
			s.keys = append(s.keys, binary.BigEndian.Uint32(n[3:]))
			s.mu.Unlock()
		}
		return ok
	case 5: // PointerEvent
		return skip(conn, 5)
	case 6: // ClientCutText
		n, ok := read(conn, 7)
		if !ok {
			return false
		}
		text, ok := read(conn, int(binary.BigEndian.Uint32(n[3:])))
		s.mu.Lock()
		s.texts = append(s.texts, string(text))
		s.mu.Unlock()
		return ok
	default:
		return false
	}
}

func (s *screen) draw(conn net.Conn) bool {
	b := []byte{0, 0, 0, 1, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(s.width))
	b = binary.BigEndian.AppendUint16(b, uint16(s.height))
	b = append(b, 0, 0, 0, 0) // raw
	for y := range s.height {
		for x := range s.width {
			p := s.pixel(x, y)
			b = append(b, p[0], p[1], p[2], 255) // noVNC 1.3 takes the padding for opacity
		}
	}
	_, err := conn.Write(b)
	return err == nil
}

func read(conn net.Conn, n int) ([]byte, bool) {
	b := make([]byte, n)
	_, err := io.ReadFull(conn, b)
	return b, err == nil
}

func skip(conn net.Conn, n int) bool {
	_, ok := read(conn, n)
	return ok
}

func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	mine := os.NewFile(uintptr(fds[0]), "ours")
	defer mine.Close()
	conn, err := net.FileConn(mine)
	return conn, os.NewFile(uintptr(fds[1]), "theirs"), err
}

// echoRFB greets as an X server does and sends back what it gets; "bye" ends it.
func echoRFB(conn net.Conn) {
	io.WriteString(conn, "RFB 003.008\n")
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil || strings.HasPrefix(string(buf[:n]), "bye") {
			return
		}
		conn.Write(buf[:n])
	}
}
