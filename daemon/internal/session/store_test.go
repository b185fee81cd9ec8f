package session

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func sample() *Record {
	at := time.Date(2026, 11, 23, 2, 47, 0, 0, time.UTC)
	return &Record{
		Format: Format, ID: "0123456789abcdef", Node: "n1", User: "ann", Name: "a name", App: "xterm",
		Command: "xterm -ls", Geometry: "800x600", Params: map[string]string{"k": "v"}, WindowManager: true, Created: at,
		Account: Account{Name: "ann", UID: 1000, GID: 1000, Home: "/home/ann", Shell: "/bin/bash"},
		State:   "running", Started: at, Supervisor: Process{PID: 7, Start: 8}, Display: ":7",
	}
}

func TestRecordComesBackAsWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "r.json")
	for _, state := range []string{"pending", "ended"} {
		want := sample()
		want.State = state
		if err := WriteRecord(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadRecord(path)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, error %v", got, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("staged files are left: %v", left)
	}
}

func TestReaderNeverSeesHalfARecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "r.json")
	if err := WriteRecord(path, sample()); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			r := sample()
			r.Reason = strings.Repeat("r", i*5000)
			for range 20 {
				if err := WriteRecord(path, r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		if _, err := ReadRecord(path); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestFailedWriteLeavesTheOldRecord(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "full")
	mountTmpfs(t, dir, "size=64k")
	path := filepath.Join(dir, "r.json")
	if err := WriteRecord(path, sample()); err != nil {
		t.Fatal(err)
	}
	big := sample()
	big.Reason = strings.Repeat("r", 200<<10)
	if err := WriteRecord(path, big); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want ENOSPC", err)
	}
	if got, err := ReadRecord(path); err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("the old record is now %+v, error %v", got, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("staged files are left: %v", left)
	}
}

func TestBadRecordsAreRefusedByKind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"empty":        {"", ErrTorn},
		"zeros":        {"\x00\x00\x00", ErrTorn},
		"cut":          {`{"format":1,"id":"0123`, ErrTorn},
		"two":          {`{"format":1,"id":"a"}{"format":1,"id":"a"}`, ErrTorn},
		"array":        {`[]`, ErrTorn},
		"null":         {`null`, ErrFormat},
		"no format":    {`{"id":"a"}`, ErrFormat},
		"newer":        {`{"format":2,"id":"a"}`, ErrFormat},
		"no id":        {`{"format":1}`, ErrBadRecord},
		"path as id":   {`{"format":1,"id":"../../etc/passwd"}`, ErrBadRecord},
		"option as id": {`{"format":1,"id":"-rf"}`, ErrBadRecord},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRecord(path); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
	if _, err := ReadRecord(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: error %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.Symlink("empty", link), syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, dir, filepath.Join(dir, "fifo")} {
		if _, err := ReadRecord(name); err == nil || errors.Is(err, ErrTorn) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	r, err := DecodeRecord(strings.NewReader(`{"format":1,"id":"a","seat":{"x":[1]},"name":"n"}`))
	if err != nil || r.Name != "n" {
		t.Errorf("record %+v, error %v", r, err)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"a","params":{"k":"v"}}`))
	f.Add([]byte(`{"format":1,"id":"a","created":"2026-11-23T02:47:00Z"}`))
	f.Add([]byte(`{"format":1e0,"ID":"a/b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRecord(bytes.NewReader(data))
		if err != nil {
			return
		}
		if strings.ContainsAny(r.ID, "/.\x00") {
			t.Fatalf("id %q", r.ID)
		}
		path := filepath.Join(t.TempDir(), "r.json")
		if err := WriteRecord(path, r); err != nil {
			t.Skip(err) // a time that JSON cannot carry back
		}
		if again, err := ReadRecord(path); err != nil || again.ID != r.ID || again.Command != r.Command {
			t.Fatalf("wrote %+v, read %+v, error %v", r, again, err)
		}
	})
}

func TestLockIsHeldAsLongAsAnyCopyLives(t *testing.T) {
	t.Parallel()
	path := LockPath(t.TempDir(), "a")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := TryLock(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no lock file: error %v", err)
	}
	syscall.ForkLock.RLock() // a child that another test starts just now would have a copy, too
	defer syscall.ForkLock.RUnlock()
	lock, err := CreateLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second CreateLock: error %v", err)
	}
	fd, err := syscall.Dup(int(lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	if f, held, err := TryLock(path); f != nil || !held || err != nil {
		t.Errorf("while a copy lives: %v %v %v", f, held, err)
	}
	syscall.Close(fd)
	f, held, err := TryLock(path)
	if f == nil || held || err != nil {
		t.Fatalf("after the last copy: %v %v %v", f, held, err)
	}
	if _, held, _ := TryLock(path); !held {
		t.Error("TryLock took no lock")
	}
	if err := Unlock(f); err != nil {
		t.Error(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestSocketPathsThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	if err := CheckSocketPath(strings.Repeat("x", 107)); err != nil {
		t.Error(err)
	}
	if err := CheckSocketPath(strings.Repeat("x", 108)); err == nil || !strings.Contains(err.Error(), "choose a shorter FX_RUN_DIR") {
		t.Errorf("error %v", err)
	}
}

func TestNeedsWindowManager(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command, geometry string
		want              bool
	}{
		{"xterm", "800x600", true},
		{"xterm", "rootless", true},
		{"startxfce4", "rootless", true},
		{"startxfce4", "800x600", false},
		{"/usr/bin/startxfce4 --replace", "800x600", false},
		{"exec startxfce4", "800x600", false},
		{"FOO=1 startxfce4", "800x600", false},
		{"FOO=1 BAR='a b' exec mate-session", "800x600", false},
		{"test -x /usr/bin/vglrun && vglrun -c proxy mate-session || mate-session", "800x600", false},
		{"test -x /bin/vglrun && vglrun -c proxy startxfce4 || startxfce4", "", false},
		{"dbus-run-session -- gnome-session", "800x600", false},
		{"dbus-launch --exit-with-session startxfce4", "800x600", false},
		{"sh -c 'exec fluxbox'", "800x600", false},
		{`bash -lc "FOO=1 exec i3"`, "800x600", false},
		{"env LANG=C nice -n 5 startlxde", "800x600", false},
		{"if [ -x /usr/bin/twm ]; then twm; else xterm; fi", "800x600", false},
		{"xsetroot -solid grey\nopenbox-session", "800x600", false},
		{"xterm & exec icewm-session", "800x600", false},
		{"(startplasma-x11)", "800x600", false},
		{"$(which startxfce4)", "800x600", true}, // what it prints cannot be known
		{"~/.xsession", "800x600", false},
		{"vglrun -c proxy glxgears", "800x600", true},
		{"xterm -ls", "800x600", true},
		{"xterm -T twm", "800x600", true},
		{"grep twm notes.txt", "800x600", true},
		{"man i3", "800x600", true},
		{"test -x /usr/bin/startxfce4 && xterm", "800x600", true},
		{"NAME=startxfce4 xterm", "800x600", true},
		{"myopenbox", "800x600", true},
		{`xterm -e 'twm; cat'`, "800x600", true},
		{`sh -c 'A="b c" exec twm'`, "800x600", false},
		{`sh -c 'xterm -T "a twm"'`, "800x600", true},
		{`"/opt/my desk/startxfce4"`, "800x600", false},
		{`/opt/my\ desk/startxfce4 'unclosed`, "800x600", false},
		{"", "800x600", true},
		{" & ; || ", "800x600", true},
	} {
		if got := NeedsWindowManager(c.command, c.geometry); got != c.want {
			t.Errorf("NeedsWindowManager(%q, %q) = %v", c.command, c.geometry, got)
		}
	}
}

func FuzzNeedsWindowManager(f *testing.F) {
	f.Add("FOO=1 exec 'startxfce4' && x")
	f.Add(`"sh" -c "exec 'a \\" b' ; twm"`)
	f.Fuzz(func(t *testing.T, command string) {
		if !NeedsWindowManager(command, "rootless") {
			t.Error("rootless without a window manager")
		}
		if NeedsWindowManager("exec twm\n"+command, "") {
			t.Error("a desktop at the beginning was not seen")
		}
	})
}
