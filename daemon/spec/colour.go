package spec

import (
	"fmt"
	"math"
	"strconv"
)

// Colour is a colour as style sheets write it, #rrggbb.
type Colour string

// What the page's text stands on: its own style sheet says the same, which a test there holds it to.
const (
	SurfaceLight Colour = "#ffffff"
	SurfaceDark  Colour = "#1a2029"
)

// rgb are the colour's parts, 0 to 255.
func (c Colour) rgb() [3]float64 {
	var out [3]float64
	for i := range out {
		n, _ := strconv.ParseUint(string(c[1+2*i:3+2*i]), 16, 8) // its type was checked
		out[i] = float64(n)
	}
	return out
}

// luminance is how bright the colour is to the eye, 0 to 1 (WCAG 2, "relative luminance").
func (c Colour) luminance() float64 {
	sum := 0.0
	for i, part := range c.rgb() {
		v := part / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += v * [...]float64{0.2126, 0.7152, 0.0722}[i]
	}
	return sum
}

// Contrast is how well one colour can be read on the other, 1 to 21 (WCAG 2, "contrast ratio").
func (c Colour) Contrast(other Colour) float64 {
	a, b := c.luminance(), other.luminance()
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// Mix is the colour with a share, 0 to 1, of the other in it.
func (c Colour) Mix(other Colour, share float64) Colour {
	a, b := c.rgb(), other.rgb()
	var n [3]int
	for i := range n {
		n[i] = int(math.Round(a[i]*(1-share) + b[i]*share))
	}
	return Colour(fmt.Sprintf("#%02x%02x%02x", n[0], n[1], n[2]))
}
