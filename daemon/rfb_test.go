package daemon_test

import (
	"image"
	"image/color"
	"io"

	"github.com/fastx-kit/fastx-kit/daemon/internal/rfb"
)

// viewer looks at a display and keeps what it was sent in Screen.
type viewer struct {
	*rfb.Client
	Screen *image.RGBA
}

// rfbVersion is the first thing an RFB server says.
const rfbVersion = rfb.Version

// newViewer shakes hands over rw and asks for nothing yet.
func newViewer(rw io.ReadWriter) (*viewer, error) {
	c, err := rfb.New(rw)
	if err != nil {
		return nil, err
	}
	return &viewer{c, image.NewRGBA(c.Screen())}, nil
}

// Request asks for an update of the whole screen: all of it, or what changed.
func (v *viewer) Request(incremental bool) error {
	return v.Client.Request(v.Screen.Bounds(), incremental)
}

// requestPixel asks for one pixel, changed or not.
func (v *viewer) requestPixel() error { return v.Client.Request(image.Rect(0, 0, 1, 1), false) }

// skipUpdate reads one framebuffer update, drops its pixels and returns their size in bytes.
func (v *viewer) skipUpdate() (int, error) {
	total := 0
	_, err := v.Client.Update(func(_, _ int, row []byte) { total += len(row) })
	return total, err
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
	return v.Client.Update(func(x, y int, row []byte) {
		for ; len(row) >= 4; row, x = row[4:], x+1 {
			v.Screen.SetRGBA(x, y, color.RGBA{R: row[2], G: row[1], B: row[0], A: 255})
		}
	})
}

// colours counts the distinct colours of the screen.
func (v *viewer) colours() int {
	seen := map[color.RGBA]bool{}
	for i := 0; i+3 < len(v.Screen.Pix); i += 4 {
		seen[color.RGBA{v.Screen.Pix[i], v.Screen.Pix[i+1], v.Screen.Pix[i+2], 255}] = true
	}
	return len(seen)
}
