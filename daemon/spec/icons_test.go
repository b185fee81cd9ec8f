package spec

import (
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// TestOnlyPicturesBecomeIcons has files of all sorts in icons/. What is no small picture of the kind that
// its name says is left out and told.
func TestOnlyPicturesBecomeIcons(t *testing.T) {
	t.Parallel()
	const png = "\x89PNG\r\n\x1a\n"
	svg := `<?xml version="1.0"?><!-- drawn by hand --><svg xmlns="http://www.w3.org/2000/svg"/>`
	for name, c := range map[string]struct {
		data, kind, problem string
	}{
		"icons/a.png": {png + "…", "image/png", ""},
		"icons/b.svg": {svg, "image/svg+xml", ""},
		"icons/c.svg": {png, "", "is not the svg picture"},
		"icons/d.png": {svg, "", "is not the png picture"},
		"icons/e.svg": {"root:x:0:0:root:/root:/bin/bash\n", "", "is not the svg picture"},
		"icons/f.svg": {"<html><svg/></html>", "", "is not the svg picture"},
		"icons/g.svg": {"", "", "is not the svg picture"},
		"icons/h.gif": {"GIF89a", "", "neither .png nor .svg"},
		"icons/i.png": {png + strings.Repeat("x", MaxIcon), "", "larger than 128 KiB"},
	} {
		kind, problem := iconType(fileset.File{Name: name, Data: []byte(c.data)})
		if kind != c.kind || !strings.Contains(problem, c.problem) || (problem == "") != (c.problem == "") {
			t.Errorf("%s is %q, %q; want %q, %q", name, kind, problem, c.kind, c.problem)
		}
	}
}
