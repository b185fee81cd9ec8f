package session

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mountTmpfs mounts a small file system for one test.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount the small file system this test needs")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("this machine lets nobody mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func TestRemoveDirTakesAllOfASessionsDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "s")
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir+"/xdg/a/b", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, dir+"/xdg/link"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := RemoveDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestMountedFilesAreNeverRemoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "s")
	mountTmpfs(t, dir+"/xdg/gvfs", "size=64k")
	precious := dir + "/xdg/gvfs/precious"
	for _, path := range []string{precious, dir + "/xdg/other", dir + "/xauth"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveDir(dir); err == nil || !strings.Contains(err.Error(), "gvfs is a mount point") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("a mounted file was removed: %v", err)
	}
	if left, _ := filepath.Glob(dir + "/x*/*"); len(left) != 1 {
		t.Errorf("files that could be removed are left: %v", left)
	}
}
