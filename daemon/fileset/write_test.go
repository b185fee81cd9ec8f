package fileset

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteFileComparesFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.ini")
	for _, step := range []struct {
		data    string
		mode    fs.FileMode
		compare Result
		write   Result
	}{
		{"1", 0o600, WouldWrite, Written},
		{"1", 0o600, Unchanged, Unchanged},
		{"2", 0o600, WouldWrite, Written},
		{"2", 0o644, WouldWrite, Written},
		{"", 0o644, WouldWrite, Written},
	} {
		before, _ := os.ReadFile(path)
		if got, err := CompareFile(path, []byte(step.data), step.mode); got != step.compare || err != nil {
			t.Errorf("%+v: CompareFile = %v, %v", step, got, err)
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, before) {
			t.Errorf("%+v: CompareFile wrote", step)
		}
		if got, err := WriteFile(path, []byte(step.data), step.mode); got != step.write || err != nil {
			t.Errorf("%+v: WriteFile = %v, %v", step, got, err)
		}
		info, err := os.Stat(path)
		must(t, err)
		if data, _ := os.ReadFile(path); string(data) != step.data || info.Mode().Perm() != step.mode {
			t.Errorf("%+v: file holds %q with mode %o", step, data, info.Mode().Perm())
		}
	}
	if got := entries(t, filepath.Dir(path)); !slices.Equal(got, []string{"a.ini"}) {
		t.Errorf("the directory holds %v", got)
	}
}

func TestWriteFileLeavesAnUnchangedFileAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	must(t, os.WriteFile(path, []byte("1"), 0o600))
	before, _ := os.Stat(path)
	if got, err := WriteFile(path, []byte("1"), 0o600); got != Unchanged || err != nil {
		t.Errorf("WriteFile = %v, %v", got, err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("the file was replaced")
	}
}

func TestWriteFileRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"target": "untouched", "link ->": "target", "dir/": ""})
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	before := entries(t, dir)
	for _, name := range []string{"link", "dir", "fifo"} {
		if _, err := WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err == nil {
			t.Errorf("%s was replaced", name)
		}
		if _, err := CompareFile(filepath.Join(dir, name), []byte("x"), 0o600); err == nil {
			t.Errorf("%s: CompareFile says that it would be replaced", name)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "target")); string(data) != "untouched" || !slices.Equal(entries(t, dir), before) {
		t.Errorf("target = %q, directory = %v", data, entries(t, dir))
	}
}

func TestWriteFileKeepsTheOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give a file to another owner")
	}
	path := filepath.Join(t.TempDir(), "a")
	must(t, os.WriteFile(path, []byte("1"), 0o600))
	must(t, os.Chown(path, 1234, 2345))
	_, err := WriteFile(path, []byte("2"), 0o600)
	must(t, err)
	info, _ := os.Stat(path)
	if uid, gid := owner(info); uid != 1234 || gid != 2345 {
		t.Errorf("owner = %d:%d", uid, gid)
	}
}

// smallDisk is a mounted file system of 64 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestWriteFileOnAFullDiskKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	path := filepath.Join(dir, "a.ini")
	_, err := WriteFile(path, []byte("old"), 0o600)
	must(t, err)
	if _, err := WriteFile(path, bytes.Repeat([]byte("x"), 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("err = %v, want no space", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "old" {
		t.Errorf("the file holds %q", data)
	}
	if got := entries(t, dir); !slices.Equal(got, []string{"a.ini"}) {
		t.Errorf("left behind: %v", got)
	}
}

func TestWriteFileWhereTheStageCannotBeMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, ""); err == nil {
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	} else if os.Getuid() == 0 {
		t.Skipf("root may write anywhere, and this root may not mount a read-only directory: %v", err)
	} else {
		must(t, os.Chmod(dir, 0o500))
	}
	if _, err := WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600); err == nil {
		t.Error("wrote into a read-only directory")
	}
	if _, err := WriteFile(filepath.Join(dir, "absent/a"), []byte("x"), 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want that the directory does not exist", err)
	}
}

func TestAStageLeftByACrashIsNeitherReadNorInTheWay(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.ini": "old", stagePrefix + "123": "to"})
	if got := read(t, dir).Names(); !slices.Equal(got, []string{"a.ini"}) {
		t.Errorf("names = %v", got)
	}
	if got, err := WriteFile(filepath.Join(dir, "a.ini"), []byte("new"), 0o644); got != Written || err != nil {
		t.Errorf("WriteFile = %v, %v", got, err)
	}
}

func TestSetWriteReadsBackTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := func(f File) File { f.UID, f.GID = os.Getuid(), os.Getgid(); return f }
	s := New(id(file("fastx.env", "A=1\n")), id(file("apps/x.ini", "")), id(File{Name: "htpasswd", Data: []byte("u:h\n"), Mode: 0o600}))
	must(t, s.Write(dir))
	if got := read(t, dir); !got.Equal(s) {
		t.Errorf("read back %v", s.Diff(got))
	}
	must(t, s.Write(dir))
}

func TestSetWriteStaysBelowAPrivateDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "private")
	must(t, os.Mkdir(dir, 0o700))
	must(t, New(file("a/b/c.ini", "1")).Write(dir))
	if info, _ := os.Stat(filepath.Join(dir, "a/b")); info.Mode().Perm() != 0o700 {
		t.Errorf("mode = %o", info.Mode().Perm())
	}
}

func TestSetWriteRefusesBeforeItWrites(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]File{
		"outside":  file("../evil", "x"),
		"absolute": file("/tmp/evil", "x"),
		"inside":   file("apps/../../evil", "x"),
		"unread":   {Name: "z", Err: fs.ErrPermission},
	} {
		dir := t.TempDir()
		if err := New(file("a", "1"), bad).Write(dir); err == nil {
			t.Errorf("%s: written", name)
		}
		if got := entries(t, dir); got != nil {
			t.Errorf("%s: %v was written first", name, got)
		}
	}
}
