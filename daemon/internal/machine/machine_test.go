package machine

import (
	"os"
	"path/filepath"
	"testing"
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
