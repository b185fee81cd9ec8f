package libpam

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/pam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// inChild is set in the process of a conversation, which is this program again.
const inChild = "FASTXD_PAM_TEST_DIR"

// module is pam_story.so, built once.
var module struct {
	sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	if dir, child := os.LookupEnv(inChild); child {
		conn, err := net.FileConn(os.Stdin)
		if err == nil {
			err = Converse(session.NewLink(conn.(*net.UnixConn)), dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if module.path != "" {
		os.RemoveAll(filepath.Dir(module.path))
	}
	os.Exit(code)
}

// story is the path of the module for tests.
func story(t *testing.T) string {
	t.Helper()
	module.Do(func() {
		dir, err := os.MkdirTemp("", "pam-story")
		if err != nil {
			module.err = err
			return
		}
		module.path = filepath.Join(dir, "pam_story.so")
		out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", module.path, "testdata/pam_story.c").CombinedOutput()
		if err != nil {
			module.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if module.err != nil {
		t.Fatalf("build the module for tests: %v", module.err)
	}
	return module.path
}

// child is the process of one conversation.
type child struct {
	t    *testing.T
	link *session.Link
	cmd  *exec.Cmd
	said bytes.Buffer
}

// start starts a conversation with a service of these lines, in which MODULE is the module for tests.
func start(t *testing.T, lines string) *child {
	t.Helper()
	dir := t.TempDir()
	text := strings.ReplaceAll(lines, "MODULE", story(t)) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "fastx"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, link: session.NewLink(conn.(*net.UnixConn)), cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), inChild+"="+dir)
	c.cmd.Stdin, c.cmd.Stderr = theirs, &c.said
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.link.Close()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return c
}

func (c *child) begin(user, password string) pam.Said {
	c.t.Helper()
	return c.must(pam.Begin(c.link, pam.Request{Service: "fastx", User: user, Password: password, Address: "192.0.2.1"}))
}

func (c *child) answer(answers ...string) pam.Said {
	c.t.Helper()
	return c.must(pam.Go(c.link, answers))
}

func (c *child) must(said pam.Said, err error) pam.Said {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%v\n%s", err, c.said.String())
	}
	return said
}

func (c *child) want(got, want pam.Said) {
	c.t.Helper()
	if !reflect.DeepEqual(got, want) {
		c.t.Fatalf("got %+v\nwant %+v", got, want)
	}
}

const open = "auth required pam_permit.so\naccount required pam_permit.so\npassword required pam_permit.so\n"

func TestAPasswordLetsIn(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE password=secret\naccount required pam_permit.so")
	c.want(c.begin("ann", "secret"), pam.Said{Account: "ann"})
}

func TestAWrongPasswordDoesNot(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE password=secret\naccount required pam_permit.so")
	c.want(c.begin("ann", "Secret"), pam.Said{Denied: "auth stage: Authentication failure"})
}

func TestTheAccountStageBars(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE password=secret\naccount required MODULE code=13")
	c.want(c.begin("ann", "secret"), pam.Said{Denied: "account stage: User account has expired", Proved: true})
}

func TestQuestionsAreCarriedWithWhatIsSaidBefore(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE password=secret\nauth required MODULE questions\naccount required MODULE say=welcome")
	c.want(c.begin("ann", "secret"), pam.Said{Notes: []string{"Look at your phone.[31m"}, Prompts: []pam.Prompt{{Text: "Code:"}, {Text: "Colour:", Echo: true}}})
	c.want(c.answer("123", "blue"), pam.Said{Account: "ann", Notes: []string{"welcome"}})
}

func TestQuestionsThatAreAnsweredWrongly(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE questions\naccount required pam_permit.so")
	c.want(c.begin("ann", "999"), pam.Said{Notes: []string{"Look at your phone.[31m"}, Prompts: []pam.Prompt{{Text: "Colour:", Echo: true}}})
	c.want(c.answer("blue"), pam.Said{Denied: "auth stage: Authentication failure"})
}

func TestOneQuestionAfterAnother(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE password=secret\nauth required MODULE twice\naccount required pam_permit.so")
	c.want(c.begin("ann", "secret"), pam.Said{Prompts: []pam.Prompt{{Text: "First code:"}}})
	c.want(c.answer("1"), pam.Said{Prompts: []pam.Prompt{{Text: "Second code:"}}})
	c.want(c.answer("2"), pam.Said{Account: "ann"})
}

func TestAnExpiredPasswordIsChangedInTheConversation(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE password=secret\naccount required MODULE code=12\npassword required MODULE renew")
	ask := []pam.Prompt{{Text: "New password:"}, {Text: "Once more:"}}
	c.want(c.begin("ann", "secret"), pam.Said{Prompts: ask})
	c.want(c.answer("new", "nwe"), pam.Said{Notes: []string{"These differ."}, Prompts: ask})
	c.want(c.answer("new", "new"), pam.Said{Account: "ann"})
}

func TestPAMMaySpellANameOtherwise(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE rename=ann@example.com\naccount required pam_permit.so")
	c.want(c.begin("ANN", "x"), pam.Said{Account: "ann@example.com"})
}

func TestWhatDoesNotWorkIsNoDenial(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lines, want string }{
		"a module that is not there": {"auth required pam_nowhere.so\naccount required pam_permit.so", "auth stage: Module is unknown"},
		"a directory that is down":   {"auth required MODULE code=9\naccount required pam_permit.so", "auth stage: Authentication service cannot retrieve authentication info"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, c.lines)
			p.want(p.begin("ann", "x"), pam.Said{Failed: c.want})
		})
	}
}

func TestServicesThatWereNotWrittenForThisJudgeNobody(t *testing.T) {
	t.Parallel()
	for service, want := range map[string]string{
		"su": "may not judge logins", "../fastx": "may not judge logins", "fastx-session": "may not judge logins", "": "may not judge logins",
		"fastx-other": "there is no PAM service fastx-other",
	} {
		c := start(t, open)
		said := c.must(pam.Begin(c.link, pam.Request{Service: service, User: "root", Password: "x"}))
		if !strings.Contains(said.Failed, want) || said.Account != "" {
			t.Errorf("the service %q: %+v", service, said)
		}
	}
}

func TestAModuleThatCrashesTakesItsProcessDownAlone(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE crash\naccount required pam_permit.so")
	said, err := pam.Begin(c.link, pam.Request{Service: "fastx", User: "ann", Password: "secret"})
	if err == nil {
		t.Fatalf("a crash says %+v", said)
	}
	if err := c.cmd.Wait(); err == nil {
		t.Error("the process ended well")
	}
	if strings.Contains(c.said.String(), "secret") {
		t.Error("the crash shows the password")
	}
}

func TestWhoGoesAwayEndsTheConversation(t *testing.T) {
	t.Parallel()
	c := start(t, "auth required MODULE twice\naccount required pam_permit.so")
	c.want(c.begin("ann", "1"), pam.Said{Prompts: []pam.Prompt{{Text: "Second code:"}}})
	c.link.Close()
	_ = c.cmd.Wait() // it cannot say how it ended
}

func TestThisMachinesAccountsAreJudgedByTheirShadows(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may ask for other accounts")
	}
	c := start(t, "auth required pam_unix.so\naccount required pam_unix.so")
	if said := c.begin("nobody", "x"); said.Denied == "" {
		t.Errorf("nobody: %+v", said)
	}
}
