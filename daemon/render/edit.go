package render

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Edit sets keys in the text of a file and leaves everything else as it stands, comments and
// order included. A nil value takes a key's line out; a key that is new stands at the end of its
// section. A text that cannot be read is not edited: the diagnostics then say what is wrong.
//
//  1. each line that sets one of the keys is replaced or taken out
//  2. what is left is added to its section, which is made when it is missing
//  3. the text is read back, and has to say what was wanted
func Edit(f File, text []byte) ([]byte, diag.List) {
	w := &writer{file: f}
	kind, known := spec.KindOf(f.kind())
	w.kind = kind
	if !known || kind.Dialect != spec.DialectINI && kind.Dialect != spec.DialectEnv {
		w.fail("", "unknown-file", "is no file whose keys can be set one by one", "write it whole")
		return nil, w.problems
	}
	doc, problems := parse(kind.Dialect, f.Path, text)
	if problems.HasErrors() {
		return nil, problems
	}
	e := &edit{writer: w, lines: map[[2]string]line{}}
	for _, l := range w.lines() {
		e.lines[[2]string{l.section, l.key}] = l
	}
	if len(w.problems) > 0 {
		return nil, w.problems
	}
	e.replace(doc) // (1)
	e.add()        // (2)
	out := strings.Join(e.out, "")
	if !e.says(doc, out) { // (3)
		w.fail("", "unwritable", "holds a key or a section that cannot be written", "leave out =, line breaks and other special characters")
		return nil, w.problems
	}
	return []byte(out), nil
}

// edit is one Edit under way.
type edit struct {
	*writer
	lines map[[2]string]line // by section and key; those that are left are new
	out   []string           // the lines so far, with their ends
	ends  map[string]int     // where something can be added to a section
	first int                // where the first section begins
}

// replace goes over the lines that are there.
func (e *edit) replace(doc *syntax.Doc) {
	e.ends, e.first = map[string]int{}, -1
	for _, l := range doc.Lines {
		id := [2]string{l.Section, l.Key}
		text := l.Text
		if next, ok := e.lines[id]; ok && l.Kind == syntax.Entry {
			text = l.Text[:l.ValueCol-1] + next.value + l.Text[l.ValueCol-1+len(l.Raw):]
			delete(e.lines, id)
		} else if l.Kind == syntax.Entry && e.removes(l) {
			continue
		}
		if l.Kind == syntax.Section && e.first < 0 {
			e.first = len(e.out)
		}
		e.out = append(e.out, text)
		if l.Kind == syntax.Entry || l.Kind == syntax.Section {
			e.ends[l.Section] = len(e.out)
		}
	}
}

// removes reports whether a line is to go.
func (e *edit) removes(l syntax.Line) bool {
	value, named := e.file.Settings[l.Section][l.Key]
	return named && value == nil
}

// add inserts the keys that are new, the last section first, so that the places before stay where they are.
func (e *edit) add() {
	bySection := map[string][]line{}
	for _, l := range e.lines {
		bySection[l.section] = append(bySection[l.section], l)
	}
	if n := len(e.out); n > 0 && !strings.HasSuffix(e.out[n-1], "\n") {
		e.out[n-1] += "\n"
	}
	names := slices.Sorted(maps.Keys(bySection))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(e.place(b), e.place(a)) })
	for _, name := range names {
		e.insert(name, bySection[name])
	}
}

// place is where a section's new keys go.
func (e *edit) place(section string) int {
	at, there := e.ends[section]
	switch {
	case there:
		return at
	case section == "" && e.first >= 0:
		return e.first
	}
	return len(e.out)
}

func (e *edit) insert(section string, lines []line) {
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.key, b.key)) })
	_, there := e.ends[section]
	var added []string
	if !there && section != "" {
		added = append(added, "\n", "["+section+"]\n")
	}
	for _, l := range lines {
		added = append(added, l.key+e.delimiter()+l.value+"\n")
	}
	if !there && section == "" && e.first >= 0 {
		added = append(added, "\n")
	}
	e.out = slices.Insert(e.out, e.place(section), added...)
}

// says proves that the new text holds the wanted values and beside them what the old one held.
func (e *edit) says(before *syntax.Doc, text string) bool {
	after, problems := parse(e.kind.Dialect, e.file.Path, []byte(text))
	if problems.HasErrors() {
		return false
	}
	want := settings(before, e.kind)
	for section, keys := range e.file.Settings {
		for key, value := range keys {
			if want[section] == nil {
				want[section] = map[string]any{}
			}
			want[section][key] = value
		}
	}
	return same(want, settings(after, e.kind))
}

// same compares settings by the text of their values; what is absent is nil.
func same(a, b Settings) bool {
	flat := func(s Settings) map[string]string {
		out := map[string]string{}
		for section, keys := range s {
			for key, value := range keys {
				if value != nil {
					items, _, _ := itemsOf(value)
					out[section+"\x00"+key] = strings.Join(items, "\x00")
				}
			}
		}
		return out
	}
	return maps.Equal(flat(a), flat(b))
}
