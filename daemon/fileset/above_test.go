package fileset

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// names lists the directories above a file, those of the test's own tree alone, relative to it.
func names(t *testing.T, root string, f File) []string {
	t.Helper()
	var out []string
	for _, d := range f.Above {
		if rel, err := filepath.Rel(root, d.Name); err == nil && filepath.IsLocal(rel) {
			out = append(out, rel)
		}
	}
	return out
}

func TestAProgramStandsWithEveryDirectoryOnTheWayToIt(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"config/x.ini": "", "a/b/run.sh": "#!/bin/sh\n", "a/plain.txt": "x", "links/there ->": "../a/b", "links/run ->": "there/run.sh"})
	real, err := filepath.EvalSymlinks(dir)
	must(t, err)
	script, linked, plain := filepath.Join(real, "a/b/run.sh"), filepath.Join(real, "links/run"), filepath.Join(real, "a/plain.txt")
	must(t, os.Chmod(script, 0o755))
	must(t, os.Chmod(filepath.Join(real, "a"), 0o777))
	set := read(t, filepath.Join(real, "config"), script, linked, plain)

	f, _ := set.Lookup(script)
	if got := names(t, real, f); !slices.Equal(got, []string{".", "a", "a/b"}) || f.Above[0].Name != "/" {
		t.Errorf("above the program are %v", f.Above)
	}
	if i := slices.IndexFunc(f.Above, func(d Dir) bool { return d.Name == filepath.Join(real, "a") }); f.Above[i].Mode != 0o777 || f.Above[i].UID != os.Getuid() {
		t.Errorf("a is %+v", f.Above[i])
	}
	f, _ = set.Lookup(linked)
	if got := names(t, real, f); !slices.Equal(got, []string{".", "links", "a", "a/b"}) {
		t.Errorf("above the link are %v", got)
	}
	if f, _ = set.Lookup(plain); len(f.Above) > 0 {
		t.Errorf("above what cannot be run are %v", f.Above)
	}

	must(t, os.Chmod(filepath.Join(real, "a"), 0o755))
	if again := read(t, filepath.Join(real, "config"), script, linked, plain); again.Equal(set) || again.Digest() == set.Digest() {
		t.Error("nobody sees that a directory on the way changed hands")
	}
}

func TestTheWayEndsInLinkCircles(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a ->": "b", "b ->": "a"})
	if dirs, err := above(filepath.Join(dir, "a")); !errors.Is(err, ErrLoop) || dirs != nil {
		t.Errorf("above gives %v, %v", dirs, err)
	}
	if _, err := above(filepath.Join(dir, "nowhere/x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("above a hole: %v", err)
	}
}
