package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a log in a fresh folder; the text is what the ordinary log says.
func open(t *testing.T, o Options) (l *Log, path string, said *bytes.Buffer) {
	t.Helper()
	said = new(bytes.Buffer)
	o.Path = filepath.Join(t.TempDir(), FileName)
	o.Log = slog.New(slog.NewTextHandler(said, nil))
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, o.Path, said
}

func read(t *testing.T, path string) []Event {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var events []Event
	for s := bufio.NewScanner(f); s.Scan(); {
		var e Event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatalf("line %q: %v", s.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

func details(events []Event) string {
	var out []string
	for _, e := range events {
		out = append(out, e.Detail)
	}
	return strings.Join(out, " ")
}

func TestEventsAreLinesOfJSON(t *testing.T) {
	t.Parallel()
	l, path, _ := open(t, Options{})
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))
	l.Record(Event{Time: at, Action: Login, User: "ada", Address: "192.0.2.1", Node: "n1", Outcome: Refused, Detail: "why"})
	l.Record(Event{Action: Start, User: "ada", Session: "0123456789abcdef", Outcome: Done})
	l.Close()

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	want := `{"time":"2026-03-04T04:06:07Z","action":"login","user":"ada","address":"192.0.2.1","node":"n1","outcome":"refused","detail":"why"}`
	if first != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
	events := read(t, path)
	if len(events) != 2 || events[1].Time.IsZero() {
		t.Errorf("got %+v, want a second event with a time", events)
	}
	info, _ := os.Stat(path)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
}

func TestTypedTextCannotForgeALineOrSteerATerminal(t *testing.T) {
	t.Parallel()
	l, path, _ := open(t, Options{})
	forged := "ada\n{\"action\":\"login\",\"user\":\"root\",\"outcome\":\"ok\"}\r\x1b[2J\u009b2J\u202e\u2028\U000e0001\x00\xff"
	l.Record(Event{Action: Login, User: forged, Outcome: Refused})
	l.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("\n")); n != 1 {
		t.Errorf("%d lines, want 1: %q", n, data)
	}
	for _, r := range strings.TrimSuffix(string(data), "\n") {
		if !unicode.IsPrint(r) {
			t.Errorf("%U stands in the file as it is", r)
		}
	}
	want := strings.ReplaceAll(forged, "\xff", "\ufffd")
	if got := read(t, path)[0].User; got != want {
		t.Errorf("the name came back as %q, want %q", got, want)
	}
}

func TestLongTextIsClippedBetweenCharacters(t *testing.T) {
	t.Parallel()
	l, path, _ := open(t, Options{})
	l.Record(Event{Action: Login, User: "x" + strings.Repeat("é", 100_000), Outcome: Refused})
	l.Close()
	if got, want := read(t, path)[0].User, "x"+strings.Repeat("é", 255)+"…"; got != want {
		t.Errorf("got %d bytes ending in %q", len(got), got[len(got)-8:])
	}
}

func TestRotationKeepsTheNewestFiles(t *testing.T) {
	t.Parallel()
	line := len(Event{Time: time.Now(), Action: Login, Detail: "00"}.line())
	l, path, _ := open(t, Options{Size: int64(2*line + line/2), Files: 3})
	for i := range 11 {
		l.Record(Event{Time: time.Unix(1, 1e8), Action: Login, Detail: fmt.Sprintf("%02d", i)})
	}
	l.Close()
	for name, want := range map[string]string{path: "10", path + ".1": "08 09", path + ".2": "06 07"} {
		if got := details(read(t, name)); got != want {
			t.Errorf("%s holds %q, want %q", filepath.Base(name), got, want)
		}
		if info, _ := os.Stat(name); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(name), info.Mode().Perm())
		}
	}
	if names, _ := filepath.Glob(path + "*"); len(names) != 3 {
		t.Errorf("files %v, want 3", names)
	}
}

func TestOneFileOnlyStartsAfresh(t *testing.T) {
	t.Parallel()
	l, path, _ := open(t, Options{Size: 1, Files: 1})
	l.Record(Event{Action: Login, Detail: "a"})
	l.Record(Event{Action: Login, Detail: "b"})
	l.Close()
	if got := details(read(t, path)); got != "b" {
		t.Errorf("holds %q, want b", got)
	}
}

func TestVanishedOrMovedFileIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, path, _ := open(t, Options{})
				l.Record(Event{Action: Login, Detail: "before"})
				synctest.Wait()
				if err := take(path); err != nil {
					t.Fatal(err)
				}
				l.Record(Event{Action: Login, Detail: "after"})
				l.Close()
				if got := details(read(t, path)); got != "after" {
					t.Errorf("holds %q", got)
				}
			})
		})
	}
}

func TestFileEmptiedInPlaceHasRoomAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := len(Event{Time: time.Unix(1, 0), Action: Login, Detail: "00"}.line())
		l, path, _ := open(t, Options{Size: int64(2*line + line/2)})
		for i := range 4 {
			if i == 2 {
				synctest.Wait()
				if err := os.Truncate(path, 0); err != nil {
					t.Fatal(err)
				}
			}
			l.Record(Event{Time: time.Unix(1, 0), Action: Login, Detail: fmt.Sprintf("%02d", i)})
		}
		l.Close()
		if got := details(read(t, path)); got != "02 03" {
			t.Errorf("holds %q", got)
		}
		if _, err := os.Stat(path + ".1"); err == nil {
			t.Error("it was rotated as if it were still full")
		}
	})
}

// A full disk loses events and no order: what is there stays whole, and when there is room again the loss is told.
func TestFullDiskIsSurvivedAndTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"); errors.Is(err, syscall.EPERM) {
		t.Skip("a disk that is full takes the right to mount one")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		said := new(bytes.Buffer)
		path := filepath.Join(dir, FileName)
		l, err := Open(Options{Path: path, Log: slog.New(slog.NewTextHandler(said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			l.Record(Event{Action: Login, User: "before", Detail: strings.Repeat("x", 300) + fmt.Sprint(i)})
		}
		synctest.Wait()
		kept := len(whole(t, path))
		if kept < 10 || kept >= 40 {
			t.Fatalf("%d of 40 events got in, so that the disk was not full or too small", kept)
		}
		if err := os.Rename(path, filepath.Join(dir, "old")); err != nil { // as administrators make room
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "old")); err != nil {
			t.Fatal(err)
		}
		l.Record(Event{Action: Login, Detail: "after"})
		l.Close()
		if got, want := details(whole(t, path)), fmt.Sprintf("%d events could not be recorded after", 40-kept); got != want {
			t.Errorf("holds %q, want %q", got, want)
		}
		for _, text := range []string{"cannot be written", "no space left", "can be written again"} {
			if !strings.Contains(said.String(), text) {
				t.Errorf("%q was not said:\n%s", text, said)
			}
		}
	})
}

// whole reads the events of a file whose last line may be cut short.
func whole(t *testing.T, path string) []Event {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []Event
	for line := range bytes.Lines(data) {
		var e Event
		if err := json.Unmarshal(line, &e); err == nil {
			events = append(events, e)
		} else if line[len(line)-1] == '\n' {
			t.Errorf("a line in the middle is none: %q", line)
		}
	}
	return events
}

func TestLineCutShortDoesNotSwallowTheNext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte(`{"action":"lo`), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l.Record(Event{Action: Login, Detail: "whole"})
	l.Close()
	data, _ := os.ReadFile(path)
	lines := strings.Split(string(data), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], `"whole"`) {
		t.Errorf("got %q", lines)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want the looser one tightened", info.Mode().Perm())
	}
}

// A queue that is full must not hold up who records, and the loss must show.
func TestFullQueueDropsAndSaysSo(t *testing.T) {
	t.Parallel()
	f := &file{path: filepath.Join(t.TempDir(), FileName), limit: 1 << 20, files: 2}
	l := &Log{
		log: slog.New(slog.DiscardHandler), file: f, queue: make(chan Event, 2),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for i := range 5 { // nobody empties the queue yet
		l.Record(Event{Time: time.Unix(int64(i), 0), Action: Login, Detail: fmt.Sprint(i)})
	}
	go l.run()
	l.Close()
	if got, want := details(read(t, f.path)), "3 events could not be recorded 0 1"; got != want {
		t.Errorf("holds %q, want %q", got, want)
	}
}

func TestUnwritableFileIsToldOnceAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, path, said := open(t, Options{})
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			l.Record(Event{Action: Login})
		}
		synctest.Wait()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		l.Record(Event{Action: Login, Detail: "back"})
		l.Close()
		if got, want := details(read(t, path)), "3 events could not be recorded back"; got != want {
			t.Errorf("holds %q, want %q", got, want)
		}
		for _, text := range []string{"cannot be written", "can be written again"} {
			if n := strings.Count(said.String(), text); n != 1 {
				t.Errorf("%q was said %d times, want once:\n%s", text, n, said)
			}
		}
	})
}

func TestOpenFailsInASentence(t *testing.T) {
	t.Parallel()
	_, err := Open(Options{Path: filepath.Join(t.TempDir(), "no", "such"), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.HasPrefix(err.Error(), "audit log: ") {
		t.Errorf("got %v", err)
	}
}

func TestNilLogKeepsNothing(t *testing.T) {
	t.Parallel()
	var l *Log
	l.Record(Event{Action: Login})
	l.Close()
}

func TestManyAtOnceAndAfterClose(t *testing.T) {
	t.Parallel()
	l, path, _ := open(t, Options{Queue: 10_000})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 20 {
				l.Record(Event{Action: Login, Detail: fmt.Sprintf("%d.%d", i, j)})
			}
		})
	}
	wg.Wait()
	l.Close()
	l.Close()
	l.Record(Event{Action: Login}) // goes nowhere, harms nothing
	if n := len(read(t, path)); n != 400 {
		t.Errorf("%d lines, want 400", n)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("ada", "detail\n\"")
	f.Add("\u009b\u2028\xff", "\U000e0001\x7f")
	f.Fuzz(func(t *testing.T, user, detail string) {
		raw := Event{Time: time.Unix(0, 0), Action: Login, User: user, Detail: detail}.line()
		var e Event
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if bytes.IndexByte(raw, '\n') != len(raw)-1 {
			t.Fatalf("%q is not one line", raw)
		}
		if utf8.ValidString(user) && len(user) <= 512 && e.User != user {
			t.Fatalf("%q came back as %q", user, e.User)
		}
	})
}
