package daemon_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ory/dockertest/v3/docker"
)

// signingKey makes a key as an administrator has one, and returns its file.
func signingKey(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "fxgpg") // short, for the agent's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill := exec.Command("gpgconf", "--kill", "all")
		kill.Env = append(os.Environ(), "GNUPGHOME="+home)
		_ = kill.Run() // there may be no agent
		os.RemoveAll(home)
	})
	file := filepath.Join(t.TempDir(), "key.asc")
	for _, line := range []string{
		"gpg --quiet --batch --passphrase '' --quick-generate-key 'test' rsa2048 sign never",
		"umask 077; gpg --quiet --batch --export-secret-keys --armor >" + file,
	} {
		cmd := exec.Command("sh", "-c", line)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return file
}

// buildRepository makes a tree of packages, signed with a key.
func buildRepository(t *testing.T, packages, key string) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "repository")
	cmd := exec.Command("../images/scripts/build-repository.sh", packages, tree)
	cmd.Env = append(os.Environ(), "SIGNING_KEY="+key)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the repository: %v\n%s", err, out)
	}
	return tree
}

// serve has a directory served to a container, and to nobody else's.
func serve(t *testing.T, m *machine, dir string) string {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(m.container.Container.NetworkSettings.Gateway, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	go func() { _ = server.Serve(ln) }() // until it is closed
	t.Cleanup(func() { server.Close() })
	return "http://" + ln.Addr().String()
}

// TestARepositoryIsInstalledFrom has a machine become a node from a directory and from a server, and refuse what the key has
// not signed.
func TestARepositoryIsInstalledFrom(t *testing.T) {
	t.Parallel()
	shelf := t.TempDir()
	key := signingKey(t)
	tree := buildRepository(t, oldPackages(t), key)
	for name, damage := range map[string]string{
		"good":      ":",
		"unsigned":  "rm dists/stable/Release.gpg",
		"release":   "echo >>dists/stable/Release",
		"lists":     "gunzip -c dists/stable/main/binary-amd64/Packages.gz | sed s/1.0.0/9.9.9/ >x; find dists/stable -path '*binary-amd64*' -type f | while read f; do cp x $f; done",
		"package":   "for f in pool/fastxd-core*; do printf x | dd of=$f bs=1 seek=5000 conv=notrunc; done",
		"stranger":  "cp " + buildRepository(t, oldPackages(t), signingKey(t)) + "/fastxd.* .",
		"exchanged": "rm -r ../exchanged && cp -r " + buildRepository(t, oldPackages(t), signingKey(t)) + " ../exchanged",
	} {
		dir := filepath.Join(shelf, name)
		if out, err := exec.Command("sh", "-c", fmt.Sprintf("cp -r %s %s && cd %[2]s && { %s; }", tree, dir, damage)).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	if err := os.Chmod(shelf, 0o755); err != nil {
		t.Fatal(err)
	}
	m := startContainer(t, func(h *docker.HostConfig) { h.Binds = append(h.Binds, shelf+":/shelf:ro") })
	setup := func(from string, args ...string) (string, error) {
		return m.Exec(append([]string{"/shelf/good/setup-fastxd.sh", "--repository", from}, args...)...)
	}
	t.Run("what is not signed is refused", func(t *testing.T) {
		for name, want := range map[string]string{
			"unsigned": "Release.gpg cannot be had", "release": "does not bear the signature", "stranger": "does not bear the signature",
			"exchanged": "was expected", "lists": "apt refuses the repository", "package": "cannot be installed", "absent": "is no directory",
		} {
			out, err := setup("/shelf/"+name, "--role", "node", "--yes")
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v, %s", name, err, out)
			}
			if out, err := m.Exec("dpkg-query", "--show", "fastxd", "fastxd-core"); err == nil {
				t.Errorf("%s: there is %s now", name, out)
			}
			m.Must("rm", "-f", "/etc/apt/sources.list.d/fastxd.sources") // of "package", where apt alone can say what is wrong
		}
	})
	t.Run("what is asked wrongly is explained", func(t *testing.T) {
		for want, args := range map[string][]string{
			"say with --role":       {},
			"none of node":          {"--role", "server"},
			"--roll is not known":   {"--roll", "node"},
			"has 40 digits":         {"--role", "node", "--fingerprint", "ABCD1234"},
			"nobody can be asked":   {"--role", "node"},
			"the key has signed":    {"--help"},
			"--role needs a value":  {"--role"},
			"http and https, or a ": {"--role", "node", "--repository", "ftp://example.org"},
		} {
			if out, err := setup("/shelf/good", args...); !strings.Contains(out, want) || (err == nil) != (want == "the key has signed") {
				t.Errorf("%v: %v, %s", args, err, out)
			}
		}
	})
	t.Run("a node from a directory, twice", func(t *testing.T) {
		var first string
		for range 2 {
			if out, err := setup("/shelf/good", "--role", "node", "--yes"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			now := m.Must("sh", "-c", "dpkg-query --show 'fastxd*'; stat -c '%n %Y %i' /etc/apt/sources.list.d/* /etc/apt/keyrings/*; systemctl is-active fastxd-launchd.socket")
			if first != "" && now != first {
				t.Errorf("the second time changes\n%s\nto\n%s", first, now)
			}
			first = now
		}
	})
	t.Run("a transporter from a server", func(t *testing.T) {
		if out, err := setup(serve(t, m, filepath.Join(shelf, "good")), "--role", "transporter", "--yes"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		m.wantTransporter(t, "generation 1 runs")
	})
	t.Run("dnf finds the same", func(t *testing.T) { m.asDnf(t, filepath.Join(shelf, "good")) })
}

// asDnf has the script write what dnf reads, where there is no apt, and a dnf that is real read it.
func (m *machine) asDnf(t *testing.T, tree string) {
	m.Must("sh", "-c", `mkdir /rhel && for f in /usr/bin/* /usr/sbin/*; do case $f in */apt*) ;; *) ln -sf $f /rhel/; esac; done
		printf '#!/bin/sh\necho "$@" >/tmp/asked\n' >/rhel/dnf && chmod +x /rhel/dnf`)
	gateway := []string{"env", "PATH=/rhel", "/shelf/good/setup-fastxd.sh", "--repository", "/shelf/good", "--role", "gateway", "--yes"}
	if out, err := m.Exec(gateway...); err == nil || !strings.Contains(out, "choose --role node") {
		t.Errorf("a node becomes a gateway: %v, %s", err, out)
	}
	m.Must("dpkg", "--purge", "fastxd")
	m.Must(gateway...)
	if asked := m.Must("cat", "/tmp/asked", "/etc/default/fastx4"); asked != "--assumeyes install fastxd-core\nSERVICES=webserver" {
		t.Errorf("dnf is asked to %q", asked)
	}
	text := m.Must("cat", "/etc/yum.repos.d/fastxd.repo")
	for name, c := range map[string]struct {
		damage string
		found  bool
	}{
		"good":     {":", true},
		"tampered": {"echo >>rpm/repodata/repomd.xml", false},
		"unsigned": {"rm rpm/repodata/repomd.xml.asc", false},
	} {
		root := t.TempDir()
		at := filepath.Join(root, "tree")
		if out, err := exec.Command("sh", "-c", fmt.Sprintf("cp -r %s %s && cd %[2]s && %s", tree, at, c.damage)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		repo := strings.NewReplacer("file:///shelf/good", "file://"+at, "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-fastxd", "file://"+at+"/fastxd.asc").Replace(text)
		if err := os.WriteFile(filepath.Join(root, "fastxd.repo"), []byte(repo), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("dnf", "--assumeyes", "--releasever=9", "--installroot="+root, "--setopt=reposdir="+root, "--setopt=cachedir="+root+"/cache",
			"--setopt=logdir="+root, "repoquery", "--repo=fastxd", "--queryformat=%{name} %{version}", "--all").CombinedOutput()
		if found := err == nil && strings.Contains(string(out), "fastxd-core 1.0.0\n"); found != c.found {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if !c.found {
			continue
		}
		// The packages are signed themselves, too.
		check := exec.Command("sh", "-c", fmt.Sprintf("rpm --dbpath %[1]s/keys --import %[2]s/fastxd.asc && rpm --dbpath %[1]s/keys -K %[2]s/rpm/*.rpm", root, at))
		if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), "digests signatures OK") != len(packageNames) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
