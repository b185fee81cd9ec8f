package syntax

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// The limits of a configuration file. They are far above what anyone writes by
// hand and keep a file that came here by mistake from taking the node's time.
const (
	MaxFile    = 1 << 20  // bytes
	MaxLine    = 64 << 10 // bytes
	MaxEntries = 10000
)

const byteOrderMark = "\uFEFF"

// split cuts a file into lines and marks those as broken that are no text.
func split(name string, data []byte) *reader {
	r := &reader{doc: &Doc{Name: name}}
	text := string(data)
	if rest, ok := strings.CutPrefix(text, byteOrderMark); ok {
		r.doc.prefix, text = byteOrderMark, rest
		r.report(diag.Warning, "byte-order-mark", 1, 1, "", "begins with a byte order mark", "save it as UTF-8 without one")
	}
	if len(data) > MaxFile {
		r.doc.Lines = []Line{{Kind: Bad, Text: text, Num: 1}}
		r.report(diag.Error, "syntax", 0, 0, "", fmt.Sprintf("is longer than %d bytes", MaxFile), "check that this is the right file")
		return r
	}
	for line := range strings.Lines(text) {
		r.doc.Lines = append(r.doc.Lines, Line{Text: line, Num: len(r.doc.Lines) + 1})
	}
	for i := range r.doc.Lines {
		r.checkText(&r.doc.Lines[i])
	}
	r.checkEnds()
	return r
}

// open classifies what is alike in every dialect: broken, blank and comment lines, the latter beginning
// with one of the characters in comments. It returns the line without its end, and that trimmed; more
// says that there is something to read in it.
func (l *Line) open(comments string) (body, text string, more bool) {
	body = content(l.Text)
	text = strings.TrimSpace(body)
	l.Col = indent(body) + 1
	switch {
	case l.Kind == Bad:
	case text == "":
		l.Kind = Blank
	case strings.IndexByte(comments, text[0]) >= 0:
		l.Kind = Comment
	default:
		return body, text, true
	}
	return body, text, false
}

// checkText looks at a line's bytes alone.
func (r *reader) checkText(l *Line) {
	body := content(l.Text)
	if len(body) > MaxLine {
		r.fail(l, 0, fmt.Sprintf("the line is longer than %d bytes", MaxLine), "check that this is the right file")
		return
	}
	for i, c := range body {
		switch {
		case c == utf8.RuneError && strings.HasPrefix(body[i:], "\uFFFD"):
			continue // the character itself, properly encoded
		case c == utf8.RuneError:
			r.fail(l, i+1, "the text is not UTF-8", "save the file as UTF-8")
		case c < ' ' && c != '\t', c == 0x7f:
			r.fail(l, i+1, fmt.Sprintf("the control character 0x%02x cannot stand here", c), "remove it")
		default:
			continue
		}
		return
	}
}

// checkEnds warns once of lines that end as on Windows: they are read here, but not by a shell.
func (r *reader) checkEnds() {
	for _, l := range r.doc.Lines {
		if strings.HasSuffix(l.Text, "\r\n") {
			r.report(diag.Warning, "line-ends", l.Num, 0, "", "lines end with CR LF", "save the file with LF line ends")
			return
		}
	}
}

// content is a line without its line end.
func content(text string) string {
	if body, ok := strings.CutSuffix(text, "\n"); ok {
		return strings.TrimSuffix(body, "\r")
	}
	return text
}

// indent counts the bytes of white space that a line begins with.
func indent(s string) int { return len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace)) }
