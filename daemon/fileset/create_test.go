package fileset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestCreateHasOneWinner: of many who make one file, one does, whole; the others are told, and leave nothing behind.
func TestCreateHasOneWinner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	const many = 16
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { errs[i] = Create(path, fmt.Appendf(nil, "written by %02d\n", i), 0o600, nil) })
	}
	all.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			t.Errorf("%d and %d both made it", winner, i)
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("%d: %v", i, err)
		}
	}
	data, err := os.ReadFile(path)
	if want := fmt.Sprintf("written by %02d\n", winner); err != nil || string(data) != want {
		t.Errorf("the file holds %q, want %q: %v", data, want, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("beside it lie %v", entries)
	}
}

// TestCreateLeavesAloneWhatIsThere: also a link that leads nowhere is something.
func TestCreateLeavesAloneWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	if err := Create(link, []byte("x"), 0o600, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a dangling link: %v", err)
	}
	if target, err := os.Readlink(link); err != nil || target != "nowhere" {
		t.Errorf("the link leads to %q now, %v", target, err)
	}
	if err := Create(filepath.Join(dir, "missing", "x"), nil, 0o600, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
	if os.Getuid() == 0 {
		if err := Create(filepath.Join(dir, "owned"), []byte("x"), 0o640, &Owner{UID: 7, GID: 8}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "owned"))
		if err != nil {
			t.Fatal(err)
		}
		if uid, gid := owner(info); uid != 7 || gid != 8 || info.Mode().Perm() != 0o640 {
			t.Errorf("it belongs to %d:%d with mode %v", uid, gid, info.Mode())
		}
	}
}

// TestPlaceKnowsItsOwnLink: a server that did what it was asked and lost its answer refuses when it is asked again. The file
// is there all the same, and it is ours.
func TestPlaceKnowsItsOwnLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "stage"), filepath.Join(dir, "name")
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(from, to); err != nil {
		t.Fatal(err)
	}
	if err := place(from, to); err != nil {
		t.Errorf("a link that was made: %v", err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := place(other, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("another's: %v", err)
	}
}
