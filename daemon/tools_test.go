package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/document"
)

// managed is a node whose files configuration management writes, as README.md shows.
type managed struct {
	*node
	source string                          // where the tool has its own files
	run    func() (output string, ok bool) // applies them
}

// manage starts a node, with a fastxctl that has the node look at its files each time that one waits for its verdict:
// what a tool has half done is seen.
func manage(t *testing.T) *managed {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("configuration management runs as root")
	}
	m := &managed{node: startNode(t)}
	m.source = m.path("source")
	m.write(t, m.path("bin", "fastxctl"), 0o755, fmt.Sprintf(
		"#!/bin/sh\nexport FX_RUN_DIR=%s FX_NODE_FILE=%s\n%[3]s reload --wait >/dev/null || exit 9\nexec %[3]s \"$@\"\n",
		m.Env["FX_RUN_DIR"], m.Env["FX_NODE_FILE"], filepath.Join(binaries.dir, "fastxctl")))
	return m
}

// write writes a file and the directories it lies in.
func (m *managed) write(t *testing.T, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// here is a block of README.md with the places of this node.
func (m *managed) here(t *testing.T, text string) string {
	t.Helper()
	text = adapt(t, text, "/etc/fastx", m.path("config"), "/usr/bin/fastxctl", m.path("bin", "fastxctl"))
	return strings.ReplaceAll(text, "/etc/default/fastx4", m.Env["FX_NODE_FILE"])
}

// tool runs a program of the machine's own: what else is on PATH, such as another Python, is not for it.
func (m *managed) tool(t *testing.T, name string, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.Command("/usr/bin/"+name, args...)
	cmd.Dir = m.source
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + m.path("home"),
		"ANSIBLE_HOME=" + m.path("ansible"), "ANSIBLE_REMOTE_TEMP=" + m.path("ansible", "tmp"), "ANSIBLE_NOCOLOR=1"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%v; images/scripts/deps.sh test installs it", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// shown is the block of README.md of a language that holds a text.
func shown(t *testing.T, language, text string) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := document.Blocks("README.md", readme)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(blocks, func(b document.Block) bool { return b.Language == language && strings.Contains(b.Text, text) })
	if i < 0 {
		t.Fatalf("README.md has no block of %s with %q", language, text)
	}
	return blocks[i].Text
}

const (
	goodApp  = "name = Terminal\ncommand = xterm\n"
	otherApp = "name = Other Terminal\ncommand = xterm\n"
	badApp   = "name = Terminal\ncomand = xterm\n"
	strayApp = "name = Terminal\ncommand = xterm\nprofile = nowhere\n" // good by itself
)

// takes has the tool write what is good, and the node run it: the change of a file is one generation, whatever
// the tool does beside it until it is in place.
func (m *managed) takes(t *testing.T, template string) {
	t.Helper()
	for step, text := range []string{goodApp, otherApp} {
		m.write(t, template, 0o644, text)
		before := m.generation()
		if out, ok := m.run(); !ok {
			t.Fatalf("a good file is refused:\n%s", out)
		}
		if landed, err := os.ReadFile(m.path("config", "apps", "xterm.ini")); string(landed) != text {
			t.Fatalf("xterm.ini is %q, %v", landed, err)
		}
		if after := m.reload(); step > 0 && after != before+1 { // the first writes two files
			t.Errorf("generation %d was followed by %d\n%s", before, after, m.Log())
		}
	}
}

// refuses has the tool write what is bad. It says what we say of it, tells no secret, and nothing has changed.
func (m *managed) refuses(t *testing.T, template, text string, said ...string) {
	t.Helper()
	m.write(t, template, 0o644, text)
	before, generation := m.files(), m.generation()
	out, ok := m.run()
	if ok || strings.Contains(out, puppetsSecret) {
		t.Errorf("success: %t, and a secret is told: %t\n%s", ok, strings.Contains(out, puppetsSecret), out)
	}
	for _, want := range said {
		if !strings.Contains(out, want) {
			t.Errorf("nobody says %q\n%s", want, out)
		}
	}
	if now := m.reload(); now != generation || !m.files().Equal(before) {
		t.Errorf("generation %d was followed by %d; the files are now %v", generation, now, m.files().Names())
	}
}

// TestAnsibleHandsFilesToTheCheckFirst runs the tasks of README.md.
func TestAnsibleHandsFilesToTheCheckFirst(t *testing.T) {
	t.Parallel()
	m := manage(t)
	const alone, inTree = "check --as apps/xterm.ini %s", "check --as apps/xterm.ini --dir /etc/fastx %s"
	tasks, _ := shown(t, "yaml", "ansible.builtin.template"), shown(t, "yaml", inTree)
	playbook, tasksFile, templates := filepath.Join(m.source, "site.yml"), filepath.Join(m.source, "tasks.yml"), filepath.Join(m.source, "templates")
	m.write(t, playbook, 0o644, "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.import_tasks: tasks.yml\n")
	m.write(t, tasksFile, 0o644, m.here(t, tasks))
	m.write(t, filepath.Join(templates, "fastx4.j2"), 0o644, "METADATA_rack={{ 3 + 4 }}\n")
	m.run = func() (string, bool) {
		out, code := m.tool(t, "ansible-playbook", "-i", "localhost,", "-c", "local", playbook)
		return out, code == 0
	}
	template := filepath.Join(templates, "xterm.ini.j2")
	m.takes(t, template)
	if node, err := os.ReadFile(m.Env["FX_NODE_FILE"]); string(node) != "METADATA_rack=7\n" {
		t.Errorf("the node file is %q, %v", node, err)
	}
	m.refuses(t, template, badApp, "apps/xterm.ini:2:1: comand: ")

	m.write(t, tasksFile, 0o644, m.here(t, adapt(t, tasks, alone, inTree)))
	m.refuses(t, template, strayApp, "/apps/xterm.ini:3:1: profile: there is no profile ")
}

// puppetsSecret is the one of the nodes that Puppet looks after.
const puppetsSecret = "secret.of.the.puppet.test"

// TestPuppetHandsFilesToTheCheckFirst applies the manifest of README.md. Puppet writes the file that waits for its
// verdict into the directory itself.
func TestPuppetHandsFilesToTheCheckFirst(t *testing.T) {
	t.Parallel()
	m := manage(t)
	manifest, modules, state := filepath.Join(m.source, "site.pp"), filepath.Join(m.source, "modules"), m.path("puppet")
	m.write(t, manifest, 0o644, adapt(t, m.here(t, shown(t, "puppet", "validate_cmd")), "'fastx'", "'root'"))
	m.run = func() (string, bool) {
		out, code := m.tool(t, "puppet", "apply", "--color=false", "--detailed-exitcodes", "--modulepath", modules,
			"--confdir", state, "--vardir", state, "--logdir", state, "--rundir", state, manifest)
		return out, code == 0 || code == 2 // files were changed
	}
	templates := filepath.Join(modules, "profile", "templates")
	template, secret := filepath.Join(templates, "xterm.ini.epp"), filepath.Join(templates, "transporter-secret.ini.epp")
	m.write(t, secret, 0o644, "[transporter]\nform = token\ntoken = "+puppetsSecret+"\n")
	m.takes(t, template)

	m.write(t, secret, 0o644, "[transporter]\nform = token\ntoken = $2a$11$"+puppetsSecret+"\n")
	m.refuses(t, template, badApp, "apps/xterm.ini:2:1: comand: ", "transporter-secret.ini:3:")
}
