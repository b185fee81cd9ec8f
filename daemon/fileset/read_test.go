package fileset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tree makes files below a new directory: "name": content, "name/": directory, "name ->": link target.
func tree(t *testing.T, entries map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range entries {
		link, isLink := strings.CutSuffix(name, " ->")
		path := filepath.Join(dir, link)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		switch {
		case isLink:
			must(t, os.Symlink(data, path))
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(path, 0o755))
		default:
			must(t, os.WriteFile(path, []byte(data), 0o644))
		}
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir string, extra ...string) Set {
	t.Helper()
	s, err := Read(dir, extra...)
	must(t, err)
	return s
}

func wantErr(t *testing.T, s Set, name string, want error) {
	t.Helper()
	f, ok := s.Lookup(name)
	if !ok {
		t.Fatalf("%s is not in %v", name, s.Names())
	}
	if !errors.Is(f.Err, want) || f.Data != nil {
		t.Errorf("%s: err = %v, data = %q; want %v and none", name, f.Err, f.Data, want)
	}
}

func TestReadTakesFilesAndPassesOverOthersLeftovers(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"fastx.env": "A=1\n", "apps/xterm.ini": "[x]\n", "apps/sub/deep.ini": "", "empty/": "", "#": "a lone hash is a name",
		".git/config": "x", ".fastx.env.swp": "x", "fastx.env~": "x", "#fastx.env#": "x", ".#fastx.env": "x",
		"apps/.fx-stage-1": "torn", ".ansible_tmp1": "x", "..old/secret.ini": "x",
	})
	s := read(t, dir)
	want := []string{"#", "apps/sub/deep.ini", "apps/xterm.ini", "fastx.env"}
	if got := s.Names(); !slices.Equal(got, want) {
		t.Errorf("names = %v, want %v", got, want)
	}
	f, _ := s.Lookup("fastx.env")
	if string(f.Data) != "A=1\n" || f.Mode != 0o644 || f.UID != os.Getuid() || f.GID != os.Getgid() {
		t.Errorf("fastx.env = %+v", f)
	}
}

func TestReadFollowsLinks(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"a.ini": "outside", "sub/b.ini": "below"})
	dir := tree(t, map[string]string{"one.ini ->": filepath.Join(outside, "a.ini"), "apps ->": filepath.Join(outside, "sub"), "gone.ini ->": "nowhere"})
	s := read(t, dir)
	if f, _ := s.Lookup("one.ini"); string(f.Data) != "outside" {
		t.Errorf("one.ini = %+v", f)
	}
	if f, _ := s.Lookup("apps/b.ini"); string(f.Data) != "below" {
		t.Errorf("apps/b.ini = %+v", f)
	}
	if f, ok := s.Lookup("gone.ini"); !ok || f.Err == nil {
		t.Errorf("gone.ini = %+v, %v; a link that leads nowhere stands with an error", f, ok)
	}
}

func TestReadDirsNamesEveryDirectoryThatMatters(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"certs/x.pem": "", "sub/b.ini": ""})
	dir := tree(t, map[string]string{"apps/a.ini": "", "empty/": "", "x.pem ->": filepath.Join(outside, "certs/x.pem")})
	_, dirs, err := ReadDirs(dir, filepath.Join(outside, "sub/absent"))
	must(t, err)
	want := []string{dir, dir + "/apps", dir + "/empty", outside + "/certs", outside + "/sub"}
	slices.Sort(want)
	if !slices.Equal(dirs, want) {
		t.Errorf("dirs = %v, want %v", dirs, want)
	}
}

func TestReadEndsInLinkCircles(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.ini": "1", "apps/up ->": "..", "apps/self ->": ".", "x.ini ->": "y.ini", "y.ini ->": "x.ini"})
	s := read(t, dir)
	for _, name := range []string{"apps/up", "apps/self", "x.ini", "y.ini"} {
		wantErr(t, s, name, ErrLoop)
	}
	if _, ok := s.Lookup("a.ini"); !ok {
		t.Error("the rest was not read")
	}
}

func TestReadNeverBlocksOnWhatIsNoFile(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.ini": "1", "zero.ini ->": "/dev/zero", "null.ini ->": "/dev/null"})
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo.ini"), 0o644))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	defer syscall.Close(fd)
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(dir, "s")}))
	s := read(t, dir, filepath.Join(dir, "fifo.ini"))
	for _, name := range []string{"fifo.ini", "s", "zero.ini", "null.ini", filepath.Join(dir, "fifo.ini")} {
		wantErr(t, s, name, ErrNotRegular)
	}
}

func TestReadBoundsTheSizeOfAFile(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"largest": "", "larger": ""})
	must(t, os.Truncate(filepath.Join(dir, "largest"), MaxFileSize))
	must(t, os.Truncate(filepath.Join(dir, "larger"), MaxFileSize+1))
	s := read(t, dir)
	wantErr(t, s, "larger", ErrTooLarge)
	if f, _ := s.Lookup("largest"); f.Err != nil || len(f.Data) != MaxFileSize {
		t.Errorf("largest: %v, %d bytes", f.Err, len(f.Data))
	}
}

func TestReadBoundsTheWhole(t *testing.T) {
	t.Parallel()
	big := tree(t, nil)
	for i := range MaxSize/MaxFileSize + 1 {
		path := filepath.Join(big, fmt.Sprint(i))
		must(t, os.WriteFile(path, nil, 0o644))
		must(t, os.Truncate(path, MaxFileSize))
	}
	if _, err := Read(big); !errors.Is(err, errTooBig) {
		t.Errorf("too much: %v", err)
	}
	many := tree(t, nil)
	for i := range MaxFiles + 1 {
		must(t, os.WriteFile(filepath.Join(many, fmt.Sprint(i)), nil, 0o644))
	}
	if _, err := Read(many); !errors.Is(err, errTooMany) {
		t.Errorf("too many: %v", err)
	}
	below := tree(t, map[string]string{"a.ini": "", "apps ->": many})
	if _, err := Read(below); !errors.Is(err, errTooMany) {
		t.Errorf("too many below: %v", err)
	}
	deep := tree(t, map[string]string{strings.Repeat("d/", MaxDepth+3) + "x": ""})
	s := read(t, deep)
	wantErr(t, s, strings.TrimSuffix(strings.Repeat("d/", MaxDepth), "/"), ErrTooDeep)
}

func TestReadLetsWhatItMayNotReadStandWithAnError(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"secret.ini": "x", "open.ini": "x", "apps/a.ini": "x"})
	must(t, os.Chmod(filepath.Join(dir, "secret.ini"), 0))
	must(t, os.Chmod(filepath.Join(dir, "apps"), 0))
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "apps"), 0o700) })
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	sets := make(chan Set)
	go asNobody(func() {
		s, err := Read(dir)
		if err != nil {
			t.Error(err)
		}
		sets <- s
	})
	s := <-sets
	wantErr(t, s, "secret.ini", fs.ErrPermission)
	wantErr(t, s, "apps", fs.ErrPermission)
	if f, _ := s.Lookup("open.ini"); f.Err != nil {
		t.Errorf("open.ini: %v", f.Err)
	}
}

// asNobody runs f without root's right to read everything. The thread that lost it is not used again.
func asNobody(f func()) {
	runtime.LockOSThread()
	if os.Getuid() == 0 {
		const nobody = 65534
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
	}
	f()
}

func TestReadWithoutADirectoryFails(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"file": "x"})
	for _, name := range []string{"absent", "file"} {
		if s, err := Read(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s: read %v", name, s.Names())
		}
	}
}

func TestReadExtraFiles(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"node": "SERVICES=user\n"})
	dir := tree(t, map[string]string{"a": "1"})
	node := filepath.Join(outside, "node")
	s := read(t, dir, node, filepath.Join(outside, "absent"), node, filepath.Join(outside, "no/such/directory"))
	if got := s.Names(); !slices.Equal(got, []string{node, "a"}) {
		t.Errorf("names = %v", got)
	}
	if _, err := Read(dir, "relative"); err == nil {
		t.Error("a relative extra file was read")
	}
}

// volume lays out what the kubelet makes of a ConfigMap, and swap replaces it as the kubelet does.
func volume(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	payload := filepath.Join(dir, "..2026_"+version)
	for name, data := range files {
		path := filepath.Join(payload, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(data), 0o644))
	}
	old, _ := os.Readlink(filepath.Join(dir, dataLink))
	must(t, os.Symlink(filepath.Base(payload), filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, dataLink)))
	for name := range files {
		first, _, _ := strings.Cut(name, "/")
		if err := os.Symlink(dataLink+"/"+first, filepath.Join(dir, first)); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			t.Error(err)
		}
	}
}

func TestReadTakesAConfigMapThroughItsOneDirectory(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"own.ini": "beside"})
	volume(t, dir, "1", map[string]string{"a.ini": "1", "apps/x.ini": "1"})
	if got := read(t, dir).Names(); !slices.Equal(got, []string{"a.ini", "apps/x.ini", "own.ini"}) {
		t.Errorf("names = %v", got)
	}
	// Between the swap and the kubelet's tidying, the visible links lag behind.
	must(t, os.Symlink(dataLink+"/stale.ini", filepath.Join(dir, "stale.ini")))
	must(t, os.WriteFile(filepath.Join(dir, dataLink, "new.ini"), []byte("not linked yet"), 0o644))
	if got := read(t, dir).Names(); !slices.Equal(got, []string{"a.ini", "apps/x.ini", "new.ini", "own.ini"}) {
		t.Errorf("names in the middle of a swap = %v", got)
	}
}

func TestReadNeverMixesTwoVersionsOfAVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(n int) {
		v := fmt.Sprint(n)
		volume(t, dir, v, map[string]string{"a.ini": v, "b.ini": v, "sub/c.ini": v})
	}
	write(0)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range 300 {
			write(n + 1)
		}
	})
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for reads := 0; ; reads++ {
		select {
		case <-done:
			return
		default:
		}
		s, err := Read(dir)
		if errors.Is(err, errMoved) {
			continue // the swaps are as fast as they can be; a watcher tries again
		}
		must(t, err)
		var versions []string
		for _, f := range s.Files() {
			versions = append(versions, string(f.Data))
		}
		if len(versions) != 3 || len(slices.Compact(versions)) != 1 {
			t.Fatalf("read %d mixes versions: %v %v", reads, s.Names(), versions)
		}
	}
}

func TestReadFollowsALinkedRoot(t *testing.T) {
	t.Parallel()
	base := tree(t, map[string]string{"rev1/a.ini": "1", "rev2/a.ini": "2", "current ->": "rev1"})
	root := filepath.Join(base, "current")
	if f, _ := read(t, root).Lookup("a.ini"); string(f.Data) != "1" {
		t.Errorf("a.ini = %q", f.Data)
	}
	must(t, os.Symlink("rev2", filepath.Join(base, "next")))
	must(t, os.Rename(filepath.Join(base, "next"), root))
	if f, _ := read(t, root).Lookup("a.ini"); string(f.Data) != "2" {
		t.Errorf("a.ini after the switch = %q", f.Data)
	}
	if _, dirs, _ := ReadDirs(root); !slices.Contains(dirs, base) {
		t.Errorf("dirs = %v lack the directory in which the root's link is swapped", dirs)
	}
}

func TestAFileThatChangesUnderTheReaderIsNotTaken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(tree(t, map[string]string{"a": "12345678"}), "a")
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	before, err := f.Stat()
	must(t, err)
	must(t, os.Truncate(path, 4))
	if _, _, err := drain(f, before); !errors.Is(err, ErrUnstable) {
		t.Errorf("shorter: %v", err)
	}
	before, err = f.Stat()
	must(t, err)
	must(t, os.Chtimes(path, time.Time{}, before.ModTime().Add(time.Second)))
	if _, _, err := drain(f, before); !errors.Is(err, ErrUnstable) {
		t.Errorf("touched: %v", err)
	}
}

func TestIgnored(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"..data": true, "..2026_11": true, ".git": true, ".a.ini.swp": true, "a.ini~": true, "#a.ini#": true, ".fx-stage-12": true,
		"a.ini20261125-6624-4uuf0x": true, "a.ini20261125-6624-0-1": true, "https.ini20261125-1-1z141z3": true, // Puppet's
		"a.ini": false, "#": false, "#a": false, "a#": false, "a.swp.ini": false,
		"a20261125-6624-4uuf0x.ini": false, "a.ini20261125": false, "20261125-6624-4uuf0x": false, "a.ini-6624-4uuf0x": false,
	} {
		if got := Ignored(name); got != want {
			t.Errorf("Ignored(%q) = %v", name, got)
		}
	}
}
