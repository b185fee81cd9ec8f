package manpages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// program is one with two commands, of which one is for nobody's eyes.
func program() *cobra.Command {
	root := &cobra.Command{Use: "fxtest", Short: "Test pages", Long: "fxtest says more."}
	below := &cobra.Command{Use: "go [FILE]", Short: "Go somewhere", Example: "  fxtest go there", RunE: func(*cobra.Command, []string) error { return nil }}
	below.Flags().Bool("fast", false, "run")
	root.AddCommand(below, Command("fxtest", "1", "1.2.3"))
	root.CompletionOptions.DisableDefaultCmd, root.SilenceErrors, root.SilenceUsage = true, true, true
	return root
}

// TestThePagesSayWhatTheHelpSays writes the pages twice.
func TestThePagesSayWhatTheHelpSays(t *testing.T) {
	t.Parallel()
	var before map[string]string
	for range 2 {
		dir := filepath.Join(t.TempDir(), "man")
		root := program()
		root.SetArgs([]string{"man", "--date", "2026-01-02", dir})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 2 {
			t.Fatalf("%v, %v; want a page each for the program and its command", entries, err)
		}
		pages := map[string]string{}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			pages[e.Name()] = string(text)
		}
		for page, words := range map[string][]string{
			"fxtest.1":    {"fxtest says more", "fxtest-go(1)", "fxtest 1.2.3", "Jan 2026"},
			"fxtest-go.1": {"Go somewhere", "--fast", "fxtest go there"},
		} {
			for _, w := range words {
				if !strings.Contains(strings.ReplaceAll(pages[page], `\-`, "-"), w) {
					t.Errorf("%s does not say %q:\n%s", page, w, pages[page])
				}
			}
			if before != nil && before[page] != pages[page] {
				t.Errorf("%s differs from one time to the next", page)
			}
		}
		before = pages
	}
}

// TestWhatIsNoDayIsRefused tries what a script may get wrong.
func TestWhatIsNoDayIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"man"}, {"man", "a", "b"}, {"man", "--date", "yesterday", "a"}} {
		root := program()
		root.SetArgs(args)
		if err := root.Execute(); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
