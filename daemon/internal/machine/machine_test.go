package machine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestLinksLeadToTheMount(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	share, link := filepath.Join(dir, "share"), filepath.Join(dir, "var")
	if err := os.Mkdir(share, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(share, link); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "mountinfo")
	text := "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / " + share + " rw - nfs4 server:/export rw\n"
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(link, "not", "there", "yet")
	m, err := Look(list, link, absent, share, dir)
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[string]bool{link: true, absent: true, share: true, dir: false, "/": false} {
		if m.Shared(d) != want {
			t.Errorf("%s lies on %+v", d, m.On(d))
		}
	}
}

// TestALinkHidesNoLocalInsideVar leads FX_VAR_DIR, or FX_LOCAL_DIR, to where it is judged by.
func TestALinkHidesNoLocalInsideVar(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	share, disk, own := filepath.Join(dir, "share"), filepath.Join(dir, "disk"), filepath.Join(dir, "share", "own")
	for _, err := range []error{
		os.MkdirAll(own, 0o755), os.Mkdir(filepath.Join(share, "local"), 0o755), os.Mkdir(disk, 0o755),
		os.Symlink(share, filepath.Join(dir, "var")), os.Symlink(filepath.Join(share, "local"), filepath.Join(share, "link")),
		os.Symlink(disk, filepath.Join(share, "away")), os.Symlink(filepath.Join(share, "local"), filepath.Join(dir, "back")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	list := filepath.Join(dir, "mountinfo")
	text := "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / " + share + " rw - nfs4 server:/export rw\n31 30 0:41 / " + own + " rw - ext4 /dev/sdb1 rw\n"
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		varDir, local string
		inside        bool
	}{
		"both as they are":             {"share", "share/local", true},
		"VAR is a link":                {"var", "var/local", true},
		"VAR is a link, LOCAL is not":  {"var", "share/local", true},
		"LOCAL is a link within VAR":   {"share", "share/link", true},
		"LOCAL is a link into VAR":     {"share", "back", true},
		"LOCAL is a link out of VAR":   {"share", "share/away", false},
		"LOCAL has a mount of its own": {"share", "share/own", false},
		"and VAR is a link":            {"var", "var/own", false},
		"LOCAL lies elsewhere":         {"share", "disk", false},
	} {
		d := spec.Dirs{Config: "/etc/fastx", Var: filepath.Join(dir, tc.varDir), Local: filepath.Join(dir, tc.local), Temp: "/tmp"}
		m, err := Look(list, d.Var, d.Local, d.Temp)
		if err != nil {
			t.Fatal(err)
		}
		if problems := spec.CheckDirs(d, m); problems.HasErrors() != tc.inside {
			t.Errorf("%s: the problems are %q", name, problems.Text())
		}
	}
}

func TestThisMachineHasARoot(t *testing.T) {
	t.Parallel()
	m, err := Look(MountInfo)
	if err != nil {
		t.Fatal(err)
	}
	if on := m.On("/"); on.Dir != "/" || on.Type == "" {
		t.Errorf("/ lies on %+v", on)
	}
	if m, err = Look(filepath.Join(t.TempDir(), "none")); err != nil || m == nil || len(m.Mounts) != 0 {
		t.Errorf("without a list: %+v, %v", m, err)
	}
}
