package ctl

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

// keyNode is a node with a node file of its own.
func keyNode(t *testing.T, nodeFile string) (local string, env map[string]string) {
	t.Helper()
	local = t.TempDir()
	put(t, local, "node.env", nodeFile)
	return local, map[string]string{"FX_NODE_FILE": filepath.Join(local, "node.env"), "FX_LOCAL_DIR": local}
}

// TestTheKeyIsMadeOnceAndShown shows a key twice, the second time to have it trusted.
func TestTheKeyIsMadeOnceAndShown(t *testing.T) {
	t.Parallel()
	local, env := keyNode(t, "")
	code, first, stderr := run(t, System{Env: env}, "key", "show")
	if code != 0 || !strings.HasPrefix(first, "-----BEGIN PUBLIC KEY-----\n") {
		t.Fatalf("%d, %s%s", code, first, stderr)
	}
	if info, err := os.Stat(filepath.Join(local, ticket.KeyFile)); err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Fatalf("the key's file: %v, %v", info.Mode(), err)
	}
	trusted := filepath.Join(t.TempDir(), "keys.d")
	code, out, stderr := run(t, System{Env: env}, "key", "show", "--install", "--keys-dir", trusted, "--json")
	var shown shownKey
	if err := json.Unmarshal([]byte(out), &shown); code != 0 || err != nil || shown.Public != first {
		t.Fatalf("%d, %v, %s%s", code, err, out, stderr)
	}
	key, err := ticket.LoadKey(filepath.Join(local, ticket.KeyFile))
	if err != nil || shown.ID != key.ID() || shown.Installed != filepath.Join(trusted, key.ID()+".pem") {
		t.Errorf("%+v, %v", shown, err)
	}
	if keys, err := ticket.LoadKeys(trusted); err != nil || keys.Len() != 1 {
		t.Errorf("%d keys are trusted, %v", keys.Len(), err)
	}
	if strings.Contains(first+out+stderr, "PRIVATE") {
		t.Error("the private half is printed")
	}
}

// TestANodeThatSignsNothingHasNoKey: neither a gateway, nor one whose file cannot be read as that of another node.
func TestANodeThatSignsNothingHasNoKey(t *testing.T) {
	t.Parallel()
	for nodeFile, want := range map[string]struct {
		code int
		text string
	}{
		"SERVICES=webserver\n":       {exitNoKey, "the SERVICES of this node are webserver"},
		"SERVICES=webserver,usher\n": {1, "usher"},
	} {
		local, env := keyNode(t, nodeFile)
		trusted := filepath.Join(local, "keys.d")
		code, out, stderr := run(t, System{Env: env}, "key", "show", "--install", "--keys-dir", trusted)
		if code != want.code || !strings.Contains(stderr, want.text) || out != "" {
			t.Errorf("%s: %d, %s%s", nodeFile, code, out, stderr)
		}
		for _, made := range []string{trusted, filepath.Join(local, ticket.KeyFile)} {
			if _, err := os.Stat(made); err == nil {
				t.Errorf("%s: %s was made", nodeFile, made)
			}
		}
	}
}

// TestAMissingLocalDirectoryIsNotMade: it may be a mount, and is not ours to fill.
func TestAMissingLocalDirectoryIsNotMade(t *testing.T) {
	t.Parallel()
	local, env := keyNode(t, "")
	env["FX_LOCAL_DIR"] = filepath.Join(local, "away")
	code, _, stderr := run(t, System{Env: env}, "key", "show")
	if code != 1 || !strings.Contains(stderr, "install -d -o fastx -g fastx -m 0700 "+env["FX_LOCAL_DIR"]) {
		t.Errorf("%d, %s", code, stderr)
	}
}
