package daemon_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// oathCodes are the first one-time passwords of the secret of RFC 4226, appendix D.
var oathCodes = []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}

const oathPrompt = "One-time password (OATH) for `eve': "

// addSSHD makes the machine's sshd ask for two factors, and has people log in through it. sshd's own settings come first.
func (m *machine) addSSHD(settings string) {
	m.t.Helper()
	m.Must("sh", "-c", "printf 'KbdInteractiveAuthentication yes\\nPasswordAuthentication no\\n"+settings+"' >/etc/ssh/sshd_config.d/fastx.conf")
	m.Must("sh", "-c", `sed -i 's/^@include common-auth/&\nauth required pam_oath.so usersfile=\/etc\/users.oath window=5 digits=6/' /etc/pam.d/sshd`)
	m.Must("sh", "-c", "echo 'HOTP eve - 3132333435363738393031323334353637383930' >/etc/users.oath; chmod 600 /etc/users.oath")
	m.Must("systemctl", "restart", "ssh.service")
	m.authSSH("enabled = true\n")
}

// authSSH writes auth-ssh.ini, which is nobody else's to read, and has it taken over.
func (m *machine) authSSH(text string) {
	m.t.Helper()
	m.Must("sh", "-c", "umask 077; printf '"+text+"' >/etc/fastx/new~ && chown fastx: /etc/fastx/new~ && mv /etc/fastx/new~ /etc/fastx/auth-ssh.ini && fastxctl reload --wait")
}

// loginReply is what the API says to a login.
type loginReply struct {
	Token, User string
	Challenge   *transporter.Challenge
	Error       *transporter.Error
}

func (m *machine) post(body map[string]any) (int, loginReply) {
	m.t.Helper()
	var r loginReply
	return m.Call("", "POST", "/api/v1/login", body, &r), r
}

// begin logs in by name and password, and wants to be asked something.
func (m *machine) begin(t *testing.T, user, password, prompt string) string {
	t.Helper()
	status, r := m.post(map[string]any{"username": user, "password": password})
	if status != 401 || r.Challenge == nil {
		log, _ := m.Exec("journalctl", "--no-pager", "-n", "30")
		t.Fatalf("login of %s: %d %+v, want questions\n%s", user, status, r, log)
	}
	if got := r.Challenge.Prompts; len(got) != 1 || !strings.Contains(got[0].Text, prompt) {
		t.Fatalf("asked %+v, want %q", got, prompt)
	}
	return r.Challenge.ID
}

func (m *machine) reply(id string, answer string) (int, loginReply) {
	m.t.Helper()
	return m.post(map[string]any{"challenge": id, "answers": []string{answer}})
}

// TestPeopleLogInThroughSSHD is the story of an account of the system, whose sshd wants a second factor.
func TestPeopleLogInThroughSSHD(t *testing.T) {
	t.Parallel()
	m := startMachine(t, "fastx")
	m.addPerson("eve", "--groups", "audio")
	m.Must("sh", "-c", "echo 'eve:the first factor' | chpasswd")
	m.addLaunchd()
	m.addSSHD("")

	eve := &api{t: m.t, URL: m.URL, Client: m.Client}
	t.Run("two factors and a session", func(t *testing.T) {
		status, r := m.reply(m.begin(t, "eve", "the first factor", oathPrompt), oathCodes[0])
		if status != 200 || r.User != "eve" {
			t.Fatalf("%d %+v", status, r)
		}
		eve.token = r.Token
		var me struct {
			User, Level string
			Groups      []string
		}
		if eve.Call(eve.token, "GET", "/api/v1/me", nil, &me); me.User != "eve" || !slices.Contains(me.Groups, "audio") {
			t.Errorf("eve is %+v", me)
		}
		id := eve.StartSession(map[string]any{"app": "xterm"}).ID
		eve.AwaitState(id, transporter.Running)
		if got := m.Must("sh", "-c", "ps -u eve -o comm= | sort -u | tr '\\n' ' '"); !strings.Contains(got, "Xvnc") && !strings.Contains(got, "Xtigervnc") {
			t.Errorf("eve runs %s", got)
		}
	})
	t.Run("what is not good", func(t *testing.T) { m.badFactors(t) })
	t.Run("accounts that may not", func(t *testing.T) { m.barredBySSHD(t) })
	t.Run("a password that has to be changed", func(t *testing.T) { m.changePassword(t) })
	t.Run("an sshd that is not known", func(t *testing.T) { m.strangeSSHD(t) })
	t.Run("an sshd that is away", func(t *testing.T) {
		m.Must("systemctl", "stop", "ssh.service")
		m.unchecked(t, "connection refused")
		m.Must("systemctl", "start", "ssh.service")
	})
	t.Run("what is written down", func(t *testing.T) {
		log := m.Must("cat", localDir+"/audit.log")
		for _, outcome := range []string{"ok", "refused", "failed"} {
			if want := regexp.MustCompile(`(?m)^.*"action":"login","user":"eve","address":"[^"]+","method":"ssh",.*"outcome":"` + outcome + `"`); !want.MatchString(log) {
				t.Errorf("the audit log has no login of eve's by ssh that is %s:\n%s", outcome, log)
			}
		}
		everything := log + m.Must("journalctl", "--no-pager", "-u", "fastx*")
		for _, secret := range append([]string{"the first factor", "a wrong one", "the second word"}, oathCodes...) {
			if strings.Contains(everything, secret) {
				t.Errorf("a log holds the secret %q", secret)
			}
		}
	})
}

// refused wants a login to be refused without anything being said of why.
func refused(t *testing.T, what string, status int, r loginReply) {
	t.Helper()
	if status != 401 || r.Challenge != nil || r.Error == nil || r.Error.Message != "wrong user name or password" {
		t.Errorf("%s: %d %+v", what, status, r)
	}
}

func (m *machine) badFactors(t *testing.T) {
	status, r := m.post(map[string]any{"username": "eve", "password": "a wrong one"})
	if r.Challenge != nil { // this stack asks on, so as not to tell
		status, r = m.reply(r.Challenge.ID, "000000")
	}
	refused(t, "a wrong password", status, r)
	id := m.begin(t, "eve", "the first factor", oathPrompt)
	status, r = m.reply(id, "000000")
	refused(t, "a wrong code", status, r)
	status, r = m.reply(m.begin(t, "eve", "the first factor", oathPrompt), oathCodes[0])
	refused(t, "a used code", status, r)
	if status, r = m.reply(id, oathCodes[1]); status != 401 || r.Error == nil {
		t.Errorf("a challenge is answered twice: %d %+v", status, r)
	}
	// sshd takes "eve:x" for eve, and we would take it for somebody else.
	status, r = m.post(map[string]any{"username": "eve:x", "password": "the first factor"})
	refused(t, "a name with a style", status, r)
	m.forgive()
}

// forgive starts the daemon anew, which forgets who has guessed how often.
func (m *machine) forgive() {
	m.t.Helper()
	m.Must("systemctl", "restart", "fastxd.service")
	m.AwaitReady()
}

// barredBySSHD logs in as those whom only PAM's account stage, or sshd, bars.
func (m *machine) barredBySSHD(t *testing.T) {
	m.Must("chage", "-E", "2020-01-01", "eve")
	status, r := m.reply(m.begin(t, "eve", "the first factor", oathPrompt), oathCodes[1])
	refused(t, "an account that has expired", status, r)
	m.Must("chage", "-E", "-1", "eve")
	m.Must("sh", "-c", "echo DenyUsers eve >>/etc/ssh/sshd_config.d/fastx.conf; systemctl restart ssh.service")
	status, r = m.post(map[string]any{"username": "eve", "password": "the first factor"})
	if r.Challenge != nil {
		status, r = m.reply(r.Challenge.ID, oathCodes[2])
	}
	refused(t, "somebody in DenyUsers", status, r)
	m.Must("sh", "-c", "sed -i /DenyUsers/d /etc/ssh/sshd_config.d/fastx.conf; systemctl restart ssh.service")
	m.forgive()
}

// changePassword goes through what PAM asks when a password has expired.
func (m *machine) changePassword(t *testing.T) {
	m.Must("chage", "-d", "0", "eve")
	_, r := m.reply(m.begin(t, "eve", "the first factor", oathPrompt), oathCodes[3])
	for _, step := range [][2]string{{"urrent password", "the first factor"}, {"New password", "the second word"}, {"Retype new password", "the second word"}} {
		if r.Challenge == nil || len(r.Challenge.Prompts) != 1 || !strings.Contains(r.Challenge.Prompts[0].Text, step[0]) {
			t.Fatalf("%+v, want to be asked %q", r, step[0])
		}
		_, r = m.reply(r.Challenge.ID, step[1])
	}
	if r.User != "eve" {
		t.Fatalf("after the change: %+v", r)
	}
	if status, r := m.reply(m.begin(t, "eve", "the second word", oathPrompt), oathCodes[4]); status != 200 {
		t.Errorf("by the new password: %d %+v", status, r)
	}
	m.Must("sh", "-c", "echo 'eve:the first factor' | chpasswd")
	m.forgive()
}

// unchecked wants a login to fail for a reason that the log, and nobody else, is told.
func (m *machine) unchecked(t *testing.T, reason string) {
	t.Helper()
	status, r := m.post(map[string]any{"username": "eve", "password": "the first factor"})
	if status != 503 || r.Error == nil || !strings.Contains(r.Error.Message, "logins cannot be checked") {
		t.Errorf("%d %+v", status, r)
	}
	if log := m.Must("journalctl", "--no-pager", "-u", "fastxd"); !strings.Contains(log, reason) {
		t.Errorf("the log does not say %q", reason)
	}
}

// strangeSSHD changes the host keys, and the list of those that are known, while everything runs.
func (m *machine) strangeSSHD(t *testing.T) {
	const known = "/etc/fastx/known_hosts"
	m.Must("sh", "-c", "ssh-keygen -q -t ed25519 -N '' -f /root/other && echo \"127.0.0.1 $(cat /root/other.pub)\" >"+known)
	m.authSSH("known_hosts = " + known + "\\n")
	m.unchecked(t, "none that known_hosts has for 127.0.0.1")
	if log := m.Must("journalctl", "--no-pager", "-u", "ssh", "-n", "3"); strings.Contains(log, "for eve") {
		t.Errorf("the strange sshd was told a name: %s", log)
	}
	m.Must("sh", "-c", "ssh-keyscan -t ecdsa 127.0.0.1 2>/dev/null >"+known+".new && mv "+known+".new "+known+" && fastxctl reload --wait")
	if status, r := m.reply(m.begin(t, "eve", "the first factor", oathPrompt), oathCodes[5]); status != 200 {
		t.Errorf("with the right key: %d %+v", status, r)
	}
	if out, err := m.Exec("sh", "-c", "echo nonsense >>"+known+" && fastxctl reload --wait"); err == nil || !strings.Contains(out, fmt.Sprintf("%q: line 2", known)) {
		t.Errorf("a broken known_hosts is taken: %s, %v", out, err)
	}
	m.Must("sh", "-c", "sed -i '$d' "+known)
	m.authSSH("enabled = true\\n")
}
