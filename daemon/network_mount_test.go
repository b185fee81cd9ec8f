package daemon_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// startRefused starts a fastxd that is to refuse, and returns its exit status and what it says.
func (n *node) startRefused() (code int, said string) {
	n.t.Helper()
	n.launch()
	select {
	case <-n.done:
	case <-time.After(patience):
		n.t.Fatalf("fastxd runs\n%s", n.Log())
	}
	return n.cmd.ProcessState.ExitCode(), n.Log()
}

// TestDirectoriesOnANetworkMount starts a node whose own directories lie on a share, as sshfs mounts one: it does not
// start with FX_LOCAL_DIR in a shared FX_VAR_DIR, and works and warns with FX_TEMP_DIR and FX_RUN_DIR there.
func TestDirectoriesOnANetworkMount(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	share := n.path("share")
	for _, dir := range []string{n.path("lower"), share, n.path("lower", "tmp")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mountFUSE(t, n.path("lower"), share, "-o", "subtype=sshfs")

	own := n.Env["FX_LOCAL_DIR"]
	n.Env["FX_VAR_DIR"], n.Env["FX_LOCAL_DIR"] = share+"/var", share+"/var/local"
	want := "fastxd: FX_LOCAL_DIR: " + share + "/var/local lies inside FX_VAR_DIR, which nodes share; move it to a directory of this node, such as /var/lib/fastx-local\n"
	if code, said := n.startRefused(); code != 1 || said != want {
		t.Errorf("exit %d: %q\nwant 1: %q", code, said, want)
	}
	if left, err := os.ReadDir(share); err != nil || len(left) != 1 {
		t.Errorf("a refused start left %v on the share, %v", left, err)
	}

	n.Env["FX_LOCAL_DIR"], n.Env["FX_TEMP_DIR"], n.Env["FX_RUN_DIR"] = own, share+"/tmp", share+"/run"
	n.Start()
	var found []string
	for _, d := range n.running() {
		found = append(found, d.String())
	}
	text := strings.Join(found, "\n")
	for key, dir := range map[string]string{"FX_TEMP_DIR": "/tmp", "FX_RUN_DIR": "/run"} {
		if want := fmt.Sprintf("warning: %s: %s%s lies on a network mount (fuse.sshfs), and nodes that share it", key, share, dir); !strings.Contains(text, want) {
			t.Errorf("nobody says %q\n%s", want, text)
		}
	}
	if len(found) != 2 {
		t.Errorf("two things are to be warned of\n%s", text)
	}
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	n.view(s.ID).alive(t, "on the share")
}
