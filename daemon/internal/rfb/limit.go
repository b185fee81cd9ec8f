package rfb

import (
	"encoding/binary"
	"fmt"
	"image"
	"io"
)

// What a viewer says (RFC 6143, section 7.5, and the registry of the RFB protocol for the rest).
const (
	setPixelFormat    = 0
	setEncodings      = 2
	updateRequest     = 3
	keyEvent          = 4
	pointerEvent      = 5
	clientCutText     = 6
	continuousUpdates = 150
	fence             = 248
	xvp               = 250
	setDesktopSize    = 251
	qemu              = 255
)

const (
	maxEncodings = 1000
	// extendedMouse would make pointer events of two lengths, which only the server's answer tells apart.
	extendedMouse = -316
)

// fixed are the lengths of the messages that have always the same.
var fixed = map[byte]int{
	setPixelFormat: 20, updateRequest: 10, keyEvent: 8, pointerEvent: 6, continuousUpdates: 10, xvp: 4,
}

// Limiter passes on what a viewer says, from its first byte on, and lets it ask for no larger screen than
// a limit: such a request asks for the limit instead.
type Limiter struct {
	w    io.Writer
	most image.Point

	stage   func(*Limiter) (message, error)
	held    []byte // the beginning of a message
	through int    // bytes of the current message that are still to be passed on as they are
	out     []byte
}

// message is what the beginning of one tells: nothing as long as size is 0.
type message struct {
	size  int
	whole bool // it has to be seen whole, for it may have to be changed
}

// NewLimiter returns a Limiter to w; most is in pixels.
func NewLimiter(w io.Writer, most image.Point) *Limiter {
	return &Limiter{w: w, most: most, stage: (*Limiter).hello}
}

// UnreadableError says why a Limiter cannot go on.
type UnreadableError struct {
	Most image.Point
	What string
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the screen is at most %dx%d (max_geometry), and the viewer cannot be kept to it: %s", e.Most.X, e.Most.Y, e.What)
}

func (l *Limiter) unreadable(format string, args ...any) error {
	return &UnreadableError{l.most, fmt.Sprintf(format, args...)}
}

// Write passes on what p completes. What it cannot take apart ends it with an UnreadableError: it could hide a request.
func (l *Limiter) Write(p []byte) (int, error) {
	l.out = l.out[:0]
	for rest := p; len(rest) > 0; {
		if n := min(l.through, len(rest)); n > 0 {
			l.out = append(l.out, rest[:n]...)
			l.through -= n
			rest = rest[n:]
			continue
		}
		l.held = append(l.held, rest[0])
		rest = rest[1:]
		m, err := l.stage(l)
		if err != nil {
			return 0, err
		}
		if m.size == 0 || m.whole && len(l.held) < m.size {
			continue
		}
		l.through = m.size - len(l.held)
		if m.whole {
			l.limit()
		}
		l.out = append(l.out, l.held...)
		l.held = l.held[:0]
	}
	if _, err := l.w.Write(l.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// hello is the version; up to 3.3 no choice of security follows it.
func (l *Limiter) hello() (message, error) {
	if len(l.held) < len(Version) {
		return message{}, nil
	}
	switch string(l.held) {
	case Version, "RFB 003.007\n":
		l.stage = (*Limiter).security
	case "RFB 003.003\n":
		l.stage = (*Limiter).start
	default: // an X server could take it for another than we do
		return message{}, l.unreadable("the version %q is not known", l.held)
	}
	return message{size: len(Version)}, nil
}

// security is the choice of a type; with any but none, more would follow.
func (l *Limiter) security() (message, error) {
	if l.held[0] != none {
		return message{}, l.unreadable("security type %d is not offered", l.held[0])
	}
	l.stage = (*Limiter).start
	return message{size: 1}, nil
}

// start says whether the display is shared.
func (l *Limiter) start() (message, error) {
	l.stage = (*Limiter).message
	return message{size: 1}, nil
}

// message is any that follows.
func (l *Limiter) message() (message, error) {
	known := len(l.held)
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(l.held[at:])) }
	kind := l.held[0]
	switch {
	case fixed[kind] > 0:
		return message{size: fixed[kind]}, nil
	case kind == setEncodings && known >= 4:
		if u16(2) > maxEncodings {
			return message{}, l.unreadable("%d encodings are too many", u16(2))
		}
		return message{size: 4 + 4*u16(2), whole: true}, nil
	case kind == clientCutText && known >= 8:
		n := int(int32(binary.BigEndian.Uint32(l.held[4:])))
		return message{size: 8 + max(n, -n)}, nil // a negative length is the extended clipboard's
	case kind == fence && known >= 9:
		return message{size: 9 + int(l.held[8])}, nil
	case kind == setDesktopSize && known >= 8:
		return message{size: 8 + 16*int(l.held[6]), whole: true}, nil
	case kind == qemu && known >= 2 && l.held[1] == 0: // a key
		return message{size: 12}, nil
	case kind == setEncodings, kind == clientCutText, kind == fence, kind == setDesktopSize, kind == qemu && known < 2:
		return message{}, nil
	}
	return message{}, l.unreadable("message type %d is not known", kind)
}

// limit changes the message that is held whole to what may be said.
func (l *Limiter) limit() {
	m := l.held
	switch m[0] {
	case setEncodings:
		kept := m[:4]
		for at := 4; at < len(m); at += 4 {
			if int32(binary.BigEndian.Uint32(m[at:])) != extendedMouse {
				kept = append(kept, m[at:at+4]...)
			}
		}
		binary.BigEndian.PutUint16(kept[2:], uint16(len(kept)/4-1))
		l.held = kept
	case setDesktopSize:
		cut := func(at, most int) int {
			n := min(int(binary.BigEndian.Uint16(m[at:])), most)
			binary.BigEndian.PutUint16(m[at:], uint16(n))
			return n
		}
		width, height := cut(2, l.most.X), cut(4, l.most.Y)
		for at := 8; at < len(m); at += 16 { // each screen: id, x, y, width, height, flags
			cut(at+8, width-cut(at+4, max(0, width-1)))
			cut(at+10, height-cut(at+6, max(0, height-1)))
		}
	}
}
