package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// decode reads an ini file into target, which gets the defaults of its kind first.
func (l *loader) decode(name, pattern string, target any) *syntax.Doc {
	if target != nil {
		setDefaults(pattern, target)
	}
	return l.overlay(name, pattern, target)
}

// overlay reads an ini file into target, which keeps what the file does not set.
func (l *loader) overlay(name, pattern string, target any) *syntax.Doc {
	doc, _ := l.read(name, syntax.ParseINI)
	l.unknownSections(doc, pattern)
	for _, group := range groups(doc) {
		first := group[0]
		s, ok := Lookup(pattern, first.Section, first.Key)
		if !ok {
			l.unknownKey(doc, pattern, first)
			continue
		}
		l.take(doc.Name, s, group, target)
	}
	return doc
}

// setDefaults puts the defaults of a file's kind into target.
func setDefaults(pattern string, target any) {
	for _, s := range SettingsOf(pattern) {
		if s.into != nil && s.Default != "" {
			v, _ := s.parse(s.split(s.Default))
			s.into(target, "", v)
		}
	}
}

// groups gathers the lines of each array under its first; of keys that are set twice
// only the first counts.
func groups(doc *syntax.Doc) [][]syntax.Line {
	var out [][]syntax.Line
	seen := map[[2]string]int{}
	for _, line := range doc.Entries() {
		id := [2]string{line.Section, line.Key}
		i, ok := seen[id]
		switch {
		case !ok:
			seen[id] = len(out)
			out = append(out, []syntax.Line{line})
		case line.Array && out[i][0].Array:
			out[i] = append(out[i], line)
		}
	}
	return out
}

// take checks a setting's value and puts it into target.
func (l *loader) take(file string, s Setting, group []syntax.Line, target any) {
	line := group[0]
	if !s.Acted {
		l.notActedOn(file, s, line, target)
	}
	values := s.valuesOf(group)
	if s.IsList() && l.badItems(file, s, line, values) {
		return
	}
	v, f := s.parse(values)
	if f == nil && line.Array && !s.IsList() {
		f = faultf("write "+s.Key+" = value, without []", "is not a list")
	}
	if f != nil {
		l.badValue(file, line, f)
		return
	}
	if s.into != nil && target != nil {
		rest, _ := s.rest(line.Key)
		s.into(target, rest, v)
	}
}

// badItems reports each bad item of a list.
func (l *loader) badItems(file string, s Setting, line syntax.Line, values []string) bool {
	found := false
	for _, v := range values {
		if f := s.item(v); f != nil {
			l.badValue(file, line, f)
			found = true
		}
	}
	return found
}

func (l *loader) badValue(file string, line syntax.Line, f *fault) {
	line.Col = line.ValueCol
	summary := f.summary
	if file == "" {
		summary = "in the environment of the process, " + summary
	}
	l.at(file, line, diag.Error, "bad-value", line.Name(), summary, f.remedy)
}

// notActedOn warns of a key that does nothing yet. Where the whole file does nothing, others says so once.
func (l *loader) notActedOn(file string, s Setting, line syntax.Line, target any) {
	if target != nil {
		l.at(file, line, diag.Warning, "not-acted-on", line.Name(), "is not acted on by this version yet", "it may stay")
	}
}

// valuesOf is the text of a setting's values: one, or a list's items.
func (s Setting) valuesOf(group []syntax.Line) []string {
	if !group[0].Array {
		return s.split(group[0].Value)
	}
	out := []string{}
	for _, line := range group {
		if !s.IsList() || line.Value != "" {
			out = append(out, line.Value)
		}
	}
	return out
}

// split cuts the text of a list into its items; other text is one value.
func (s Setting) split(value string) []string {
	if !s.IsList() {
		return []string{value}
	}
	out := []string{}
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// find returns the line that sets a key, or the zero Line.
func find(doc *syntax.Doc, section, key string) syntax.Line {
	for _, line := range doc.Entries() {
		if line.Section == section && line.Key == key {
			return line
		}
	}
	return syntax.Line{}
}

// unknownSections reports sections that the kind of file does not have.
func (l *loader) unknownSections(doc *syntax.Doc, pattern string) {
	known := sectionsOf(pattern)
	names := slices.Collect(maps.Keys(known))
	for _, line := range doc.Sections() {
		switch {
		case known[line.Section], known["*"] && holdsOnly(doc, pattern, line.Section):
		case MayBeSecret(pattern, line.Section):
			l.unknown(doc.Name, line, "unknown-section", "", "what stands between [ and ] is not a section of this file", "remove it")
		default:
			l.unknown(doc.Name, line, "unknown-section", line.Section, "is not a section of this file",
				didYouMean(line.Section, names, "remove it"+listOf("; the sections are ", names)))
		}
	}
}

// holdsOnly reports whether all keys of a section are ones that may stand in any, and whether there are any.
func holdsOnly(doc *syntax.Doc, pattern, section string) bool {
	found := false
	for _, line := range doc.Entries() {
		if line.Section != section {
			continue
		}
		if _, ok := Lookup(pattern, section, line.Key); !ok {
			return false
		}
		found = true
	}
	return found
}

// sections names the sections of each kind of file. Nobody changes it.
var sections = sync.OnceValue(func() map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, s := range table {
		if out[s.File] == nil {
			out[s.File] = map[string]bool{}
		}
		out[s.File][s.Section] = true
	}
	return out
})

func sectionsOf(pattern string) map[string]bool { return sections()[pattern] }

// plainName is what a mistyped key or section looks like.
var plainName = regexp.MustCompile(`^[A-Za-z_.]{1,24}$`)

// MayBeSecret reports whether a name that is not known may be a secret that was written in the
// wrong place. It is then not repeated in a message.
func MayBeSecret(pattern, name string) bool {
	k, _ := KindOf(pattern)
	return k.Secret && name != "" && !plainName.MatchString(name)
}

// unknownKey reports a key that its section does not have. A section that is
// unknown was reported as a whole.
func (l *loader) unknownKey(doc *syntax.Doc, pattern string, line syntax.Line) {
	if !sectionsOf(pattern)[line.Section] && line.Section != "" {
		return
	}
	if MayBeSecret(pattern, line.Key) {
		l.unknown(doc.Name, line, "unknown-key", "", "what stands before = is not a known key", "write key = value")
		return
	}
	l.unknown(doc.Name, line, "unknown-key", line.Name(), "is not a known key", l.remedyFor(pattern, line))
}

func (l *loader) remedyFor(pattern string, line syntax.Line) string {
	var names []string
	for _, s := range SettingsOf(pattern) {
		if s.Section == line.Section && !strings.HasSuffix(s.Key, "*") {
			names = append(names, s.Key)
		}
		if s.Section != line.Section && s.Section != "*" && s.Key == line.Key {
			return fmt.Sprintf("move it to %s", place(s.Section))
		}
	}
	return didYouMean(line.Key, names, "remove it"+listOf("; the keys here are ", names))
}

func place(section string) string {
	if section == "" {
		return "the top of the file, before the first section"
	}
	return "the section [" + section + "]"
}

// listOf prints names after an introduction, unless there are none or too many to read.
func listOf(intro string, names []string) string {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" || n == "*" })
	slices.Sort(names)
	if len(names) == 0 || len(names) > 8 {
		return ""
	}
	return intro + strings.Join(names, ", ")
}

// unknown reports what this version does not know. A tree of a newer format may hold what a newer version knows.
func (l *loader) unknown(file string, line syntax.Line, code, key, summary, remedy string) {
	severity := diag.Error
	if l.lenient {
		severity, remedy = diag.Warning, "bring fastxd up to date if a newer version knows it, else "+remedy
	}
	l.at(file, line, severity, code, key, summary, remedy)
}
