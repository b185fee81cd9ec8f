package daemon_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// buildAs builds the programs as those of a version that knows trees up to a format, and returns where they are.
func buildAs(t *testing.T, version, format string) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "-ldflags",
		"-X main.version="+version+" -X github.com/fastx-kit/fastx-kit/daemon/spec.format="+format, "./cmd/fastxd", "./cmd/fastxctl", "./cmd/fastxd-session")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build version %s: %v\n%s", version, err, out)
	}
	return dir
}

// upgradable is a cluster of a node that runs most components and one that runs sessions alone, of versions that change.
type upgradable struct {
	*bus
	nodes    map[string]*node  // by their names
	versions map[string]string // by the nodes' names
	sessions map[string]string // by the nodes' names
	programs map[string]string // by version
}

const (
	most = "webserver-manager-launcher"
	one  = "launcher"
)

// TestTwoVersionsShareADirectory takes a cluster through an upgrade: first one of its nodes is new, then the tree is, then
// all nodes are, and at last one goes back. Sessions of each node go on all the time.
func TestTwoVersionsShareADirectory(t *testing.T) {
	t.Parallel()
	c := startUpgradable(t, "1.0.0", "2.0.0")
	c.bring(t, one, "2.0.0") // a new version on the tree as it is
	c.says(t, most, 0, "no problems")
	c.says(t, one, 0, "no problems")

	// A new tree, with a key that the old version has never heard of. To the new one it is a slip of the pen, for
	// which it holds the one object back.
	c.Write("fastx.env", "FX_FORMAT=2\n", 0o644)
	c.Write("apps/clock.ini", "name = Clock\ncommand = xclock\nshadow = soft\n", 0o644)
	const (
		slip  = "apps/clock.ini:3:1: shadow: is not a known key; remove it"
		maybe = "apps/clock.ini:3:1: warning: shadow: is not a known key; bring fastxd up to date if a newer version knows it, else remove it"
		old   = "fastx.env:1:1: warning: FX_FORMAT: the tree has format 2 and this node knows 1"
	)
	c.says(t, most, 0, maybe, old)
	c.says(t, one, 3, slip)
	c.judges(t, most, 0, old)
	c.judges(t, one, 2, slip)
	c.run(t, most, one) // the old version goes on starting what it knows
	c.await(t)

	c.Write("apps/clock.ini", "name = Clock\ncommand = xclock\n", 0o644)
	c.says(t, most, 0, old)
	c.says(t, one, 0, "no problems")
	c.bring(t, signers, "2.0.0")
	c.bring(t, most, "2.0.0")
	c.says(t, most, 0, "no problems")
	c.bring(t, one, "1.0.0") // as who finds a fault in the new version does
	c.says(t, one, 0, old)
}

// startUpgradable starts a cluster of the older of two versions, with a session on each node.
func startUpgradable(t *testing.T, older, newer string) *upgradable {
	t.Helper()
	c := &upgradable{bus: startBus(t), nodes: map[string]*node{}, versions: map[string]string{}, sessions: map[string]string{},
		programs: map[string]string{older: buildAs(t, older, "1"), newer: buildAs(t, newer, "2")}}
	for _, name := range []string{signers, most, one} { // who signs comes first: the others are given its key
		c.nodes[name] = c.newMember(name)
		c.nodes[name].bin, c.versions[name] = c.programs[older], older
		c.nodes[name].join()
	}
	c.await(t)
	c.run(t, most, one)
	c.run(t, one, most)
	c.await(t)
	return c
}

// bring brings a node to a version.
func (c *upgradable) bring(t *testing.T, name, version string) {
	t.Helper()
	n := c.nodes[name]
	n.Stop()
	n.bin, c.versions[name] = c.programs[version], version
	n.join()
	c.await(t)
}

// run starts a session on a node, while another one is drained.
func (c *upgradable) run(t *testing.T, on, other string) {
	t.Helper()
	web := c.nodes[most]
	drain := func(method string) {
		if status := web.Call(web.Token(), method, "/api/v1/nodes/"+other+"/drain", nil, nil); status >= 300 {
			t.Fatalf("%s drain: status %d", method, status)
		}
	}
	drain("POST")
	s := web.StartSession(map[string]any{"app": "xterm"})
	drain("DELETE")
	web.AwaitState(s.ID, transporter.Running)
	if s.Node != on {
		t.Fatalf("the session is on %s, want %s", s.Node, on)
	}
	c.sessions[on] = s.ID
}

// await waits until the cluster is what it has to be, and looks at each session's display.
func (c *upgradable) await(t *testing.T) {
	t.Helper()
	web := c.nodes[most]
	web.Await("the cluster to be of the versions "+fmt.Sprint(c.versions), func() error {
		var list struct {
			Nodes []struct{ Node, Version string }
		}
		web.Call(web.Token(), "GET", "/api/v1/nodes", nil, &list)
		got := map[string]string{}
		for _, n := range list.Nodes {
			got[n.Node] = n.Version
		}
		if !maps.Equal(got, c.versions) {
			return fmt.Errorf("it is %v", got)
		}
		for on, id := range c.sessions {
			var s transporter.Session
			if web.Call(web.Token(), "GET", "/api/v1/sessions/"+id, nil, &s); s.State != transporter.Running || s.Node != on {
				return fmt.Errorf("session %s is %s on %q", id, s.State, s.Node)
			}
		}
		return nil
	})
	for _, id := range c.sessions {
		web.reconnect(t, id)
	}
}

// says has a node reload and wants this exit code, and these words of its status.
func (c *upgradable) says(t *testing.T, name string, code int, words ...string) {
	t.Helper()
	if out, errs, got := c.nodes[name].Ctl("reload", "--wait"); got != code {
		t.Errorf("%s: reload exits with %d, want %d:\n%s%s", name, got, code, out, errs)
	}
	out, errs, _ := c.nodes[name].Ctl("status")
	for _, want := range words {
		if !strings.Contains(out, want) {
			t.Errorf("%s does not say %q:\n%s%s", name, want, out, errs)
		}
	}
}

// judges has a node's own fastxctl check the tree.
func (c *upgradable) judges(t *testing.T, name string, code int, words string) {
	t.Helper()
	if out, errs, got := c.nodes[name].Ctl("check", c.path("config")); got != code || !strings.Contains(out, words) {
		t.Errorf("fastxctl %s: exit %d, want %d and %q:\n%s%s", c.versions[name], got, code, words, out, errs)
	}
}

// TestAProgramOfNoFormatDoesNotStart builds one whose format is no number.
func TestAProgramOfNoFormatDoesNotStart(t *testing.T) {
	t.Parallel()
	dir := buildAs(t, "1.0.0", "new")
	for _, program := range []string{"fastxd", "fastxctl"} {
		out, err := exec.Command(filepath.Join(dir, program), "--help").CombinedOutput()
		if err == nil || !strings.Contains(string(out), `built with the format "new"`) {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
	}
}
