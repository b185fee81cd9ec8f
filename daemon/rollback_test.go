package daemon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

// status is how the node says it is.
func (n *node) status() admin.Status {
	n.t.Helper()
	out, stderr, _ := n.Ctl("status", "--json")
	var s admin.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		n.t.Fatalf("status: %v\n%s", err, stderr)
	}
	return s
}

// generation is the number of the generation that runs.
func (n *node) generation() int { n.t.Helper(); return n.status().Config.Generation }

// reload has the node look at its files and returns the generation that then runs.
func (n *node) reload() int {
	n.t.Helper()
	if out, stderr, code := n.Ctl("reload", "--wait"); code != 0 {
		n.t.Fatalf("reload: exit %d\n%s%s", code, out, stderr)
	}
	return n.generation()
}

func (n *node) files() fileset.Set {
	n.t.Helper()
	set, err := fileset.Read(n.path("config"))
	if err != nil {
		n.t.Fatal(err)
	}
	return set
}

// TestRollbackWritesAGenerationBack tries it dry, does it, and then with a secret that has changed since.
func TestRollbackWritesAGenerationBack(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.Write("apps/clock.ini", "name = Clock\ncommand = xclock\n", 0o640)
	first, files := n.reload(), n.files()
	n.Write("apps/clock.ini", "name = Other Clock\ncommand = xclock\n", 0o640)
	n.Write("apps/more.ini", "name = More\ncommand = xterm\n", 0o644)
	second := n.reload()
	back := []string{"config", "rollback", fmt.Sprint(first)}

	changed := n.files()
	out, stderr, code := n.Ctl(append(back, "--dry-run")...)
	if code != 0 || !strings.Contains(out, "+name = Clock\n") || !strings.Contains(out, "-name = Other Clock\n") || !strings.Contains(stderr, "nothing was written") {
		t.Errorf("dry run: exit %d\n%s%s", code, out, stderr)
	}
	if !n.files().Equal(changed) || n.generation() != second {
		t.Error("the dry run changed something")
	}

	n.Write("permissions.ini", "[broken\n", 0o644) // what one rolls back from may be broken
	out, stderr, code = n.Ctl(append(back, "--origin", "ann")...)
	if code != 0 || !strings.Contains(out, "applied  apps/clock.ini:1: name") || n.generation() != second+1 {
		t.Fatalf("rollback: exit %d, generation %d after %d\n%s%s", code, n.generation(), second, out, stderr)
	}
	if now := n.files(); !now.Equal(files) {
		t.Errorf("the files differ: %v", now.Diff(files))
	}
	if out, _, _ := n.Ctl("config", "log", "--limit", "1"); !strings.Contains(out, fmt.Sprintf("rollback to %d by ann", first)) {
		t.Errorf("the history says %s", out)
	}

	users, err := os.ReadFile(n.path("config", "htpasswd"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(users)), "\n")
	_, hash, _ := strings.Cut(lines[len(lines)-1], ":")
	n.Write("htpasswd", string(users)+"zoe:"+hash[:len(hash)-1]+"x\n", 0o600)
	n.Write("apps/clock.ini", "name = Third Clock\ncommand = xclock\n", 0o640)
	third := n.reload()
	n.Write("htpasswd", string(users), 0o600)
	n.reload()
	back = []string{"config", "rollback", fmt.Sprint(third)}
	if _, stderr, code = n.Ctl(back...); code != 1 || !strings.Contains(stderr, "htpasswd: zoe") || !strings.Contains(stderr, "--keep-secrets") {
		t.Errorf("a secret that is nowhere: exit %d, %s", code, stderr)
	}
	for _, args := range [][]string{{"config", "rollback", "999"}, append(back, "--keep-secrets")} { // she is not there to be kept
		if _, stderr, code = n.Ctl(args...); code != 1 {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	if out, stderr, code = n.Ctl("config", "rollback", fmt.Sprint(first)); code != 0 {
		t.Errorf("with the same secret: exit %d\n%s%s", code, out, stderr)
	}
}

// TestRollbackOnAReadOnlyDirectorySaysWhatToChange.
func TestRollbackOnAReadOnlyDirectorySaysWhatToChange(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Write("apps/clock.ini", "name = Clock\ncommand = xclock\n", 0o640)
	n.Start()
	first := n.generation()
	n.Write("apps/clock.ini", "name = Other Clock\ncommand = xclock\n", 0o640)
	n.reload()
	readOnly(t, n.path("config"))
	_, stderr, code := n.Ctl("config", "rollback", fmt.Sprint(first))
	if code != 1 || !strings.Contains(stderr, "cannot be written to") || !strings.Contains(stderr, "+name = Clock\n") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// readOnly keeps everybody from writing to a directory, root too, until the test ends.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, d := range dirs {
			_ = os.Chmod(d, 0o755)
			_ = exec.Command("chattr", "-i", d).Run()
		}
	})
	for _, d := range dirs {
		if os.Getuid() != 0 {
			err = errors.Join(err, os.Chmod(d, 0o555))
		} else if out, failed := exec.Command("chattr", "+i", d).CombinedOutput(); failed != nil {
			t.Skipf("root cannot be kept from writing here: %v %s", failed, out)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRollbackSurvivesKill9 kills the daemon in the middle of rollbacks of many files. Started again, it has all of
// them old or all of them new, and the generation that runs is the one or the other.
func TestRollbackSurvivesKill9(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const many = 150
	write := func(version string) fileset.Set {
		n.t.Helper()
		for i := range many {
			n.Write(fmt.Sprintf("apps/a%03d.ini", i), fmt.Sprintf("name = %s %d\ncommand = xterm\n", version, i), 0o644)
		}
		return n.files()
	}
	older := write("Old")
	n.Start()
	first := n.reload()
	newer := write("New")
	second := n.reload()
	interrupted := 0
	for round := range 4 {
		from, to, want := newer, older, first
		if n.files().Equal(older) {
			from, to, want = older, newer, second
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			n.Ctl("config", "rollback", fmt.Sprint(want))
		}()
		pending := n.path("local", "rollback", "pending")
		n.Await("the rollback to begin", func() error {
			_, err := os.Stat(pending)
			return err
		})
		n.Kill()
		<-ended
		if now := n.files(); !now.Equal(from) && !now.Equal(to) {
			interrupted++
		}
		n.Start()
		if now := n.files(); !now.Equal(from) && !now.Equal(to) {
			t.Errorf("round %d: some files are old and some are new: %d differ from the one, %d from the other", round, len(now.Diff(from)), len(now.Diff(to)))
		}
		if out, _, code := n.Ctl("reload", "--wait"); code != 0 {
			t.Errorf("round %d: reload: exit %d\n%s", round, code, out)
		}
	}
	if interrupted == 0 {
		t.Error("no rollback was killed half-way: this shows nothing")
	}
	if !strings.Contains(n.Log(), "a rollback was interrupted; it is finished now") {
		t.Error("it is not said that a rollback was finished")
	}
}
