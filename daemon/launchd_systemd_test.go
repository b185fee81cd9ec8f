package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	localDir = "/var/lib/fastx-local"
	keysDir  = "/etc/fastx-launchd/keys.d"
)

// addLaunchd does what the packages will do for fastxd-launchd, and lets it trust this node's logins.
func (m *machine) addLaunchd() {
	m.t.Helper()
	m.Must("mkdir", "-p", "/usr/libexec/fastxd")
	for _, program := range []string{"fastxd-launchd", "fastxd-session", "fastxd-pam"} {
		m.copyIn(filepath.Join(binaries.dir, program), "/usr/libexec/fastxd/"+program, "0755")
	}
	for _, unit := range []string{"fastxd-launchd.socket", "fastxd-launchd.service", "fastxd-pam.socket", "fastxd-pam@.service"} {
		m.copyIn("../images/units/"+unit, "/etc/systemd/system/"+unit, "0644")
	}
	m.copyIn("../images/pam/fastx-session.debian", "/etc/pam.d/fastx-session", "0644")
	m.copyIn("../images/pam/fastx.debian", "/etc/pam.d/fastx", "0644")
	m.Must("sh", "-c", "install -d -m 0755 "+keysDir+" && install -m 0644 "+localDir+"/keys.d/*.pem "+keysDir)
	m.Must("systemctl", "daemon-reload")
	m.Must("systemctl", "start", "fastxd-launchd.socket")
	m.Must("systemctl", "restart", "fastxd.service")
	m.AwaitReady()
}

// addPerson makes an account that people log in with.
func (m *machine) addPerson(name string, more ...string) {
	m.t.Helper()
	m.Must(append([]string{"useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", name}, more...)...)
}

// startAs starts a session of an account, as an administrator of the machine does.
func (m *machine) startAs(account string) (string, error) {
	out, err := m.Exec("sh", "-c", "fastxctl sessions start --app xterm --user "+account+" 2>/tmp/said || { cat /tmp/said; exit 1; }")
	out = strings.TrimSpace(out)
	if err == nil && !ticket.IsID(out) {
		err = errors.New("that is no id")
	}
	return out, err
}

// resident is a session that runs as its user.
type resident struct {
	user, uid, id, pid, display string
}

// settle starts a session as an account and waits until it runs.
func (m *machine) settle(user string) resident {
	m.t.Helper()
	id, err := m.startAs(user)
	if err != nil {
		journal, _ := m.Exec("journalctl", "--no-pager", "-n", "60", "-u", "fastx*")
		m.t.Fatalf("start a session as %s: %v\n%s\n%s", user, err, id, journal)
	}
	return m.resident(user, id)
}

// resident waits until an account's session runs, and looks at where.
func (m *machine) resident(user, id string) resident {
	m.t.Helper()
	r := resident{user: user, id: id, uid: m.Must("id", "-u", user)}
	m.Await("a session of "+user+" running", func() error {
		out, err := m.Exec("fastxctl", "sessions", "show", id, "--user", user)
		if err != nil || !strings.Contains(out, "running") {
			log, _ := m.Exec("tail", localDir+"/sessions/"+id+".log")
			return fmt.Errorf("%s\n%s", out, log)
		}
		return nil
	})
	r.pid = m.Must("systemctl", "show", "--property=MainPID", "--value", session.Unit(id))
	record := m.Must("cat", localDir+"/sessions/"+id+".json")
	_, r.display, _ = strings.Cut(record, `"display": "`)
	r.display, _, _ = strings.Cut(r.display, `"`)
	return r
}

// as runs a shell line as an account of the container.
func (m *machine) as(account, line string) (string, error) {
	return m.Exec("runuser", "-u", account, "--", "sh", "-c", line)
}

// audited checks that fastxd-launchd's audit log has a line with all of these.
func (m *machine) audited(t *testing.T, parts ...string) {
	t.Helper()
	m.Await(fmt.Sprintf("a line with %q in the audit log", parts), func() error {
		log, err := m.Exec("cat", launchd.StateDir+"/audit.log")
		for line := range strings.Lines(log) {
			if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
				return nil
			}
		}
		return fmt.Errorf("%s, %v", log, err)
	})
}

// TestSessionsRunAsTheirUsers is the story of two people on one node, and of those who are not let in.
func TestSessionsRunAsTheirUsers(t *testing.T) {
	t.Parallel()
	m := startMachine(t, "fastx")
	if _, page := m.Get("/"); !strings.Contains(page, "fastx") {
		t.Error("without fastxd-launchd the page does not say whom all sessions run as")
	}
	m.addPerson("ann")
	m.addPerson("bob")
	m.addLaunchd()
	ann, bob := m.settle("ann"), m.settle("bob")
	t.Run("each runs as its user", func(t *testing.T) { m.owned(t, ann); m.owned(t, bob) })
	t.Run("neither reaches the other", func(t *testing.T) { m.apart(t, ann, bob); m.apart(t, bob, ann) })
	t.Run("a viewer sees the display", func(t *testing.T) { m.view(ann.id).awaitColours(t, 2) })
	t.Run("the daemon finds them again", func(t *testing.T) {
		m.Must("systemctl", "restart", "fastxd.service")
		m.AwaitReady()
		m.AwaitState(ann.id, transporter.Running)
		m.view(ann.id).awaitColours(t, 2)
	})
	t.Run("tickets that are not good", m.badTickets)
	t.Run("accounts that get no session", m.badAccounts)
	t.Run("nobody else is heard", func(t *testing.T) { m.unheard(t, ann) })
	t.Run("what ends leaves nothing", func(t *testing.T) { m.ends(t, ann, bob) })
}

// owned looks at what runs of a session, and where.
func (m *machine) owned(t *testing.T, r resident) {
	t.Helper()
	for property, want := range map[string]string{"User": r.uid, "Slice": "fastx-" + r.uid + ".slice", "PAMName": spawn.PAMService} {
		if got := m.Must("systemctl", "show", "--property="+property, "--value", session.Unit(r.id)); got != want {
			t.Errorf("%s's unit has %s=%s, want %s", r.user, property, got, want)
		}
	}
	running := m.Must("ps", "-u", r.user, "-o", "comm=")
	for _, program := range []string{"fastxd-session", "Xvnc", "openbox", "xterm"} {
		if !strings.Contains(running, program) {
			t.Errorf("%s's processes lack %s: %q", r.user, program, running)
		}
	}
	for _, f := range []struct{ path, want string }{
		{localDir + "/sessions/" + r.id + ".json", "fastx 600"}, {localDir + "/sessions/" + r.id + ".lock", "fastx 600"},
		{localDir + "/sessions/" + r.id + ".log", "fastx 600"}, {localDir, "fastx 700"}, {"/run/fastx-sessions/" + r.id, r.user + " 700"},
		{session.UserDir(r.id) + "/rfb", r.user + " 600"}, {session.UserDir(r.id) + "/xauth", r.user + " 600"}, {"/run/fastx-sessions", "root 755"},
		{"/run/fastx", "fastx 711"}, {"/run/fastx/admin.sock", "fastx 600"}, {launchd.StateDir, "root 700"}, {launchd.Socket, "fastx 600"},
	} {
		if got := m.Must("stat", "-c", "%U %a", f.path); got != f.want {
			t.Errorf("%s is %s, want %s", f.path, got, f.want)
		}
	}
}

// apart lets one user try to reach another's session in every way there is.
func (m *machine) apart(t *testing.T, from, to resident) {
	t.Helper()
	if out, err := m.as(to.user, "DISPLAY="+to.display+" XAUTHORITY="+session.XauthFile(session.UserDir(to.id))+" xdpyinfo"); err != nil {
		t.Errorf("%s does not reach the own display %s, so what follows shows nothing: %s", to.user, to.display, out)
	}
	groups := m.Must("sh", "-c", "sed -n 's/^[0-9]*:name=systemd://p;s/^0:://p' /proc/"+to.pid+"/cgroup | grep -m1 .")
	record := localDir + "/sessions/" + to.id
	for what, line := range map[string]string{
		"display without a cookie": "DISPLAY=" + to.display + " xdpyinfo",
		"cookie":                   "cat " + session.XauthFile(session.UserDir(to.id)),
		"display socket":           "curl -sS --unix-socket " + session.RFBSocket(session.UserDir(to.id)) + " http://x/",
		"directory":                "ls /run/fastx-sessions/" + to.id,
		"record":                   "cat " + record + ".json",
		"log":                      "cat " + record + ".log",
		"lock":                     "flock -n " + record + ".lock true",
		"environment":              "cat /proc/" + to.pid + "/environ",
		"descriptors":              "ls /proc/" + to.pid + "/fd/",
		"process":                  "kill -CONT " + to.pid,
		"control group":            "echo $$ >/sys/fs/cgroup/systemd" + groups + "/cgroup.procs || echo $$ >/sys/fs/cgroup" + groups + "/cgroup.procs",
		"unit":                     "systemctl stop --no-ask-password " + session.Unit(to.id),
		"list of sessions":         "ls /run/fastx/ || ls /run/fastx/s",
		"daemon":                   "fastxctl sessions terminate " + to.id,
		"helper":                   "curl -sS --unix-socket " + launchd.Socket + " http://x/",
	} {
		if out, err := m.as(from.user, line); err == nil {
			t.Errorf("%s reaches %s's %s: %s", from.user, to.user, what, out)
		}
	}
	if m.Must("systemctl", "is-active", session.Unit(to.id)) != "active" {
		t.Errorf("%s's session has not lived through it", to.user)
	}
}

// client asks the container's fastxd-launchd from outside of it, as root.
func (m *machine) client() launchd.Client {
	return launchd.Client{Path: "/proc/" + strconv.Itoa(m.container.Container.State.Pid) + "/root" + launchd.Socket}
}

// badTickets shows fastxd-launchd tickets that it must not take, all of them for a session of bob.
func (m *machine) badTickets(t *testing.T) {
	ours := filepath.Join(t.TempDir(), ticket.KeyFile)
	if err := os.WriteFile(ours, []byte(m.Must("cat", localDir+"/"+ticket.KeyFile)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ticket.LoadKey(ours)
	if err != nil {
		t.Fatal(err)
	}
	forger, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	// The daemon's account can write to all of these.
	for _, dir := range []string{"/var/fastx/public_keys", localDir + "/keys.d"} {
		m.Must("sh", "-c", fmt.Sprintf("mkdir -p %[1]s && echo '%[2]s' >%[1]s/%[3]s.pem && chown -R fastx: %[1]s", dir, forger.PublicPEM(), forger.ID()))
	}
	// And if it could write here, too:
	m.Must("sh", "-c", fmt.Sprintf("echo '%s' >%[2]s/%[3]s.pem && chown fastx: %[2]s/%[3]s.pem", forger.PublicPEM(), keysDir, forger.ID()))
	used := m.Must("sh", "-c", "ls "+launchd.StateDir+"/spent | head -n 1")
	node := m.Must("hostname")
	for name, c := range map[string]struct {
		key    *ticket.Key
		change func(*ticket.Claims)
		want   string
	}{
		"forged":          {forger, func(*ticket.Claims) {}, "does not trust"},
		"expired":         {signer, func(c *ticket.Claims) { c.Expires = c.IssuedAt - 1 }, "has expired"},
		"replayed":        {signer, func(c *ticket.Claims) { c.ID = used }, "has been used already"},
		"for another":     {signer, func(c *ticket.Claims) { c.Node = node + "x" }, "is for node"},
		"for any node":    {signer, func(c *ticket.Claims) { c.Node = "" }, "is for node"},
		"not placed yet":  {signer, func(c *ticket.Claims) { c.Kind = ticket.Place }, "for something else"},
		"of another kind": {signer, func(c *ticket.Claims) { c.Kind = ticket.Connect }, "for something else"},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			claims := ticket.Claims{Kind: ticket.Start, Subject: "bob", Node: node, ID: ticket.NewID(), Session: ticket.NewID(), IssuedAt: now.Unix(), Expires: now.Add(time.Minute).Unix()}
			claims.Order = &ticket.Order{Session: claims.Session, User: "bob", Account: "bob", Command: "id", Geometry: "320x200"}
			c.change(&claims)
			token, err := c.key.Sign(claims)
			if err != nil {
				t.Fatal(err)
			}
			o := spawn.Order{Ticket: token, Socket: "/run/systemd/private", TempDir: "/tmp", Lock: create(t), Log: create(t)}
			if _, _, err := m.client().Start(o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			m.audited(t, `"outcome":"refused"`, `"ticket":"`+claims.ID+`"`, `"user":"bob"`, c.want)
		})
	}
	m.Must("sh", "-c", "rm "+keysDir+"/"+forger.ID()+".pem")
	if left := m.Must("sh", "-c", "ps -u bob -o comm= | grep -c '^fastxd-session$'"); left != "1" {
		t.Errorf("bob has %s sessions", left)
	}
}

// create makes a file that is read and written, as a lock and a log are.
func create(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// badAccounts orders sessions of accounts that are not people's or may not log in.
func (m *machine) badAccounts(t *testing.T) {
	m.addPerson("ghost", "--shell", "/usr/sbin/nologin")
	m.addPerson("git", "--shell", "/usr/bin/openbox")
	m.addPerson("locked", "--password", "!")
	m.addPerson("gone", "--expiredate", "2020-01-01")
	m.Must("useradd", "--system", "--shell", "/bin/bash", "--password", "*", "robot")
	for account, want := range map[string]string{
		"root": "one of the system", "fastx": "one of the system", "robot": "one of the system", "daemon": "one of the system",
		"ghost": "not for logging in", "git": "not in /etc/shells", "locked": "is locked", "gone": "has expired on 2020-01-01", "nobody-of-that-name": "there is no account",
	} {
		out, err := m.startAs(account)
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("a session of %s: %s, %v, want %q", account, out, err, want)
		}
		if account != "nobody-of-that-name" { // the launcher does not ask for whom it cannot find
			m.audited(t, `"action":"start"`, `"outcome":"refused"`, `"user":"`+account+`"`, want)
		}
	}
	// What only PAM's account stage says: it runs at the start of the unit.
	m.addPerson("late")
	m.Must("sh", "-c", "echo 'account required pam_access.so' >>/etc/pam.d/fastx-session; echo '-:late:ALL' >>/etc/security/access.conf")
	if out, err := m.startAs("late"); err == nil {
		t.Errorf("PAM bars late, and a session is started: %s", out)
	}
	m.audited(t, `"action":"start"`, `"outcome":"failed"`, `"user":"late"`)
	if left, err := m.Exec("sh", "-c", "ps -u ghost,git,locked,gone,robot,late -o args="); err == nil {
		t.Errorf("of those who get no session there runs %s", left)
	}
}

// unheard lets other accounts call fastxd-launchd and the launcher.
func (m *machine) unheard(t *testing.T, r resident) {
	m.Must("chmod", "0666", launchd.Socket) // as if its mode were lost
	if out, err := m.as("bob", "curl -sS --max-time 20 --unix-socket "+launchd.Socket+" http://x/"); err == nil {
		t.Errorf("bob is answered: %s", out)
	}
	m.audited(t, `"action":"approach"`, `"outcome":"refused"`, "uid "+m.Must("id", "-u", "bob")+" may not ask")
	m.Must("chmod", "0600", launchd.Socket)
	for user, want := range map[string]string{"bob": "no hello: bad message", "ghost": "no session here is of user id"} {
		if out, err := m.as(user, "curl -sS --max-time 20 --unix-socket /run/fastx/launcher.sock http://x/"); err == nil {
			t.Errorf("%s is answered by the launcher: %s", user, out)
		}
		m.Await("the launcher to log a stranger", func() error {
			if log := m.Must("journalctl", "--no-pager", "-u", "fastxd"); !strings.Contains(log, want) {
				return fmt.Errorf("%q is not in the log", want)
			}
			return nil
		})
	}
	m.AwaitState(r.id, transporter.Running)
}

// ends ends one session as its user, kills the supervisor of another, and one that does not obey.
func (m *machine) ends(t *testing.T, ann, bob resident) {
	if status := m.Call(m.Token(), "DELETE", "/api/v1/sessions/"+ann.id, nil, nil); status != 200 {
		t.Errorf("end ann's session: status %d", status)
	}
	m.gone(t, ann)
	m.Must("kill", "-KILL", bob.pid)
	m.gone(t, bob)
	stubborn := m.settle("bob")
	m.Must("kill", "-STOP", stubborn.pid)
	m.Must("fastxctl", "sessions", "terminate", "--user", "bob", stubborn.id)
	m.gone(t, stubborn)
	m.audited(t, `"action":"terminate"`, `"outcome":"ok"`, stubborn.id)
}

// gone waits until nothing is left of a session but what the launcher keeps of it.
func (m *machine) gone(t *testing.T, r resident) {
	t.Helper()
	m.awaitGone(r.id)
	if out, err := m.Exec("ls", "/run/fastx-sessions/"+r.id); err == nil {
		t.Errorf("the directory of %s's session is still there: %s", r.user, out)
	}
	if left, err := m.Exec("ps", "-u", r.user, "-o", "args="); err == nil {
		t.Errorf("of %s there still runs %s", r.user, left)
	}
	m.Await("the session of "+r.user+" to be ended", func() error {
		out, err := m.Exec("fastxctl", "sessions", "show", r.id, "--user", r.user)
		if err == nil && !strings.Contains(out, "ended") {
			err = fmt.Errorf("%s", out)
		}
		return err
	})
}
