package daemon_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/ory/dockertest/v3/docker"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// obstacle is something that is in the way of an installation.
type obstacle struct {
	before string   // what puts it there
	lines  []string // what is said, and what to do about it
	holds  string   // what is true then
	remedy string   // what an administrator does first
	again  []string // what he was told to run afterwards
	after  string   // what is true in the end
}

const ownShare = "install -d -o fastx -g fastx /srv/share && "

var obstacles = map[string]obstacle{
	"a full disk of the node": {
		before: "mkdir /var/lib/fastx-local && mount -t tmpfs -o size=4k,mode=700 none /var/lib/fastx-local && head -c 4096 /dev/zero >/var/lib/fastx-local/full",
		lines:  []string{"no space left on device", "fastxd: no session can be started yet, since no key is trusted; mend what is said above, then run: /usr/lib/fastxd/setup.sh node"},
		holds:  "test ! -e /etc/fastx-launchd && ! ls -A /var/lib/fastx-local | grep ticket",
		remedy: "rm /var/lib/fastx-local/full && mount -o remount,size=64m /var/lib/fastx-local && chown fastx: /var/lib/fastx-local",
		again:  []string{"/usr/lib/fastxd/setup.sh node"},
		after:  "ls /etc/fastx-launchd/keys.d/*.pem && test $(stat -c %U:%a /var/lib/fastx-local/ticket-signing.key) = fastx:600",
	},
	"a full share": {
		before: "mkdir /etc/fastx && mount -t tmpfs -o size=4k none /etc/fastx && head -c 4096 /dev/zero >/etc/fastx/full && chmod 777 /etc/fastx",
		lines:  []string{"no space left on device", "fastxd: the transporter has no secret yet; mend what is said above, then run: /usr/lib/fastxd/setup.sh transporter"},
		holds:  "test $(ls -A /etc/fastx) = full",
		remedy: "rm /etc/fastx/full && mount -o remount,size=64m /etc/fastx",
		again:  []string{"/usr/lib/fastxd/setup.sh transporter"},
		after:  "grep -q seed /etc/fastx/transporter-secret.ini && test -s /etc/fastx/nats-server.conf && test -s /etc/fastx-launchd/keys.d/*.pem",
	},
	"an account with another number": {
		before: "useradd --system --uid 345 --create-home fastx && install -d -o 678 /etc/fastx",
		lines:  []string{"fastxd: /etc/fastx belongs to uid 678 and the account fastx here has 345; give both one number (see /usr/lib/sysusers.d/fastxd.conf), then run: /usr/lib/fastxd/setup.sh transporter"},
		holds:  "test $(id -u fastx) = 345 && test -z \"$(ls -A /etc/fastx)\"",
		remedy: "chown fastx: /etc/fastx",
		again:  []string{"/usr/lib/fastxd/setup.sh common", "/usr/lib/fastxd/setup.sh transporter"},
		after:  "test $(stat -c %u /etc/fastx/transporter-secret.ini) = 345",
	},
	// rshared: as systemd makes it on what is no container. fastxd runs before the share is there, and sees it come.
	"a share that is not mounted": {
		before: "mount --make-rshared / && install -d /etc/fastx && echo 'filer:/fastx /etc/fastx nfs defaults 0 0' >>/etc/fstab",
		lines:  []string{"fastxd: /etc/fastx is in /etc/fstab and not mounted; mount it, then run: /usr/lib/fastxd/setup.sh transporter"},
		holds:  "test -z \"$(ls -A /etc/fastx)\"",
		remedy: "mount -t tmpfs -o size=64m none /etc/fastx && chown fastx: /etc/fastx",
		again:  []string{"/usr/lib/fastxd/setup.sh common", "/usr/lib/fastxd/setup.sh transporter"},
		after:  "grep ' /etc/fastx ' /proc/$(systemctl show -P MainPID fastxd)/mountinfo && grep -q seed /etc/fastx/transporter-secret.ini && umount -l /etc/fastx && test -z \"$(ls -A /etc/fastx)\"",
	},
	"a share that root may not even look at": {
		before: "chmod 666 /dev/fuse && useradd --system --create-home fastx && " + ownShare + "install -d -o fastx /etc/fastx && runuser -u fastx -- bindfs --no-allow-other /srv/share /etc/fastx && ! ls /etc/fastx 2>/dev/null",
		holds:  "! ls /etc/fastx 2>/dev/null && test $(stat -c %U:%a /srv/share/transporter-secret.ini) = fastx:600 && test -s /srv/share/nats-server.conf",
		after:  "systemctl is-active fastxd-transporter && systemctl is-active fastxd",
	},
	"numbers that were fixed before": {
		before: "mkdir /etc/sysusers.d && printf 'g fastx 7001\\nu fastx 7000:7001 \"FastX cluster\" /var/lib/fastx /bin/bash\\n' >/etc/sysusers.d/fastxd.conf",
		holds:  "test $(id -u fastx):$(id -g fastx) = 7000:7001",
		after:  "test $(stat -c %u:%g /etc/fastx/transporter-secret.ini) = 7000:7001 && test $(stat -c %u:%g /etc/fastx) = 7000:7001",
	},
}

// TestInstallationsFindObstacles installs everything where something is in the way: it says so and what to do, fills
// nothing, and is made good by that.
func TestInstallationsFindObstacles(t *testing.T) {
	t.Parallel()
	packages := oldPackages(t)
	for name, o := range obstacles {
		t.Run(name, func(t *testing.T) {
			m := startContainer(t, withFUSE, lookInside)
			m.Must("sh", "-c", o.before)
			said := m.installPackages(packages, "1.0.0")
			for _, want := range o.lines {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
			if got := strings.Contains(said, "fastxd: "); got != (len(o.lines) > 0) {
				t.Errorf("it says\n%s", said)
			}
			if states := m.Must("dpkg-query", "--show", "--showformat=${Status}\n", "fastxd*"); strings.Count(states, "install ok installed") != len(packageNames) {
				t.Errorf("the packages are\n%s", states)
			}
			m.Must("sh", "-c", o.holds)
			if o.remedy != "" {
				m.Must("sh", "-c", o.remedy)
			}
			for _, line := range o.again {
				if out := m.Must(line[:strings.IndexByte(line, ' ')], line[strings.IndexByte(line, ' ')+1:]); strings.Contains(out, "fastxd: ") {
					t.Errorf("%s says %s", line, out)
				}
			}
			m.Await("the transporter to run", func() error {
				out, err := m.Exec("systemctl", "is-active", transporterService)
				if err != nil {
					err = fmt.Errorf("%s", out)
				}
				return err
			})
			m.Must("sh", "-c", o.after)
		})
	}
}

// TestWithoutTheHelperNoSessionStarts installs the daemon alone: its sandbox is not to become that of sessions, and the way out
// is said, and works.
func TestWithoutTheHelperNoSessionStarts(t *testing.T) {
	t.Parallel()
	m := startContainer(t)
	m.addPerson("ann")
	m.copyIn(packageFile(oldPackages(t), "fastxd-core", "1.0.0", "deb"), "/tmp/core.deb", "0644")
	m.Must("dpkg", "--install", "/tmp/core.deb")
	if out, err := m.Exec("systemctl", "is-active", "fastxd.service"); err == nil {
		t.Errorf("a gateway is started before it has a configuration: %s", out)
	}
	m.Must("systemctl", "start", "fastxd.service")
	m.beginConfig()
	if out, err := m.startAs("ann"); err == nil || !strings.Contains(out, "install the package fastxd, or run: systemctl enable --now fastxd-launchd.socket") {
		t.Errorf("%v: %s", err, out)
	}
	if left, err := m.Exec("pgrep", "-x", "fastxd-session"); err == nil {
		t.Errorf("a supervisor runs: %s", left)
	}
	var steps []string // the comment of the drop-in says how
	for line := range strings.Lines(readUnit(t, "fastxd.service")) {
		if step, ok := strings.CutPrefix(line, "#\t"); ok {
			steps = append(steps, step)
		}
	}
	if len(steps) != 4 {
		t.Fatalf("the drop-in says %q", steps)
	}
	m.Must("sh", "-c", strings.Replace(strings.Join(steps, ""), "systemctl disable --now fastxd-launchd.socket\n", "", 1)) // it is not here
	m.AwaitReady()
	s := m.StartSession(map[string]any{"command": "exec xterm -e cat", "geometry": "320x200"})
	m.AwaitState(s.ID, transporter.Running)
	if got := m.Must("ps", "-C", "fastxd-session", "-o", "user="); got != "fastx" {
		t.Errorf("without the helper the session runs as %s", got)
	}
}

// withFUSE lets a container mount file systems of its users.
func withFUSE(h *docker.HostConfig) {
	h.Devices = append(h.Devices, docker.Device{PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm"})
}

// TestTransportersShareOneSecret installs three transporters at once on one share.
func TestTransportersShareOneSecret(t *testing.T) {
	t.Parallel()
	const uid = 7000
	packages, share := oldPackages(t), t.TempDir()
	if err := os.Chown(share, uid, uid); errors.Is(err, os.ErrPermission) {
		t.Skip("a share that belongs to another account takes root")
	} else if err != nil {
		t.Fatal(err)
	}
	var machines []*machine
	for range 3 {
		m := startContainer(t, func(h *docker.HostConfig) { h.Binds = append(h.Binds, share+":/etc/fastx") })
		m.Must("sh", "-c", fmt.Sprintf("mkdir /etc/sysusers.d && printf 'g fastx %[1]d\\nu fastx %[1]d:%[1]d \"FastX cluster\" /var/lib/fastx /bin/bash\\n' >/etc/sysusers.d/fastxd.conf", uid))
		machines = append(machines, m)
	}
	var all sync.WaitGroup
	for _, m := range machines {
		all.Go(func() {
			if said := m.installPackages(packages, "1.0.0"); strings.Contains(said, "fastxd: ") {
				t.Errorf("it says\n%s", said)
			}
		})
	}
	all.Wait()
	set, err := fileset.Read(share)
	if err != nil {
		t.Fatal(err)
	}
	if names := set.Names(); len(names) != 2 {
		t.Errorf("the share holds %q", names)
	}
	cfg, problems := spec.Load(spec.Input{Set: set, DaemonUID: uid, DaemonGID: uid})
	for _, p := range problems {
		if p.File == "transporter-secret.ini" || p.File == "nats-server.conf" {
			t.Error(p)
		}
	}
	for _, m := range machines {
		m.wantTransporter(t, "generation 1 runs")
		link := cfg.Transporter
		link.URLs = []string{"nats://" + m.container.Container.NetworkSettings.IPAddress + ":4222"}
		conn, err := transporter.Open(t.Context(), transporter.Options{Role: spec.Launcher, Node: "guest", Settings: link, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		m.Await("a client to be let in", conn.Err)
		conn.Close()
	}
}
