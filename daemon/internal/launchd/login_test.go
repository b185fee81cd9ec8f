package launchd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastx-kit/fastx-kit/daemon/internal/pam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// judge is a PAM that says what it is told to.
type judge struct {
	mu   sync.Mutex
	says []pam.Said    // one after the other
	got  []pam.Request // what begins conversations
	more [][]string    // the answers
	gone chan struct{} // closed when a conversation ends before its time; may be nil
	hang bool          // it never says anything
	err  error         // it cannot be reached
	busy sync.WaitGroup
}

// dial is a Judge.
func (j *judge) dial() (*net.UnixConn, error) {
	if j.err != nil {
		return nil, j.err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		conn, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		conns[i] = conn.(*net.UnixConn)
	}
	j.busy.Go(func() { j.talk(session.NewLink(conns[1])) })
	return conns[0], nil
}

func (j *judge) talk(link *session.Link) {
	defer link.Close()
	var r pam.Request
	if _, err := link.Receive(&r); err != nil {
		return
	}
	j.mu.Lock()
	j.got = append(j.got, r)
	says := j.says
	j.mu.Unlock()
	for i, said := range says {
		if i > 0 {
			var a pam.Answers
			if _, err := link.Receive(&a); err != nil {
				if j.gone != nil {
					close(j.gone)
				}
				return
			}
			j.mu.Lock()
			j.more = append(j.more, a.Answers)
			j.mu.Unlock()
		}
		_ = link.Send(said, nil)
	}
	if j.hang {
		var never pam.Answers
		_, _ = link.Receive(&never) // until the other side hangs up
	}
}

// begun are the conversations so far, and answered what was answered in them.
func (j *judge) begun() []pam.Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.got)
}

func (j *judge) answered() [][]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.more)
}

// judged is a rig whose logins are judged by j.
func judged(t *testing.T, j *judge) *rig {
	t.Helper()
	t.Cleanup(j.busy.Wait)
	return newRig(t, func(r *rig) { r.judge = j.dial })
}

func (r *rig) login(user string) (Turn, error) {
	return r.client.Login(r.t.Context(), Login{User: user, Password: "a secret", Address: "192.0.2.7"})
}

// says are the audit log's words on a login.
func says(user, outcome string, more ...string) []string {
	return append(more, `"action":"login"`, `"method":"pam"`, `"address":"192.0.2.7"`, `"user":"`+user+`"`, `"outcome":"`+outcome+`"`)
}

func TestPAMJudgesALogin(t *testing.T) {
	t.Parallel()
	j := &judge{says: []pam.Said{{Account: "ann", Notes: []string{"welcome"}}}}
	r := judged(t, j)
	turn, err := r.login("ann")
	if err != nil || turn.Account != "ann" || turn.Answer != nil || strings.Join(turn.Notes, "") != "welcome" {
		t.Fatalf("%+v, %v", turn, err)
	}
	if want := (pam.Request{Service: "fastx", User: "ann", Password: "a secret", Address: "192.0.2.7"}); j.begun()[0] != want {
		t.Errorf("PAM was asked %+v", j.begun()[0])
	}
	r.audited(says("ann", "ok", "as ann")...)
	if log, err := os.ReadFile(r.path("audit.log")); err != nil || strings.Contains(string(log), "a secret") {
		t.Errorf("the audit log: %s, %v", log, err)
	}
}

func TestQuestionsGoToThePersonAndAnswersToPAM(t *testing.T) {
	t.Parallel()
	ask := pam.Said{Notes: []string{"Look at your phone."}, Prompts: []pam.Prompt{{Text: "Code:"}, {Text: "Colour:", Echo: true}}}
	j := &judge{says: []pam.Said{ask, {Prompts: []pam.Prompt{{Text: "Sure?"}}}, {Account: "ann@eda.example.com"}}}
	r := judged(t, j)
	turn, err := r.login("ann")
	if err != nil || fmt.Sprint(turn.Prompts) != fmt.Sprint(ask.Prompts) || turn.Notes[0] != ask.Notes[0] {
		t.Fatalf("%+v, %v", turn, err)
	}
	if turn, err = turn.Answer(t.Context(), []string{"123", "blue"}); err != nil || turn.Prompts[0].Text != "Sure?" {
		t.Fatalf("%+v, %v", turn, err)
	}
	if turn, err = turn.Answer(t.Context(), []string{""}); err != nil || turn.Account != "ann@eda.example.com" {
		t.Fatalf("%+v, %v", turn, err)
	}
	if got := fmt.Sprintf("%q", j.answered()); got != `[["123" "blue"] [""]]` {
		t.Errorf("PAM was answered %s", got)
	}
}

func TestWhoIsNotLetInIsNotToldWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said pam.Said
		want string
	}{
		"wrong":   {pam.Said{Denied: "auth stage: Authentication failure"}, "auth stage"},
		"expired": {pam.Said{Denied: "account stage: expired", Proved: true}, "account stage"},
		"root":    {pam.Said{Account: "root"}, "one of the system"},
		"toor":    {pam.Said{Account: "toor"}, "one of the system"},
		"daemon":  {pam.Said{Account: "daemon"}, "one of the system"},
		"ghost":   {pam.Said{Account: "ghost"}, "not for logging in"},
		"git":     {pam.Said{Account: "git"}, "not in /etc/shells"},
		"locked":  {pam.Said{Account: "locked"}, "is locked"},
		"gone":    {pam.Said{Account: "gone"}, "has expired"},
		"unknown": {pam.Said{Account: "nobody-of-that-name"}, "there is no account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := judged(t, &judge{says: []pam.Said{c.said}})
			_, err := r.login(name)
			if !errors.Is(err, ErrDenied) || err.Error() != ErrDenied.Error() {
				t.Errorf("%s is told %v", name, err)
			}
			r.audited(says(name, "refused", c.want)...)
		})
	}
}

func TestALoginThatCannotBeJudgedIsNotRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		judge *judge
		want  string
	}{
		"no libpam":  {&judge{says: []pam.Said{{Failed: "this machine has no libpam.so.0"}}}, "no libpam"},
		"a crash":    {&judge{}, "PAM broke off"},
		"no unit":    {&judge{err: errors.New("nobody can log in by PAM")}, "nobody can log in by PAM"},
		"no account": {&judge{says: []pam.Said{{Account: "flaky"}}}, "the directory is down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := judged(t, c.judge)
			if _, err := r.login("ann"); err == nil || errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			r.audited(says("ann", "failed", c.want)...)
			if err := r.ask(r.sign(claims("ann"))); err != nil {
				t.Errorf("and no session starts: %v", err)
			}
		})
	}
}

func TestWhatNobodyTypesIsNotAskedOfPAM(t *testing.T) {
	t.Parallel()
	j := &judge{says: []pam.Said{{Account: "ann"}}}
	r := judged(t, j)
	for _, l := range []Login{
		{User: "-x", Password: "p"}, {User: "a b", Password: "p"}, {User: "0", Password: "p"}, {User: "ann"}, {User: "ann", Password: strings.Repeat("p", 1025)},
		{User: "ann", Password: "p", Address: "$(id)"},
	} {
		if _, err := r.client.Login(t.Context(), l); !errors.Is(err, ErrDenied) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if len(j.begun()) > 0 {
		t.Errorf("PAM was asked %+v", j.begun())
	}
}

func TestGuessesAreSlowedDown(t *testing.T) {
	t.Parallel()
	j := &judge{says: []pam.Said{{Denied: "auth stage: no"}}}
	r := judged(t, j)
	busy := 0
	for i := range 3 * perAccount {
		if _, err := r.login([]string{"ann", "ANN", "Ann"}[i%3]); errors.Is(err, ErrBusy) {
			busy++
		}
	}
	if len(j.begun()) != perAccount || busy != 2*perAccount {
		t.Errorf("PAM was asked %d times, and %d were too many", len(j.begun()), busy)
	}
	r.audited(says("ann", "refused", "auth stage")...)
	if _, err := r.login("key"); !errors.Is(err, ErrDenied) {
		t.Errorf("somebody else: %v", err)
	}
}

func TestTheMemoryOfGuessesIsBounded(t *testing.T) {
	t.Parallel()
	g := newGuesses()
	for i := range 2 * maxAccounts {
		g.allow(fmt.Sprint("u", i), today)
	}
	if len(g.each) > maxAccounts {
		t.Errorf("%d accounts are remembered", len(g.each))
	}
	if g.allow("one-more", today) {
		t.Error("there is no limit on all together")
	}
	if !g.allow("one-more", today.Add(time.Minute)) {
		t.Error("the limit is never lifted")
	}
}

func TestLoginsThatWaitTakeNoPlaceFromStarts(t *testing.T) {
	t.Parallel()
	j := &judge{says: []pam.Said{{Prompts: []pam.Prompt{{Text: "Code:"}}}, {Account: "ann"}}}
	r := judged(t, j)
	for i := range maxLogins {
		turn, err := r.login(fmt.Sprint("u", i))
		if err != nil {
			t.Fatal(err)
		}
		defer turn.Abandon()
	}
	if _, err := r.login("ann"); !errors.Is(err, ErrBusy) {
		t.Errorf("one login more: %v", err)
	}
	if err := r.ask(r.sign(claims("ann"))); err != nil {
		t.Errorf("a start: %v", err)
	}
}

func TestWhoGoesAwayEndsTheConversation(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*rig, Turn){
		"abandoned":          func(_ *rig, turn Turn) { turn.Abandon() },
		"the wrong answers":  func(r *rig, turn Turn) { _, _ = turn.Answer(r.t.Context(), []string{"a", "b"}) },
		"the end of launchd": func(r *rig, _ Turn) { r.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &judge{says: []pam.Said{{Prompts: []pam.Prompt{{Text: "Code:"}}}, {Account: "ann"}}, gone: make(chan struct{})}
			r := judged(t, j)
			turn, err := r.login("ann")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(turn.Abandon)
			leave(r, turn)
			<-j.gone
		})
	}
}

func TestAPAMThatHangsIsGivenUpWithWhoAsked(t *testing.T) {
	t.Parallel()
	r := judged(t, &judge{hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := r.client.Login(ctx, Login{User: "ann", Password: "p"})
	if err == nil || errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
	r.stop() // ends what hangs
}
