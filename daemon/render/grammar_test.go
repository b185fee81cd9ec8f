package render

import (
	"os"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

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
