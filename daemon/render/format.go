package render

import (
	"maps"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Format brings the text of a file into the form of GRAMMAR.md. What it means stays the same, and so does every
// comment. The order is that of the text: only a section that is opened twice is joined
// where it is opened first, and the lines of an array become one where the last of them stands.
// A text that cannot be read is not formatted: the diagnostics then say what is wrong.
//
//  1. the text is cut into the comment at its head and its sections
//  2. each line is written anew
//  3. the result is read back, and has to mean and to remark the same
//
// Formatting what was formatted changes nothing, and neither does formatting what Render wrote.
func Format(f File, text []byte) ([]byte, diag.List) {
	w := &writer{file: f}
	kind, known := spec.KindOf(f.kind())
	w.kind = kind
	if !known || kind.Dialect == spec.DialectNATS || kind.Dialect == spec.DialectOpaque {
		w.fail("", "unknown-file", "is no file that is made of settings", "leave it as it is")
		return nil, w.problems
	}
	doc, problems := parse(kind.Dialect, f.Path, text)
	if problems.HasErrors() {
		return nil, problems
	}
	if !slices.ContainsFunc(doc.Lines, func(l syntax.Line) bool { return l.Kind != syntax.Blank }) {
		return text, problems
	}
	p := &page{writer: w, seen: map[[2]string]int{}}
	p.read(doc)            // (1)
	out := p.compose()     // (2)
	if !p.says(doc, out) { // (3)
		w.fail("", "unwritable", "holds a key, a section or a value that cannot be written", "leave out control characters, and begin no value with a quote that it does not end with")
		return nil, w.problems
	}
	return []byte(out), problems
}

// Formats reports whether Format knows files of a kind.
func Formats(kind spec.Kind) bool {
	return kind.Dialect == spec.DialectINI || kind.Dialect == spec.DialectEnv || kind.Dialect == spec.DialectHtpasswd
}

// page is a text on its way to its form.
type page struct {
	*writer
	head     []string // the comment below the header
	sections []*part
	seen     map[[2]string]int // lines of each list that is to become one line
}

// part is one section with what is remarked right above it.
type part struct {
	name    string
	remarks []string
	body    []string // "" is an empty line
}

// part returns the section of a name, which is made where it is new.
func (p *page) part(name string) *part {
	for _, s := range p.sections {
		if s.name == name {
			return s
		}
	}
	s := &part{name: name}
	p.sections = append(p.sections, s)
	return s
}

// read cuts the text into its sections.
func (p *page) read(doc *syntax.Doc) {
	arrays := p.arrays(doc)
	at := p.part("")
	var remarks []string // comments that are not followed by anything yet
	for _, l := range p.readHead(doc.Lines) {
		switch l.Kind {
		case syntax.Comment:
			remarks = append(remarks, remark(l))
			continue
		case syntax.Blank:
			at.body = append(append(at.body, remarks...), "")
		case syntax.Section:
			before := len(p.sections)
			if at = p.part(l.Section); len(p.sections) > before {
				at.remarks = remarks
			} else {
				at.body = append(append(at.body, ""), remarks...)
			}
		case syntax.Entry:
			at.body = append(at.body, remarks...)
			if text, ok := p.entry(l, arrays); ok {
				at.body = append(at.body, text)
			}
		}
		remarks = nil
	}
	at.body = append(at.body, remarks...)
}

// readHead takes what stands at the head of the text: the header, when it is there, and the comment that follows. A comment
// that has no header above it and an entry or a section right below it belongs to that.
func (p *page) readHead(lines []syntax.Line) (rest []syntax.Line) {
	for len(lines) > 0 && lines[0].Kind == syntax.Blank {
		lines = lines[1:]
	}
	begun := len(lines) > 0 && lines[0].Kind == syntax.Comment && remark(lines[0]) == Header
	if begun {
		lines = lines[1:]
	}
	n := 0
	for n < len(lines) && lines[n].Kind == syntax.Comment {
		n++
	}
	if !begun && n < len(lines) && lines[n].Kind != syntax.Blank {
		return lines
	}
	for _, l := range lines[:n] {
		p.head = append(p.head, remark(l))
	}
	return lines[n:]
}

// remark writes a comment line.
func remark(l syntax.Line) string {
	text := strings.TrimSpace(l.Text)
	text = strings.ReplaceAll(text[1:], "\t", " ")
	switch {
	case text == "", text[0] == ' ', text[0] == '#':
		return "#" + text
	}
	return "# " + text
}

// arrays finds the lists that are written as key[] lines and can be written as one: the items by the section and the key.
// Those that cannot are left out.
func (p *page) arrays(doc *syntax.Doc) map[[2]string][]string {
	out, bad := map[[2]string][]string{}, map[[2]string]bool{}
	for _, l := range doc.Entries() {
		s, _ := spec.Lookup(p.kind.Pattern, l.Section, l.Key)
		id := [2]string{l.Section, l.Key}
		switch {
		case !l.Array:
		case !s.IsList() || unlistable(l.Value):
			bad[id] = true
		default:
			out[id] = append(out[id], l.Value)
		}
	}
	maps.DeleteFunc(out, func(id [2]string, _ []string) bool { return bad[id] })
	for id := range out {
		if _, err := syntax.Quote(p.style(), strings.Join(out[id], p.separator())); err != nil {
			delete(out, id)
		}
	}
	return out
}

// entry writes one entry; false says that it is part of a list whose other lines are still to come.
func (p *page) entry(l syntax.Line, arrays map[[2]string][]string) (string, bool) {
	id := [2]string{l.Section, l.Key}
	items, joined := arrays[id]
	switch {
	case p.kind.Dialect == spec.DialectHtpasswd:
		return l.Key + p.delimiter() + l.Raw, true
	case l.Array && joined:
		if p.seen[id]++; p.seen[id] < len(items) {
			return "", false
		}
		return l.Key + p.delimiter() + p.quoted(l, strings.Join(items, p.separator())), true
	case l.Array:
		return l.Key + "[]" + p.delimiter() + p.quoted(l, l.Value), true
	}
	s, _ := spec.Lookup(p.kind.Pattern, l.Section, l.Key)
	value := l.Value
	if s.IsList() {
		value = strings.Join(split(value), p.separator())
	}
	return l.Key + p.delimiter() + p.quoted(l, value), true
}

// quoted writes a value; one that the grammar has no form for stays as it is.
func (p *page) quoted(l syntax.Line, value string) string {
	text, err := syntax.Quote(p.style(), value)
	if err != nil {
		return l.Raw
	}
	return text
}

// compose writes the page.
func (p *page) compose() string {
	lines := append([]string{Header}, p.head...)
	for _, s := range p.sections {
		body := trim(s.body)
		if s.name == "" && len(body) == 0 {
			continue
		}
		lines = append(append(lines, ""), s.remarks...)
		if s.name != "" {
			lines = append(lines, "["+s.name+"]")
		}
		lines = append(lines, body...)
	}
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// trim leaves single empty lines between others, and none at the ends.
func trim(body []string) []string {
	body = slices.CompactFunc(append([]string{""}, body...), func(a, b string) bool { return a == "" && b == "" })
	for len(body) > 0 && body[len(body)-1] == "" {
		body = body[:len(body)-1]
	}
	if len(body) > 0 {
		body = body[1:]
	}
	return body
}

// says proves that a formatted text means and remarks what the one before did.
func (p *page) says(before *syntax.Doc, text string) bool {
	after, problems := parse(p.kind.Dialect, p.file.Path, []byte(text))
	return !problems.HasErrors() &&
		same(settings(before, p.kind), settings(after, p.kind)) &&
		slices.Equal(opened(before), opened(after)) && slices.Equal(remarks(before), remarks(after))
}

// opened lists the sections, each once.
func opened(doc *syntax.Doc) []string {
	var out []string
	for _, l := range doc.Sections() {
		if !slices.Contains(out, l.Section) {
			out = append(out, l.Section)
		}
	}
	return out
}

// remarks lists the words of every comment but the header, sorted.
func remarks(doc *syntax.Doc) []string {
	var out []string
	for _, l := range doc.Lines {
		if l.Kind == syntax.Comment && remark(l) != Header {
			out = append(out, strings.Join(strings.Fields(strings.TrimLeft(remark(l), "# ")), " "))
		}
	}
	slices.Sort(out)
	return out
}
