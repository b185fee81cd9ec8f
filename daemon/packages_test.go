package daemon_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ory/dockertest/v3/docker"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// buildPackages builds the packages of a version for this architecture.
func buildPackages(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	if err := buildPackagesInto(dir, version); err != nil {
		t.Fatal(err)
	}
	return dir
}

func buildPackagesInto(dir, version string) error {
	cmd := exec.Command("../images/scripts/build-packages.sh", version, dir)
	cmd.Env = append(os.Environ(), "ARCHITECTURES="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the packages: %w\n%s", err, out)
	}
	return nil
}

// oldPackages and nextPackages are two versions, built once for all tests.
var (
	oldPackages  = packagesOf("1.0.0")
	nextPackages = packagesOf("1.1.0")
)

func packagesOf(version string) func(t *testing.T) string {
	build := sync.OnceValues(func() (string, error) {
		dir := filepath.Join(binaries.dir, "packages-"+version)
		return dir, errors.Join(os.MkdirAll(dir, 0o755), buildPackagesInto(dir, version))
	})
	return func(t *testing.T) string {
		t.Helper()
		dir, err := build()
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
}

// packageNames are the packages.
var packageNames = []string{"fastxd-core", "fastxd", "fastxd-nats", "fastxd-compat"}

func packageFile(dir, name, version, form string) string {
	return filepath.Join(dir, fmt.Sprintf("%s_%s_%s.%s", name, version, runtime.GOARCH, form))
}

// TestThePackages builds them twice, has lintian and rpmlint look at them, and takes them through the life of a
// machine: sessions outlive an upgrade and the way back, and after a purge nothing is left.
func TestThePackages(t *testing.T) {
	t.Parallel()
	first := oldPackages(t)
	t.Run("are the same each time", func(t *testing.T) { sameFiles(t, first, buildPackages(t, "1.0.0")) })
	t.Run("please those who check packages", func(t *testing.T) { lintPackages(t, first) })
	t.Run("run on old systems", func(t *testing.T) { checkPrograms(t, first) })
	t.Run("live on a machine", func(t *testing.T) { livePackages(t, first, nextPackages(t)) })
}

func sameFiles(t *testing.T, a, b string) {
	entries, err := os.ReadDir(a)
	if err != nil || len(entries) != 2*len(packageNames) {
		t.Fatalf("%d packages, %v", len(entries), err)
	}
	for _, e := range entries {
		one, err := os.ReadFile(filepath.Join(a, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if two, err := os.ReadFile(filepath.Join(b, e.Name())); err != nil || string(one) != string(two) {
			t.Errorf("%s is another file each time: %v", e.Name(), err)
		}
	}
}

func lintPackages(t *testing.T, dir string) {
	tools := boundCpio(t)
	for _, name := range packageNames {
		if out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", packageFile(dir, name, "1.0.0", "deb")).CombinedOutput(); err != nil {
			t.Errorf("lintian: %v\n%s", err, out)
		}
		rpmlint := exec.Command("rpmlint", "--config", "../images/packages/rpmlint.toml", packageFile(dir, name, "1.0.0", "rpm"))
		rpmlint.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
		if out, err := rpmlint.CombinedOutput(); err != nil {
			t.Errorf("rpmlint: %v\n%s", err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(tools, "used")); err != nil {
		t.Errorf("rpmlint unpacks packages another way than the test knows: %v", err)
	}
}

// boundCpio makes a directory of tools in which cpio unpacks nothing outside of where it is run: the names in these
// packages are absolute, and rpmlint would have them unpacked over this machine's own files.
func boundCpio(t *testing.T) string {
	t.Helper()
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n: >%s/used\nexec %s --no-absolute-filenames \"$@\"\n", dir, cpio)
	if err := os.WriteFile(filepath.Join(dir, "cpio"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkPrograms unpacks packages and sees that each program in them is static, or needs no newer glibc than RHEL 8 has.
func checkPrograms(t *testing.T, packages string) {
	dir := t.TempDir()
	for _, name := range []string{"fastxd-core", "fastxd"} {
		if out, err := exec.Command("dpkg-deb", "-x", packageFile(packages, name, "1.0.0", "deb"), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	programs := 0
	for _, pattern := range []string{"/usr/bin/*", "/usr/libexec/fastxd/*"} {
		files, _ := filepath.Glob(dir + pattern)
		for _, file := range files {
			f, err := elf.Open(file)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			symbols, _ := f.DynamicSymbols()
			for _, s := range symbols {
				if v, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok && newerGlibc(v, 2, 28) {
					t.Errorf("%s needs %s of glibc %s", file, s.Name, v)
				}
			}
			programs++
			f.Close()
		}
	}
	if programs < 5 {
		t.Errorf("%d programs are in the packages", programs)
	}
}

// newerGlibc reports whether a version of glibc is newer than another.
func newerGlibc(version string, major, minor int) bool {
	var a, b int
	_, err := fmt.Sscanf(version, "%d.%d", &a, &b)
	return err != nil || a > major || a == major && b > minor
}

// livePackages installs a version, starts sessions of two people, goes to the next version and back, removes and purges.
func livePackages(t *testing.T, old, next string) {
	m := startContainer(t, lookInside)
	m.addPerson("ann")
	m.addPerson("bob")
	before := m.files()
	m.installPackages(old, "1.0.0")
	m.beginConfig()
	for file, want := range map[string]string{
		"/etc/fastx/transporter-secret.ini": "600 fastx fastx", "/etc/fastx/nats-server.conf": "640 fastx fastx",
		"/etc/pam.d/fastx-session": "644 root root", keysDir: "755 root root", "/run/fastx": "711 fastx fastx",
	} {
		if got := m.Must("stat", "--format=%a %U %G", file); got != want {
			t.Errorf("%s is %s, want %s", file, got, want)
		}
	}
	m.Token() // log in once, before what answers is replaced
	secret := m.Must("cat", "/etc/fastx/transporter-secret.ini", "/etc/fastx/nats-server.conf")
	var people []resident
	for _, user := range []string{"ann", "bob", "ann", "bob", "ann"} {
		people = append(people, m.settle(user))
	}
	m.owned(t, people[0])
	m.owned(t, people[1])
	t.Run("the daemon is in its sandbox", m.daemonSandbox)
	for _, step := range []struct{ version, dir string }{{"1.1.0", next}, {"1.0.0", old}} {
		m.installPackages(step.dir, step.version)
		m.AwaitReady()
		if out := m.Must("fastxctl", "status"); !strings.Contains(out, "fastxd         "+step.version+",") {
			t.Errorf("after the installation of %s:\n%s", step.version, out)
		}
		if m.Must("cat", "/etc/fastx/transporter-secret.ini", "/etc/fastx/nats-server.conf") != secret {
			t.Errorf("the installation of %s has touched the secret", step.version)
		}
		m.allLive(t, people)
	}
	people = append(people, m.settle("bob"))
	t.Run("what is killed comes back", func(t *testing.T) { m.killHelpers(t, people) })
	t.Run("a session ends for want of memory, and alone", func(t *testing.T) { m.hogAsUser(t, people) })
	people = nil
	t.Run("a restarted machine tells what became of its sessions", func(t *testing.T) { people = []resident{m.rebootWithSessions(t)} })
	m.Must("systemctl", "reload", "fastx4.service")
	for _, unit := range []string{"fastxd.service", "fastxd-launchd.socket", "fastxd-transporter.service"} {
		if out := m.Must("systemctl", "is-enabled", unit) + m.Must("systemctl", "is-active", unit); out != "enabledactive" {
			t.Errorf("%s is %s", unit, out)
		}
	}
	m.Must(append([]string{"dpkg", "--remove"}, packageNames...)...)
	for _, unit := range []string{"fastxd.service", "fastxd-launchd.socket", "fastxd-launchd.service", "fastxd-transporter.service"} {
		if out, err := m.Exec("systemctl", "is-active", unit); err == nil {
			t.Errorf("%s is %s after its package is removed", unit, out)
		}
	}
	m.Must("test", "-s", "/etc/fastx/htpasswd", "-a", "-s", "/etc/fastx/transporter-secret.ini")
	for _, r := range people {
		if out, err := m.Exec("systemctl", "is-active", session.Unit(r.id)); err != nil {
			t.Errorf("a session of %s is %s after the packages are removed", r.user, out)
		}
	}
	m.Must("systemctl", "stop", "fastx-session-*")
	m.Must("rm", "-r", "/etc/fastx", "/var/fastx")
	m.Must(append([]string{"dpkg", "--purge"}, packageNames...)...)
	m.noneLeft(t, before)
}

// beginConfig writes a configuration, as an administrator does once, and takes it over.
func (m *machine) beginConfig() {
	m.t.Helper()
	m.Must("sh", "-c", fmt.Sprintf("printf '%%s\\n' '%s' | runuser -u fastx -- sh -c 'fastxctl init /tmp/start --user %s --password-stdin && cp -a /tmp/start/. /etc/fastx && rm -r /tmp/start'", m.Password, m.User))
	m.Must("fastxctl", "reload", "--wait")
	m.AwaitReady()
}

// allLive waits until the node is heard again, and checks that each session runs as it did and shows its display.
func (m *machine) allLive(t *testing.T, people []resident) {
	t.Helper()
	m.Await("the sessions to be heard of again", func() error {
		if status := m.Call(m.Token(), "GET", "/api/v1/sessions", nil, nil); status != 200 {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
	m.awaitSettled(t)
	for _, r := range people {
		m.AwaitState(r.id, transporter.Running)
		if pid := m.Must("systemctl", "show", "--property=MainPID", "--value", session.Unit(r.id)); pid != r.pid {
			t.Errorf("a session of %s has process %s and had %s", r.user, pid, r.pid)
		}
		m.reconnect(t, r.id)
	}
}

// killHelpers kills the daemon and its helper while sessions run.
func (m *machine) killHelpers(t *testing.T, people []resident) {
	for _, unit := range []string{"fastxd.service", "fastxd-launchd.service"} {
		pid := m.Must("systemctl", "show", "--property=MainPID", "--value", unit)
		m.Must("systemctl", "kill", "--kill-who=main", "--signal=KILL", unit)
		m.Await("another process of "+unit, func() error {
			if now := m.Must("systemctl", "show", "--property=MainPID", "--value", unit); now == pid || now == "0" {
				return fmt.Errorf("it is %s", now)
			}
			return nil
		})
		m.AwaitReady()
		m.allLive(t, people)
	}
	m.Must("systemctl", "stop", "fastxd-launchd.service") // its socket starts it again
	last := m.settle("ann")
	m.Must("fastxctl", "sessions", "terminate", "--user", "ann", last.id)
	m.awaitGone(last.id)
}

// hogAsUser lets a session of a user need more memory than its profile allows.
func (m *machine) hogAsUser(t *testing.T, people []resident) {
	m.configure(map[string]string{"performance/small.ini": "memory_max = 128M\n", "apps/hog.ini": "command = exec tail /dev/zero\nprofile = small\n"})
	id := m.Must("fastxctl", "sessions", "start", "--app", "hog", "--user", "ann", "--json")
	_, id, _ = strings.Cut(id, `"id": "`)
	id, _, _ = strings.Cut(id, `"`)
	s := m.AwaitState(id, transporter.Ended)
	if want := "the session needed more memory than memory_max = 128M in performance/small.ini allows"; s.Reason != want {
		t.Errorf("the reason is %q, want %q", s.Reason, want)
	}
	m.awaitGone(id)
	m.allLive(t, people)
}

// rebootWithSessions cuts the machine's power, and looks what the node then says of its sessions. It returns one that was
// started afterwards.
func (m *machine) rebootWithSessions(t *testing.T) resident {
	// The kernel of a container stays the same, so this boot's name is made another, by what is gone after it.
	m.Must("sh", "-c", `echo 11111111-2222-3333-4444-555555555555 >/run/boot && d=/run/systemd/system/fastxd.service.d && mkdir -p $d &&
		printf '[Service]\nBindReadOnlyPaths=/run/boot:/proc/sys/kernel/random/boot_id\n' >$d/boot.conf && systemctl daemon-reload`)
	m.Must("systemctl", "restart", "fastxd.service")
	m.AwaitReady()
	lost := m.settle("ann")
	m.restart()
	m.AwaitReady()
	s := m.AwaitState(lost.id, transporter.Ended)
	if s.Reason != "the machine was restarted" {
		t.Errorf("the reason is %q", s.Reason)
	}
	for _, s := range m.Sessions() {
		if s.State != transporter.Ended || s.Reason == "" {
			t.Errorf("session %s is %s for %q", s.ID, s.State, s.Reason)
		}
	}
	return m.settle("bob")
}

// noneLeft compares the files of a machine with those that it had.
func (m *machine) noneLeft(t *testing.T, before map[string]bool) {
	t.Helper()
	for file := range m.files() {
		if !before[file] {
			t.Errorf("%s is left behind", file)
		}
	}
}

// lookInside lets a container's root enter the name spaces of a process.
func lookInside(h *docker.HostConfig) { h.CapAdd = append(h.CapAdd, "SYS_PTRACE") }

// daemonSandbox reads what the kernel says of fastxd, and what it can reach.
func (m *machine) daemonSandbox(t *testing.T) {
	pid := m.Must("systemctl", "show", "--property=MainPID", "--value", "fastxd.service")
	status := m.Must("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("there is no %q in\n%s", want, status)
		}
	}
	inside := func(line string) (string, error) {
		return m.Exec("nsenter", "-t", pid, "-m", "runuser", "-u", "fastx", "--", "sh", "-c", line)
	}
	if out, err := inside("touch /etc/x || touch /usr/x || ls /home/ann"); err == nil {
		t.Errorf("it can write to what is the machine's, or sees what is people's: %s", out)
	}
	for _, line := range []string{"touch /etc/fastx/x && rm /etc/fastx/x", "touch /var/fastx/x && rm /var/fastx/x", "touch " + localDir + "/x && rm " + localDir + "/x"} {
		if out, err := inside(line); err != nil {
			t.Errorf("%s: %s", line, out)
		}
	}
	if out, err := m.Exec("nsenter", "-t", pid, "-m", "sh", "-c", "touch /usr/x 2>/dev/null || ls /home/ann 2>/dev/null"); err == nil {
		t.Errorf("even root could there: %s", out)
	}
}

// installPackages installs, upgrades to or goes back to a version, and returns what is said.
func (m *machine) installPackages(dir, version string) string {
	m.t.Helper()
	args := []string{"dpkg", "--install"}
	for _, name := range packageNames {
		file := "/tmp/" + name + ".deb"
		m.copyIn(packageFile(dir, name, version, "deb"), file, "0644")
		args = append(args, file)
	}
	said := m.Must(args...)
	m.Must("sh", "-c", "rm /tmp/fastxd*.deb")
	return said
}

// files are those of a machine that packages may leave behind, but for what dpkg, systemd and the account's makers keep.
func (m *machine) files() map[string]bool {
	m.t.Helper()
	const kept = "^/var/lib/(dpkg|systemd)/|^/etc/(passwd|group|shadow|gshadow)-$"
	out := map[string]bool{}
	for line := range strings.Lines(m.Must("sh", "-c", "find /etc /usr /var/lib /var/fastx /run/fastx 2>/dev/null | grep -vE '"+kept+"'")) {
		out[strings.TrimSpace(line)] = true
	}
	return out
}
