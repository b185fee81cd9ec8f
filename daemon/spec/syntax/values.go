package syntax

import (
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"gopkg.in/ini.v1"
)

// options make ini.v1 read the dialect of GRAMMAR.md. Quotes are kept: the quoting rule is ours.
var options = ini.LoadOptions{
	KeyValueDelimiters:         "=",
	IgnoreInlineComment:        true,
	IgnoreContinuation:         true,
	PreserveSurroundedQuote:    true,
	AllowShadows:               true,
	AllowDuplicateShadowValues: true,
}

// takeValues fills each entry's value from ini.v1, which sees the well-formed lines alone. What the
// two would read differently is read by neither.
func (r *reader) takeValues() {
	values, err := iniValues(r.doc)
	if err != nil {
		r.report(diag.Error, "syntax", 0, 0, "", "cannot be read: "+err.Error(), "write key = value lines below [section] lines")
		return
	}
	for i := range r.doc.Lines {
		l := &r.doc.Lines[i]
		if l.Kind != Entry || l.Raw == "" {
			continue
		}
		id := l.id()
		left := values[id]
		if len(left) == 0 || left[0] != l.Raw {
			r.fail(l, l.ValueCol, "the value can be read in two ways", "put it between double quotes")
			continue
		}
		l.Value, _ = unquote(left[0])
		values[id] = left[1:]
	}
}

// id names an entry as ini.v1 does.
func (l Line) id() [2]string {
	section, key := l.Section, l.Key
	if section == "" {
		section = ini.DefaultSection
	}
	if l.Array {
		key += "[]"
	}
	return [2]string{section, key}
}

// iniValues has ini.v1 read the well-formed lines. An entry's values come in the
// file's order and without the empty ones.
func iniValues(doc *Doc) (map[[2]string][]string, error) {
	var good strings.Builder
	good.WriteString("\n") // keeps ini.v1 from taking a first character for a byte order mark
	for _, l := range doc.Lines {
		if l.Kind == Entry || l.Kind == Section {
			good.WriteString(content(l.Text) + "\n")
		}
	}
	return loadINI(good.String())
}

func loadINI(text string) (map[[2]string][]string, error) {
	file, err := ini.LoadSources(options, []byte(text))
	if err != nil {
		return nil, err
	}
	out := map[[2]string][]string{}
	for _, s := range file.Sections() {
		for _, k := range s.Keys() {
			out[[2]string{s.Name(), k.Name()}] = k.ValueWithShadows()
		}
	}
	return out, nil
}
