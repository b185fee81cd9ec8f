package history

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// redact masks everything after "secret = ".
func redact(f fileset.File, mask func([]byte) string) []byte {
	head, secret, ok := bytes.Cut(f.Data, []byte("secret = "))
	if !ok {
		return f.Data
	}
	return append(append(head, "secret = "...), mask(bytes.TrimSpace(secret))...)
}

func open(t *testing.T, dir string, keep int, log *bytes.Buffer) *History {
	t.Helper()
	h, err := Open(Options{Dir: dir, Redact: redact, Keep: keep, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// gen makes a generation out of name, content pairs.
func gen(number int, origin string, files ...string) *generation.Generation {
	var list []fileset.File
	for i := 0; i < len(files); i += 2 {
		list = append(list, fileset.File{Name: files[i], Data: []byte(files[i+1]), Mode: 0o644})
	}
	set := fileset.New(list...)
	return &generation.Generation{Number: number, Origin: origin, Digest: set.Digest(), Set: set,
		Accepted: time.Date(2026, 1, 2, 3, 4, number, 0, time.UTC)}
}

func record(t *testing.T, h *History, g *generation.Generation) {
	t.Helper()
	if err := h.Record(g); err != nil {
		t.Fatal(err)
	}
}

func TestGenerationsAreListedAndCompared(t *testing.T) {
	t.Parallel()
	h := open(t, filepath.Join(t.TempDir(), "history"), 0, &bytes.Buffer{})
	record(t, h, gen(1, "start", "fastx.env", "A=1\n", "apps/x.ini", "name = X\n"))
	record(t, h, gen(2, "ann", "fastx.env", "A=2\n", "apps/x.ini", "name = X\n", "/etc/default/fastx4", "SERVICES=user\n"))
	record(t, h, gen(3, "ann", "fastx.env", "A=2\n", "apps/x.ini", "name = X\n", "/etc/default/fastx4", "SERVICES=user\n"))   // only modes changed
	record(t, h, gen(3, "start", "fastx.env", "A=2\n", "apps/x.ini", "name = X\n", "/etc/default/fastx4", "SERVICES=user\n")) // a restart

	entries, err := h.List(0)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 || entries[1].Generation != 2 || entries[1].Origin != "ann" || entries[2].Origin != "start" {
		t.Fatalf("entries: %+v", entries)
	}
	if want := "generation 2: fastx.env, node/etc/default/fastx4 changed"; entries[1].Subject != want {
		t.Errorf("subject %q, want %q", entries[1].Subject, want)
	}
	if want := "generation 3: no text changed"; entries[0].Subject != want {
		t.Errorf("subject %q, want %q", entries[0].Subject, want)
	}
	if newest, err := h.List(1); err != nil || len(newest) != 1 || newest[0].Generation != 3 {
		t.Errorf("the newest alone: %+v, %v", newest, err)
	}
}

func TestSecretsNeverEnterTheRepository(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "history")
	h := open(t, dir, 0, &bytes.Buffer{})
	record(t, h, gen(1, "start", "a.ini", "secret = hunter2\n", "b.ini", "secret = hunter2\n"))
	record(t, h, gen(2, "start", "a.ini", "secret = hunter3\n", "b.ini", "secret = hunter2\n"))
	out := gitText(t, dir, "log", "-p")
	if strings.Contains(out, "hunter") {
		t.Errorf("git log -p shows a secret:\n%s", out)
	}
	a, b := gitText(t, dir, "show", "HEAD~:config/a.ini"), gitText(t, dir, "show", "HEAD~:config/b.ini")
	if a != b || a == gitText(t, dir, "show", "HEAD:config/a.ini") {
		t.Error("equal secrets must show as equal and changed ones as changed")
	}
	other := open(t, filepath.Join(t.TempDir(), "history"), 0, &bytes.Buffer{})
	if h.mask([]byte("hunter2")) == other.mask([]byte("hunter2")) {
		t.Error("two nodes mask alike: the digest could be guessed")
	}
	if info, err := os.Stat(dir + ".key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
}

// gitText asks the real git, which also proves that the repository is a sound one.
func gitText(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"--git-dir", dir, "-c", "safe.directory=*"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestTheRepositoryIsSoundAndBounded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "history")
	h := open(t, dir, 3, &bytes.Buffer{})
	for i := 1; i <= 10; i++ {
		record(t, h, gen(i, "ann", "fastx.env", fmt.Sprintf("A=%d\n", i), "apps/x.ini", "", "apps.d", "a file that sorts between\n"))
		entries, err := h.List(0)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) >= 6 || entries[0].Generation != i {
			t.Fatalf("after generation %d: %d entries, newest %d", i, len(entries), entries[0].Generation)
		}
	}
	gitText(t, dir, "fsck", "--strict")
	left, err := filepath.Glob(dir + "*")
	if err != nil || len(left) != 2 { // the repository and its key
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// objectFile is where a revision's object lies.
func objectFile(t *testing.T, dir, revision string) string {
	t.Helper()
	hash := strings.TrimSpace(gitText(t, dir, "rev-parse", revision))
	return filepath.Join(dir, "objects", hash[:2], hash[2:])
}

func TestABrokenRepositoryIsBegunAnew(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, dir string) error{
		"no objects": func(t *testing.T, dir string) error {
			return errors.Join(os.RemoveAll(dir+"/objects"), os.Mkdir(dir+"/objects", 0o700))
		},
		"an empty branch":   func(t *testing.T, dir string) error { return os.Truncate(dir+"/refs/heads/main", 0) },
		"an empty commit":   func(t *testing.T, dir string) error { return empty(objectFile(t, dir, "HEAD")) },
		"an empty tree":     func(t *testing.T, dir string) error { return empty(objectFile(t, dir, "HEAD^{tree}")) },
		"a lost old commit": func(t *testing.T, dir string) error { return os.Remove(objectFile(t, dir, "HEAD~1")) },
		"a file, no directory": func(t *testing.T, dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "history")
			var log bytes.Buffer
			h := open(t, dir, 0, &log)
			for n := range 2 { // the copy moved aside the first time does not hinder the second
				record(t, h, gen(10*n+1, "start", "fastx.env", "A=1\n", "apps/x.ini", "1\n"))
				record(t, h, gen(10*n+2, "start", "fastx.env", "A=2\n", "apps/x.ini", "2\n"))
				if err := harm(t, dir); err != nil {
					t.Fatal(err)
				}
				_, _ = h.List(0) // old damage is found by who looks, by a restart, or when old commits are dropped
				record(t, h, gen(10*n+3, "start", "fastx.env", "A=3\n", "apps/x.ini", "3\n"))
				if entries, err := h.List(0); err != nil || len(entries) != 1 || entries[0].Generation != 10*n+3 {
					t.Errorf("entries %+v, %v", entries, err)
				}
			}
			if n := strings.Count(log.String(), "moved aside"); n != 2 {
				t.Errorf("%d log lines say so, want 2", n)
			}
			if left, err := filepath.Glob(dir + "*"); err != nil || len(left) != 3 { // with its key and one copy aside
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestAHoleInAnOldGenerationDoesNotStopTheNext(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "history")
	h := open(t, dir, 0, &bytes.Buffer{})
	record(t, h, gen(1, "start", "fastx.env", "A=1\n", "apps/x.ini", "1\n"))
	if err := os.Remove(objectFile(t, dir, "HEAD:config/apps")); err != nil {
		t.Fatal(err)
	}
	record(t, h, gen(2, "start", "fastx.env", "A=2\n", "apps/x.ini", "2\n"))
	record(t, h, gen(3, "start", "fastx.env", "A=2\n", "apps/x.ini", "3\n"))
	if diff, err := h.Changes(t.Context(), 2, 3); err != nil || len(diff) != 1 || !strings.Contains(diff[0].Diff, "+3\n") {
		t.Errorf("%v:\n%s", err, diff)
	}
	if page, _, err := h.Page(0, 0); err != nil || len(page) != 3 {
		t.Errorf("the list: %v, %v", page, err)
	}
}

// empty truncates an object, which git makes read-only.
func empty(path string) error {
	return errors.Join(os.Chmod(path, 0o600), os.Truncate(path, 0))
}

func TestARebuildThatWasKilledIsFinished(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "history")
	h := open(t, dir, 0, &bytes.Buffer{})
	record(t, h, gen(1, "start", "fastx.env", "A=1\n"))
	if err := os.Rename(dir, h.stage()); err != nil { // as it is between the two renames
		t.Fatal(err)
	}
	if entries, err := h.List(0); err != nil || len(entries) != 1 {
		t.Errorf("entries %+v, %v", entries, err)
	}
}

func TestAFullDiskDoesNotCostTheHistory(t *testing.T) {
	t.Parallel()
	local := t.TempDir()
	if err := syscall.Mount("tmpfs", local, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(local, syscall.MNT_DETACH) })
	dir := filepath.Join(local, "history")
	var log bytes.Buffer
	h := open(t, dir, 0, &log)
	record(t, h, gen(1, "start", "fastx.env", "A=1\n"))
	noise := make([]byte, 100<<10)
	for n := 2; ; n++ {
		_, _ = rand.Read(noise)
		if err := h.Record(gen(n, "start", "fastx.env", string(noise))); err != nil {
			if !errors.Is(err, syscall.ENOSPC) || n < 3 {
				t.Errorf("generation %d: %v", n, err)
			}
			break
		}
	}
	if entries, err := h.List(0); err != nil || len(entries) < 2 || log.Len() > 0 {
		t.Errorf("entries %+v, %v, log %s", entries, err, log.String())
	}
}

func TestABigFileCountsWithItsDigest(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "history")
	h := open(t, dir, 0, &bytes.Buffer{})
	record(t, h, gen(1, "start", "theme.css", strings.Repeat("x", maxText+1), "small.css", strings.Repeat("x", maxText)))
	if got := gitText(t, dir, "show", "HEAD:config/theme.css"); len(got) > 100 || !strings.HasPrefix(got, "262145 bytes, sha256:") {
		t.Errorf("recorded %d bytes: %.50s", len(got), got)
	}
	if got := gitText(t, dir, "show", "HEAD:config/small.css"); len(got) != maxText {
		t.Errorf("recorded %d bytes", len(got))
	}
}

func TestAnOriginCannotForgeTrailers(t *testing.T) {
	t.Parallel()
	h := open(t, filepath.Join(t.TempDir(), "history"), 0, &bytes.Buffer{})
	record(t, h, gen(1, "eve <root@x>\nGeneration: 99\n", "fastx.env", "A=1\n"))
	entries, err := h.List(1)
	if err != nil || entries[0].Generation != 1 || strings.ContainsAny(entries[0].Origin, "<>\n") {
		t.Errorf("entries %+v, %v", entries, err)
	}
}
