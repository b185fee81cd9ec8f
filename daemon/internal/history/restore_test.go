package history

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// redacting is a history that masks as the daemon does.
func redacting(t *testing.T) *History {
	t.Helper()
	h, err := Open(Options{Dir: filepath.Join(t.TempDir(), "history"), Redact: spec.Redact, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// tree is a set with modes and owners of its own.
func tree(pairs ...string) fileset.Set {
	var list []fileset.File
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fileset.File{Name: pairs[i], Data: []byte(pairs[i+1]), Mode: 0o640, UID: 7, GID: 8})
	}
	return fileset.New(list...)
}

func of(number int, set fileset.Set) *generation.Generation {
	g := gen(number, "test")
	g.Set, g.Digest = set, set.Digest()
	return g
}

// TestAGenerationIsBroughtBack with a file changed, one gone, one new, a secret that stays, and what is none of the history's.
func TestAGenerationIsBroughtBack(t *testing.T) {
	t.Parallel()
	const secretFile = "transporter-secret.ini"
	then := tree("fastx.env", "FX_KEEP_ENDED=1h\n", "apps/gone.ini", "name = Gone\n", secretFile, "[transporter]\nurls = nats://a\ntoken = hunter2\n", "/etc/default/fastx4", "FX_LISTEN=:1\n")
	now := tree("fastx.env", "FX_KEEP_ENDED=2h\n", "apps/new.ini", "name = New\n", "notes.txt", "mine\n", secretFile, "[transporter]\nurls = nats://b\ntoken = hunter2\n", "/etc/default/fastx4", "FX_LISTEN=:2\n")
	h := redacting(t)
	record(t, h, of(1, then))
	record(t, h, of(2, now))
	before := size(t, h.o.Dir)
	got, err := h.Restore(t.Context(), 1, now, false)
	if err != nil || got.Generation != 1 || len(got.Kept)+len(got.Missing) > 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	want := then.Without("/etc/default/fastx4").With(tree("notes.txt", "mine\n").Files()[0])
	if !slices.Equal(got.Set.Names(), want.Names()) {
		t.Errorf("files %v, want %v", got.Set.Names(), want.Names())
	}
	for _, f := range got.Set.Files() {
		old, _ := want.Lookup(f.Name)
		if !bytes.Equal(f.Data, old.Data) {
			t.Errorf("%s holds %q, want %q", f.Name, f.Data, old.Data)
		}
		if wantMode := f.Name != "apps/gone.ini"; wantMode != (f.Mode == 0o640 && f.UID == 7) {
			t.Errorf("%s: mode %v, owner %d", f.Name, f.Mode, f.UID)
		}
	}
	var kinds []string
	for _, c := range got.Changes {
		kinds = append(kinds, c.Kind+" "+c.Name)
		if strings.Contains(c.Diff, "hunter") {
			t.Errorf("the diff shows a secret: %s", c.Diff)
		}
	}
	if want := []string{"added apps/gone.ini", "removed apps/new.ini", "changed fastx.env", "changed " + secretFile}; !slices.Equal(kinds, want) {
		t.Errorf("changes %v, want %v", kinds, want)
	}
	if want := []string{"/etc/default/fastx4", "notes.txt"}; !slices.Equal(got.Left, want) {
		t.Errorf("left %v, want %v", got.Left, want)
	}
	if after := size(t, h.o.Dir); after != before {
		t.Errorf("asking grew the repository from %d to %d bytes", before, after)
	}
	if _, err := h.Restore(t.Context(), 9, now, false); !errors.Is(err, ErrNotRecorded) {
		t.Errorf("a generation that never was: %v", err)
	}
}

func TestASecretThatChangedIsNamed(t *testing.T) {
	t.Parallel()
	then := tree("htpasswd", "ann:$2a$04$one\nbob:$2a$04$two\n", "admin.secret", "hunter2")
	now := tree("htpasswd", "ann:$2a$04$other\nbob:$2a$04$two\n", "admin.secret", "hunter3")
	h := redacting(t)
	record(t, h, of(1, then))
	got, err := h.Restore(t.Context(), 1, now, false)
	if want := []string{"admin.secret", "htpasswd: ann"}; err != nil || !slices.Equal(got.Missing, want) || got.Kept != nil {
		t.Errorf("missing %q, kept %q, %v", got.Missing, got.Kept, err)
	}
	got, err = h.Restore(t.Context(), 1, now, true)
	if want := []string{"admin.secret", "htpasswd: ann"}; err != nil || got.Missing != nil || !slices.Equal(got.Kept, want) {
		t.Errorf("kept: missing %q, kept %q, %v", got.Missing, got.Kept, err)
	}
	if f, _ := got.Set.Lookup("htpasswd"); string(f.Data) != "ann:$2a$04$other\nbob:$2a$04$two\n" {
		t.Errorf("htpasswd is to be %q", f.Data)
	}
	if !strings.Contains(strings.Join(got.Set.Names(), " "), "admin.secret") || len(got.Changes) != 0 {
		t.Errorf("what stays is %v, with changes %+v", got.Set.Names(), got.Changes)
	}
}
