package manual

import (
	_ "embed"
	"strings"
	"text/template"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

//go:embed reference.md.tmpl
var referenceText string

var reference = template.Must(template.New("reference").Funcs(template.FuncMap{
	"classes": classes, "marks": marks, "secretFiles": secretFiles, "securityFiles": spec.SecurityFiles, "files": files,
}).Parse(referenceText))

// Reference returns the reference manual, CONFIGURATION.md.
func Reference() string {
	var b strings.Builder
	if err := reference.Execute(&b, nil); err != nil {
		panic("manual: " + err.Error()) // it is made of constants
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// class is a row of the table of reload classes.
type class struct {
	Class spec.Class
	Words string
	Keys  string
}

func classes() []class {
	out := []class{{spec.Live, spec.Live.Words(), "all that are not named here"}}
	for _, c := range []spec.Class{spec.RestartService, spec.RestartProcess, spec.Environment} {
		var keys []string
		for _, s := range spec.Settings() {
			if s.Reload == c && s.Now == "" {
				keys = append(keys, "`"+s.Name()+"`")
			}
		}
		out = append(out, class{c, c.Words(), strings.Join(keys, ", ")})
	}
	return out
}

func secretFiles() []spec.Kind {
	var out []spec.Kind
	for _, k := range spec.Kinds() {
		if k.Secret {
			out = append(out, k)
		}
	}
	return out
}

// file is a chapter on one kind of file.
type file struct {
	spec.Kind
	Sections    []section
	Name        string // of the example
	Example     string
	NodeExample string // of the node file, for fastx.env
}

// section is a table of keys.
type section struct {
	Title string
	Rows  []row
}

// row is one key in a table.
type row struct{ Key, Takes, Default, Text string }

// nodeExample is the example of a node file.
const nodeExample = `SERVICES=launcher
FX_LOCAL_DIR=/var/lib/fastx-local
METADATA_zone=basement
`

func files() []file {
	var out []file
	for _, k := range spec.Kinds() {
		f := file{Kind: k, Sections: sections(k)}
		f.Name, f.Example = Example(k)
		if k.Dialect == spec.DialectEnv {
			f.NodeExample = nodeExample
		}
		out = append(out, f)
	}
	return out
}

// sections puts the keys of a file into tables, in the order of the settings table.
func sections(k spec.Kind) []section {
	var out []section
	at := map[string]int{}
	for _, s := range spec.SettingsOf(k.Pattern) {
		i, ok := at[s.Section]
		if !ok {
			i = len(out)
			at[s.Section], out = i, append(out, section{Title: title(s.Section)})
		}
		out[i].Rows = append(out[i].Rows, rowOf(s))
	}
	if len(out) == 1 && out[0].Title == title("") {
		out[0].Title = "" // there are no others to tell it from
	}
	return out
}

func title(section string) string {
	switch section {
	case "":
		return "Before any section:"
	case "*":
		return "In any section:"
	}
	return "In `[" + section + "]`:"
}

func rowOf(s spec.Setting) row {
	r := row{Key: s.Key, Takes: cell(s.Takes()), Text: cell(s.Doc)}
	if s.Default != "" {
		r.Default = "`" + s.Default + "`"
	}
	if words := marksOf(s); len(words) > 0 {
		r.Text += " **" + strings.Join(words, ", ") + "**"
	}
	return r
}

func marksOf(s spec.Setting) []string {
	var words []string
	for _, m := range marks() {
		if m.of(s) {
			words = append(words, m.Word)
		}
	}
	return words
}

// mark is a word in a table that says what several keys have in common.
type mark struct {
	Word, Meaning string
	of            func(spec.Setting) bool
}

func marks() []mark {
	return []mark{
		{"secret", "it is never shown", func(s spec.Setting) bool { return s.Secret }},
		{"node", "it is one node's alone and stands in the node file or the process environment; in `fastx.env` it is an error, or has no effect",
			func(s spec.Setting) bool { return s.Scope == spec.ScopeNode || s.Scope == spec.ScopeBefore }},
		{"better per node", "in `fastx.env` it is the same for all nodes, and there is a warning",
			func(s spec.Setting) bool { return s.Scope == spec.ScopeNodeHint }},
		{"service", "a change " + spec.RestartService.Words(), func(s spec.Setting) bool { return s.Reload == spec.RestartService }},
		{"restart", "a change " + spec.RestartProcess.Words(), func(s spec.Setting) bool { return s.Reload == spec.RestartProcess }},
		{"environment", "a change " + spec.Environment.Words(), func(s spec.Setting) bool { return s.Reload == spec.Environment }},
		{"old", "an old name, read with a warning", func(s spec.Setting) bool { return s.Now != "" }},
		{"not yet", "this version does not act on it; it is checked, and there is a warning", func(s spec.Setting) bool {
			k, _ := spec.KindOf(s.File)
			return !s.Acted && k.Acted && s.Now == ""
		}},
	}
}

// cell keeps what would end a cell of a table, or begin something else, from doing so.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(text)
}

// Sentence says what the file is for.
func (f file) Sentence() string { return strings.ToUpper(f.Doc[:1]) + f.Doc[1:] + "." }

// Form says how the file is written.
func (f file) Form() string {
	switch f.Dialect {
	case spec.DialectEnv:
		return "Lines of `KEY=value`."
	case spec.DialectINI:
		return "Lines of `key = value`."
	case spec.DialectHtpasswd:
		return "Lines of `user:hash`, as `htpasswd -B` writes them; only bcrypt is accepted."
	case spec.DialectNATS:
		return "In the syntax of nats-server, which runs it; `fastxd` reads what a cluster depends on and refuses a file that lets anyone in without a secret."
	default:
		return "Taken as it is."
	}
}

// Guard says what the file's absence or exposure would do.
func (f file) Guard() string {
	var out []string
	if f.Secret {
		out = append(out, "secret")
	}
	if f.Security {
		out = append(out, "never lost unnoticed")
	}
	return strings.Join(out, ", ")
}

// Language is what the example is marked as.
func (f file) Language() string {
	switch f.Dialect {
	case spec.DialectEnv:
		return "env"
	case spec.DialectINI, spec.DialectHtpasswd:
		return string(f.Dialect)
	case spec.DialectNATS:
		return "conf"
	}
	_, ending, _ := strings.Cut(f.Name, ".")
	return ending
}

// Anchor is what a heading of the file's pattern is linked to by.
func (f file) Anchor() string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("./*", r) {
			return -1
		}
		return r
	}, strings.ToLower(f.Pattern))
}
