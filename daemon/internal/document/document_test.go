package document

import (
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

// TestEveryExampleIsGood executes every block of every document.
func TestEveryExampleIsGood(t *testing.T) {
	t.Parallel()
	blocks, err := Tree(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range Problems(blocks) {
		t.Error(problem)
	}
	for _, want := range []string{"README.md", "daemon/PAGE.md", "daemon/PROXY.md", "daemon/CONFIGURATION.md"} {
		if !slices.ContainsFunc(blocks, func(b Block) bool { return b.Document == want }) {
			t.Errorf("no block of %s was found", want)
		}
	}
}

// TestABadExampleIsFound plants one fault at a time.
func TestABadExampleIsFound(t *testing.T) {
	t.Parallel()
	const good = "Text.\n\n```ini apps/x.ini\ncommand = xterm\n```\n\n```sh\nmake\n```\n"
	for want, change := range map[string][2]string{
		"":                           {"xterm", "xclock"},
		`x.md:4:1: comand: `:         {"command", "comand"},
		`x.md:4:12: `:                {"= xterm", "= x\x01"},
		`nobody executes a block of`: {"```ini", "```toml"},
		`"" is no file`:              {" apps/x.ini", ""},
		`"app/x.ini" is no file`:     {" apps/x.ini", " app/x.ini"},
		"a block of \"sh run.sh\"":   {"```sh", "```sh run.sh"},
		"there is no profile":        {"xterm", "xterm\nprofile = large"},
	} {
		blocks, err := Blocks("x.md", []byte(strings.Replace(good, change[0], change[1], 1)))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(Problems(blocks), "\n"); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%v: the problems are %q, want %q", change, got, want)
		}
	}
	const profile = "```ini performance/large.ini\nsessions_total = 1\n```\n"
	blocks, err := Blocks("x.md", []byte(strings.Replace(good, "xterm", "xterm\nprofile = large", 1)+profile))
	if err != nil || len(Problems(blocks)) > 0 {
		t.Errorf("a file that the same document shows does not count: %v, %v", err, Problems(blocks))
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	got, err := Blocks("x.md", []byte("a\n- b\n\n  ```ini  theme.ini \n  title = x\n\n    y\n  ```\n````sh\n```\n````\n~~~\n```\n~~~\n"))
	want := []Block{
		{"x.md", 4, "ini", "theme.ini", "title = x\n\n  y\n"},
		{"x.md", 9, "sh", "", "```\n"},
		{"x.md", 12, "", "", "```\n"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Blocks() = %q, %v, want %q", got, err, want)
	}
	if _, err := Blocks("x.md", []byte("a\n```sh\nmake\n")); err == nil || !strings.Contains(err.Error(), "x.md:2: ") {
		t.Errorf("an open block is said to be %v", err)
	}
}
