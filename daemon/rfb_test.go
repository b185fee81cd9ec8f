package daemon_test

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"io"
	"strings"
)

// viewer is a small RFB 3.8 client (RFC 6143): no authentication, true colour, raw
// encoding. It keeps what it was sent in Screen.
type viewer struct {
	rw     io.ReadWriter
	Name   string
	Screen *image.RGBA
}

// rfbVersion is the first thing an RFB server says.
const rfbVersion = "RFB 003.008\n"

// newViewer shakes hands over rw and asks for nothing yet.
func newViewer(rw io.ReadWriter) (*viewer, error) {
	v := &viewer{rw: rw}
	for _, step := range []func() error{v.version, v.security, v.initialise, v.format} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *viewer) version() error {
	hello := make([]byte, len(rfbVersion))
	if _, err := io.ReadFull(v.rw, hello); err != nil {
		return fmt.Errorf("read the version: %w", err)
	}
	if string(hello) != rfbVersion {
		return fmt.Errorf("the server says %q, not %q", hello, rfbVersion)
	}
	_, err := v.rw.Write(hello)
	return err
}

func (v *viewer) security() error {
	count, err := v.read(1)
	if err != nil {
		return err
	}
	types, err := v.read(int(count[0]))
	if err != nil {
		return err
	}
	if !strings.Contains(string(types), "\x01") {
		return fmt.Errorf("security types %v do not hold None (1)", types)
	}
	if _, err := v.rw.Write([]byte{1}); err != nil {
		return err
	}
	result, err := v.read(4)
	if err == nil && binary.BigEndian.Uint32(result) != 0 {
		err = fmt.Errorf("security result %v", result)
	}
	return err
}

func (v *viewer) initialise() error {
	if _, err := v.rw.Write([]byte{1}); err != nil { // shared
		return err
	}
	head, err := v.read(24)
	if err != nil {
		return err
	}
	name, err := v.read(int(binary.BigEndian.Uint32(head[20:])))
	v.Name = string(name)
	w, h := binary.BigEndian.Uint16(head), binary.BigEndian.Uint16(head[2:])
	v.Screen = image.NewRGBA(image.Rect(0, 0, int(w), int(h)))
	return err
}

// format asks for 32-bit BGRX pixels in raw encoding.
func (v *viewer) format() error {
	pixels := []byte{0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0}
	encodings := []byte{2, 0, 0, 1, 0, 0, 0, 0}
	_, err := v.rw.Write(append(pixels, encodings...))
	return err
}

// Request asks for an update of the whole screen: all of it, or what changed.
func (v *viewer) Request(incremental bool) error {
	msg := []byte{3, 0, 0, 0, 0, 0}
	if incremental {
		msg[1] = 1
	}
	b := v.Screen.Bounds()
	msg = binary.BigEndian.AppendUint16(msg, uint16(b.Dx()))
	msg = binary.BigEndian.AppendUint16(msg, uint16(b.Dy()))
	_, err := v.rw.Write(msg)
	return err
}

// requestPixel asks for one pixel, changed or not.
func (v *viewer) requestPixel() error {
	_, err := v.rw.Write([]byte{3, 0, 0, 0, 0, 0, 0, 1, 0, 1})
	return err
}

// skipUpdate reads one framebuffer update, drops its pixels and returns its size in bytes.
func (v *viewer) skipUpdate() (int, error) {
	head, err := v.read(4)
	if err != nil {
		return 0, err
	}
	if head[0] != 0 {
		return 0, fmt.Errorf("unexpected server message %d", head[0])
	}
	total := 4
	for range binary.BigEndian.Uint16(head[2:]) {
		rect, err := v.read(12)
		if err != nil {
			return total, err
		}
		size := int64(binary.BigEndian.Uint16(rect[4:])) * int64(binary.BigEndian.Uint16(rect[6:])) * 4
		if _, err := io.CopyN(io.Discard, v.rw, size); err != nil {
			return total, err
		}
		total += 12 + int(size)
	}
	return total, nil
}

// Key presses and releases a key, given as an X keysym.
func (v *viewer) Key(keysym uint32) error {
	var msg []byte
	for _, down := range []byte{1, 0} {
		msg = binary.BigEndian.AppendUint32(append(msg, 4, down, 0, 0), keysym)
	}
	_, err := v.rw.Write(msg)
	return err
}

// Type presses the keys of a line of ASCII text; '\n' is Return.
func (v *viewer) Type(text string) error {
	for _, r := range text {
		if r == '\n' {
			r = 0xff0d
		}
		if err := v.Key(uint32(r)); err != nil {
			return err
		}
	}
	return nil
}

// Update reads one framebuffer update into Screen and returns what it changed.
func (v *viewer) Update() (image.Rectangle, error) {
	for {
		kind, err := v.read(1)
		if err != nil {
			return image.Rectangle{}, err
		}
		switch kind[0] {
		case 0:
			return v.rects()
		case 2: // bell
		case 3: // cut text
			head, err := v.read(7)
			if err == nil {
				_, err = v.read(int(binary.BigEndian.Uint32(head[3:])))
			}
			if err != nil {
				return image.Rectangle{}, err
			}
		default:
			return image.Rectangle{}, fmt.Errorf("unexpected server message %d", kind[0])
		}
	}
}

func (v *viewer) rects() (image.Rectangle, error) {
	var changed image.Rectangle
	head, err := v.read(3)
	if err != nil {
		return changed, err
	}
	for range binary.BigEndian.Uint16(head[1:]) {
		r, err := v.rect()
		if err != nil {
			return changed, err
		}
		changed = changed.Union(r)
	}
	return changed, nil
}

func (v *viewer) rect() (image.Rectangle, error) {
	head, err := v.read(12)
	if err != nil {
		return image.Rectangle{}, err
	}
	at := func(i int) int { return int(binary.BigEndian.Uint16(head[i:])) }
	r := image.Rect(at(0), at(2), at(0)+at(4), at(2)+at(6))
	if encoding := binary.BigEndian.Uint32(head[8:]); encoding != 0 {
		return r, fmt.Errorf("encoding %d was not asked for", encoding)
	}
	data, err := v.read(r.Dx() * r.Dy() * 4)
	if err != nil {
		return r, err
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			v.Screen.SetRGBA(x, y, color.RGBA{R: data[2], G: data[1], B: data[0], A: 255})
			data = data[4:]
		}
	}
	return r, nil
}

func (v *viewer) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(v.rw, b)
	return b, err
}

// colours counts the distinct colours of the screen.
func (v *viewer) colours() int {
	seen := map[color.RGBA]bool{}
	for i := 0; i+3 < len(v.Screen.Pix); i += 4 {
		seen[color.RGBA{v.Screen.Pix[i], v.Screen.Pix[i+1], v.Screen.Pix[i+2], 255}] = true
	}
	return len(seen)
}
