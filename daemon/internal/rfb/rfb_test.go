package rfb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"io"
	"net"
	"strings"
	"testing"
)

// server is a display that says what it is told to, whatever it is asked.
type server struct {
	size  image.Point
	rects []image.Rectangle
	pixel func(x, y int) [3]byte // red, green, blue
}

func (s server) serve(c net.Conn) {
	defer c.Close()
	go io.Copy(io.Discard, c)
	hello := append([]byte(Version), 1, none, 0, 0, 0, 0)
	hello = binary.BigEndian.AppendUint16(hello, uint16(s.size.X))
	hello = binary.BigEndian.AppendUint16(hello, uint16(s.size.Y))
	hello = append(hello, make([]byte, 16)...)
	c.Write(append(hello, 0, 0, 0, 4, 't', 'e', 's', 't'))
	c.Write([]byte{bell, serverCutText, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c'})
	for _, r := range s.rects {
		msg := []byte{framebufferUpdate, 0, 0, 1}
		for _, n := range []int{r.Min.X, r.Min.Y, r.Dx(), r.Dy(), 0, 0} {
			msg = binary.BigEndian.AppendUint16(msg, uint16(n))
		}
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				p := s.pixel(x, y)
				msg = append(msg, p[2], p[1], p[0], 0)
			}
		}
		c.Write(msg)
	}
}

func connect(t *testing.T, serve func(net.Conn)) (*Client, error) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	go serve(far)
	return New(near)
}

// TestAPictureIsTheMeanOfWhatItStandsFor shrinks a screen whose left half is black and white stripes and
// whose right half is green, sent in two pieces.
func TestAPictureIsTheMeanOfWhatItStandsFor(t *testing.T) {
	t.Parallel()
	s := server{size: image.Pt(64, 40), rects: []image.Rectangle{image.Rect(0, 0, 32, 40), image.Rect(32, 0, 64, 40)}, pixel: func(x, _ int) [3]byte {
		switch {
		case x >= 32:
			return [3]byte{10, 200, 30}
		case x%2 == 0:
			return [3]byte{255, 255, 255}
		}
		return [3]byte{}
	}}
	c, err := connect(t, s.serve)
	if err != nil || c.Name != "test" || c.Size != s.size {
		t.Fatalf("%+v, %v", c, err)
	}
	img, err := c.Picture(image.Pt(16, 16))
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds().Size() != image.Pt(16, 10) {
		t.Fatalf("the picture is %v large", img.Bounds())
	}
	for _, want := range []struct {
		x          int
		r, g, b, a uint8
	}{{0, 127, 127, 127, 255}, {7, 127, 127, 127, 255}, {8, 10, 200, 30, 255}, {15, 10, 200, 30, 255}} {
		if got := img.RGBAAt(want.x, 5); got.R != want.r || got.G != want.g || got.B != want.b || got.A != want.a {
			t.Errorf("pixel %d is %v", want.x, got)
		}
	}
}

func TestASizeFits(t *testing.T) {
	t.Parallel()
	most := image.Pt(320, 200)
	for size, want := range map[image.Point]image.Point{
		{1280, 800}: {320, 200}, {100, 50}: {100, 50}, {1920, 1080}: {320, 180}, {800, 1200}: {133, 200}, {16384, 16}: {320, 1}, {16, 16384}: {1, 200}, {320, 200}: most,
	} {
		if got := fit(size, most); got != want {
			t.Errorf("%v fits as %v, want %v", size, got, want)
		}
	}
}

// TestADisplayThatLiesIsLeft has displays that say what none should.
func TestADisplayThatLiesIsLeft(t *testing.T) {
	t.Parallel()
	raw := func(s string) func(net.Conn) {
		return func(c net.Conn) {
			go io.Copy(io.Discard, c)
			c.Write([]byte(s))
			c.Close()
		}
	}
	for name, serve := range map[string]func(net.Conn){
		"nothing":          raw(""),
		"another protocol": raw("HTTP/1.1 200 OK\r\n"),
		"a password":       raw(Version + "\x01\x02"),
		"a refusal":        raw(Version + "\x01\x01\x00\x00\x00\x01"),
		"no screen":        server{}.serve,
		"a huge screen":    server{size: image.Pt(20000, 10)}.serve,
		"an endless name":  raw(Version + "\x01\x01\x00\x00\x00\x00" + "\x00\x10\x00\x10" + strings.Repeat("\x00", 16) + "\xff\xff\xff\xff"),
	} {
		if c, err := connect(t, serve); err == nil {
			t.Errorf("%s is taken: %+v", name, c)
		}
	}
	black := func(int, int) [3]byte { return [3]byte{} }
	for name, s := range map[string]server{
		"pixels outside":    {size: image.Pt(8, 8), rects: []image.Rectangle{image.Rect(4, 4, 12, 12)}, pixel: black},
		"too little":        {size: image.Pt(8, 8), rects: []image.Rectangle{image.Rect(0, 0, 4, 4)}, pixel: black},
		"nothing, for ever": {size: image.Pt(8, 8), rects: make([]image.Rectangle, updates+1), pixel: black},
	} {
		c, err := connect(t, s.serve)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Picture(image.Pt(4, 4)); err == nil {
			t.Errorf("%s makes a picture", name)
		}
	}
}

// TestAScreenMayGetANewSize has another viewer resize the screen, to a size that is taken and to one that is not.
func TestAScreenMayGetANewSize(t *testing.T) {
	t.Parallel()
	resize := "\x00\x00\x00\x01" + "\x00\x00\x00\x00" + "\x00\x20\x00\x18" + "\xff\xff\xff\x21"
	start := Version + "\x01\x01\x00\x00\x00\x00" + "\x00\x08\x00\x08" + strings.Repeat("\x00", 20)
	for name, test := range map[string]struct {
		said    string
		resized bool
	}{
		"at the end of an update": {resize, true},
		"amid an update":          {strings.Replace(resize, "\x01", "\x02", 1), false},
		"to nothing":              {strings.Replace(resize, "\x20", "\x00", 1), false},
	} {
		c, err := connect(t, func(conn net.Conn) {
			go io.Copy(io.Discard, conn)
			io.WriteString(conn, start+test.said)
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Update(func(int, int, []byte) { t.Errorf("%s: pixels", name) })
		if err == nil || errors.Is(err, ErrResized) != test.resized || test.resized && c.Size != image.Pt(32, 24) {
			t.Errorf("%s: %v, a screen of %v", name, err, c.Size)
		}
	}
}

// FuzzDisplay reads whatever a display may say.
func FuzzDisplay(f *testing.F) {
	f.Add([]byte(Version + "\x01\x01\x00\x00\x00\x00\x00\x08\x00\x08" + strings.Repeat("\x00", 20) + "\x02\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, said []byte) {
		c, err := New(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(said), io.Discard})
		if err == nil {
			c.Picture(image.Pt(16, 16))
		}
	})
}
