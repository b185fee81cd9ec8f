package spec

import (
	"fmt"
	"regexp"
	"strconv"
)

// Size is a display size in pixels.
type Size struct{ Width, Height int }

// Rootless is the geometry of an application whose windows stand alone, without a desktop.
const Rootless = "rootless"

// maxSide is the longest side an X screen can have.
const maxSide = 32767

// minSide is the shortest side that shows anything; below it the X server refuses to start.
const minSide = 16

var sizeText = regexp.MustCompile(`^([1-9][0-9]{0,4})x([1-9][0-9]{0,4})$`)

// ParseSize reads WxH, such as 1280x800.
func ParseSize(s string) (Size, error) {
	m := sizeText.FindStringSubmatch(s)
	if m == nil {
		return Size{}, fmt.Errorf("%q is not WIDTHxHEIGHT in pixels", s)
	}
	w, _ := strconv.Atoi(m[1])
	h, _ := strconv.Atoi(m[2])
	if min(w, h) < minSide || max(w, h) > maxSide {
		return Size{}, fmt.Errorf("%q is not possible: each side has %d to %d pixels", s, minSide, maxSide)
	}
	return Size{w, h}, nil
}

// CheckGeometry says what is wrong with an application's or a session's geometry:
// it is "" (the default size), "rootless" or a size.
func CheckGeometry(s string) error {
	if s == "" || s == Rootless {
		return nil
	}
	if _, err := ParseSize(s); err != nil {
		return fmt.Errorf("%w; write a size such as 1280x800, or rootless", err)
	}
	return nil
}

// String prints the size as ParseSize reads it, and "" for the zero Size.
func (s Size) String() string {
	if s == (Size{}) {
		return ""
	}
	return fmt.Sprintf("%dx%d", s.Width, s.Height)
}

// Exceeds reports whether s is wider or higher than limit; a zero limit is none.
func (s Size) Exceeds(limit Size) bool {
	return limit != (Size{}) && (s.Width > limit.Width || s.Height > limit.Height)
}
