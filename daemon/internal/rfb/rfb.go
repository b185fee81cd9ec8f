// Package rfb is a small viewer of RFB displays (RFC 6143): protocol 3.8, no authentication, true
// colour, raw pixels. It takes pictures of displays and drives them in tests.
//
// A Limiter stands between a display and a viewer of somebody else's make and keeps that to a screen's largest size.
//
// What answers is taken for hostile: whoever owns a session owns its X server. Sizes are
// bounded and no pixel lies outside the screen; how long it may take is up to the connection's deadline.
package rfb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"
)

const (
	// Version is the first thing an RFB server says.
	Version = "RFB 003.008\n"

	maxSide = 16384
	maxText = 1 << 20 // of a name or a clipboard
	none    = 1       // the security type
)

// The server's messages.
const (
	framebufferUpdate = 0
	setColours        = 1
	bell              = 2
	serverCutText     = 3
)

// The encodings that are asked for.
const (
	raw         = 0
	desktopSize = -223 // a pseudo-encoding: the screen's new size; a viewer without it is left when another resizes
)

// ErrResized says that the screen has got a new size, that of the client's Size now; what had been asked for
// has to be asked for again.
var ErrResized = errors.New("the screen has got a new size")

// Client is one connection to a display, shared with its other viewers.
type Client struct {
	Name string
	Size image.Point

	r *bufio.Reader
	w io.Writer
}

// New shakes hands over rw and asks for nothing yet.
func New(rw io.ReadWriter) (*Client, error) {
	c := &Client{r: bufio.NewReaderSize(rw, 64<<10), w: rw}
	for _, step := range []func() error{c.version, c.security, c.initialise, c.format} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("shake hands with a display: %w", err)
		}
	}
	return c, nil
}

func (c *Client) version() error {
	hello, err := c.read(len(Version))
	if err != nil {
		return err
	}
	if string(hello) != Version {
		return fmt.Errorf("it says %q, not %q", hello, Version)
	}
	_, err = c.w.Write(hello)
	return err
}

func (c *Client) security() error {
	count, err := c.read(1)
	if err != nil {
		return err
	}
	types, err := c.read(int(count[0]))
	if err != nil {
		return err
	}
	if !strings.ContainsRune(string(types), none) {
		return fmt.Errorf("its security types %v do not hold None (1)", types)
	}
	if _, err := c.w.Write([]byte{none}); err != nil {
		return err
	}
	result, err := c.read(4)
	if err == nil && binary.BigEndian.Uint32(result) != 0 {
		err = fmt.Errorf("security result %v", result)
	}
	return err
}

func (c *Client) initialise() error {
	if _, err := c.w.Write([]byte{1}); err != nil { // shared
		return err
	}
	head, err := c.read(24)
	if err != nil {
		return err
	}
	c.Size = image.Pt(int(binary.BigEndian.Uint16(head)), int(binary.BigEndian.Uint16(head[2:])))
	if err := checkSize(c.Size); err != nil {
		return err
	}
	name, err := c.text(head[20:])
	c.Name = string(name)
	return err
}

func checkSize(size image.Point) error {
	if size.X < 1 || size.Y < 1 || size.X > maxSide || size.Y > maxSide {
		return fmt.Errorf("a screen of %v", size)
	}
	return nil
}

// format asks for 32-bit BGRX pixels in raw encoding, and to be told of new sizes.
func (c *Client) format() error {
	pixels := []byte{0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0}
	msg := append(pixels, 2, 0, 0, 2)
	for _, encoding := range []int32{raw, desktopSize} {
		msg = binary.BigEndian.AppendUint32(msg, uint32(encoding))
	}
	_, err := c.w.Write(msg)
	return err
}

// Request asks for an area of the screen: all of it, or what has changed there.
func (c *Client) Request(area image.Rectangle, incremental bool) error {
	msg := []byte{3, 0}
	if incremental {
		msg[1] = 1
	}
	for _, n := range []int{area.Min.X, area.Min.Y, area.Dx(), area.Dy()} {
		msg = binary.BigEndian.AppendUint16(msg, uint16(n))
	}
	_, err := c.w.Write(msg)
	return err
}

// Screen is the area of the whole screen.
func (c *Client) Screen() image.Rectangle { return image.Rectangle{Max: c.Size} }

// Key presses and releases a key, given as an X keysym.
func (c *Client) Key(keysym uint32) error {
	var msg []byte
	for _, down := range []byte{1, 0} {
		msg = binary.BigEndian.AppendUint32(append(msg, 4, down, 0, 0), keysym)
	}
	_, err := c.w.Write(msg)
	return err
}

// Update reads until one framebuffer update has come and hands over its pixels, row by row: four
// bytes each, blue, green, red, nothing. A row is good until draw returns. ErrResized ends an update, not
// the connection.
func (c *Client) Update(draw func(x, y int, row []byte)) (changed image.Rectangle, err error) {
	for {
		kind, err := c.read(1)
		if err != nil {
			return changed, err
		}
		switch kind[0] {
		case framebufferUpdate:
			return c.rects(draw)
		case bell:
		case serverCutText:
			err = c.cutText()
		case setColours:
			err = errors.New("a true-colour display has no colour map")
		default:
			err = fmt.Errorf("unexpected server message %d", kind[0])
		}
		if err != nil {
			return changed, err
		}
	}
}

func (c *Client) cutText() error {
	head, err := c.read(7)
	if err == nil {
		_, err = c.text(head[3:])
	}
	return err
}

func (c *Client) rects(draw func(x, y int, row []byte)) (changed image.Rectangle, err error) {
	head, err := c.read(3)
	if err != nil {
		return changed, err
	}
	for left := binary.BigEndian.Uint16(head[1:]); left > 0; left-- {
		r, err := c.rect(draw)
		if errors.Is(err, ErrResized) && left > 1 {
			err = errors.New("more than the screen's new size at the end of an update") // RFC 6143, 7.8.2
		}
		if err != nil {
			return changed, err
		}
		changed = changed.Union(r)
	}
	return changed, nil
}

func (c *Client) rect(draw func(x, y int, row []byte)) (image.Rectangle, error) {
	head, err := c.read(12)
	if err != nil {
		return image.Rectangle{}, err
	}
	at := func(i int) int { return int(binary.BigEndian.Uint16(head[i:])) }
	r := image.Rect(at(0), at(2), at(0)+at(4), at(2)+at(6))
	switch encoding := int32(binary.BigEndian.Uint32(head[8:])); {
	case encoding == desktopSize:
		if err := checkSize(r.Size()); err != nil {
			return r, err
		}
		c.Size = r.Size()
		return r, ErrResized
	case encoding != raw:
		return r, fmt.Errorf("encoding %d was not asked for", encoding)
	case !r.In(c.Screen()):
		return r, fmt.Errorf("the area %v lies outside the screen %v", r, c.Size)
	}
	row := make([]byte, 4*r.Dx())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		if _, err := io.ReadFull(c.r, row); err != nil {
			return r, err
		}
		draw(r.Min.X, y, row)
	}
	return r, nil
}

// text reads what a length of four bytes stands before.
func (c *Client) text(length []byte) ([]byte, error) {
	n := binary.BigEndian.Uint32(length)
	if n > maxText {
		return nil, fmt.Errorf("a text of %d bytes", n)
	}
	return c.read(int(n))
}

func (c *Client) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(c.r, b)
	return b, err
}
