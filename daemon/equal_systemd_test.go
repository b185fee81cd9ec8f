package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// probe prints what a login is given, a line each. What is told apart on purpose it prints nothing of; SSH.md lists that.
const probe = `#!/bin/bash
grep -E '^(NoNewPrivs|Seccomp|CapInh|CapPrm|CapEff|CapBnd|CapAmb|Groups|SigBlk|SigIgn):' /proc/self/status
ulimit -Sa | sed 's/^/soft /'
ulimit -Ha | sed 's/^/hard /'
echo "umask $(umask)"
echo "id $(id -u) $(id -g) $(id -G)"
echo "loginuid $(cat /proc/self/loginuid 2>&1 || echo none)"
for ns in mnt ipc uts net pid user cgroup; do echo "$ns $(readlink /proc/self/ns/$ns)"; done
echo "nice $(nice) scheduler $(chrt -p $$ | sed 's/.*: //' | tr '\n' ' ')"
echo "affinity $(taskset -p $$ 2>/dev/null | sed 's/.*: //')"
echo "sudo $(sudo -n id -un 2>&1)"
echo "directory $(pwd)"
env | grep -E '^(PATH|HOME|SHELL|USER|LOGNAME|MAIL|LANG|LC_[A-Z]*|TZ|SITE)=' | sort
`

// addProbe puts the probe where people and applications find it, and lets root ssh in as everybody.
func (m *machine) addProbe() {
	m.t.Helper()
	m.Must("sh", "-c", "cat >/usr/local/bin/probe <<'EOF'\n"+probe+"EOF\nchmod 755 /usr/local/bin/probe")
	m.Must("sh", "-c", "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519")
	m.configure(map[string]string{"apps/probe.ini": "command = probe >$HOME/session.txt.new 2>&1; mv $HOME/session.txt.new $HOME/session.txt; exec sleep infinity\n"})
}

// letIn lets root ssh in as an account.
func (m *machine) letIn(user string) {
	m.t.Helper()
	m.Must("sh", "-c", "u='"+user+"'; d=$(getent passwd $u | cut -d: -f6)/.ssh; mkdir -p $d && cp /root/.ssh/id_ed25519.pub $d/authorized_keys && chown -R \"$u:\" $d && chmod 700 $d")
}

// ssh runs a line in the login shell of an account, as ssh does.
func (m *machine) ssh(user, line string) (string, error) {
	return m.Exec("ssh", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-l", user, "127.0.0.1", "bash -lc '"+line+"'")
}

// bySSH and bySession are what the probe says in a login and in a session.
func (m *machine) bySSH(t *testing.T, user string) string {
	t.Helper()
	out, err := m.ssh(user, "probe")
	if err != nil {
		t.Fatalf("ssh as %s: %v\n%s", user, err, out)
	}
	return strings.TrimSpace(out)
}

func (m *machine) bySession(t *testing.T, user string) string {
	t.Helper()
	home := m.Must("sh", "-c", "getent passwd '"+user+"' | cut -d: -f6")
	m.Must("rm", "-f", home+"/session.txt")
	id := m.Must("sh", "-c", "fastxctl sessions start --app probe --user '"+user+"' 2>/dev/null")
	var out string
	m.Await("what the probe says in a session of "+user, func() error {
		var err error
		if out, err = m.Exec("cat", home+"/session.txt"); err != nil {
			log, _ := m.Exec("tail", localDir+"/sessions/"+id+".log")
			err = fmt.Errorf("%s\n%s", out, log)
		}
		return err
	})
	m.Must("fastxctl", "sessions", "terminate", "--user", user, id)
	return strings.TrimSpace(out)
}

// apartFrom are the lines in which two texts of as many lines differ.
func apartFrom(a, b string) (out []string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	if len(x) != len(y) {
		return []string{fmt.Sprintf("%d lines and %d\n%s\n\n%s", len(x), len(y), a, b)}
	}
	for i := range x {
		if x[i] != y[i] {
			out = append(out, x[i]+" ≠ "+y[i])
		}
	}
	return out
}

// TestASessionEqualsAnSSHLogin holds what people get in a session against what ssh gives them.
func TestASessionEqualsAnSSHLogin(t *testing.T) {
	t.Parallel()
	m := startMachine(t, "fastx")
	m.addPerson("eve", "--groups", "audio,sudo")
	m.addLaunchd()
	m.addProbe()
	m.letIn("eve")
	// What administrators set, each of it other than what systemd and the kernel give by themselves.
	m.Must("sh", "-c", "printf 'eve soft nofile 1234\\neve hard nofile 4321\\neve soft core 0\\neve - memlock 4000\\n@audio - nproc 7777\\n' >/etc/security/limits.d/site.conf")
	m.Must("sh", "-c", "sed -i 's/^UMASK.*/UMASK 027/' /etc/login.defs; grep -q pam_umask /etc/pam.d/common-session || echo 'session optional pam_umask.so' >>/etc/pam.d/common-session")
	m.Must("sh", "-c", "echo 'eve ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/eve; echo 'SITE=\"EDA\"' >>/etc/environment; echo 'LANG=C.UTF-8' >/etc/default/locale")

	t.Run("in all that the probe sees", func(t *testing.T) {
		login := m.bySSH(t, "eve")
		for _, want := range []string{"umask 0027", "1234", "4321", "7777", "sudo root", "SITE=EDA"} {
			if !strings.Contains(login, want) {
				t.Errorf("an ssh login has no %q, so that the comparison shows less than it should:\n%s", want, login)
			}
		}
		t.Logf("an ssh login has\n%s", login)
		m.equal(t, "eve")
	})
	t.Run("but for what is said", m.exceptions)
	t.Run("in seventy groups", m.manyGroups)
	t.Run("of accounts that the name service alone knows", m.extraUsers)
	t.Run("and outlives the login", m.outlives)
	t.Run("and is audited where the logs were moved away", m.moveLogs)
	t.Run("or the comparison says so", func(t *testing.T) {
		m.Must("sed", "-i", "/pam_limits/d;/pam_umask/d;/^session *include/d", "/etc/pam.d/fastx-session")
		got := strings.Join(apartFrom(m.bySSH(t, "eve"), m.bySession(t, "eve")), "\n")
		for _, want := range []string{"umask 0027 ≠ umask 0022", "soft open files", "hard open files", "soft max locked memory", "hard max user processes"} {
			if !strings.Contains(got, want) {
				t.Errorf("without pam_limits and pam_umask there is no difference in %q:\n%s", want, got)
			}
		}
	})
}

// equal compares a login and a session of an account.
func (m *machine) equal(t *testing.T, user string) {
	t.Helper()
	for _, difference := range apartFrom(m.bySSH(t, user), m.bySession(t, user)) {
		t.Error(difference)
	}
}

// exceptions are what a session has otherwise than a login, on purpose. SSH.md says why.
func (m *machine) exceptions(t *testing.T) {
	const line = "echo $(cat /proc/self/oom_score_adj) $XDG_RUNTIME_DIR $DBUS_SESSION_BUS_ADDRESS"
	login, err := m.ssh("eve", line)
	if err != nil {
		t.Fatal(login, err)
	}
	uid := m.Must("id", "-u", "eve")
	if want := "0 /run/user/" + uid; strings.TrimSpace(login) != want {
		t.Errorf("a login has %s, want %s: the exceptions are not what they were", login, want)
	}
	m.configure(map[string]string{"apps/say.ini": "command = (" + line + ") >$HOME/said.new; mv $HOME/said.new $HOME/said; exec sleep infinity\n"})
	id := m.Must("sh", "-c", "fastxctl sessions start --app say --user eve 2>/dev/null")
	m.Await("what the session has", func() error {
		said, err := m.Exec("cat", "/home/eve/said")
		if want := "100 " + session.XDGDir(session.UserDir(id)); err == nil && strings.TrimSpace(said) != want {
			t.Errorf("a session has %s, want %s", said, want)
		}
		return err
	})
	m.Must("fastxctl", "sessions", "terminate", "--user", "eve", id)
}

// manyGroups has more groups than fit into the usual buffers of 16, 32 and 64.
func (m *machine) manyGroups(t *testing.T) {
	m.addPerson("max")
	m.Must("sh", "-c", "for i in $(seq 70); do groupadd -g $((4000+i)) team$i && gpasswd -a max team$i >/dev/null; done")
	m.letIn("max")
	m.equal(t, "max")
	if n := len(strings.Fields(m.Must("id", "-G", "max"))); n != 71 {
		t.Errorf("max is in %d groups, so that nothing is shown", n)
	}
	if out := m.bySession(t, "max"); !strings.Contains(out, " 4070") {
		t.Errorf("a session of max lacks the last group:\n%s", out)
	}
}

// extraUsers runs sessions of accounts of a directory, whose names no useradd would take.
func (m *machine) extraUsers(t *testing.T) {
	m.Must("sh", "-c", `sed -i -E 's/^(passwd|group|shadow):.*/& extrausers/' /etc/nsswitch.conf; cd /var/lib/extrausers
		echo 'ann@eda.example.com:x:200001:200000:Ann:/home/eda-ann:/bin/bash' >passwd
		echo 'ann@eda.example.com:*:20000:0:99999:7:::' >shadow
		{ echo 'domain users@eda.example.com:x:200000:'; for i in $(seq 20); do echo "eda-$i:x:$((201000+i)):ann@eda.example.com"; done; } >group
		mkdir /home/eda-ann && chown 200001:200000 /home/eda-ann`)
	const ann = "ann@eda.example.com"
	if local, err := m.Exec("grep", ann, "/etc/passwd"); err == nil {
		t.Errorf("ann is in /etc/passwd: %s", local)
	}
	m.letIn(ann)
	m.equal(t, ann)
	if out := m.bySession(t, ann); !strings.Contains(out, "USER="+ann) || !strings.Contains(out, " 201020") {
		t.Errorf("a session of ann's has not her name or not all groups:\n%s", out)
	}
}

// outlives ends all logins of a user where logind kills what they leave behind.
func (m *machine) outlives(t *testing.T) {
	m.Must("sh", "-c", "mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\nKillUserProcesses=yes\nUserStopDelaySec=0\nRemoveIPC=no\n' >/etc/systemd/logind.conf.d/kill.conf; systemctl restart systemd-logind")
	s := m.settle("eve")
	m.Must("install", "-o", "eve", "/dev/null", "/dev/shm/of-a-session") // RemoveIPC=yes takes it away
	if out, err := m.ssh("eve", "setsid sleep 4711 >/dev/null 2>&1 & loginctl show-user --property=Linger eve"); err != nil || !strings.Contains(out, "Linger=no") {
		t.Fatalf("%s, %v", out, err)
	}
	m.Await("logind to end what the login left", func() error {
		if left, err := m.Exec("pgrep", "-f", "sleep 4711"); err == nil {
			return fmt.Errorf("%s", left)
		}
		if left, err := m.Exec("loginctl", "show-user", "eve"); err == nil {
			return fmt.Errorf("%s", left)
		}
		return nil
	})
	if out, err := m.as("eve", "DISPLAY="+s.display+" XAUTHORITY="+session.XauthFile(session.UserDir(s.id))+" xdpyinfo"); err != nil {
		t.Errorf("the session is gone with the login: %s", out)
	}
	if now := m.Must("systemctl", "show", "--property=MainPID", "--value", session.Unit(s.id)); now != s.pid {
		t.Errorf("the supervisor was %s and is %s", s.pid, now)
	}
	m.Must("stat", "/dev/shm/of-a-session")
	m.Must("fastxctl", "sessions", "terminate", "--user", "eve", s.id)
}

// moveLogs renames the audit logs of the daemon and of fastxd-launchd, as an administrator or logrotate does, and looks for what comes after.
func (m *machine) moveLogs(t *testing.T) {
	logs := map[string]string{localDir + "/audit.log": "fastx 600", launchd.StateDir + "/audit.log": "root 600"}
	for path := range logs {
		m.Must("mv", path, path+".old")
	}
	s := m.settle("eve")
	m.Must("fastxctl", "sessions", "terminate", "--user", "eve", s.id)
	for path, want := range logs {
		m.Await("an event of session "+s.id+" in "+path, func() error {
			out, err := m.Exec("grep", `"session":"`+s.id+`"`, path)
			if err != nil {
				err = fmt.Errorf("%s, %w", out, err)
			}
			return err
		})
		if got := m.Must("stat", "-c", "%U %a", path); got != want {
			t.Errorf("%s is made anew as %s, want %s", path, got, want)
		}
		if out, err := m.Exec("grep", `"session":"`+s.id+`"`, path+".old"); err == nil {
			t.Errorf("the file that was moved away is still written: %s", out)
		}
	}
}
