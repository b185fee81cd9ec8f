package daemon_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// TestTheRPMsLive installs the .rpm, with their scripts, where what they depend on has other names; a session of a user
// outlives the next version and the way back, and after they are erased there is left what is the node's own.
func TestTheRPMsLive(t *testing.T) {
	t.Parallel()
	old, next := oldPackages(t), nextPackages(t)
	m := startContainer(t)
	m.Must("rpm", "--initdb")
	m.Must("sh", "-c", "mkdir -p /usr/share/man/man1 /usr/share/man/man8 && echo account required pam_unix.so >/etc/pam.d/password-auth") // what RHEL has
	m.addPerson("ann")
	before := m.files()
	m.rpm("--install", old, "1.0.0")
	m.rpmsAreWhole(t)
	if got := m.Must("systemctl", "is-enabled", "fastxd.service", "fastxd-launchd.socket", transporterService); got != "enabled\nenabled\nenabled" {
		t.Errorf("the units are %s", got)
	}
	m.Must("systemctl", "start", "fastxd.service", transporterService) // which rpm leaves to administrators
	m.beginConfig()
	m.Token()
	ann := m.settle("ann")
	m.owned(t, ann)
	for _, step := range []struct{ version, dir string }{{"1.1.0", next}, {"1.0.0", old}} {
		m.rpm("--upgrade", step.dir, step.version, "--oldpackage")
		m.rpmsAreWhole(t)
		m.Await("the daemon of "+step.version, func() error {
			out, err := m.Exec("fastxctl", "status")
			if err == nil && !strings.Contains(out, "fastxd         "+step.version+",") {
				err = errorText(out)
			}
			return err
		})
		m.AwaitReady()
		m.allLive(t, []resident{ann})
	}
	m.Must(append([]string{"rpm", "--erase", "--nodeps"}, packageNames...)...)
	for _, unit := range []string{"fastxd.service", "fastxd-launchd.socket", "fastxd-launchd.service", transporterService} {
		if out, err := m.Exec("systemctl", "is-active", unit); err == nil {
			t.Errorf("%s is %s after its package is erased", unit, out)
		}
	}
	if out, err := m.Exec("systemctl", "is-active", session.Unit(ann.id)); err != nil {
		t.Errorf("ann's session is %s after the packages are erased", out)
	}
	m.Must("systemctl", "stop", "fastx-session-*")
	m.Must("test", "-s", "/etc/fastx/transporter-secret.ini", "-a", "-s", localDir+"/ticket-signing.key")
	m.Must("sh", "-c", eraseTheRest)
	m.noneLeft(t, before)
}

// eraseTheRest removes what rpm, which knows no purge, leaves to administrators.
const eraseTheRest = "rm -rf /etc/fastx /var/fastx /var/lib/fastx-local /var/lib/fastx /run/fastx"

// errorText is an error that says what a program printed.
type errorText string

func (e errorText) Error() string { return string(e) }

// rpm installs a version.
func (m *machine) rpm(how, dir, version string, options ...string) {
	m.t.Helper()
	args := append([]string{"rpm", how, "--nodeps", "--force-debian"}, options...)
	for _, name := range packageNames {
		file := "/tmp/" + name + ".rpm"
		m.copyIn(packageFile(dir, name, version, "rpm"), file, "0644")
		args = append(args, file)
	}
	if said := m.Must(args...); strings.Contains(said, "fastxd: ") || strings.Contains(said, "scriptlet failed") {
		m.t.Errorf("rpm says\n%s", said)
	}
	m.Must("sh", "-c", "rm /tmp/fastxd*.rpm")
}

// rpmsAreWhole checks that what is installed has the bytes, owners and modes of its package, and that these are sane.
func (m *machine) rpmsAreWhole(t *testing.T) {
	t.Helper()
	out, err := m.Exec(append([]string{"rpm", "--verify", "--nodeps"}, packageNames...)...)
	if err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("rpm --verify: %v\n%s", err, out)
	}
	list := m.Must(append([]string{"rpm", "--query", "--queryformat", `[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]`}, packageNames...)...)
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		program := strings.HasPrefix(f[3], "/usr/bin/") || strings.HasPrefix(f[3], "/usr/libexec/") || strings.HasSuffix(f[3], ".sh")
		want := []string{"-rw-r--r--"}
		switch {
		case !strings.HasPrefix(f[0], "-"):
			want = []string{"drwxr-xr-x", "l---------"}
		case program:
			want = []string{"-rwxr-xr-x"}
		}
		if !slices.Contains(want, f[0]) || f[1] != "root" || f[2] != "root" {
			t.Errorf("%s", line)
		}
	}
}
