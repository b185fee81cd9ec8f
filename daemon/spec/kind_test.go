package spec

import (
	"path"
	"testing"
)

// TestAKindCoversWhatItsPatternMatches compares the quick way with path.Match.
func TestAKindCoversWhatItsPatternMatches(t *testing.T) {
	t.Parallel()
	patterns := []string{"a/*", "a/*.ini", "*.ini", "a-*.html", "*", "a/*/*", "a/?*", "a/[b]*", "fixed"}
	for _, k := range Kinds() {
		patterns = append(patterns, k.Pattern)
	}
	names := []string{"", "a", "a/", "a/.ini", "a/b.ini", "a/b/c.ini", "b/a.ini", "a.ini", ".ini", "a-.html", "a-b.html", "ab.html", "a/b", "a/b/c", "fixed", "fixedly", "apps/x.ini", "error-404.html", "error-/x.html"}
	for _, pattern := range patterns {
		for _, name := range names {
			want, err := path.Match(pattern, name)
			if got := (Kind{Pattern: pattern}).covers(name); err != nil || got != want {
				t.Errorf("%q covers %q: %v, want %v, %v", pattern, name, got, want, err)
			}
		}
	}
}
