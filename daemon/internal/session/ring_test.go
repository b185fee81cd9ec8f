package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"
)

// newRing returns a ring and the path of its file.
func newRing(t testing.TB, path string) *Ring {
	t.Helper()
	f, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r, err := NewRing(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRingKeepsTheLastLinesWithinTheLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	r := newRing(t, path)
	const lines = 300_000
	for i := range lines {
		fmt.Fprintf(r, "line %07d\n", i)
		if i%10_000 == 0 {
			if info, err := os.Stat(path); err != nil || info.Size() > LogLimit {
				t.Fatalf("after line %d: %v %v", i, info.Size(), err)
			}
		}
	}
	data := read(t, path)
	if len(data) > LogLimit || len(data) < LogLimit/2-100 {
		t.Errorf("%d bytes are kept", len(data))
	}
	got := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i, line := range got {
		if want := fmt.Sprintf("line %07d", lines-len(got)+i); line != want {
			t.Fatalf("line %d of the log is %q, want %q", i, line, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func TestRingTakesWritesOfAnySize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, LogLimit/2 - 1, LogLimit / 2, LogLimit, LogLimit + 1, 5*LogLimit + 3} {
		path := filepath.Join(t.TempDir(), "log")
		r := newRing(t, path)
		for range 3 {
			if n, err := r.Write(bytes.Repeat([]byte("x"), size)); n != size || err != nil {
				t.Errorf("write of %d: %d %v", size, n, err)
			}
		}
		if data := read(t, path); len(data) > LogLimit || len(data) < min(3*size, LogLimit/2) {
			t.Errorf("after 3 writes of %d there are %d bytes", size, len(data))
		}
	}
}

func TestRingGoesOnWhereAnotherEnded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	for i := range 3 {
		newRing(t, path).Printf("ring %d", i)
	}
	if got := string(read(t, path)); got != "-- ring 0\n-- ring 1\n-- ring 2\n" {
		t.Errorf("log %q", got)
	}
}

// TestRingSharesItsEndWithACopyOfTheDescriptor is what makes a crash of the supervisor,
// which goes to descriptor 2, append to the log.
func TestRingSharesItsEndWithACopyOfTheDescriptor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	r := newRing(t, path)
	fd, err := syscall.Dup(int(r.f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for range 3 {
		r.Write(bytes.Repeat([]byte("filler\n"), LogLimit/10))
		syscall.Write(fd, []byte("panic\n"))
		if !bytes.HasSuffix(read(t, path), []byte("filler\npanic\n")) {
			t.Fatal("a write past the ring did not append")
		}
	}
}

func TestRingKeepsLinesOfManyWritersWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	r := newRing(t, path)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 20_000 {
				fmt.Fprintf(r, "%s\n", strings.Repeat(string(rune('a'+i)), 30+i))
			}
		})
	}
	all.Wait()
	for line := range strings.Lines(string(read(t, path))) {
		if len(line) < 31 || strings.Trim(line, line[:1]) != "\n" || len(line) != 31+int(line[0]-'a') {
			t.Fatalf("line %q", line)
		}
	}
}

func TestRingOnAFullDiskCountsAndReportsWhatIsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=256k")
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log")
	r := newRing(t, path)
	line := []byte("0123456789abcde\n")
	for range 16 << 10 { // 256 KiB into the 128 KiB that are left
		if n, err := r.Write(line); n != len(line) || err != nil {
			t.Fatalf("write: %d %v", n, err)
		}
	}
	dropped, err := r.Dropped()
	kept := len(read(t, path))
	if int(dropped)+kept != 256<<10 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d bytes kept, %d dropped, error %v", kept, dropped, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.Write(line)
	r.Write(line)
	got := string(read(t, path)[kept:])
	want := fmt.Sprintf("\n-- %d bytes of output are missing here: write %s: no space left on device\n%s%s", dropped, path, line, line)
	if got != want {
		t.Errorf("after there is room again:\n%q, want\n%q", got, want)
	}
}

func TestTailShowsTheLastLinesHarmlessly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 2000)
	for _, c := range []struct {
		log  string
		n    int
		want []string
	}{
		{"", 5, nil},
		{"\n", 5, nil},
		{"a\nb\nc\n", 2, []string{"b", "c"}},
		{"a\nb\nc", 2, []string{"b", "c"}},
		{"a\n\n\n", 5, []string{"a", "", ""}},
		{"a\nb", 0, nil},
		{"a\nb", -1, nil},
		{"a\r\nb\r\n", 5, []string{"a", "b"}},
		{"\x1b[31mred\x1b[0m\a", 1, []string{"\ufffd[31mred\ufffd[0m\ufffd"}},
		{"tab\there", 1, []string{"tab\there"}},
		{"bad \xff\xfe utf", 1, []string{"bad \ufffd\ufffd utf"}},
		{"abc\u202edef\u200b\u2028x", 1, []string{"abc\ufffddef\ufffd\ufffdx"}},
		{long, 1, []string{strings.Repeat("ä", 500) + " …"}},
		{"zero\x00byte", 1, []string{"zero\ufffdbyte"}},
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Tail(path, c.n); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Tail of %.40q, %d = %.80q, %v; want %.80q", c.log, c.n, got, err, c.want)
		}
	}
}

func TestTailFollowsNoLinkAndHangsOnNoPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("/etc/passwd", dir+"/link"), syscall.Mkfifo(dir+"/fifo", 0o600)); err != nil {
		t.Fatal(err)
	}
	if lines, err := Tail(dir+"/link", 1); err == nil {
		t.Errorf("a link was followed: %q", lines)
	}
	if lines, err := Tail(dir+"/fifo", 1); len(lines) != 0 {
		t.Errorf("a pipe brought %q, %v", lines, err)
	}
}

func TestEndNoteIsTheLastLineAlone(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]string{
		"":                               "",
		"output\n":                       "",
		"-- ended: early\noutput\n":      "",
		"output\n-- ended: the end\n":    "the end",
		"-- ended: one\n-- ended: two\n": "two",
		"-- ended: \n":                   "",
		"x-- ended: no\n":                "",
		"-- ended: a \x1b[2J b":          "a \ufffd[2J b",
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		reason, at, ok := EndNote(path)
		if ok != (want != "") || ok && (reason != want || at.IsZero()) {
			t.Errorf("EndNote of %q = %q %v %v, want %q", log, reason, at, ok, want)
		}
	}
	if _, _, ok := EndNote("/no/such/log"); ok {
		t.Error("a note in no log")
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb\r\n\x1b[1m\xff"), 2)
	f.Add([]byte("\n\n\n"), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		lines := tail(data, n)
		if len(lines) > max(0, n) || len(lines) > bytes.Count(data, []byte("\n"))+1 {
			t.Fatalf("%d lines of %q", len(lines), data)
		}
		for _, line := range lines {
			if !utf8.ValidString(line) || len(line) > maxLine+len(" …") {
				t.Fatalf("line %q", line)
			}
			for _, r := range line {
				if r != '\t' && !unicode.IsPrint(r) && r != utf8.RuneError {
					t.Fatalf("character %U in %q", r, line)
				}
			}
		}
	})
}
