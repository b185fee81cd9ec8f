package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestASecretIsMadeOnceWhateverHappens installs three transporters at once on one share, kills one of them somewhere on its
// way, and has the next install make good what it left.
func TestASecretIsMadeOnceWhateverHappens(t *testing.T) {
	t.Parallel()
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	ctl := filepath.Join(binaries.dir, "fastxctl")
	owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	for round := range 10 {
		share := t.TempDir()
		var running []*exec.Cmd
		for i := range 3 {
			cmd := exec.Command(ctl, "secret", "new", "--config-dir", share, "--owner", owner, "--url", fmt.Sprintf("nats://t%d:4222", i))
			cmd.Env = []string{}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			running = append(running, cmd)
		}
		if err := running[round%3].Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, cmd := range running {
			_ = cmd.Wait() // what they come to is seen below
		}
		last := exec.Command(ctl, "secret", "new", "--config-dir", share, "--owner", owner)
		if out, err := last.CombinedOutput(); last.ProcessState.ExitCode() != 0 && last.ProcessState.ExitCode() != 5 {
			t.Errorf("round %d: %v: %s", round, err, out)
		}
		if out, err := exec.Command(ctl, "check", "--strict", share).CombinedOutput(); err != nil {
			t.Errorf("round %d: %v: %s", round, err, out)
		}
		entries, err := os.ReadDir(share)
		if err != nil {
			t.Fatal(err)
		}
		files := 0
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") { // what was killed leaves its stage, which nobody reads
				files++
			}
		}
		if files != 2 {
			t.Errorf("round %d: the share holds %v", round, entries)
		}
	}
}
