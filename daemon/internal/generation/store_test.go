package generation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// damage changes one byte of what is stored.
func damage(t *testing.T, local string) {
	t.Helper()
	path := filepath.Join(local, "last-good", linkName, "config/fastx.env")
	must(t, os.WriteFile(path, []byte("x"), 0o600))
}

func numbered(n int, set fileset.Set) *Generation {
	return &Generation{Number: n, Digest: set.Digest(), Origin: "test", Accepted: noon, Set: set}
}

func newStore(t *testing.T) store {
	t.Helper()
	s := store{filepath.Join(t.TempDir(), "last-good")}
	must(t, s.open())
	return s
}

func TestWhatIsStoredComesBackTheSame(t *testing.T) {
	t.Parallel()
	set := files("fastx.env", "1", "apps/a.ini", "", "/etc/default/fastx4", "node", "/etc/.hidden/x", "h").
		With(fileset.File{Name: "apps/unreadable.ini", Mode: 0o600, Err: fs.ErrPermission}).
		With(fileset.File{Name: "/opt/run.sh", Data: []byte("x"), Mode: 0o755, Above: []fileset.Dir{{Name: "/", Mode: 0o755}, {Name: "/opt", Mode: 0o775, UID: 1, GID: 2, ReadOnly: true}}})
	s := newStore(t)
	must(t, s.save(numbered(7, set)))
	gen, err := s.load()
	must(t, err)
	if !gen.Set.Equal(set) || gen.Number != 7 || gen.Digest != set.Digest() || gen.Origin != "test" || !gen.Accepted.Equal(noon) {
		t.Errorf("loaded %+v", gen)
	}
}

func TestNobodyElseReadsWhatIsStored(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	must(t, s.save(numbered(1, files("htpasswd", "u:h", "apps/a.ini", "1"))))
	must(t, filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	}))
}

func TestOnlyOneGenerationIsKept(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for n := range 5 {
		must(t, s.save(numbered(n, files("a", fmt.Sprint(n)))))
	}
	entries, err := os.ReadDir(s.dir)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("the store holds %v", entries)
	}
}

// TestASaveThatIsKilledLeavesTheOldOrTheNewWhole stops after every step, as kill -9 would.
func TestASaveThatIsKilledLeavesTheOldOrTheNewWhole(t *testing.T) {
	t.Parallel()
	old, now := files("a", "old", "b", "old"), files("a", "new", "c", "new")
	switched := false
	for n := range len(store{}.steps(numbered(2, now))) + 1 {
		s := newStore(t)
		must(t, s.save(numbered(1, old)))
		for _, step := range s.steps(numbered(2, now))[:n] {
			must(t, step())
		}
		must(t, s.open())
		gen, err := s.load()
		must(t, err)
		switch {
		case gen.Number == 2 && gen.Set.Equal(now):
			switched = true
		case gen.Number != 1 || !gen.Set.Equal(old) || switched:
			t.Errorf("killed after %d steps: generation %d, %v", n, gen.Number, gen.Set.Names())
		}
		must(t, s.save(numbered(2, now))) // and the next save is not hindered
		if gen, err := s.load(); err != nil || gen.Number != 2 {
			t.Errorf("saved after that: %v, %v", gen, err)
		}
	}
	if !switched {
		t.Error("the new generation never came into force")
	}
}

func TestASaveOnAFullDiskKeepsTheOldGeneration(t *testing.T) {
	t.Parallel()
	local := t.TempDir()
	if err := syscall.Mount("tmpfs", local, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(local, syscall.MNT_DETACH) })
	k := keeper(t, local)
	adopt(t, k, files("fastx.env", "1"))
	gen := accept(t, k, files("fastx.env", strings.Repeat("x", 128<<10)))
	k.Adopt(gen)
	if err := k.Store(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("err = %v, want no space", err)
	}
	if k.Current() != gen {
		t.Error("a generation that cannot be stored must run all the same")
	}
	if again := keeper(t, local); again.base == nil || again.base.Number != 1 {
		t.Errorf("stored: %+v", again.base)
	}
	if err := syscall.Mount("", local, "", syscall.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	if err := k.Store(); err != nil {
		t.Errorf("the disk has room again: %v", err)
	}
	if again := keeper(t, local); again.base == nil || again.base.Number != gen.Number {
		t.Errorf("stored: %+v", again.base)
	}
	if _, err := os.Stat(filepath.Join(local, "last-good", stageName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the stage is left behind: %v", err)
	}
}

func TestADamagedGenerationIsNotLoaded(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"a file changed":    func(d string) error { return os.WriteFile(d+"/config/a", []byte("x"), 0o600) },
		"a file is gone":    func(d string) error { return os.Remove(d + "/config/a") },
		"no manifest":       func(d string) error { return os.Remove(d + "/" + manifestName) },
		"a torn manifest":   func(d string) error { return os.Truncate(d+"/"+manifestName, 20) },
		"an empty manifest": func(d string) error { return os.Truncate(d+"/"+manifestName, 0) },
		"all is gone":       os.RemoveAll,
		"a name leads out": func(d string) error {
			return os.WriteFile(d+"/"+manifestName, []byte(`{"number":1,"files":[{"name":"../../../../etc/passwd"}]}`), 0o600)
		},
	} {
		s := newStore(t)
		must(t, s.save(numbered(3, files("a", "1"))))
		target, err := os.Readlink(filepath.Join(s.dir, linkName))
		must(t, err)
		must(t, harm(filepath.Join(s.dir, target)))
		if gen, err := s.load(); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%s: loaded %+v, %v", name, gen, err)
		}
		if got := s.lastNumber(); got != 3 && name != "all is gone" {
			t.Errorf("%s: last number %d", name, got)
		}
	}
}

func TestAnEmptyStoreHasNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.load(); !errors.Is(err, ErrNone) {
		t.Errorf("err = %v", err)
	}
	if n := s.lastNumber(); n != 0 {
		t.Errorf("last number %d", n)
	}
}

// TestAnUnchangedFileIsStoredOnce stores a second generation in which one file of many is another.
func TestAnUnchangedFileIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	set := fileset.New(
		fileset.File{Name: "apps/a.ini", Data: []byte("a"), Mode: 0o644}, fileset.File{Name: "apps/b.ini", Data: []byte("b"), Mode: 0o644},
		fileset.File{Name: "/etc/default/fastx4", Data: []byte("n"), Mode: 0o644})
	stored := func(number int, set fileset.Set) map[string]os.FileInfo {
		t.Helper()
		if err := s.save(&Generation{Number: number, Digest: set.Digest(), Set: set}); err != nil {
			t.Fatal(err)
		}
		got, err := s.load()
		if err != nil || !got.Set.Equal(set) {
			t.Fatalf("read back %v, %v", got, err)
		}
		files := map[string]os.FileInfo{}
		for _, f := range set.Files() {
			info, err := os.Stat(filepath.Join(s.dir, linkName, storedName(f.Name)))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("%s is stored as %v, %v", f.Name, info, err)
			}
			files[f.Name] = info
		}
		return files
	}
	first := stored(1, set)
	second := stored(2, set.With(fileset.File{Name: "apps/b.ini", Data: []byte("B"), Mode: 0o644}))
	for name, changed := range map[string]bool{"apps/a.ini": false, "apps/b.ini": true, "/etc/default/fastx4": false} {
		if os.SameFile(first[name], second[name]) == changed {
			t.Errorf("%s: changed %t, and stored as another file %t", name, changed, !changed)
		}
	}
	damaged := filepath.Join(s.dir, linkName, storedName("apps/a.ini")) // what is not what it was is written anew
	if err := os.WriteFile(damaged, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	stored(3, set)
}
