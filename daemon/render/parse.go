package render

import (
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Parse is the reverse of Render: the settings of every file of the set that is made of settings, in the
// order of the names. A value has the type that its setting takes; one that does not fit, or whose key is not
// known, is a string. Comments that stand elsewhere than below the header are lost.
func Parse(set fileset.Set) ([]File, diag.List) {
	var out []File
	var problems diag.List
	for _, f := range set.Files() {
		kind, known := spec.KindOf(f.Name)
		if !known || f.Err != nil || kind.Dialect == spec.DialectNATS || kind.Dialect == spec.DialectOpaque {
			continue
		}
		doc, p := parse(kind.Dialect, f.Name, f.Data)
		problems = append(problems, p...)
		out = append(out, File{Path: f.Name, Mode: f.Mode, Comment: comment(doc), Settings: settings(doc, kind)})
	}
	problems.Sort()
	return out, problems
}

// comment is what stands between the header and the first line that is no comment.
func comment(doc *syntax.Doc) string {
	var out []string
	for i, l := range doc.Lines {
		text := strings.TrimRight(l.Text, "\n")
		if i == 0 && text == Header {
			continue
		}
		if i == 0 || l.Kind != syntax.Comment {
			break
		}
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(text, "#"), " "))
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
