package launchd

import (
	"os"
	"path/filepath"
	"testing"
)

// TestANodeIsCalledWhatItsFileSaysNow renames a node.
func TestANodeIsCalledWhatItsFileSaysNow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fastx4")
	host, err := os.Hostname()
	must(t, err)
	for _, c := range []struct{ text, want string }{
		{"", host},
		{"FX_NODE_NAME=blue\nSERVICES=launcher\n", "blue"},
		{"FX_NODE_NAME=\"red\"\n", "red"},
		{"# FX_NODE_NAME=grey\n", host},
		{"FX_NODE_NAME=\n", host},
	} {
		if c.text != "" {
			must(t, os.WriteFile(file, []byte(c.text), 0o644))
		}
		if got := NodeName(file); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}
