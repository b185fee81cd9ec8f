package spec

import (
	"fmt"
	"path"
	"strings"
)

// Topic is what the table says of something that was asked for: a file with all of its keys, or keys.
type Topic struct {
	Kind     *Kind // nil when keys were asked for and not a file
	Settings []Setting
}

// Find looks up what a query names:
//
//   - FILE: a file with all of its keys. FILE is a name, such as apps/xterm.ini, a pattern, such as
//     apps/*.ini, or an absolute path of either; any other absolute path is taken for the node file.
//   - KEY: the key in every file that has it. As diagnostics do, SECTION.KEY names one of a section; a * stands
//     for any letters, such as FX_*.
//   - FILE:KEY, or FILE:LINE:COLUMN:KEY as diagnostics begin: the key in that file.
//
// What is not there is an error that says what may have been meant.
func Find(query string) (Topic, error) {
	if k, ok := kindNamed(query); ok {
		return Topic{&k, SettingsOf(k.Pattern)}, nil
	}
	file, key, two := cutKey(query)
	if !two {
		return findKey(table, query, query, "name a file, such as apps/xterm.ini, to see its keys", allNames())
	}
	k, ok := kindNamed(file)
	if !ok {
		return Topic{}, faultf(didYouMean(file, patterns(), "name one, such as apps/xterm.ini or fastx.env"), "%s is no file of the configuration", show(file))
	}
	rows := SettingsOf(k.Pattern)
	if t := openKey(rows, key); len(t.Settings) > 0 {
		return t, nil
	}
	return findKey(rows, key, k.Pattern+":"+key, "fastxctl explain "+k.Pattern+" lists what it holds", namesOf(rows))
}

// cutKey splits FILE:KEY; a position between the two is passed over.
func cutKey(query string) (file, key string, ok bool) {
	file, key, ok = strings.Cut(query, ":")
	for range 2 {
		if number, rest, more := strings.Cut(key, ":"); more && number != "" && strings.Trim(number, "0123456789") == "" {
			key = rest
		}
	}
	return file, strings.TrimSpace(strings.TrimSuffix(key, ":")), ok
}

// kindNamed finds the kind of file that a name, a pattern or an absolute path stands for.
func kindNamed(name string) (Kind, bool) {
	if k, ok := KindOf(name); ok || !path.IsAbs(name) || strings.Contains(name, ":") {
		return k, ok
	}
	parts := strings.Split(name, "/")
	for n := min(3, len(parts)-1); n > 0; n-- {
		if k, ok := KindOf(strings.Join(parts[len(parts)-n:], "/")); ok {
			return k, true
		}
	}
	return KindOf(envFile)
}

func findKey(rows []Setting, key, asked, otherwise string, names []string) (Topic, error) {
	var out Topic
	for _, s := range rows {
		if s.answers(key) {
			out.Settings = append(out.Settings, s)
		}
	}
	if len(out.Settings) == 0 {
		return out, faultf(didYouMean(key, names, otherwise), "%s is not a known key or file", show(asked))
	}
	return out, nil
}

// openKey finds the row of a key that a file leaves open, such as a header of headers.ini.
func openKey(rows []Setting, key string) (out Topic) {
	for _, s := range rows {
		switch {
		case s.answers(key):
			return Topic{} // it is a key of the table
		case key != "" && s.Key == "*" && (s.Section == "" || s.Section == "*"):
			out.Settings = append(out.Settings, s)
		}
	}
	return out
}

// answers reports whether a row is what somebody means who says key.
func (s Setting) answers(key string) bool {
	if key == "" || s.Key == key || s.Name() == key {
		return key != ""
	}
	if strings.Contains(key, "*") {
		byKey, _ := path.Match(key, s.Key)
		byName, _ := path.Match(key, s.Name())
		return byKey || byName
	}
	rest, inSection := strings.CutPrefix(key, s.Section+".")
	_, open := s.rest(rest)
	return open && (inSection || s.Key != "*") // a key that can be anything explains nothing
}

// allNames lists every key, with and without its section, and every file.
func allNames() []string { return append(namesOf(table), patterns()...) }

func namesOf(rows []Setting) []string {
	var out []string
	for _, s := range rows {
		out = append(out, s.Key, s.Name())
	}
	return out
}

func patterns() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.Pattern)
	}
	return out
}

// Text explains the topic to a person, a few lines for each key.
func (t Topic) Text() string {
	var parts []string
	if t.Kind != nil {
		parts = append(parts, t.Kind.text())
	}
	for _, s := range t.Settings {
		parts = append(parts, s.text())
	}
	return strings.Join(parts, "\n")
}

func (k Kind) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s\n  written as: %s\n", k.Pattern, sentence(k.Doc), k.Dialect)
	for _, note := range k.Notes() {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	return b.String()
}

// sentence makes one of a phrase.
func sentence(phrase string) string { return strings.ToUpper(phrase[:1]) + phrase[1:] + "." }

// Notes are the sentences on a kind of file that hold for all of its keys.
func (k Kind) Notes() []string {
	var out []string
	if k.Secret {
		out = append(out, "A secret: nobody but root and the daemon's user may read it, and it is never shown.")
	}
	if k.Security {
		out = append(out, "It guards something: it may be gone, or say nothing, only when removed.ini names it.")
	}
	if !k.Acted {
		out = append(out, "Not acted on by this version yet: what it says is checked, and there is a warning.")
	}
	return out
}

func (s Setting) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n  %s\n  takes: %s\n", s.File, s.Name(), s.Doc, s.Takes())
	if s.Default != "" {
		fmt.Fprintf(&b, "  default: %s\n", s.Default)
	}
	fmt.Fprintf(&b, "  a change: %s\n", s.Reload.Words())
	for _, note := range s.Notes() {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	return b.String()
}

// Takes says what values the setting takes.
func (s Setting) Takes() string {
	least, most := s.Bounds()
	switch {
	case len(s.Allowed) > 0 && s.IsList():
		return "a list, separated by commas, of " + strings.Join(s.Allowed, ", ")
	case len(s.Allowed) > 0:
		return "one of " + strings.Join(s.Allowed, ", ")
	case most > 0:
		return fmt.Sprintf("%s from %d to %d", s.Type, least, most)
	case least > 0 && s.Default != "":
		return fmt.Sprintf("%s, %s or at least %d", s.Type, s.Default, least)
	case least > 0:
		return fmt.Sprintf("%s, at least %d", s.Type, least)
	default:
		return string(s.Type)
	}
}

// Notes are the sentences on a setting beyond its documentation.
func (s Setting) Notes() []string {
	var out []string
	if s.Secret {
		out = append(out, "A secret: it is never shown.")
	}
	switch s.Scope {
	case ScopeNode:
		out = append(out, "For one node: set it in the node file or the process environment, not in the shared fastx.env.")
	case ScopeNodeHint:
		out = append(out, "Best in the node file: in the shared fastx.env it is the same for all nodes, and there is a warning.")
	case ScopeProcess:
		out = append(out, "Known before every file: set it in the process environment, or with a flag of fastxd, and in no file.")
	case ScopeBefore:
		out = append(out, "Known before any other file is read: set it in the node file or the process environment, not in the shared fastx.env.")
	}
	if s.Now != "" {
		out = append(out, "An old name, read with a warning: write "+s.Now+".")
	}
	if !s.Acted && s.Now == "" {
		out = append(out, "Not acted on by this version yet: it is checked, and there is a warning.")
	}
	return out
}

// Words says the class in words.
func (c Class) Words() string {
	switch c {
	case RestartService:
		return "is taken over at once; the service that it concerns starts anew by itself"
	case RestartProcess:
		return "waits for a restart of fastxd; sessions live on"
	case Environment:
		return "is made where fastxd is started, in its environment or as a flag; in a file it has no effect"
	default:
		return "is taken over at once"
	}
}
