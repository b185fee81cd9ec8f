package render

import (
	"os"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// keyTable is the part of GRAMMAR.md that is made from the settings table.
func keyTable() string {
	var b strings.Builder
	b.WriteString("| file | section | keys |\n|---|---|---|\n")
	for _, k := range spec.Kinds() {
		var sections []string
		keys := map[string][]string{}
		for _, s := range spec.SettingsOf(k.Pattern) {
			if s.Now != "" || s.Scope == spec.ScopeProcess || anywhere(s) {
				continue
			}
			if keys[s.Section] == nil {
				sections = append(sections, s.Section)
			}
			keys[s.Section] = append(keys[s.Section], mark(s))
		}
		for _, section := range sections {
			name := ""
			if section != "" {
				name = "`[" + section + "]`"
			}
			b.WriteString("| `" + k.Pattern + "` | " + name + " | " + strings.Join(keys[section], ", ") + " |\n")
		}
	}
	return b.String()
}

// mark is a key with its marks.
func mark(s spec.Setting) string {
	out := "`" + s.Key + "`"
	switch {
	case s.IsList():
		out += "[]"
	case s.Type == spec.TypeCount:
		out += "#"
	case s.Type == spec.TypeBool:
		out += "?"
	}
	if s.Scope == spec.ScopeNode || s.Scope == spec.ScopeBefore {
		out += " node"
	}
	return out
}

// TestGrammarListsTheKeys compares the table of keys, by which those who write a renderer know the order. -update writes it anew.
func TestGrammarListsTheKeys(t *testing.T) { // not in parallel: others read what it writes
	data, err := os.ReadFile("GRAMMAR.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), "| file | section | keys |\n")
	_, after, ends := strings.Cut(rest, "\n\n")
	if !found || !ends {
		t.Fatal("GRAMMAR.md has no table of keys")
	}
	want := before + keyTable() + "\n" + after
	if *update {
		if err := os.WriteFile("GRAMMAR.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("the table of keys in GRAMMAR.md is not\n%s", keyTable())
	}
}

// TestGrammarSaysWhatTheCodeDoes holds GRAMMAR.md, by which the other renderers are written, against the code.
func TestGrammarSaysWhatTheCodeDoes(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("GRAMMAR.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, want := range []string{"`" + Header + "`", "| ini | ``" + syntax.StyleINI.Bare().String() + "`` |", "| dotenv | ``" + syntax.StyleEnv.Bare().String() + "`` |"} {
		if !strings.Contains(text, want) {
			t.Errorf("GRAMMAR.md lacks %s", want)
		}
	}
	for _, k := range spec.Kinds() {
		name := "`" + k.Pattern + "`"
		if strings.HasPrefix(k.Pattern, "auth-") {
			name = "`auth-*.ini`"
		}
		_, secrets, _ := strings.Cut(text, "Mode 0600 for secrets (")
		secrets, _, _ = strings.Cut(secrets, ")")
		if k.Secret != strings.Contains(secrets, name) {
			t.Errorf("%s: is a secret: %t; GRAMMAR.md says of the secrets: %s", k.Pattern, k.Secret, secrets)
		}
	}
}
