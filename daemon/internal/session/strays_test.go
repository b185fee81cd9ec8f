package session

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestStraysOfOneSessionAreKilledAndNoOthers starts processes that left their parent's group.
func TestStraysOfOneSessionAreKilledAndNoOthers(t *testing.T) {
	t.Parallel()
	start := func(id string) *exec.Cmd {
		cmd := exec.Command("sleep", "3600")
		cmd.Env = []string{"A=1", EnvID + "=" + id, "B=2"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd
	}
	const id = "00000000deadbeef"
	ours, also, longer := start(id), start(id), start(id+"0")
	if n := KillStrays(id, os.Getuid()+1); n != 0 {
		t.Errorf("%d processes of another user were killed", n)
	}
	if n := KillStrays(id, os.Getuid()); n != 2 {
		t.Errorf("%d processes were killed, want 2", n)
	}
	for _, cmd := range []*exec.Cmd{ours, also} {
		if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("a stray ended with %v", err)
		}
	}
	if p, err := ProcessOf(longer.Process.Pid); err != nil || !p.Alive() {
		t.Error("a process of another session was killed")
	}
}
