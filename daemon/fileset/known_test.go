package fileset

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// planted returns what was known of a directory with one file, as if it had been read so long after its last change, with
// a text in place of the file's own: who returns that text has not opened the file.
func planted(t *testing.T, dir string, age time.Duration) *Known {
	t.Helper()
	k := new(Known)
	_, _, err := k.ReadDirs(dir)
	must(t, err)
	for path, m := range k.files {
		awaitTick(t, m.stamp.changed())
		m.file.Data, m.read = []byte("remembered"), m.stamp.changed().Add(age)
		k.files[path] = m
	}
	return k
}

// awaitTick waits until the file system gives a change another time than this one.
func awaitTick(t *testing.T, before time.Time) {
	t.Helper()
	probe := filepath.Join(t.TempDir(), "probe")
	for now := before; !now.After(before); {
		must(t, os.WriteFile(probe, nil, 0o600))
		info, err := os.Stat(probe)
		must(t, err)
		now = info.ModTime()
	}
}

// TestAGlanceOpensOnlyWhatDoesNotLookAsItDid does to one file what can be done to it and glances.
func TestAGlanceOpensOnlyWhatDoesNotLookAsItDid(t *testing.T) {
	t.Parallel()
	const long, short = racy, racy - time.Nanosecond
	for name, c := range map[string]struct {
		age  time.Duration
		do   func(file string) error
		want string // "" = the file is gone
	}{
		"nothing":                {long, func(string) error { return nil }, "remembered"},
		"read too early":         {short, func(string) error { return nil }, "text"},
		"read before the change": {-long, func(string) error { return nil }, "text"},
		"a neighbour comes":      {long, func(f string) error { return os.WriteFile(f+".new", nil, 0o600) }, "remembered"},
		"written in place":       {long, func(f string) error { return os.WriteFile(f, []byte("TEXT"), 0o600) }, "TEXT"},
		"renamed into place": {long, func(f string) error {
			if err := os.WriteFile(f+"~", []byte("TEXT"), 0o600); err != nil {
				return err
			}
			return os.Rename(f+"~", f)
		}, "TEXT"},
		"its time set back": {long, func(f string) error {
			info, err := os.Stat(f)
			if err == nil {
				err = os.WriteFile(f, []byte("TEXT"), 0o600)
			}
			if err == nil {
				err = os.Chtimes(f, time.Time{}, info.ModTime())
			}
			return err
		}, "TEXT"},
		"another mode": {long, func(f string) error { return os.Chmod(f, 0o640) }, "text"},
		"removed":      {long, os.Remove, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "a")
			must(t, os.WriteFile(file, []byte("text"), 0o600))
			k := planted(t, dir, c.age)
			must(t, c.do(file))
			set, _, err := k.Glance(dir)
			must(t, err)
			info, _ := os.Stat(file)
			f, there := set.Lookup("a")
			if string(f.Data) != c.want || there != (c.want != "") || there && f.Mode != info.Mode().Perm() {
				t.Errorf("%q, mode %o", f.Data, f.Mode)
			}
			full, _, err := k.ReadDirs(dir)
			must(t, err)
			if !full.Equal(read(t, dir)) {
				t.Errorf("who is to read everything finds %v", full.Files())
			}
		})
	}
}

// TestAGlanceSeesWhereALinkLeadsNow turns a link to another file.
func TestAGlanceSeesWhereALinkLeadsNow(t *testing.T) {
	t.Parallel()
	dir, far := t.TempDir(), t.TempDir()
	for _, name := range []string{"one", "two"} {
		must(t, os.WriteFile(filepath.Join(far, name), []byte(name), 0o600))
	}
	link := filepath.Join(dir, "a")
	must(t, os.Symlink(filepath.Join(far, "one"), link))
	k := planted(t, dir, racy)
	for _, want := range []string{"remembered", "two"} {
		set, dirs, err := k.Glance(dir)
		must(t, err)
		if f, _ := set.Lookup("a"); string(f.Data) != want || len(dirs) != 2 || dirs[1] != far && dirs[0] != far {
			t.Errorf("%q, want %q; watched: %v", f.Data, want, dirs)
		}
		must(t, os.Remove(link))
		must(t, os.Symlink(filepath.Join(far, "two"), link))
	}
}

// TestWhatIsGoneIsForgotten bounds what is remembered by what is there.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := new(Known)
	for n := range 3 {
		file := filepath.Join(dir, string(rune('a'+n)))
		must(t, os.WriteFile(file, nil, 0o600))
		if _, _, err := k.Glance(dir); err != nil || len(k.files) != 1 {
			t.Errorf("%d files are remembered of one, %v", len(k.files), err)
		}
		must(t, os.Remove(file))
	}
}

// TestOnlyReadsNothingElse: what lies beside a file that alone is meant does not count, also where a volume is swapped.
func TestOnlyReadsNothingElse(t *testing.T) {
	t.Parallel()
	plain := tree(t, map[string]string{"a.conf": "x", "b.conf": "x", "sub/a.conf": "x"})
	swapped := t.TempDir()
	volume(t, swapped, "1", map[string]string{"a.conf": "x", "b.conf": "x"})
	for _, dir := range []string{plain, swapped} {
		known := Known{Only: []string{"a.conf"}}
		for _, read := range []func(string, ...string) (Set, []string, error){known.ReadDirs, known.Glance} {
			set, _, err := read(dir, filepath.Join(plain, "b.conf"))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := set.Names(), []string{filepath.ToSlash(filepath.Join(plain, "b.conf")), "a.conf"}; !slices.Equal(got, want) {
				t.Errorf("%s holds %q, want %q", dir, got, want)
			}
		}
	}
}

// TestWhoHearsOfEveryChangeIsShownNoMore writes every file, tells of some, and looks: what a watcher of the directories would
// have heard of is believed to be as it was, and nothing else is.
func TestWhoHearsOfEveryChangeIsShownNoMore(t *testing.T) {
	t.Parallel()
	dir, far := t.TempDir(), t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "subway"), 0o755))
	volume(t, filepath.Join(dir, "volume"), "1", map[string]string{"swapped": "old"})
	files := map[string]string{ // name in the set → path
		"quiet": filepath.Join(dir, "quiet"), "told": filepath.Join(dir, "told"), "gone": filepath.Join(dir, "gone"),
		"sub/told": filepath.Join(dir, "sub/told"), "subway/quiet": filepath.Join(dir, "subway/quiet"), "link": filepath.Join(far, "linked"),
		"volume/swapped": filepath.Join(dir, "volume/..data/swapped"), filepath.Join(far, "extra"): filepath.Join(far, "extra"),
	}
	must(t, os.Symlink(filepath.Join(far, "linked"), filepath.Join(dir, "link")))
	for _, path := range files {
		must(t, os.WriteFile(path, []byte("old"), 0o600))
	}
	extra := filepath.Join(far, "extra")
	k := new(Known)
	_, _, err := k.ReadDirs(dir, extra)
	must(t, err)
	files["new"] = filepath.Join(dir, "new")
	for _, path := range files {
		must(t, os.WriteFile(path, []byte("a new one"), 0o600))
	}
	must(t, os.Remove(files["gone"]))
	set, _, err := k.Touched([]string{filepath.Join(dir, "told"), filepath.Join(dir, "sub")}, dir, extra)
	must(t, err)
	want := map[string]string{"quiet": "old", "subway/quiet": "old"}
	for name := range files {
		if _, old := want[name]; !old && name != "gone" {
			want[name] = "a new one"
		}
	}
	got := map[string]string{}
	for _, f := range set.Files() {
		got[f.Name] = string(f.Data)
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	full, _, err := k.Glance(dir, extra)
	must(t, err)
	if now, _, err := ReadDirs(dir, extra); err != nil || !full.Equal(now) {
		t.Errorf("who glances then finds %v, %v", full.Files(), err)
	}
}
