package watch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// start runs a Watcher on dir until the test ends. Its rescans are an hour apart, so that
// what is found is found by events, unless every says otherwise.
func start(t *testing.T, o Options) *Watcher {
	t.Helper()
	if o.Interval == 0 {
		o.Interval = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func look(t *testing.T, w *Watcher) fileset.Set {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	set, err := w.Look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// await takes sets until one satisfies ok.
func await(t *testing.T, w *Watcher, what string, ok func(fileset.Set) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case set := <-w.Sets():
			if ok(set) {
				return
			}
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func holds(name, content string) func(fileset.Set) bool {
	return func(s fileset.Set) bool {
		f, ok := s.Lookup(name)
		return ok && string(f.Data) == content
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, path, content string) {
	t.Helper()
	stage := path + "~"
	write(t, stage, content)
	if err := os.Rename(stage, path); err != nil {
		t.Fatal(err)
	}
}

func TestEveryKindOfEditIsSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(t *testing.T, dir string)
	}{
		{"rename over", func(t *testing.T, dir string) { rename(t, dir+"/apps/a.ini", "new") }},
		{"write in place", func(t *testing.T, dir string) { write(t, dir+"/apps/a.ini", "new") }},
		{"remove and make again", func(t *testing.T, dir string) {
			if err := os.Remove(dir + "/apps/a.ini"); err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/apps/a.ini", "new")
		}},
		{"move away and write anew, as vim does", func(t *testing.T, dir string) {
			if err := os.Rename(dir+"/apps/a.ini", dir+"/apps/a.ini~"); err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/apps/a.ini", "new")
		}},
		{"sed -i", func(t *testing.T, dir string) {
			write(t, dir+"/apps/sedXyz", "new")
			if err := os.Rename(dir+"/apps/sedXyz", dir+"/apps/a.ini"); err != nil {
				t.Fatal(err)
			}
		}},
		{"our own writer", func(t *testing.T, dir string) {
			if _, err := fileset.WriteFile(dir+"/apps/a.ini", []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"remove the directory and make it again", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/apps/a.ini", "new")
		}},
		{"take the directory away and put another in its place", func(t *testing.T, dir string) {
			next := t.TempDir()
			write(t, next+"/apps/a.ini", "new")
			if err := os.Rename(dir, next+"/old"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, dir); err != nil {
				t.Fatal(err)
			}
		}},
		{"replace the whole folder", func(t *testing.T, dir string) {
			write(t, dir+"/.next/a.ini", "new")
			if err := os.Rename(dir+"/apps", dir+"/.old"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(dir+"/.next", dir+"/apps"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/fastx"
			write(t, dir+"/apps/a.ini", "old")
			w := start(t, Options{Dir: dir})
			look(t, w)
			c.edit(t, dir)
			await(t, w, "the edit", holds("apps/a.ini", "new"))
			rename(t, dir+"/apps/a.ini", "newer") // and the watch is still there
			await(t, w, "the next edit", holds("apps/a.ini", "newer"))
		})
	}
}

func TestADirectoryThatWasAwayIsSeenWhenItComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/fastx"
	write(t, dir+"/a.ini", "old")
	w := start(t, Options{Dir: dir})
	look(t, w)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Look(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a look at what is gone: %v", err)
	}
	write(t, dir+"/a.ini", "new")
	await(t, w, "the new directory", holds("a.ini", "new"))
}

func TestFoldersMadeLaterAreSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, Options{Dir: dir})
	look(t, w)
	write(t, dir+"/schedule/night/metadata.ini", "one")
	await(t, w, "the new folder", holds("schedule/night/metadata.ini", "one"))
	rename(t, dir+"/schedule/night/metadata.ini", "two")
	await(t, w, "an edit in the new folder", holds("schedule/night/metadata.ini", "two"))
}

func TestAConfigMapSwapIsOneChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(name, content string) {
		write(t, filepath.Join(dir, name, "a.ini"), content)
		write(t, filepath.Join(dir, name, "b.ini"), content)
		if err := os.Symlink(name, dir+"/..data_tmp"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/..data_tmp", dir+"/..data"); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", "one")
	for _, name := range []string{"a.ini", "b.ini"} {
		if err := os.Symlink("..data/"+name, dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	w := start(t, Options{Dir: dir})
	look(t, w)
	version("..2", "two")
	await(t, w, "the swap", func(s fileset.Set) bool {
		a, b := holds("a.ini", "two")(s), holds("b.ini", "two")(s)
		if a != b {
			t.Error("half of a swap was handed on")
		}
		return a && b
	})
}

func TestFilesThatFilesNameAreSeen(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	cert := outside + "/cert.pem"
	write(t, cert, "first")
	w := start(t, Options{Dir: dir, More: func(s fileset.Set) []string {
		f, _ := s.Lookup("https.ini")
		return strings.Fields(string(f.Data))
	}})
	look(t, w)
	rename(t, dir+"/https.ini", cert)
	await(t, w, "the certificate together with the file that names it", func(s fileset.Set) bool {
		if _, named := s.Lookup("https.ini"); !named {
			return false
		}
		if !holds(cert, "first")(s) {
			t.Error("the file was handed on without what it names")
		}
		return true
	})
	rename(t, cert, "renewed")
	await(t, w, "the renewed certificate", holds(cert, "renewed"))
}

func TestChangesWithoutEventsAreFoundByRescan(t *testing.T) {
	t.Parallel()
	var disk memory
	disk.set("old")
	w := start(t, Options{Dir: t.TempDir(), Interval: 10 * time.Millisecond, read: disk.read})
	look(t, w)
	disk.set("new")
	await(t, w, "a change no event tells of", holds("a.ini", "new"))
}

// memory is a file system without events.
type memory struct {
	mu      sync.Mutex
	content string
	err     error
	hang    chan struct{}
}

func (m *memory) set(content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.content, m.err = content, nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) read(string, ...string) (fileset.Set, []string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hang != nil {
		<-m.hang
	}
	return fileset.New(fileset.File{Name: "a.ini", Data: []byte(m.content)}), nil, m.err
}

func TestAHungShareHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	disk := memory{content: "old", hang: make(chan struct{})}
	w := start(t, Options{Dir: t.TempDir(), read: disk.read})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Look(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a look at a hung share: %v", err)
	}
	if !w.LastOK().IsZero() {
		t.Error("LastOK claims that the share answered")
	}
	close(disk.hang)
	if set := look(t, w); !holds("a.ini", "old")(set) || w.LastOK().IsZero() {
		t.Error("the share is back and the watcher is not")
	}
}

// TestWhoLeavesDoesNotTakeTheChangeAlong asks while the share hangs and is gone when it answers: what was
// read then is handed on as if nobody had asked.
func TestWhoLeavesDoesNotTakeTheChangeAlong(t *testing.T) {
	t.Parallel()
	disk := memory{content: "old", hang: make(chan struct{})}
	w := start(t, Options{Dir: t.TempDir(), read: disk.read})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.Look(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a look at a hung share: %v", err)
	}
	close(disk.hang)
	await(t, w, "what the abandoned look has read", holds("a.ini", "old"))
}

func TestAnUnreadableFolderIsSaidOnce(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	var disk memory
	disk.set("old")
	w := start(t, Options{Dir: t.TempDir(), Interval: time.Millisecond, read: disk.read, Log: slog.New(slog.NewTextHandler(&log, nil))})
	look(t, w)
	disk.fail(errors.New("stale file handle"))
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := w.Look(ctx); err == nil || !strings.Contains(err.Error(), "stale") {
			t.Errorf("a failing look: %v", err)
		}
		cancel()
	}
	disk.set("new")
	look(t, w)
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("said %d times that the files cannot be read, want 1:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "can be read again"); n != 1 {
		t.Errorf("said %d times that they can be read again, want 1", n)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestAnAnswerIsNotOverwrittenByAnOlderSet asks while an earlier change waits to be taken.
func TestAnAnswerIsNotOverwrittenByAnOlderSet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, Options{Dir: dir})
	look(t, w)
	write(t, dir+"/a.ini", "one")
	for len(w.out) == 0 { // it is there and nobody takes it
		<-time.After(time.Millisecond)
	}
	rename(t, dir+"/a.ini", "two")
	if set := look(t, w); !holds("a.ini", "two")(set) {
		t.Fatal("the answer is not the newest")
	}
	select {
	case set := <-w.Sets():
		if holds("a.ini", "one")(set) {
			t.Error("an older set came after a newer answer")
		}
	default:
	}
}
