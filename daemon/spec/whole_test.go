package spec

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// wrongs says what a row of the table lacks.
func (s Setting) wrongs() []string {
	var out []string
	when := func(bad bool, what string) {
		if bad {
			out = append(out, what)
		}
	}
	dir := strings.HasPrefix(s.Key, "FX_") && strings.HasSuffix(s.Key, "_DIR")
	when(!sentenceText.MatchString(s.Doc), "the documentation is no sentence")
	when(!slices.Contains([]Class{Live, RestartService, RestartProcess, Environment}, s.Reload), "it has no reload class")
	when(s.Reload == RestartProcess && !dir, "only directories may need a restart of the process")
	when(dir && s.Reload != RestartProcess, "a directory cannot change while the process runs")
	when((s.Reload == Environment) != (s.Scope == ScopeProcess), "what no file says changes with no file")
	when(s.Default != "" && s.Check(s.split(s.Default)...) != nil, "its default is refused")
	when(s.Secret && s.Default != "", "a secret has a default")
	when(s.Key == "" || strings.ContainsAny(s.Key, " =[]#;"), "its key cannot be written")
	when(strings.ContainsAny(s.Section, " =[]#;"), "its section cannot be written")
	when(strings.Contains(strings.TrimSuffix(s.Key, "*"), "*"), "a * stands inside its key")
	when(s.File != envFile && s.Scope != ScopeAny, "only what stands in the environment can be a node's alone")
	when(len(s.Allowed) == 1, "one allowed value is no choice")
	for i, word := range s.Allowed {
		when(slices.Contains(s.Allowed[:i], word), "an allowed value stands twice")
		when(s.IsList() && s.item(word) != nil || !s.IsList() && s.Check(word) != nil, "an allowed value is refused")
	}
	if s.Now != "" {
		_, ok := Lookup(s.File, s.Section, s.Now)
		when(!ok, "the key that took its place is not there")
	}
	return out
}

var sentenceText = regexp.MustCompile(`^[A-Z/]?[^\n\t]*[^.\s]\.$`)

// TestEveryRowIsWhole walks the whole table.
func TestEveryRowIsWhole(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		for _, wrong := range s.wrongs() {
			t.Errorf("%s %s: %s", s.File, s.Name(), wrong)
		}
	}
	good := Setting{File: envFile, Key: "FX_NEW", Type: TypeCount, Default: "1", Doc: "What is new.", Reload: Live}
	if wrongs := good.wrongs(); len(wrongs) > 0 {
		t.Errorf("a good row is refused: %v", wrongs)
	}
	for want, spoil := range map[string]func(*Setting){
		"documentation":   func(s *Setting) { s.Doc = "" },
		"no sentence":     func(s *Setting) { s.Doc = "What is new" },
		"reload class":    func(s *Setting) { s.Reload = "" },
		"only directorie": func(s *Setting) { s.Reload = RestartProcess },
		"a directory can": func(s *Setting) { s.Key = "FX_NEW_DIR" },
		"what no file sa": func(s *Setting) { s.Reload = Environment },
		"default is refu": func(s *Setting) { s.Default = "one" },
		"has a default":   func(s *Setting) { s.Secret = true },
		"key cannot":      func(s *Setting) { s.Key = "FX NEW" },
		"section cannot":  func(s *Setting) { s.Section = "[new]" },
		"inside its key":  func(s *Setting) { s.Key = "FX_*_*" },
		"a node's alone":  func(s *Setting) { s.File, s.Scope = appFile, ScopeNode },
		"is no choice":    func(s *Setting) { s.Allowed = []string{"1"} },
		"stands twice":    func(s *Setting) { s.Allowed = []string{"1", "1"} },
		"value is refuse": func(s *Setting) { s.Allowed = []string{"1", "two"} },
		"took its place":  func(s *Setting) { s.Now = "FX_NEWER" },
	} {
		bad := good
		spoil(&bad)
		if wrongs := bad.wrongs(); !strings.Contains(strings.Join(wrongs, "; "), want) {
			t.Errorf("a row that should be refused (%s) is said to have %q", want, wrongs)
		}
	}
}

// TestEveryKindIsWhole walks the kinds of files: each is documented, and what is not acted on warns.
func TestEveryKindIsWhole(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		if k.Doc == "" || strings.HasSuffix(k.Doc, ".") || k.Dialect == "" {
			t.Errorf("%s: the doc is no phrase: %q", k.Pattern, k.Doc)
		}
		if k.Acted {
			continue
		}
		name := strings.ReplaceAll(k.Pattern, "*", "x")
		_, problems := Load(probeInput(map[string]string{name: "x"}))
		if !strings.Contains(problems.Text(), name+": warning: is not acted on by this version yet") {
			t.Errorf("%s is not acted on, and nobody says so:\n%s", name, problems.Text())
		}
	}
}

// TestSecretsOfTheTableAreMasked shows a file of each key: what the table calls a secret is masked, and nothing
// else is.
func TestSecretsOfTheTableAreMasked(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		f := newFile(s.probeFile(), []byte(s.probeText()))
		text := string(Redact(f, func([]byte) string { return "masked" }))
		if masked := strings.Contains(text, "masked"); masked != s.Secret {
			t.Errorf("%s %s: secret is %t, and it is shown as\n%s", s.File, s.Name(), s.Secret, text)
		}
	}
}

// TestTheReadmeNamesFilesThatAreKnown reads the README's table of files.
func TestTheReadmeNamesFilesThatAreKnown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "## Configuration at a glance")
	rows := regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(after[:max(0, strings.Index(after, "\n\n###"))], -1)
	if !found || len(rows) < 10 {
		t.Fatalf("the README lists %d files", len(rows))
	}
	for _, row := range rows {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			if _, ok := KindOf(name[1]); !ok && !knownDir(name[1]) {
				t.Errorf("the README names %s, which is not known", name[1])
			}
		}
	}
}

func knownDir(name string) bool {
	return slices.ContainsFunc(Kinds(), func(k Kind) bool { return path.Dir(k.Pattern)+"/" == name })
}

// TestEveryRowTakesAnEmptyValue leaves the value of each key away: it is taken or refused, and never brings the loader down.
func TestEveryRowTakesAnEmptyValue(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		text := strings.Replace(s.probeText(), " = "+s.probe(), " =", 1)
		_, problems := Load(probeInput(map[string]string{s.probeFile(): text}))
		refused := slices.ContainsFunc(problems, func(d diag.Diagnostic) bool { return d.Code == "bad-value" })
		if want := s.Check(s.split("")...) != nil; refused != want {
			t.Errorf("%s %s, left empty: refused is %t, want %t\n%s", s.File, s.Name(), refused, want, problems.Text())
		}
	}
}
