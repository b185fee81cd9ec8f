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
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Header is the first line of every file.
const Header = spec.Header

// File is what one file is to say: Settings, or what its kind of file has in their place.
type File struct {
	Path     string      // relative to FX_CONFIG_DIR, or absolute for a node's own file
	Kind     string      // the pattern of its spec.Kind, where Path is absolute and does not tell it
	Mode     fs.FileMode // 0 = 0600 for secrets, 0640 for nats-server.conf, 0644 for others
	Comment  string      // stands below the header, line by line
	Settings Settings
	NATS     *natsconf.Config // of nats-server.conf
	Content  []byte           // of a file that is taken as it is; nil = none is given
}

// kind names the spec.Kind of the file: by its pattern, or by a path of that pattern.
func (f File) kind() string { return cmp.Or(f.Kind, f.Path) }

// Settings are a file's values by section and key. The section "" is the one before the first; the lines
// of htpasswd are its keys. A value is a string, a bool, an integer or a list of
// strings; nil is an absent key.
type Settings map[string]map[string]any

// Render writes files. What cannot be written, because no such file or key exists, a value is refused or
// no text would be read back as it, is an error, and the file is left out of the set. Of two files of one path
// the first is written.
func Render(files ...File) (fileset.Set, diag.List) {
	var out []fileset.File
	var problems diag.List
	seen := map[string]bool{}
	for _, f := range files {
		w := &writer{file: f}
		var data []byte
		ok := false
		if seen[f.Path] {
			w.fail("", "file-twice", "is given twice", "join the two")
		} else {
			data, ok = w.write()
		}
		seen[f.Path] = true
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

// refuse reports what the settings table says is wrong with a value.
func (w *writer) refuse(key, code string, err error) {
	summary, remedy := spec.Fault(err)
	w.fail(key, code, summary, remedy)
}

// write checks what the file is and writes it as its dialect has it.
func (w *writer) write() ([]byte, bool) {
	if !w.place() || !w.hasItsForm() || !w.checkMode() {
		return nil, false
	}
	switch w.kind.Dialect {
	case spec.DialectNATS:
		return w.nats()
	case spec.DialectOpaque:
		return w.content()
	default:
		return w.settings()
	}
}

// settings writes a file that is made of settings.
func (w *writer) settings() ([]byte, bool) {
	lines := w.lines()
	if len(w.problems) > 0 {
		return nil, false
	}
	text := w.text(lines)
	if !w.readsBack(text, lines) {
		w.blame(lines)
		return nil, false
	}
	return []byte(text), true
}

// blame names what cannot be written: the first entry that cannot even stand alone, else the comment.
func (w *writer) blame(lines []line) {
	alone := &writer{file: File{Path: w.file.Path}, kind: w.kind}
	for _, l := range lines {
		if one := []line{l}; !alone.readsBack(alone.text(one), one) {
			w.fail(l.name(), "unwritable", "is a key or section that cannot be written", "leave out =, brackets, line breaks and other special characters")
			return
		}
	}
	w.fail("", "unwritable", "has a comment that cannot be written", "leave out all control characters but line breaks")
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

// name is the key with its section, as diagnostics name it.
func (l line) name() string { return strings.TrimPrefix(l.section+"."+l.key, ".") }

// line checks one entry and makes text of its value.
func (w *writer) line(section, key string, value any) (line, bool) {
	l := line{section: section, key: key}
	items, list, err := itemsOf(value)
	if err != nil {
		w.fail(l.name(), "bad-value", err.Error(), "give a string, a bool, an integer or a list of strings")
		return l, false
	}
	if w.kind.Dialect == spec.DialectHtpasswd {
		return w.login(l, items, list)
	}
	s, ok := w.setting(l)
	if !ok {
		return l, false
	}
	rows := spec.SettingsOf(w.kind.Pattern)
	l.order = slices.IndexFunc(rows, func(r spec.Setting) bool { return r.Section == s.Section && r.Key == s.Key })
	l.value, ok = w.value(s, l.name(), items, list)
	return l, ok
}

// setting finds an entry's row of the table. Old names and places are read and never written.
func (w *writer) setting(l line) (spec.Setting, bool) {
	s, known := spec.Lookup(w.kind.Pattern, l.section, l.key)
	switch {
	case !known || s.Section == "*" && s.Key != "*":
		w.unknown(l)
	case s.Now != "":
		w.fail(l.name(), "old-name", "is the old name of "+s.Now, "write "+s.Now)
	case s.Scope == spec.ScopeProcess:
		w.fail(l.name(), "wrong-place", "has no effect in a file: it says which is read first", "set it in the unit's environment")
	case w.file.Path == w.kind.Pattern && (s.Scope == spec.ScopeNode || s.Scope == spec.ScopeBefore):
		w.fail(l.name(), "wrong-place", "cannot stand in the file that all nodes share", "set it in the node file")
	default:
		return s, true
	}
	return s, false
}

// unknown reports a key or section that the file does not have.
func (w *writer) unknown(l line) {
	if pattern := w.kind.Pattern; spec.MayBeSecret(pattern, l.key) || spec.MayBeSecret(pattern, l.section) {
		w.fail("", "unknown-key", "has a key or a section that is not known", "look for a secret that was given in the place of its key")
		return
	}
	var sections, keys []string
	move := "remove it, or move it to the file and section where it belongs"
	for _, s := range spec.SettingsOf(w.kind.Pattern) {
		sections = append(sections, s.Section)
		switch {
		case s.Section == l.section:
			keys = append(keys, s.Key)
		case s.Key == l.key && s.Section != "*":
			move = fmt.Sprintf("move it to the section %q", s.Section)
		}
	}
	if slices.Contains(sections, l.section) {
		w.fail(l.name(), "unknown-key", "is not a known key", didYouMean(l.key, keys, move))
		return
	}
	w.fail(l.name(), "unknown-section", fmt.Sprintf("stands in the section %q, which this file does not have", l.section), didYouMean(l.section, sections, move))
}

// didYouMean is the remedy for a name that is not known.
func didYouMean(name string, names []string, otherwise string) string {
	if near := spec.Suggest(name, names); near != "" && near != name {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return otherwise
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
		w.refuse(name, "bad-value", err)
		return "", false
	}
	if bad := slices.IndexFunc(items, unlistable); s.IsList() && bad >= 0 {
		w.fail(name, "bad-value", "has an item that is empty, begins or ends with a space, or holds a comma", "write each item on its own, without spaces around it")
		return "", false
	}
	if s.Type == spec.TypeCount {
		items, _, _ = itemsOf(Typed(s, items[0])) // 007 is 7
	}
	text, err := syntax.Quote(w.style(), strings.Join(items, w.separator()))
	if err != nil {
		w.fail(name, "bad-value", "cannot be written", err.Error())
	}
	return text, err == nil
}

// login checks an entry of htpasswd.
func (w *writer) login(l line, items []string, list bool) (line, bool) {
	if l.section != "" || list {
		w.fail(l.key, "bad-user", "is not a user with one hash", `give user = hash under ""`)
		return l, false
	}
	if err := spec.CheckUserName(l.key); err != nil {
		w.refuse("", "bad-user", err)
		return l, false
	}
	if err := spec.CheckHash(items[0]); err != nil {
		w.refuse(l.key, "bad-hash", err)
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
	b.WriteString(w.head())
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

// head is the header and the comment.
func (w *writer) head() string {
	var b strings.Builder
	b.WriteString(Header + "\n")
	if comment := strings.TrimRight(w.file.Comment, " \n"); comment != "" {
		for c := range strings.SplitSeq(comment, "\n") {
			b.WriteString(strings.TrimRight("# "+c, " ") + "\n")
		}
	}
	return b.String()
}

func (w *writer) delimiter() string {
	return map[spec.Dialect]string{spec.DialectINI: " = ", spec.DialectEnv: "=", spec.DialectHtpasswd: ":"}[w.kind.Dialect]
}

// isControl reports whether a character stands in no file that is written here.
func isControl(r rune) bool { return r != '\n' && unicode.IsControl(r) }

// readsBack proves that the text means what was to be written.
func (w *writer) readsBack(text string, lines []line) bool {
	doc, problems := parse(w.kind.Dialect, w.file.Path, []byte(text))
	entries := doc.Entries()
	if strings.ContainsFunc(text, isControl) || len(problems) > 0 || len(entries) != len(lines) {
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
