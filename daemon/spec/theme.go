package spec

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

const (
	// maxLook is the most that a file may hold which goes into pages.
	maxLook = 256 << 10
	// maxTitle is the longest title in characters: it stands in one line of a phone.
	maxTitle = 60
	// readable is the contrast from which on text can be read well (WCAG 2, level AA).
	readableContrast = 4.5
)

// images are the kinds of logo, by extension, with what such a file begins with or has to hold.
var images = map[string]func([]byte) bool{
	".svg":  func(b []byte) bool { return svg.Match(b[:min(len(b), 4096)]) },
	".png":  func(b []byte) bool { return bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) },
	".jpg":  func(b []byte) bool { return bytes.HasPrefix(b, []byte("\xff\xd8\xff")) },
	".jpeg": func(b []byte) bool { return bytes.HasPrefix(b, []byte("\xff\xd8\xff")) },
}

var svg = regexp.MustCompile(`<svg[\s>]`)

// theme reads theme.ini.
func (l *loader) theme() {
	t := &l.cfg.Theme
	doc := l.decode(themeFile, themeFile, t)
	if utf8.RuneCountInString(t.Title) > maxTitle {
		l.at(doc.Name, find(doc, "", "title"), diag.Error, "bad-value", "title", fmt.Sprintf("is longer than %d characters", maxTitle), "shorten it")
	}
	l.checkLogo(doc, t.Logo)
	l.checkLook(doc, "css", t.CSS)
	l.checkContrast(doc, "accent", t.Accent, SurfaceLight, "a darker")
	l.checkContrast(doc, "accent_dark", t.AccentDark, SurfaceDark, "a lighter")
}

// checkLogo looks at the logo's kind. What only its content tells is a warning, as all that is wrong
// with a file outside the tree: the theme goes on without it.
func (l *loader) checkLogo(doc *syntax.Doc, name string) {
	if name == "" {
		return
	}
	line := find(doc, "", "logo")
	is, known := images[strings.ToLower(path.Ext(name))]
	if !known {
		l.at(doc.Name, line, diag.Error, "bad-value", "logo", show(name)+" is no svg, png or jpg file", "name one that ends in .svg, .png or .jpg")
		return
	}
	if f, ok := l.checkLook(doc, "logo", name); ok && !is(f.Data) {
		l.at(doc.Name, line, diag.Warning, "bad-file", "logo", show(name)+" does not hold what its name says, and the page shows its own logo",
			"write a picture of that kind, or name it after its kind")
	}
}

// checkLook warns of a file that the theme names and that cannot be used.
func (l *loader) checkLook(doc *syntax.Doc, key, name string) (fileset.File, bool) {
	if name == "" || l.away() {
		return fileset.File{}, false
	}
	f, ok := l.in.Set.Lookup(name)
	summary, remedy := "", "make it smaller"
	switch {
	case !ok:
		summary, remedy = "is not there", "write the file, or name another"
	case f.Err != nil:
		return f, false // unreadable has said so
	case len(f.Data) > maxLook:
		summary = fmt.Sprintf("is larger than %d KiB", maxLook>>10)
	case key == "css" && !utf8.Valid(f.Data):
		at := positionOf(f.Data, badByte(f.Data))
		summary, remedy = fmt.Sprintf("is not UTF-8 on line %d, column %d", at.Num, at.Col), "save the file as UTF-8"
	default:
		return f, true
	}
	l.at(doc.Name, find(doc, "", key), diag.Warning, "bad-file", key, show(name)+" "+summary+", and the page does without it", remedy)
	return f, false
}

func (l *loader) checkContrast(doc *syntax.Doc, key string, c, surface Colour, better string) {
	if c == "" || c.Contrast(surface) >= readableContrast {
		return
	}
	line := find(doc, "", key)
	line.Col = line.ValueCol
	l.at(doc.Name, line, diag.Warning, "low-contrast", key,
		fmt.Sprintf("%s has a contrast of %.1f to the page's %s, and links in it are hard to read", show(string(c)), c.Contrast(surface), surface),
		fmt.Sprintf("choose %s one, of %.1f or more", better, readableContrast))
}

// looksOnly reports whether a file outside the tree is named by the theme and nowhere else that
// matters, so that being unreadable is no reason to refuse the rest.
func (l *loader) looksOnly(name string) bool {
	doc, _ := l.read(themeFile, syntax.ParseINI)
	named := func(line syntax.Line) bool { return path.Clean(line.Value) == name }
	return path.IsAbs(name) && slices.ContainsFunc(doc.Entries(), named)
}

// LogoIn is the theme's logo and the ending of its name, such as ".png", where it can be used.
func (t Theme) LogoIn(set fileset.Set) (data []byte, ext string, ok bool) {
	f, there := set.Lookup(t.Logo)
	ext = strings.ToLower(path.Ext(t.Logo))
	is, known := images[ext]
	if !there || !known || f.Err != nil || len(f.Data) > maxLook || !is(f.Data) {
		return nil, "", false
	}
	return f.Data, ext, true
}

// CSSIn is the theme's own style sheet, where it can be used.
func (t Theme) CSSIn(set fileset.Set) []byte {
	f, there := set.Lookup(t.CSS)
	if !there || f.Err != nil || len(f.Data) > maxLook || !utf8.Valid(f.Data) {
		return nil
	}
	return f.Data
}
