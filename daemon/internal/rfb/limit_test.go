package rfb

import (
	"bytes"
	"encoding/binary"
	"image"
	"io"
	"slices"
	"strings"
	"testing"
)

// greeting is how a viewer begins.
const greeting = Version + "\x01\x01"

// conversation is one message of each kind that viewers send, and one that is to be changed.
var conversation = []struct{ name, said, passed string }{
	{"a pixel format", "\x00" + strings.Repeat("p", 19), ""},
	{"encodings", "\x02\x00\x00\x03\x00\x00\x00\x07\xff\xff\xfe\xc4\xff\xff\xff\x21", "\x02\x00\x00\x02\x00\x00\x00\x07\xff\xff\xff\x21"},
	{"no encodings", "\x02\x00\x00\x00", ""},
	{"an update", "\x03\x01\x00\x00\x00\x00\x04\x00\x03\x00", ""},
	{"a key", "\x04\x01\x00\x00\x00\x00\x00\x61", ""},
	{"the pointer", "\x05\x80\x00\x10\x00\x20", ""},
	{"a text with a request in it", "\x06\x00\x00\x00\x00\x00\x00\x18" + resize(9000, 9000, [4]int{0, 0, 9000, 9000}), ""},
	{"an extended clipboard", "\x06\x00\x00\x00\xff\xff\xff\xfc\x01\x00\x00\x01", ""},
	{"continuous updates", "\x96\x01\x00\x00\x00\x00\x04\x00\x03\x00", ""},
	{"a fence", "\xf8\x00\x00\x00\x80\x00\x00\x03\x02ab", ""},
	{"a shutdown", "\xfa\x00\x01\x02", ""},
	{"a key by its place", "\xff\x00\x00\x01\x00\x00\x00\x61\x00\x00\x00\x1e", ""},
	{"a small screen", resize(640, 480, [4]int{0, 0, 640, 480}), ""},
	{"a large one", resize(1920, 1080, [4]int{0, 0, 1920, 1080}), resize(800, 600, [4]int{0, 0, 800, 600})},
	{"a wide one", resize(1000, 300, [4]int{0, 0, 1000, 300}), resize(800, 300, [4]int{0, 0, 800, 300})},
	{"two screens", resize(1200, 500, [4]int{0, 0, 600, 500}, [4]int{600, 0, 600, 500}), resize(800, 500, [4]int{0, 0, 600, 500}, [4]int{600, 0, 200, 500})},
	{"a screen outside", resize(2000, 500, [4]int{1000, 0, 1000, 500}), resize(800, 500, [4]int{799, 0, 1, 500})},
	{"no size", resize(0, 0), ""},
}

// resize asks for a size and screens in it, each a place and a size.
func resize(width, height int, screens ...[4]int) string {
	m := []byte{setDesktopSize, 0}
	m = binary.BigEndian.AppendUint16(m, uint16(width))
	m = binary.BigEndian.AppendUint16(m, uint16(height))
	m = append(m, byte(len(screens)), 0)
	for id, s := range screens {
		m = binary.BigEndian.AppendUint32(m, uint32(id))
		for _, n := range s {
			m = binary.BigEndian.AppendUint16(m, uint16(n))
		}
		m = append(m, "flag"...)
	}
	return string(m)
}

// limit says something to a display of at most 800x600, in pieces of this many bytes.
func limit(said string, piece int) (string, error) {
	var passed bytes.Buffer
	l := NewLimiter(&passed, image.Pt(800, 600))
	for p := range slices.Chunk([]byte(said), piece) {
		if n, err := l.Write(p); err != nil || n != len(p) {
			return passed.String(), err
		}
	}
	return passed.String(), nil
}

func TestALimiterChangesNothingButSizes(t *testing.T) {
	t.Parallel()
	all, want := greeting, greeting
	for _, m := range conversation {
		expect := m.said
		if m.passed != "" {
			expect = m.passed
		}
		if got, err := limit(greeting+m.said, 1<<20); got != greeting+expect || err != nil {
			t.Errorf("%s: passed on %q, want %q (%v)", m.name, got, greeting+expect, err)
		}
		all += m.said
		want += expect
	}
	for _, piece := range []int{1, 2, 3, 7, 64, 1 << 20} {
		if got, err := limit(all, piece); got != want || err != nil {
			t.Errorf("in pieces of %d: %v", piece, err)
		}
	}
	old := "RFB 003.003\n\x01" // without a choice of security
	if got, err := limit(old+resize(900, 900), 5); got != old+resize(800, 600) || err != nil {
		t.Errorf("an old viewer: %q, %v", got, err)
	}
}

func TestALimiterLetsNothingThroughThatItCannotRead(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"HTTP/1.1 200":                "the version",
		"RFB 003.+08\n":               "the version", // sscanf reads an 8
		"RFB 003.889\n":               "the version",
		Version + "\x02":              "security type 2",
		greeting + "\x01":             "message type 1 ",
		greeting + "\xfc\x00":         "message type 252 ",
		greeting + "\xff\x01\x00\x00": "message type 255 ",
		greeting + "\x02\x00\x03\xe9": "1001 encodings",
		greeting + "\x06\x00\x00\x00\x80\x00\x00\x00" + resize(900, 900): "", // a text that never ends
	} {
		passed, err := limit(said, 1)
		if want == "" && (err != nil || len(passed) != len(said)) {
			t.Errorf("%q: %v", said, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", said, err, want)
		}
	}
	l := NewLimiter(failing{}, image.Pt(8, 8))
	if _, err := l.Write([]byte(greeting)); err != io.ErrClosedPipe {
		t.Errorf("a display that is gone: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzLimiter says anything: how it is cut into pieces makes no difference, and what was limited needs it no more.
func FuzzLimiter(f *testing.F) {
	for _, m := range conversation {
		f.Add(greeting+m.said, 3)
	}
	f.Fuzz(func(t *testing.T, said string, piece int) {
		once, err := limit(said, len(said)+1)
		pieces, errPieces := limit(said, max(1, piece&0xff))
		if err == nil && (once != pieces || errPieces != nil) {
			t.Fatalf("in pieces %q (%v), in one %q", pieces, errPieces, once)
		}
		again, errAgain := limit(once, len(once)+1)
		if err == nil && (again != once || errAgain != nil) {
			t.Fatalf("%q limited again is %q (%v)", once, again, errAgain)
		}
	})
}
