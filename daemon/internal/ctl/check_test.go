package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// lay writes files below a new directory and returns it.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheckJudgesDirectoriesByWhatIsMounted(t *testing.T) {
	t.Parallel()
	dir := lay(t, map[string]string{
		"config/fastx.env": "FX_LISTEN=:3300\n",
		"shared":           "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / /var/fastx rw - nfs4 server:/export rw\n",
		"own":              "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
		"guide":            "FX_LOCAL_DIR=/var/fastx/local\n",
		"packages":         "# what the packages set holds\n",
		"temp":             "FX_TEMP_DIR=/var/fastx/tmp\n",
	})
	for name, tc := range map[string]struct {
		mounts, node string
		code         int
		want         string
	}{
		"LOCAL inside a shared VAR":    {"shared", "guide", 2, ":1:1: FX_LOCAL_DIR: /var/fastx/local lies inside FX_VAR_DIR, which nodes share; move it to a directory of this node, such as /var/lib/fastx-local\n"},
		"LOCAL inside VAR of one node": {"own", "guide", 0, ":1:1: warning: FX_LOCAL_DIR: /var/fastx/local lies inside FX_VAR_DIR, which nodes share; move it to a directory of this node, such as /var/lib/fastx-local\n"},
		"LOCAL of the packages":        {"shared", "packages", 0, ""},
		"TEMP on the share":            {"shared", "temp", 0, ":1:1: warning: FX_TEMP_DIR: /var/fastx/tmp lies on a network mount (nfs4), and nodes that share it get into each other's way; name a directory of this machine, such as /tmp\n"},
		"TEMP of one node":             {"own", "temp", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, mounts := filepath.Join(dir, tc.node), filepath.Join(dir, tc.mounts)
			want := tc.want
			if want != "" {
				want = node + want
			}
			code, out, errs := run(t, System{Mounts: mounts}, "check", "--node-file", node, filepath.Join(dir, "config"))
			if code != tc.code || out != want {
				t.Errorf("exit %d\n%s%s\nwant %d\n%s", code, out, errs, tc.code, want)
			}
			asNode := strings.ReplaceAll(want, node, "/etc/default/fastx4")
			code, out, errs = run(t, System{Mounts: mounts}, "check", "--as", "/etc/default/fastx4", "--dir", filepath.Join(dir, "config"), node)
			if code != tc.code || out != asNode {
				t.Errorf("under a temporary name: exit %d\n%s%s\nwant %d\n%s", code, out, errs, tc.code, asNode)
			}
		})
	}
}

func TestFmtKeepsTheOwner(t *testing.T) {
	t.Parallel()
	dir := lay(t, map[string]string{"htpasswd": "ada:$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n\n"})
	path := filepath.Join(dir, "htpasswd")
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // anybody else can give it to nobody
		uid, gid = 4711, 4712
	}
	for _, err := range []error{os.Chown(path, uid, gid), os.Chmod(path, 0o640)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if code, out, errs := run(t, System{}, "fmt", path); code != 0 || out != path+"\n" || errs != "" {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != uid || int(st.Gid) != gid || info.Mode().Perm() != 0o640 {
		t.Errorf("it belongs to %d:%d with mode %o", st.Uid, st.Gid, info.Mode())
	}
}

func TestFmtSaysWhatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	dir := lay(t, map[string]string{"fastx.env": "FX_LISTEN = :1\n", "apps/a.ini": "command=x\n"})
	before, err := os.ReadFile(filepath.Join(dir, "fastx.env"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere.ini", filepath.Join(dir, "apps", "dangling.ini")); err != nil {
		t.Fatal(err)
	}
	code, out, errs := run(t, System{}, "fmt", "--check", dir)
	if code != 1 || !strings.Contains(errs, "dangling.ini: no such file") || strings.Count(out, "\n") != 2 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	after, err := os.ReadFile(filepath.Join(dir, "fastx.env"))
	if err != nil || string(after) != string(before) {
		t.Errorf("--check wrote %q, %v", after, err)
	}
}
