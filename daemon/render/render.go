package render

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Header is the first line of every file.
const Header = spec.Header

// File is what one file is to say.
type File struct {
	Path     string      // relative to FX_CONFIG_DIR, or absolute
	Kind     string      // the pattern of its spec.Kind, where the path does not tell it
	Mode     fs.FileMode // 0 = 0600 for secrets, 0644 for others
	Comment  string      // stands below the header, line by line
	Settings Settings
}

// Settings are a file's values by section and key. The section "" is the one before the first; the lines
// of htpasswd are its keys. A value is a string, a bool, an integer or a list of
// strings; nil is an absent key.
type Settings map[string]map[string]any

// Render writes files. What cannot be written, because no such key exists, its value is refused or
// no text would be read back as it, is an error, and the file is left out of the set.
func Render(files ...File) (fileset.Set, diag.List) {
	var out []fileset.File
	var problems diag.List
	for _, f := range files {
		w := &writer{file: f}
		data, ok := w.write()
		problems = append(problems, w.problems...)
		if ok {
			out = append(out, fileset.File{Name: f.Path, Data: data, Mode: w.mode()})
		}
	}
	problems.Sort()
	return fileset.New(out...), problems
}

// writer writes one file.
type writer struct {
	file     File
	kind     spec.Kind
	problems diag.List
}

// line is one entry, ready to be written.
type line struct {
	section, key, value string
	order               int // of the settings table
}

func (w *writer) fail(key, code, summary, remedy string) {
	w.problems = append(w.problems, diag.Diagnostic{
		File: w.file.Path, Key: key, Severity: diag.Error, Code: code, Summary: summary, Remedy: remedy})
}

func (w *writer) mode() fs.FileMode {
	switch {
	case w.file.Mode != 0:
		return w.file.Mode
	case w.kind.Secret:
		return 0o600
	default:
		return 0o644
	}
}

func (w *writer) write() ([]byte, bool) {
	kind, known := spec.KindOf(cmp.Or(w.file.Kind, w.file.Path))
	w.kind = kind
	if !known || kind.Dialect == spec.DialectNATS || kind.Dialect == spec.DialectOpaque {
		w.fail("", "unknown-file", "is no file that is made of settings", "write it as it is")
		return nil, false
	}
	lines := w.lines()
	if len(w.problems) > 0 {
		return nil, false
	}
	text := w.text(lines)
	if !w.readsBack(text, lines) {
		w.fail("", "unwritable", "holds a key, a section or a comment that cannot be written", "leave out =, line breaks and other special characters")
		return nil, false
	}
	return []byte(text), true
}

// lines are the entries in the order in which they are written: that of the
// settings table, then the alphabet; sections that the table leaves open come last.
func (w *writer) lines() []line {
	var out []line
	for section, keys := range w.file.Settings {
		for key, value := range keys {
			if value == nil {
				continue
			}
			if l, ok := w.line(section, key, value); ok {
				out = append(out, l)
			}
		}
	}
	first := firsts(out)
	slices.SortFunc(out, func(a, b line) int {
		return cmp.Or(cmp.Compare(first[a.section], first[b.section]), strings.Compare(a.section, b.section),
			cmp.Compare(a.order, b.order), strings.Compare(a.key, b.key))
	})
	return out
}

// firsts ranks sections by the table's first row of each. What stands before all sections is written first.
func firsts(lines []line) map[string]int {
	out := map[string]int{"": -1}
	for _, l := range lines {
		if before, ok := out[l.section]; !ok || l.section != "" && l.order < before {
			out[l.section] = l.order
		}
	}
	return out
}

// line checks one entry and makes text of its value.
func (w *writer) line(section, key string, value any) (line, bool) {
	l := line{section: section, key: key}
	name := strings.TrimPrefix(section+"."+key, ".")
	items, list, err := itemsOf(value)
	if err != nil {
		w.fail(name, "bad-value", err.Error(), "give a string, a bool, an integer or a list of strings")
		return l, false
	}
	if w.kind.Dialect == spec.DialectHtpasswd {
		return w.login(l, items, list)
	}
	s, order, ok := w.setting(section, key)
	if !ok {
		w.fail(name, "unknown-key", "is not a known key", w.suggest(s, section, key))
		return l, false
	}
	l.order = order
	l.value, ok = w.value(s, name, items, list)
	return l, ok
}

// setting finds an entry's row of the table. Old names and places are read and never written.
func (w *writer) setting(section, key string) (spec.Setting, int, bool) {
	s, ok := spec.Lookup(w.kind.Pattern, section, key)
	misplaced := s.Section == "*" && s.Key != "*" || s.Now != "" || w.file.Path == "fastx.env" && s.Scope != spec.ScopeAny && s.Scope != spec.ScopeNodeHint
	if !ok || misplaced {
		return s, 0, false
	}
	rows := spec.SettingsOf(w.kind.Pattern)
	return s, slices.IndexFunc(rows, func(r spec.Setting) bool { return r.Section == s.Section && r.Key == s.Key }), true
}

func (w *writer) suggest(s spec.Setting, section, key string) string {
	if s.Now != "" {
		return "write " + s.Now
	}
	var names []string
	for _, s := range spec.SettingsOf(w.kind.Pattern) {
		if s.Section == section {
			names = append(names, s.Key)
		}
	}
	if near := spec.Suggest(key, names); near != "" && near != key {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "remove it, or move it to the file and section where it belongs"
}

// value checks and quotes a value.
func (w *writer) value(s spec.Setting, name string, items []string, list bool) (string, bool) {
	switch {
	case list && !s.IsList():
		w.fail(name, "bad-value", "is not a list", "give one value")
		return "", false
	case s.IsList() && !list:
		items = split(items[0])
	}
	if err := s.Check(items...); err != nil {
		w.fail(name, "bad-value", "is refused", err.Error())
		return "", false
	}
	if bad := slices.IndexFunc(items, unlistable); s.IsList() && bad >= 0 {
		w.fail(name, "bad-value", "has an item that is empty, begins or ends with a space, or holds a comma", "write each item on its own, without spaces around it")
		return "", false
	}
	text, err := syntax.Quote(w.style(), strings.Join(items, w.separator()))
	if err != nil {
		w.fail(name, "bad-value", "cannot be written", err.Error())
	}
	return text, err == nil
}

// login checks an entry of htpasswd.
func (w *writer) login(l line, items []string, list bool) (line, bool) {
	if err := spec.CheckUserName(l.key); err != nil || list {
		w.fail(l.key, "bad-user", "is not a user name with one hash", "give user = hash")
		return l, false
	}
	if err := spec.CheckHash(items[0]); err != nil {
		w.fail(l.key, "bad-hash", "is refused", err.Error())
		return l, false
	}
	l.value = items[0]
	return l, true
}

func (w *writer) style() syntax.Style {
	if w.kind.Dialect == spec.DialectEnv {
		return syntax.StyleEnv
	}
	return syntax.StyleINI
}

func (w *writer) separator() string {
	if w.kind.Dialect == spec.DialectEnv {
		return ","
	}
	return ", "
}

// text joins the lines. Each section, and what stands before the first, has an empty line before it.
func (w *writer) text(lines []line) string {
	var b strings.Builder
	b.WriteString(Header + "\n")
	if comment := strings.TrimRight(w.file.Comment, " \n"); comment != "" {
		for c := range strings.SplitSeq(comment, "\n") {
			b.WriteString(strings.TrimRight("# "+c, " ") + "\n")
		}
	}
	delimiter := w.delimiter()
	for i, l := range lines {
		if i == 0 || l.section != lines[i-1].section {
			b.WriteString("\n")
			if l.section != "" {
				b.WriteString("[" + l.section + "]\n")
			}
		}
		b.WriteString(l.key + delimiter + l.value + "\n")
	}
	return b.String()
}

func (w *writer) delimiter() string {
	return map[spec.Dialect]string{spec.DialectINI: " = ", spec.DialectEnv: "=", spec.DialectHtpasswd: ":"}[w.kind.Dialect]
}

// readsBack proves that the text means what was to be written.
func (w *writer) readsBack(text string, lines []line) bool {
	doc, problems := parse(w.kind.Dialect, w.file.Path, []byte(text))
	entries := doc.Entries()
	control := func(r rune) bool { return r != '\n' && unicode.IsControl(r) }
	if strings.ContainsFunc(text, control) || len(problems) > 0 || len(entries) != len(lines) {
		return false
	}
	for i, e := range entries {
		if l := lines[i]; e.Section != l.section || e.Key != l.key || e.Raw != l.value || e.Array {
			return false
		}
	}
	return true
}

// parse reads a text in one of the three dialects.
func parse(d spec.Dialect, name string, data []byte) (*syntax.Doc, diag.List) {
	switch d {
	case spec.DialectEnv:
		return syntax.ParseEnv(name, data)
	case spec.DialectHtpasswd:
		return syntax.ParseHtpasswd(name, data)
	default:
		return syntax.ParseINI(name, data)
	}
}
