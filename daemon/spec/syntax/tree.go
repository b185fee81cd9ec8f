package syntax

import (
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// Kind says what a line is.
type Kind int

// The kinds of lines.
const (
	Blank   Kind = iota
	Comment      // # or ; first
	Section      // [name]
	Entry        // key = value, or user:hash
	Bad          // broken; a diagnostic says how
)

// Line is one line of a file. Columns count bytes from 1.
type Line struct {
	Kind     Kind
	Text     string // the whole line with its line end: all texts together are the file
	Num      int    // from 1
	Section  string // the section it opens or stands in; "" before the first
	Key      string // of an Entry, without the [] of an array
	Array    bool   // written key[] = value
	Col      int    // where the section's name or the key begins
	ValueCol int    // where the value begins, with its quotes
	Raw      string // the value as it is written, with its quotes
	Value    string // the value as it is meant
}

// Doc is one file.
type Doc struct {
	Name  string
	Lines []Line

	prefix string // the byte order mark, if there was one
}

// String gives back the file, byte for byte.
func (d *Doc) String() string {
	var b strings.Builder
	b.WriteString(d.prefix)
	for _, l := range d.Lines {
		b.WriteString(l.Text)
	}
	return b.String()
}

// Entries are the lines that set something, in their order.
func (d *Doc) Entries() []Line { return d.only(Entry) }

// Sections are the lines that open a section, in their order.
func (d *Doc) Sections() []Line { return d.only(Section) }

func (d *Doc) only(k Kind) []Line {
	var out []Line
	for _, l := range d.Lines {
		if l.Kind == k {
			out = append(out, l)
		}
	}
	return out
}

// MapValues gives back the file with each value replaced, quotes and all, by what f
// makes of its line; where f returns false the value stays.
func (d *Doc) MapValues(f func(Line) (string, bool)) string { return d.Map(f, nil) }

// Map is MapValues that also replaces what stands behind the sign of each comment, unless comment is nil.
func (d *Doc) Map(value func(Line) (string, bool), comment func(text string) string) string {
	var b strings.Builder
	b.WriteString(d.prefix)
	for _, l := range d.Lines {
		text := l.Text
		switch {
		case l.Kind == Entry:
			if v, ok := value(l); ok {
				at := l.ValueCol - 1
				text = text[:at] + v + behind(text[at+len(l.Raw):], comment)
			} else if comment != nil {
				at := l.ValueCol - 1 + len(l.Raw)
				text = text[:at] + behind(text[at:], comment)
			}
		case l.Kind == Comment && comment != nil:
			text = behind(text, comment)
		}
		b.WriteString(text)
	}
	return b.String()
}

// behind replaces the text of a comment, which may stand behind a value; its sign and the line end stay.
func behind(text string, comment func(string) string) string {
	body := strings.TrimRight(text, "\r\n")
	sign := strings.IndexAny(body, "#;")
	if comment == nil || sign < 0 || strings.TrimSpace(body[sign+1:]) == "" {
		return text
	}
	return body[:sign+1] + " " + comment(strings.TrimSpace(body[sign+1:])) + text[len(body):]
}

// reader collects what one file holds and what is wrong with it.
type reader struct {
	doc      *Doc
	problems diag.List
}

// fail marks a line as broken.
func (r *reader) fail(l *Line, col int, summary, remedy string) {
	l.Kind = Bad
	r.report(diag.Error, "syntax", l.Num, col, "", summary, remedy)
}

func (r *reader) report(s diag.Severity, code string, line, col int, key, summary, remedy string) {
	r.problems = append(r.problems, diag.Diagnostic{
		File: r.doc.Name, Line: line, Col: col, Key: key,
		Severity: s, Code: code, Summary: summary, Remedy: remedy,
	})
}
