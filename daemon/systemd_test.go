package daemon_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// machine is a container with a systemd of its own and fastxd as its unit runs it.
type machine struct {
	*api
	container *dockertest.Resource
}

// accounts are those that fastxd runs as: as its unit has it, its sessions being children of its own, and
// as root, its sessions being units of their own.
var accounts = []string{"fastx", "root"}

// startMachine boots a machine, puts the unit of a node where a package would, and starts it, as an account.
func startMachine(t *testing.T, account string) *machine {
	t.Helper()
	m := bootMachine(t)
	m.install(account)
	m.Must("systemctl", "start", "fastxd.service")
	m.AwaitReady()
	return m
}

// bootMachine makes the base image where it is missing, starts a container of it, and puts the programs, the units and the
// account of the packages there.
func bootMachine(t *testing.T) *machine {
	t.Helper()
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	m := startContainer(t)
	m.boot()
	return m
}

// startContainer makes the base image where it is missing, starts a container of it, and waits for its systemd. It may have
// more of the host than others have.
func startContainer(t *testing.T, more ...func(*docker.HostConfig)) *machine {
	t.Helper()
	pool := needEngine(t)
	image := baseImage(t)
	container, err := pool.RunWithOptions(&dockertest.RunOptions{
		Repository: image[0], Tag: image[1], Cmd: []string{"/lib/systemd/systemd"}, CapAdd: []string{"SYS_ADMIN"},
		Mounts: []string{"/sys/fs/cgroup:/sys/fs/cgroup:ro"}, Labels: map[string]string{"fastx-kit": "test"},
	}, append(more, func(h *docker.HostConfig) { h.Tmpfs = map[string]string{"/run": "", "/run/lock": ""} })...)
	if err != nil {
		t.Fatalf("start the container: %v", err)
	}
	t.Cleanup(func() {
		if err := container.Close(); err != nil {
			t.Errorf("remove the container: %v", err)
		}
	})
	m := &machine{api: newAPI(t), container: container}
	m.awaitBoot()
	return m
}

// needEngine finds the Docker engine, without which a test of containers has nothing to do.
func needEngine(t *testing.T) *dockertest.Pool {
	t.Helper()
	pool, err := dockertest.NewPool("")
	if err == nil {
		err = pool.Client.Ping()
	}
	if err != nil {
		t.Skipf("container tests are skipped: no Docker engine answers: %v", err)
	}
	return pool
}

// awaitBoot finds the container's address and waits for its systemd.
func (m *machine) awaitBoot() {
	m.t.Helper()
	m.URL = "https://" + m.container.Container.NetworkSettings.IPAddress + ":3300"
	m.awaitSystemd()
}

// awaitSystemd waits until every unit is up, and none has failed.
func (m *machine) awaitSystemd() {
	m.t.Helper()
	m.Await("systemd to be up", func() error {
		out, err := m.Exec("systemctl", "is-system-running")
		if !strings.Contains(out, "running") {
			return fmt.Errorf("%q: %w", out, errors.Join(err))
		}
		return nil
	})
}

// restart cuts the container's power and boots it again.
func (m *machine) restart() {
	m.t.Helper()
	pool, err := dockertest.NewPool("")
	if err == nil {
		err = pool.Client.RestartContainer(m.container.Container.ID, 0)
	}
	if err == nil {
		m.container.Container, err = pool.Client.InspectContainer(m.container.Container.ID)
	}
	if err != nil {
		m.t.Fatalf("restart the container: %v", err)
	}
	m.awaitBoot()
}

// baseImage names the image with systemd and an X server, as repository and tag.
func baseImage(t *testing.T) [2]string {
	t.Helper()
	script := exec.Command("../images/scripts/base-image.sh")
	var stderr bytes.Buffer
	script.Stderr = &stderr
	out, err := script.Output()
	if err != nil {
		t.Fatalf("make the base image: %v\n%s", err, stderr.String())
	}
	repository, tag, ok := strings.Cut(strings.TrimSpace(string(out)), ":")
	if !ok {
		t.Fatalf("base-image.sh printed %q, not NAME:TAG", out)
	}
	return [2]string{repository, tag}
}

// boot does what the packages do on every machine, without building them.
func (m *machine) boot() {
	m.t.Helper()
	for _, program := range []string{"fastxd", "fastxctl", "fastxd-session"} {
		m.copyIn(filepath.Join(binaries.dir, program), "/usr/bin/"+program, "0755")
	}
	for _, unit := range []string{"fastxd.service", "fastxd-transporter.service"} {
		m.copyIn("../images/units/"+unit, "/etc/systemd/system/"+unit, "0644")
	}
	m.Must("useradd", "--system", "--create-home", "--home-dir", "/var/lib/fastx", "--shell", "/bin/bash", "fastx")
	m.Must("sh", "-c", "mkdir -p /usr/lib/fastxd && echo FX_LOCAL_DIR=/var/lib/fastx-local > /usr/lib/fastxd/defaults.env")
	m.Must("systemctl", "daemon-reload")
}

// install does what they and an administrator do for a node.
func (m *machine) install(account string) {
	m.t.Helper()
	m.Must("install", "-d", "-o", account, "-g", account, "-m", "0750", "/etc/fastx", "/var/fastx")
	m.Must("sh", "-c", fmt.Sprintf("printf '%%s\\n' '%s' | runuser -u %s -- fastxctl init /etc/fastx --user %s --password-stdin", m.Password, account, m.User))
	m.Must("sh", "-c", fmt.Sprintf("d=/etc/systemd/system/fastxd.service.d; mkdir -p $d; printf '[Service]\\nUser=%s\\nGroup=%s\\n' >$d/account.conf", account, account))
	m.Must("systemctl", "daemon-reload")
}

// copyIn writes a file of this machine into the container.
func (m *machine) copyIn(from, to, mode string) {
	m.t.Helper()
	f, err := os.Open(from)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	var out bytes.Buffer
	code, err := m.container.Exec([]string{"sh", "-c", fmt.Sprintf("cat > %s && chmod %s %s", to, mode, to)},
		dockertest.ExecOptions{StdIn: f, StdOut: &out, StdErr: &out})
	if err != nil || code != 0 {
		m.t.Fatalf("copy %s: exit %d, %v\n%s", to, code, err, out.String())
	}
}

// Exec runs a program in the container and returns what it printed.
func (m *machine) Exec(args ...string) (string, error) {
	var out bytes.Buffer
	code, err := m.container.Exec(args, dockertest.ExecOptions{StdOut: &out, StdErr: &out})
	if err == nil && code != 0 {
		err = fmt.Errorf("exit %d", code)
	}
	return out.String(), err
}

// Must runs a program in the container that has to succeed.
func (m *machine) Must(args ...string) string {
	m.t.Helper()
	out, err := m.Exec(args...)
	if err != nil {
		journal, _ := m.Exec("journalctl", "--no-pager", "-n", "50", "-u", "fastxd*")
		m.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return strings.TrimSpace(out)
}

// TestDrillUnderSystemd kills, restarts, stops and starts the unit while sessions run and start.
func TestDrillUnderSystemd(t *testing.T) {
	for _, account := range accounts {
		t.Run(account, func(t *testing.T) { drillUnderSystemd(t, account) })
	}
}

func drillUnderSystemd(t *testing.T, account string) {
	m := startMachine(t, account)
	before, during := crowd()
	ids := m.startMany(before)
	for _, id := range ids {
		m.AwaitState(id, transporter.Running)
	}
	t.Run("reload", m.reloadUnit)
	for _, blow := range [][]string{
		{"systemctl", "kill", "--kill-who=main", "--signal=KILL", "fastxd.service"}, // Restart=on-failure brings it back
		{"systemctl", "restart", "fastxd.service"},
		{"systemctl", "stop", "fastxd.service"},
	} {
		t.Run(blow[1], func(t *testing.T) {
			pid := m.Must("systemctl", "show", "--property=MainPID", "--value", "fastxd.service")
			late := make(chan struct{})
			go func() {
				defer close(late)
				m.tryMany(during)
			}()
			m.Must(blow...)
			<-late
			if blow[1] == "stop" {
				m.Must("systemctl", "start", "fastxd.service")
			}
			m.Await("a new main process", func() error {
				if now := m.Must("systemctl", "show", "--property=MainPID", "--value", "fastxd.service"); now == pid || now == "0" {
					return fmt.Errorf("main process is %s", now)
				}
				return nil
			})
			m.AwaitReady()
			live := m.awaitSettled(t)
			for _, id := range ids {
				if !slices.Contains(live, id) {
					t.Errorf("session %s was running before and is lost", id)
				}
			}
			m.compareXservers(t, live)
			for _, id := range live {
				m.reconnect(t, id)
				if !slices.Contains(ids, id) { // make room: each blow falls on the same crowd
					m.Call(m.Token(), "DELETE", "/api/v1/sessions/"+id, nil, nil)
				}
			}
		})
	}
}

// reloadUnit has systemctl reload an edit, and a fault, and reads what systemd then says of the unit.
func (m *machine) reloadUnit(t *testing.T) {
	m.Must("cp", "-p", "/etc/fastx/fastx.env", "/etc/fastx/fastx.env~")
	add := func(line string) {
		m.Must("sh", "-c", "cd /etc/fastx && cp -p fastx.env~ new~ && echo '"+line+"' >>new~ && mv new~ fastx.env")
	}
	unit := func(want string) {
		t.Helper()
		got := m.Must("systemctl", "show", "--property=ActiveState,StatusText", "fastxd.service")
		if !strings.Contains(got+"\n", "ActiveState=active\n") || !strings.Contains(got, want) {
			t.Errorf("the unit says %q, want it active with %q", got, want)
		}
	}
	add("FX_KEEP_ENDED=23h")
	m.Must("systemctl", "reload", "fastxd.service")
	unit("runs")
	add("FX_KEEP_ENDED=soon")
	if out, err := m.Exec("systemctl", "reload", "fastxd.service"); err == nil {
		t.Errorf("systemctl reload does not fail on a broken file: %s", out)
	}
	unit("the files at hand are rejected: 1 error")
	add("")
	m.Must("systemctl", "reload", "fastxd.service")
	unit("runs")
}

// compareXservers checks that each live session has one X server and that no other runs.
func (m *machine) compareXservers(t *testing.T, live []string) {
	t.Helper()
	servers := map[string]int{}
	for line := range strings.Lines(m.Must("ps", "-C", "Xvnc,Xtigervnc", "-o", "args=")) {
		args := strings.Fields(line)
		if i := slices.Index(args, "-rfbunixpath"); i >= 0 {
			servers[filepath.Base(filepath.Dir(args[i+1]))]++
		}
	}
	for _, id := range live {
		if servers[id] != 1 {
			t.Errorf("%d X servers run for live session %s", servers[id], id)
			record, _ := m.Exec("sh", "-c", "cd /var/lib/fastx-local/sessions; cat "+id+".json; tail -n 20 "+id+".log")
			t.Log(record)
		}
		delete(servers, id)
	}
	for id := range servers {
		t.Errorf("an X server runs for session %s, which is not live", id)
	}
}

// tryMany starts sessions at once while the daemon may be going away.
func (n *api) tryMany(count int) {
	done := make(chan struct{})
	for i := range count {
		go func() {
			body := map[string]any{"command": "exec xterm -e cat", "geometry": "320x200", "name": fmt.Sprint("late ", i)}
			n.Call(n.Token(), "POST", "/api/v1/sessions", body, nil)
			done <- struct{}{}
		}()
	}
	for range count {
		<-done
	}
}
