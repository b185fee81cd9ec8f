package ticket

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestGoodKeysCountBesideBadOnes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, also, loose, misnamed := testKey(t), testKey(t), testKey(t), testKey(t)
	for _, k := range []*Key{good, also} {
		if err := InstallPublic(dir, k); err != nil {
			t.Fatal(err)
		}
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKIXPublicKey(curve.Public())
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at(loose.ID()+".pem"), loose.PublicPEM(), 0o666)
	write(t, at("00000000000000aa.pem"), misnamed.PublicPEM(), 0o644)
	write(t, at("00000000000000bb.pem"), []byte("half a key"), 0o644)
	write(t, at("00000000000000cc.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
	write(t, at("00000000000000dd.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), 0o644)
	write(t, at("notes.txt"), []byte("not looked at"), 0o666)
	write(t, at("."+misnamed.ID()+".pem"), []byte("being written"), 0o600)
	if err := os.Mkdir(at("00000000000000ee.pem"), 0o755); err != nil {
		t.Fatal(err)
	}

	keys, err := LoadKeys(dir)
	if err == nil || keys.Len() != 2 {
		t.Fatalf("%d keys, %v; want 2 and an error", keys.Len(), err)
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{"rename the file to " + misnamed.ID() + ".pem", "PEM block", "not an Ed25519 key", "00000000000000dd.pem", "not a regular file", "chmod 644"}
	if len(lines) != len(want) {
		t.Errorf("%d problems, want %d:\n%v", len(lines), len(want), err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no problem says %q:\n%v", w, err)
		}
	}
	for k, want := range map[*Key]error{good: nil, also: nil, loose: ErrUnknownKey, misnamed: ErrUnknownKey} {
		if _, err := keys.Verify(sign(t, k, claims(Login)), now, Login); !errors.Is(err, want) {
			t.Errorf("key %s: %v, want %v", k.ID(), err, want)
		}
	}
}

func TestMissingFolderTrustsNobody(t *testing.T) {
	t.Parallel()
	keys, err := LoadKeys(filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, fs.ErrNotExist) || keys == nil || keys.Len() != 0 {
		t.Errorf("%v, %v", keys, err)
	}
	if _, err := keys.Verify(sign(t, testKey(t), claims(Login)), now, Login); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
}

func TestWithLeavesTheSetAsItWas(t *testing.T) {
	t.Parallel()
	a, b := testKey(t), testKey(t)
	one := NewKeys(a.Public())
	two := one.With(b.Public())
	if one.Len() != 1 || two.Len() != 2 {
		t.Errorf("%d and %d keys, want 1 and 2", one.Len(), two.Len())
	}
}

func TestTicketIsSpentOnce(t *testing.T) {
	t.Parallel()
	var s Spent
	exp := now.Add(30 * time.Second)
	for i, step := range []struct {
		id   string
		at   time.Duration
		want bool
	}{
		{"a", 0, true}, {"a", 0, false}, {"b", 0, true}, {"a", 29 * time.Second, false},
		{"c", 30 * time.Second, false},                       // expired before its first use
		{"a", time.Hour, false}, {"a", 2 * time.Hour, false}, // expired and forgotten, still no use
		{"d", 30*time.Second - 1, true}, {"d", 30*time.Second - 1, false}, // the last moment
	} {
		if got := s.Spend(step.id, exp, now.Add(step.at)); got != step.want {
			t.Errorf("step %d, %s after %s: %t, want %t", i, step.id, step.at, got, step.want)
		}
	}
}

func TestSpentForgetsWhatHasExpired(t *testing.T) {
	t.Parallel()
	var s Spent
	for i := range 1000 {
		at := now.Add(time.Duration(i) * time.Second)
		if !s.Spend(fmt.Sprint(i), at.Add(30*time.Second), at) {
			t.Fatal(i)
		}
		if n := len(s.until); n > 41 {
			t.Fatalf("%d ids are held after %d s, want at most those of 40 s", n, i)
		}
	}
}

func TestOneOfManyAtOnceSpends(t *testing.T) {
	t.Parallel()
	var s Spent
	var wins atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if s.Spend("x", now.Add(time.Second), now) {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if n := wins.Load(); n != 1 {
		t.Errorf("spent %d times", n)
	}
}
