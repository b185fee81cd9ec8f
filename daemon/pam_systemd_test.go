package daemon_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// entry is what the API answers a login.
type entry struct {
	Token, User string
	Challenge   *transporter.Challenge
	Error       struct{ Message string }
}

// enter logs in by a name and a password.
func (m *machine) enter(user, password string) (int, entry) {
	m.t.Helper()
	var e entry
	status := m.Call("", "POST", "/api/v1/login", map[string]string{"username": user, "password": password}, &e)
	return status, e
}

// answer goes on with a login that asks something.
func (m *machine) answer(e entry, answers ...string) (int, entry) {
	m.t.Helper()
	var next entry
	status := m.Call("", "POST", "/api/v1/login", map[string]any{"challenge": e.Challenge.ID, "answers": answers}, &next)
	return status, next
}

// asked is what a login asks, a prompt a line.
func (e entry) asked() string {
	if e.Challenge == nil {
		return ""
	}
	var out []string
	for _, p := range e.Challenge.Prompts {
		out = append(out, p.Text)
	}
	return strings.Join(out, "\n")
}

// setPassword sets the password of an account.
func (m *machine) setPassword(user, password string) {
	m.t.Helper()
	m.Must("sh", "-c", "echo '"+user+":"+password+"' | chpasswd")
}

// startWith starts a session with a token and returns its id.
func (m *machine) startWith(token string) (int, string, string) {
	m.t.Helper()
	var s struct {
		ID    string
		Error struct{ Message string }
	}
	status := m.Call(token, "POST", "/api/v1/sessions", map[string]string{"app": "xterm"}, &s)
	return status, s.ID, s.Error.Message
}

// TestPeopleLogInWithTheirAccounts is the story of a machine whose people log in with what they have there.
func TestPeopleLogInWithTheirAccounts(t *testing.T) {
	t.Parallel()
	m := startMachine(t, "fastx")
	for _, name := range []string{"eve", "max", "kim"} {
		m.addPerson(name)
		m.setPassword(name, name+"'\\''s Secret.9")
	}
	if status, _ := m.enter("eve", "eve's Secret.9"); status != 401 {
		t.Errorf("without fastxd-launchd eve's login has status %d", status)
	}
	m.addLaunchd()
	status, eve := m.enter("eve", "eve's Secret.9")
	if status != 200 || eve.User != "eve" {
		journal := m.Must("journalctl", "--no-pager", "-n", "60", "-u", "fastx*")
		t.Fatalf("eve's login: status %d, %+v\n%s", status, eve, journal)
	}
	m.audited(t, `"action":"login"`, `"user":"eve"`, `"method":"pam"`, `"outcome":"ok"`, `"detail":"as eve"`)
	t.Run("a session runs as who logged in", func(t *testing.T) { m.ownSession(t, eve) })
	t.Run("who is not let in", m.notLetIn)
	t.Run("an expired password is changed", m.expired)
	t.Run("two questions", m.twoQuestions)
	t.Run("a login that is mapped to an account", m.mapped)
	t.Run("modules that crash", m.crashes)
	t.Run("PAM can be turned off", func(t *testing.T) { m.turnedOff(t, eve) })
}

// ownSession starts a session with a token and lets its holder, and somebody else, have a look.
func (m *machine) ownSession(t *testing.T, eve entry) {
	status, id, problem := m.startWith(eve.Token)
	if status != 201 {
		t.Fatalf("start a session: status %d, %s", status, problem)
	}
	if got := m.Must("systemctl", "show", "--property=User", "--value", session.Unit(id)); got != m.Must("id", "-u", "eve") {
		t.Errorf("eve's session runs as %s", got)
	}
	if status := m.Call(eve.Token, "GET", "/api/v1/sessions/"+id, nil, nil); status != 200 {
		t.Errorf("eve sees her session with status %d", status)
	}
	_, kim := m.enter("kim", "kim's Secret.9")
	for _, method := range []string{"GET", "DELETE"} {
		if status := m.Call(kim.Token, method, "/api/v1/sessions/"+id, nil, nil); status != 403 && status != 404 {
			t.Errorf("kim's %s of eve's session has status %d", method, status)
		}
	}
	if status := m.Call(eve.Token, "DELETE", "/api/v1/sessions/"+id, nil, nil); status != 200 {
		t.Errorf("eve ends her session with status %d", status)
	}
}

// notLetIn tries accounts that are not let in, all with their passwords but the first.
func (m *machine) notLetIn(t *testing.T) {
	for name, more := range map[string][]string{"held": {"--shell", "/usr/sbin/nologin"}, "late": {"--expiredate", "2020-01-01"}, "shut": nil, "bot": {"--system"}} {
		m.addPerson(name, more...)
		m.setPassword(name, "Secret.9")
	}
	m.setPassword("root", "Secret.9")
	m.Must("usermod", "--lock", "shut")
	_, stranger := m.enter("nobody-of-that-name", "Secret.9")
	for user, c := range map[string]struct{ password, want string }{
		"eve":  {"wrong", "auth stage: Authentication failure"},
		"shut": {"Secret.9", "auth stage: Authentication failure"},
		"late": {"Secret.9", "Your account has expired"},
		"held": {"Secret.9", "not for logging in"},
		"bot":  {"Secret.9", "one of the system"},
		"root": {"Secret.9", "one of the system"},
	} {
		status, e := m.enter(user, c.password)
		if status != 401 || e.Challenge != nil || e.Error.Message != stranger.Error.Message || e.Error.Message == "" {
			t.Errorf("%s is told %d, %+v, and a stranger %q", user, status, e, stranger.Error.Message)
		}
		m.audited(t, `"action":"login"`, `"user":"`+user+`"`, `"outcome":"refused"`, c.want)
		if log := m.Must("cat", localDir+"/audit.log"); !strings.Contains(log, `"user":"`+user+`"`) || strings.Contains(log, "Secret.9") {
			t.Errorf("fastxd's audit log on %s: %s", user, log)
		}
	}
}

// expired lets somebody in whose password has expired, with a new one.
func (m *machine) expired(t *testing.T) {
	m.Must("chage", "--lastday", "0", "max")
	status, e := m.enter("max", "max's Secret.9")
	for step, answer := range []string{"max's Secret.9", "Entirely-new.17", "Entirely-new.17"} {
		if status != 401 || e.Challenge == nil {
			t.Fatalf("step %d: status %d, %+v", step, status, e)
		}
		if asked := e.asked(); !strings.Contains(asked, "assword:") || step == 0 && !strings.Contains(asked, "required to change your password") {
			t.Errorf("step %d asks %q", step, asked)
		}
		status, e = m.answer(e, answer)
	}
	if status != 200 || e.Token == "" {
		t.Fatalf("after the change: status %d, %+v", status, e)
	}
	if status, _ := m.enter("max", "max's Secret.9"); status != 401 {
		t.Errorf("the old password has status %d", status)
	}
	if status, e := m.enter("max", "Entirely-new.17"); status != 200 {
		t.Errorf("the new password has status %d, %+v", status, e)
	}
}

// story puts the module for tests into the container.
func (m *machine) story() {
	m.t.Helper()
	so := filepath.Join(m.t.TempDir(), "pam_story.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", so, "internal/pam/libpam/testdata/pam_story.c").CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	m.copyIn(so, "/usr/local/lib/pam_story.so", "0644")
}

// twoQuestions asks for a second factor beside the password, by a service of the administrator's own.
func (m *machine) twoQuestions(t *testing.T) {
	m.story()
	m.Must("sh", "-c", "{ echo 'auth include common-auth'; echo 'auth required /usr/local/lib/pam_story.so questions'; echo 'account include common-account'; } >/etc/pam.d/fastx-codes")
	m.rewrite("auth-pam.ini", "service = fastx-codes\n")
	status, e := m.enter("kim", "kim's Secret.9")
	if status != 401 || e.asked() != "Look at your phone.[31m\nCode:\nColour:" || e.Challenge.Prompts[0].Echo || !e.Challenge.Prompts[1].Echo {
		t.Fatalf("kim is asked %q, %+v, status %d", e.asked(), e, status)
	}
	if status, e := m.answer(e, "123", "red"); status != 401 || e.Challenge != nil {
		t.Errorf("a wrong answer: %d, %+v", status, e)
	}
	_, e = m.enter("kim", "kim's Secret.9")
	if status, e := m.answer(e, "123", "blue"); status != 200 || e.User != "kim" {
		t.Errorf("the right answers: %d, %+v", status, e)
	}
}

// rewrite writes a file of the configuration and has it taken over.
func (m *machine) rewrite(name, text string) {
	m.t.Helper()
	m.Must("sh", "-c", "umask 077; printf '"+text+"' >/etc/fastx/"+name+".new && chown fastx: /etc/fastx/"+name+".new && mv /etc/fastx/"+name+".new /etc/fastx/"+name)
	m.Must("fastxctl", "reload", "--wait")
}

// mapped lets ann, who stands in htpasswd, have sessions as the account eve.
func (m *machine) mapped(t *testing.T) {
	_, ann := m.enter(m.User, m.Password)
	if status, _, problem := m.startWith(ann.Token); status == 201 || !strings.Contains(problem, "stands for no account") {
		t.Errorf("who is no account starts a session: %d, %s", status, problem)
	}
	m.rewrite("accounts.ini", m.User+" = eve\\n")
	status, id, problem := m.startWith(ann.Token)
	if status != 201 {
		t.Fatalf("with an account: status %d, %s", status, problem)
	}
	if got := m.Must("systemctl", "show", "--property=User", "--value", session.Unit(id)); got != m.Must("id", "-u", "eve") {
		t.Errorf("the session of %s runs as %s", m.User, got)
	}
}

// crashes has a module crash, and one hang, while others log in.
func (m *machine) crashes(t *testing.T) {
	m.Must("sh", "-c", "{ echo 'auth required /usr/local/lib/pam_story.so crash'; echo 'account required pam_permit.so'; } >/etc/pam.d/fastx-crash")
	m.rewrite("auth-pam.ini", "service = fastx-crash\n")
	pid := m.Must("systemctl", "show", "--property=MainPID", "--value", "fastxd-launchd.service")
	if status, e := m.enter("kim", "kim's Secret.9"); status != 503 {
		t.Errorf("a module crashes: status %d, %+v", status, e)
	}
	m.audited(t, `"action":"login"`, `"user":"kim"`, `"outcome":"failed"`, "PAM broke off")
	if now := m.Must("systemctl", "show", "--property=MainPID", "--value", "fastxd-launchd.service"); now != pid {
		t.Error("fastxd-launchd has not lived through it")
	}
	m.rewrite("auth-pam.ini", "service = fastx\n")
	if status, e := m.enter("kim", "kim's Secret.9"); status != 200 {
		t.Errorf("afterwards: status %d, %+v", status, e)
	}
	if journal := m.Must("journalctl", "--no-pager"); strings.Contains(journal, "Secret.9") {
		t.Error("a password is in the journal")
	}
}

// turnedOff turns PAM off: nobody logs in by it, and who has, may do nothing any more.
func (m *machine) turnedOff(t *testing.T, eve entry) {
	m.rewrite("auth-pam.ini", "enabled = false\n")
	if status, _ := m.enter("eve", "eve's Secret.9"); status != 401 {
		t.Errorf("eve's login has status %d", status)
	}
	if status := m.Call(eve.Token, "GET", "/api/v1/me", nil, nil); status != 401 {
		t.Errorf("eve's token has status %d", status)
	}
	if status, _ := m.enter(m.User, m.Password); status != 200 {
		t.Errorf("%s of htpasswd has status %d", m.User, status)
	}
}
