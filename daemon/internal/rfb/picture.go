package rfb

import (
	"errors"
	"image"
	"image/color"
)

// updates is in how many pieces a display may send its screen.
const updates = 64

// Picture returns the whole screen, scaled down to fit into most, which has to be positive; a
// screen that fits stays as it is. Each pixel is the mean of those it stands for, and the screen is never
// held whole.
func (c *Client) Picture(most image.Point) (*image.RGBA, error) {
	s := newShrinker(c.Size, fit(c.Size, most))
	if err := c.Request(c.Screen(), false); err != nil {
		return nil, err
	}
	for range updates {
		if _, err := c.Update(s.add); err != nil {
			return nil, err
		}
		if s.seen >= c.Size.X*c.Size.Y {
			return s.image(), nil
		}
	}
	return nil, errors.New("the display does not send its whole screen")
}

// fit is the largest size of the same shape that is not larger than either.
func fit(size, most image.Point) image.Point {
	if size.X <= most.X && size.Y <= most.Y {
		return size
	}
	if size.X*most.Y > size.Y*most.X { // the width is what has to shrink
		return image.Pt(most.X, max(1, size.Y*most.X/size.X))
	}
	return image.Pt(max(1, size.X*most.Y/size.Y), most.Y)
}

// shrinker adds up the pixels that fall on each of a smaller picture.
type shrinker struct {
	from, to image.Point
	sums     []sum
	seen     int
}

type sum struct{ r, g, b, n uint32 }

func newShrinker(from, to image.Point) *shrinker {
	return &shrinker{from: from, to: to, sums: make([]sum, to.X*to.Y)}
}

func (s *shrinker) add(x, y int, row []byte) {
	line := s.sums[y*s.to.Y/s.from.Y*s.to.X:]
	for i := 0; i+3 < len(row); i += 4 {
		p := &line[(x+i/4)*s.to.X/s.from.X]
		p.b += uint32(row[i])
		p.g += uint32(row[i+1])
		p.r += uint32(row[i+2])
		p.n++
	}
	s.seen += len(row) / 4
}

func (s *shrinker) image() *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Max: s.to})
	for i, p := range s.sums {
		n := max(p.n, 1)
		img.SetRGBA(i%s.to.X, i/s.to.X, color.RGBA{uint8(p.r / n), uint8(p.g / n), uint8(p.b / n), 255})
	}
	return img
}
