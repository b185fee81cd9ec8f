package generation

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	natsUsers = `port: 4222
authorization { users = [{user: "a", password: "one-of-our-own", permissions: {publish: ["fx.>"]}}] }
`
	natsCluster = `cluster { name: "fastx", port: 6222, authorization { user: "r", password: "another-of-our-own" } }
`
	bcryptHash = "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
	natsTLS    = "tls { cert_file: \"/c.pem\", key_file: \"/k.pem\" }\n"
	seedA      = "SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEQ"
	seedB      = "SUAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAN7EY"
	allLevels  = "[permissions]\ndefault = limited\n\n[admin]\nusers = ann\n\n[disabled]\nusers = mallory\ngroups = guests\n"
)

// TestWhatAFileDoesNotSayAnyMoreIsWeaker holds each edit of one file against what the keeper says of it.
func TestWhatAFileDoesNotSayAnyMoreIsWeaker(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, before, after string
		says                      []string // nothing = it may run at once
	}{
		{"a section is gone", "permissions.ini", allLevels, "[permissions]\ndefault = limited\n\n[admin]\nusers = ann\n",
			[]string{`disabled.users: does not name "mallory"`, `disabled.groups: does not name "guests"`}},
		{"a line is gone", "permissions.ini", allLevels, strings.Replace(allLevels, "users = mallory\n", "", 1), []string{"mallory"}},
		{"a user is moved to another level", "permissions.ini", allLevels, "[admin]\nusers = ann, mallory\n\n[disabled]\ngroups = guests\n", nil},
		{"an administrator is gone", "permissions.ini", allLevels, strings.Replace(allLevels, "users = ann\n", "", 1), nil},
		{"the default is gone", "permissions.ini", strings.Replace(allLevels, "limited", "disabled", 1), strings.Replace(allLevels, "default = limited\n", "", 1), []string{"permissions.default: is not disabled"}},
		{"the default is raised in so many words", "permissions.ini", allLevels, strings.Replace(allLevels, "limited", "full", 1), nil},
		{"the last line is half there", "https.ini", "trusted_proxies = 10.1.0.0/16\n", "trusted_proxies = 10.1.0.0/1", []string{"https.ini: ends in the middle of a line"}},
		{"it never ended in a newline", "https.ini", "base_path = /fastx", "base_path = /fast", nil},
		{"a login is gone", "htpasswd", "a:" + bcryptHash + "\nb:" + bcryptHash + "\n", "a:" + bcryptHash + "\n", nil},
		{"PAM is not off any more", "auth-pam.ini", "enabled = false\nservice = fastx\n", "service = fastx\n", []string{"auth-pam.ini: enabled: is not false any more"}},
		{"PAM is turned on in so many words", "auth-pam.ini", "enabled = false\n", "enabled = true\n", nil},
		{"sshd is not turned off any more", "auth-ssh.ini", "enabled = false\nport = 2222\n", "port = 2222\n", []string{"enabled: is not false any more"}},
		{"another sshd is asked", "auth-ssh.ini", "host = ::1\nport = 2222\n", "port = 2222\n", []string{"host: is not ::1 any more"}},
		{"sshd is turned off", "auth-ssh.ini", "host = ::1\n", "enabled = false\n", nil},
		{"the cluster is gone", "nats-server.conf", natsUsers + natsCluster, natsUsers, []string{"cluster: is gone"}},
		{"routes are not asked any more", "nats-server.conf", natsUsers + natsCluster, natsUsers + "cluster { name: \"fastx\", port: 6222 }\n", []string{"cluster.authorization: is gone"}},
		{"TLS is gone", "nats-server.conf", natsUsers + natsCluster + natsTLS, natsUsers + natsCluster, []string{"tls: is gone"}},
		{"a user may do everything", "nats-server.conf", natsUsers, strings.Replace(natsUsers, `, permissions: {publish: ["fx.>"]}`, "", 1), []string{"permissions: is gone"}},
		{"a key is added", "nats-server.conf", natsUsers, strings.Replace(natsUsers, "[{", `[{user: "b", password: "b-of-our-own", permissions: {publish: ["b"]}}, {`, 1), nil},
		{"a component's seed is gone", "transporter-secret.ini", "[transporter]\nseed = " + seedA + "\n\n[user]\nseed = " + seedB + "\n", "[transporter]\nseed = " + seedA + "\n", []string{"user.seed: is gone"}},
		{"all seeds are gone", "transporter-secret.ini", "[transporter]\nurls = tls://t1:4222\nseed = " + seedA + "\n", "[transporter]\n", []string{"transporter-secret.ini: holds no seed and no token any more"}},
		{"the token is gone", "transporter-secret.ini", "[transporter]\nurls = tls://t1:4222\nform = token\ntoken = one-of-our-own\n", "# 1\n[transporter]\n", []string{"holds no seed and no token any more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set := func(text string) fileset.Set {
				return fileset.New(fileset.File{Name: c.file, Data: []byte(text), Mode: 0o600})
			}
			k, err := NewKeeper(KeeperOptions{Load: spec.Input{}.Load, LocalDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			candidate := func(text string) *Generation {
				accepted, ok := k.Offer(set(text), "test").(Accepted)
				if !ok {
					t.Fatalf("%q is not accepted: %v", text, k.Status().Problems.Err())
				}
				return accepted.Candidate
			}
			take(t, k, candidate(c.before))
			said := k.Weaker(candidate(c.after)).Text()
			if len(c.says) == 0 && said != "" {
				t.Errorf("it should run at once, and the keeper says\n%s", said)
			}
			for _, s := range c.says {
				if !strings.Contains(said, s) {
					t.Errorf("the keeper does not say %q but\n%s", s, said)
				}
			}
			again, err := NewKeeper(k.o) // which knows the files that ran, and not yet what they mean
			if err != nil {
				t.Fatal(err)
			}
			accepted := again.Offer(set(c.after), "test").(Accepted)
			if got := again.Weaker(accepted.Candidate).Text(); got != said {
				t.Errorf("after a restart the keeper says\n%s", got)
			}
		})
	}
}

func TestAFirstGenerationIsNotWeaker(t *testing.T) {
	t.Parallel()
	k, err := NewKeeper(KeeperOptions{Load: spec.Input{}.Load, LocalDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	accepted := k.Offer(fileset.New(), "test").(Accepted)
	if got := k.Weaker(accepted.Candidate); len(got) > 0 {
		t.Errorf("the keeper says %v", got)
	}
	k.Await(accepted.Candidate, nil)
	if s := k.Status(); s.Accepted || k.Current() != nil {
		t.Errorf("what waits counts as running: %+v", s)
	}
}
