package ticket

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func write(t *testing.T, path string, data []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestKeyIsMadeOnceAndStays(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "local")
	path := filepath.Join(dir, KeyFile)
	made, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(path)
	if err != nil || again.ID() != made.ID() {
		t.Errorf("the second start has the key %v, %v; the first had %s", again, err, made.ID())
	}
	if m := mode(t, path); m != 0o600 {
		t.Errorf("mode %o, want 600", m)
	}
	if got := names(t, dir); got != KeyFile {
		t.Errorf("the folder holds %q", got)
	}
	data, _ := os.ReadFile(path)
	if block, _ := pem.Decode(data); block == nil || block.Type != "PRIVATE KEY" {
		t.Errorf("the file is not PKCS#8 PEM")
	}
}

// Each goroutine stands for a process: they share nothing but the folder.
func TestStartsAtOnceEndWithOneKey(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(t.TempDir(), KeyFile)
		ids := make([]string, 8)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				k, err := LoadOrCreateKey(path)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = k.ID()
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("several keys: %v", ids)
			}
		}
	}
}

func TestKeyIDIsOfTheSPKI(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	block, rest := pem.Decode(k.PublicPEM())
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) > 0 {
		t.Fatalf("not SPKI PEM: %s", k.PublicPEM())
	}
	sum := sha256.Sum256(block.Bytes)
	if want := hex.EncodeToString(sum[:])[:16]; k.ID() != want || KeyID(k.Public()) != want {
		t.Errorf("id %s, want %s", k.ID(), want)
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !k.Public().Equal(pub) {
		t.Errorf("the public half is another key: %v", err)
	}
}

func privatePEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestBadPrivateKeysAreRefused(t *testing.T) {
	t.Parallel()
	good := privatePEM(t, testKey(t).private)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		mode fs.FileMode
		want string // part of the error; "" when it is good
	}{
		"good":                    {good, 0o600, ""},
		"read only":               {good, 0o400, ""},
		"readable by our group":   {good, 0o640, ""}, // a mounted secret
		"readable by others":      {good, 0o604, "chmod 600"},
		"writable by others":      {good, 0o602, "chmod 600"},
		"writable by the group":   {good, 0o620, "chmod 600"},
		"world readable":          {good, 0o644, "chmod 600"},
		"empty":                   {nil, 0o600, "PEM block"},
		"cut short":               {good[:40], 0o600, "PEM block"},
		"two keys":                {append(bytes.Clone(good), good...), 0o600, "exactly one"},
		"a public key":            {testKey(t).PublicPEM(), 0o600, "PEM block"},
		"garbage in PEM":          {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hush")}), 0o600, "not a PKCS#8"},
		"another kind of key":     {privatePEM(t, curve), 0o600, "not an Ed25519 key"},
		"as large as a disk fill": {bytes.Repeat([]byte("x"), maxFile+1), 0o600, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), KeyFile)
			write(t, path, c.data, c.mode)
			for _, load := range []func(string) (*Key, error){LoadKey, LoadOrCreateKey} {
				_, err := load(path)
				switch {
				case c.want == "" && err != nil:
					t.Errorf("refused: %v", err)
				case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
					t.Errorf("got %v, want an error with %q", err, c.want)
				case err != nil && !strings.Contains(err.Error(), path):
					t.Errorf("%v does not name the file", err)
				}
			}
			if have, _ := os.ReadFile(path); !bytes.Equal(have, c.data) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestKeyThatIsNoRegularFileIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir} {
		if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOwnerOfAKeyFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("giving files away needs root")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, KeyFile)
	write(t, path, privatePEM(t, testKey(t).private), 0o600)
	if err := os.Chown(path, 4242, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "uid 4242") {
		t.Errorf("somebody else's file in our folder: %v", err)
	}
	if err := os.Chown(dir, 4242, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err != nil {
		t.Errorf("the daemon's file in the daemon's folder, read by root: %v", err)
	}
	if err := errors.Join(os.Chown(path, 0, 4242), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "lets others at it") {
		t.Errorf("readable by a group that is not ours: %v", err)
	}
}

func TestInstallPublic(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	dir := filepath.Join(t.TempDir(), "a", KeysDir)
	path := filepath.Join(dir, k.ID()+".pem")
	install := func() {
		t.Helper()
		if err := InstallPublic(dir, k); err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(path)
		if !bytes.Equal(data, k.PublicPEM()) || mode(t, path) != 0o644 || names(t, dir) != k.ID()+".pem" {
			t.Errorf("%q, mode %o, folder %q", data, mode(t, path), names(t, dir))
		}
	}
	install()
	before, _ := os.Stat(path)
	install()
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("a good file was written again")
	}
	write(t, path, []byte("half"), 0o666)
	install()
}

func TestLocalToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := LocalToken(dir, "root", now)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "SERVICES include user") {
		t.Errorf("without a key: %v", err)
	}
	k, err := LoadOrCreateKey(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	token, err := LocalToken(dir, "root", now)
	if err != nil {
		t.Fatal(err)
	}
	keys := NewKeys(k.Public())
	c, err := keys.Verify(token, now.Add(LocalLifetime-1), Login)
	if err != nil || !c.Local || c.Subject != "root" || c.Session != "" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := keys.Verify(token, now.Add(LocalLifetime), Login); !errors.Is(err, ErrExpired) {
		t.Errorf("after its time: %v", err)
	}
}
