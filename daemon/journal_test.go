package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// plot is a directory to change, and the sets it is changed between.
type plot struct {
	journal
	before, after fileset.Set
}

func newPlot(t *testing.T) *plot {
	t.Helper()
	p := &plot{journal: journal{local: t.TempDir(), config: t.TempDir()}}
	for name, text := range map[string]string{"fastx.env": "A=1\n", "apps/old.ini": "name = Old\n", "htpasswd": "x"} {
		path := filepath.Join(p.config, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	p.before = p.read(t)
	p.after = p.before.Without("apps/old.ini").With(fileset.File{Name: "forms/new.ini", Data: []byte("a = b\n"), Mode: 0o644, UID: os.Getuid(), GID: os.Getgid()})
	env, _ := p.before.Lookup("fastx.env")
	env.Data = []byte("A=2\n")
	p.after = p.after.With(env)
	return p
}

func (p *plot) read(t *testing.T) fileset.Set {
	t.Helper()
	set, err := fileset.Read(p.config)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (p *plot) is(t *testing.T, want fileset.Set, when string) {
	t.Helper()
	if got := p.read(t); !got.Equal(want) {
		t.Errorf("%s: %v differ from what was wanted", when, got.Diff(want))
	}
}

func TestAJournalChangesAllFiles(t *testing.T) {
	t.Parallel()
	p := newPlot(t)
	if err := p.run(p.before, p.after); err != nil {
		t.Fatal(err)
	}
	p.is(t, p.after, "after it")
	if made, edited, err := p.finish(); err != nil || made != nil || edited != nil {
		t.Errorf("there is something left to finish: %v %v %v", made, edited, err)
	}
	saved, err := os.ReadFile(filepath.Join(p.dir(), "before", "apps/old.ini"))
	if err != nil || string(saved) != "name = Old\n" {
		t.Errorf("the file that went is kept as %q, %v", saved, err)
	}
	if err := p.run(p.after, p.before); err != nil { // in the place of the one before
		t.Fatal(err)
	}
	p.is(t, p.before, "and back")
}

// TestAJournalThatIsKilledIsFinished kills it before each file, and has somebody edit one meanwhile.
func TestAJournalThatIsKilledIsFinished(t *testing.T) {
	t.Parallel()
	for at := range 3 {
		p := newPlot(t)
		left := at
		p.step = func() error {
			if left--; left < 0 {
				return errKilled
			}
			return nil
		}
		if err := p.run(p.before, p.after); !errors.Is(err, errKilled) {
			t.Fatalf("killed before file %d: %v", at, err)
		}
		if at > 0 && p.read(t).Equal(p.before) {
			t.Errorf("killed before file %d: nothing was written yet", at)
		}
		made, edited, err := p.finish()
		if err != nil || len(made) != 3-at || edited != nil {
			t.Errorf("killed before file %d: made %v, edited %v, %v", at, made, edited, err)
		}
		p.is(t, p.after, "finished")
	}
	p := newPlot(t)
	p.step = func() error { return errKilled }
	_ = p.run(p.before, p.after)
	if err := os.WriteFile(filepath.Join(p.config, "fastx.env"), []byte("A=3\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if made, edited, err := p.finish(); err != nil || len(made) != 2 || !slices.Equal(edited, []string{"fastx.env"}) {
		t.Errorf("an edit meanwhile: made %v, edited %v, %v", made, edited, err)
	}
	if data, _ := os.ReadFile(filepath.Join(p.config, "fastx.env")); string(data) != "A=3\n" {
		t.Errorf("the edit is lost: %q", data)
	}
}

// TestAJournalThatFailsTakesBackWhatItWrote also when it fails at the last file.
func TestAJournalThatFailsTakesBackWhatItWrote(t *testing.T) {
	t.Parallel()
	for at := range 3 {
		p := newPlot(t)
		left := at
		p.step = func() error {
			if left--; left < 0 {
				return fs.ErrPermission
			}
			return nil
		}
		if err := p.run(p.before, p.after); !errors.Is(err, fs.ErrPermission) {
			t.Fatalf("failed before file %d: %v", at, err)
		}
		p.is(t, p.before, "taken back")
		if made, _, err := p.finish(); made != nil || err != nil {
			t.Errorf("what was taken back is done again: %v, %v", made, err)
		}
	}
}

func TestAJournalRefusesBeforeItWrites(t *testing.T) {
	t.Parallel()
	p := newPlot(t)
	real := filepath.Join(p.config, "fastx.env")
	if err := errors.Join(os.Rename(real, filepath.Join(p.local, "elsewhere")), os.Symlink(filepath.Join(p.local, "elsewhere"), real)); err != nil {
		t.Fatal(err)
	}
	if err := p.run(p.before, p.after); !errors.Is(err, fileset.ErrIrregular) {
		t.Errorf("a link, as volumes have them: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(p.local, "rollback*")); left != nil {
		t.Errorf("%v is left behind", left)
	}
	if entries, _ := filepath.Glob(filepath.Join(p.config, ".fx-*")); entries != nil {
		t.Errorf("%v is left behind", entries)
	}
}

func TestAPlanNeverLeadsOutOfTheDirectory(t *testing.T) {
	t.Parallel()
	p := newPlot(t)
	for _, name := range []string{"../x", "/etc/passwd"} {
		if err := errors.Join(os.MkdirAll(p.dir(), 0o700), os.WriteFile(filepath.Join(p.dir(), pendingName), nil, 0o600),
			os.WriteFile(filepath.Join(p.dir(), planName), []byte(`[{"name": "`+name+`", "after": true}]`), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.finish(); err == nil || !strings.Contains(err.Error(), "outside") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
