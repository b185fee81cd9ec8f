package manual

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestTheReferenceIsWhatTheTableSays compares CONFIGURATION.md with what is made of the settings table.
func TestTheReferenceIsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	const file = "../../CONFIGURATION.md"
	want := Reference()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("CONFIGURATION.md is not what the settings table says; go test ./daemon/internal/manual -update rewrites it")
	}
}

// TestTheReferenceHoldsEveryRow looks for each file and key, with all that is said of it.
func TestTheReferenceHoldsEveryRow(t *testing.T) {
	t.Parallel()
	chapters := map[string]string{}
	for chapter := range strings.SplitSeq(Reference(), "\n### ") {
		name, text, _ := strings.Cut(chapter, "\n")
		chapters[name] = text
	}
	for _, s := range spec.Settings() {
		start, line := "| `"+s.Key+"` | "+cell(s.Takes())+" | ", ""
		for l := range strings.Lines(chapters[s.File]) {
			if strings.HasPrefix(l, start) && strings.Contains(l, cell(s.Doc)) {
				line = l
			}
		}
		if line == "" || !strings.Contains(line, s.Default) {
			t.Errorf("the chapter %s lacks %s, what it takes, its default %q or its documentation", s.File, s.Name(), s.Default)
		}
		_, words, _ := strings.Cut(line, " **")
		if words = strings.TrimSuffix(words, "** |\n"); words != strings.Join(marksOf(s), ", ") {
			t.Errorf("the chapter %s marks %s with %q", s.File, s.Name(), words)
		}
	}
	for _, k := range spec.Kinds() {
		f := file{Kind: k}
		if !strings.Contains(chapters[k.Pattern], f.Sentence()) || !strings.Contains(Reference(), "](#"+f.Anchor()+")") {
			t.Errorf("the chapter on %s lacks its sentence, or a link to it", k.Pattern)
		}
	}
}
