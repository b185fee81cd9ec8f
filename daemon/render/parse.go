package render

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Parse is the reverse of Render: what every file of the set says, in the order of the names. Of those with an absolute name
// kinds has the kind; the others tell it themselves. A value has the type that its setting takes; one that does not fit, or
// whose key is not known, is a string. Comments that stand elsewhere than below the header are lost, and so are files that
// are not known or cannot be read at all.
func Parse(set fileset.Set, kinds map[string]string) ([]File, diag.List) {
	var out []File
	var problems diag.List
	for _, f := range set.Files() {
		kind, known := spec.KindOf(cmp.Or(kinds[f.Name], f.Name))
		if !known || f.Err != nil {
			continue
		}
		file, ok, p := parseFile(f, kind)
		problems = append(problems, p...)
		if file.Kind = kinds[f.Name]; ok {
			out = append(out, file)
		}
	}
	problems.Sort()
	return out, problems
}

// parseFile returns false for a file that cannot be read at all.
func parseFile(f fileset.File, kind spec.Kind) (out File, ok bool, problems diag.List) {
	out = File{Path: f.Name, Mode: f.Mode}
	switch kind.Dialect {
	case spec.DialectOpaque:
		out.Content = append([]byte{}, f.Data...)
		return out, true, nil
	case spec.DialectNATS:
		out.NATS, problems = natsconf.Parse(f.Name, f.Data)
		out.Comment = comment(f.Data)
		return out, out.NATS != nil, problems
	}
	doc, problems := parse(kind.Dialect, f.Name, f.Data)
	out.Comment, out.Settings = comment(f.Data), settings(doc, kind)
	return out, true, problems
}

// comment is what stands between the header and the first line that is no comment.
func comment(text []byte) string {
	var out []string
	body, ours := strings.CutPrefix(string(text), Header+"\n")
	for line := range strings.Lines(body) {
		words, more := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "#")
		if !ours || !more {
			break
		}
		out = append(out, strings.TrimPrefix(words, " "))
	}
	return strings.Join(out, "\n")
}

func settings(doc *syntax.Doc, kind spec.Kind) Settings {
	out := Settings{}
	for _, l := range doc.Entries() {
		keys := out[l.Section]
		if keys == nil {
			keys = map[string]any{}
			out[l.Section] = keys
		}
		s, _ := spec.Lookup(kind.Pattern, l.Section, l.Key)
		before, more := keys[l.Key].([]string)
		switch {
		case l.Array && more:
			keys[l.Key] = append(before, l.Value)
		case l.Array:
			keys[l.Key] = []string{l.Value}
		default:
			keys[l.Key] = Typed(s, l.Value)
		}
	}
	return out
}

// Typed gives a setting's text the Go type that Settings have for it: a bool, an int, a list of strings, or
// a string where that is what it is, or where it does not fit.
func Typed(s spec.Setting, text string) any {
	switch {
	case s.IsList():
		return split(text)
	case s.Type == spec.TypeBool && s.Check(text) == nil:
		return text == "true"
	case s.Type == spec.TypeCount:
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	}
	return text
}
