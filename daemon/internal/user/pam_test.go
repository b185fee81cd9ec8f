package user

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
	"github.com/fastx-kit/fastx-kit/daemon/internal/pam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// fakePAM lets everybody in with "secret", and asks whose name begins with q a question before.
type fakePAM struct {
	mu    sync.Mutex
	asked []launchd.Login
	gone  syncCounter
	err   error
}

func (f *fakePAM) login(_ context.Context, l launchd.Login) (launchd.Turn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, l)
	switch {
	case f.err != nil:
		return launchd.Turn{}, f.err
	case l.Password != "secret":
		return launchd.Turn{}, launchd.ErrDenied
	case !strings.HasPrefix(l.User, "q"):
		return launchd.Turn{Account: l.User}, nil
	}
	return launchd.Turn{
		Notes: []string{"Your password has expired."}, Prompts: []pam.Prompt{{Text: "New password:"}, {Text: "Colour:", Echo: true}}, Abandon: f.gone.add,
		Answer: func(_ context.Context, answers []string) (launchd.Turn, error) {
			if answers[1] != "blue" {
				return launchd.Turn{}, launchd.ErrDenied
			}
			return launchd.Turn{Account: l.User}, nil
		},
	}, nil
}

// pamRig is a node with fastxd-launchd, and accounts of these names.
func pamRig(t *testing.T, accounts ...string) (*rig, *fakePAM) {
	t.Helper()
	ns, f := newNameService(), &fakePAM{}
	for i, name := range accounts {
		ns.add(name, 5000+i)
	}
	r := newBareRig(t, func(o *Options) { o.Lookup, o.PAM = ns.lookup, f.login })
	r.reconfigure(func(c *spec.Config) { c.PAM = spec.PAM{Enabled: true, Service: "fastx-desktop"} })
	return r, f
}

func TestAnAccountOfTheMachineLogsInByPAM(t *testing.T) {
	t.Parallel()
	r, f := pamRig(t, "kim")
	reply, err := r.enter("kim")
	if err != nil || reply.User != "kim" || r.account(reply.Token) != "kim" {
		t.Fatalf("%+v, %v", reply, err)
	}
	if want := (launchd.Login{Service: "fastx-desktop", User: "kim", Password: "secret", Address: "192.0.2.9"}); f.asked[0] != want {
		t.Errorf("PAM was asked %+v", f.asked[0])
	}
	_, err = r.try("kim", "wrong", "192.0.2.9")
	wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
	logins := slices.DeleteFunc(r.audited(), func(e audit.Event) bool { return e.Action != audit.Login })
	for i, want := range []audit.Outcome{audit.Done, audit.Refused} {
		if e := logins[i]; e.Method != "pam" || e.User != "kim" || e.Address != "192.0.2.9" || e.Outcome != want {
			t.Errorf("the audit log has %+v, want %s", e, want)
		}
	}
}

func TestPAMsQuestionsAreAsked(t *testing.T) {
	t.Parallel()
	r, f := pamRig(t, "quinn")
	begin := func() *transporter.Challenge {
		reply, err := r.try("quinn", "secret", "192.0.2.9")
		if err != nil || reply.Challenge == nil {
			t.Fatalf("%+v, %v", reply, err)
		}
		return reply.Challenge
	}
	c := begin()
	if got := fmt.Sprintf("%+v", c.Prompts); got != "[{Text:Your password has expired.\nNew password: Echo:false} {Text:Colour: Echo:true}]" {
		t.Errorf("quinn is asked %s", got)
	}
	reply, err := r.login(t.Context(), transporter.LoginRequest{Challenge: c.ID, Answers: []string{"new", "blue"}})
	if err != nil || reply.User != "quinn" {
		t.Errorf("%+v, %v", reply, err)
	}
	_, err = r.login(t.Context(), transporter.LoginRequest{Challenge: begin().ID, Answers: []string{"new", "red"}})
	wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
	_, err = r.login(t.Context(), transporter.LoginRequest{Challenge: begin().ID, Answers: []string{"new"}})
	wantError(t, err, transporter.Invalid, "one answer to each question")
	if f.gone.get() != 1 {
		t.Errorf("%d conversations were given up", f.gone.get())
	}
}

func TestPAMIsNotAskedWhereItIsOffOrMissing(t *testing.T) {
	t.Parallel()
	r, f := pamRig(t, "kim", "fred")
	reply, err := r.enter("kim")
	if err != nil {
		t.Fatal(err)
	}
	r.token("fred") // htpasswd's
	if len(f.asked) != 1 {
		t.Errorf("PAM was asked %+v", f.asked)
	}
	r.reconfigure(func(c *spec.Config) { c.PAM.Enabled = false })
	_, err = r.enter("kim")
	wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
	_, err = r.who(reply.Token)
	wantError(t, err, transporter.Unauthorized, "may no longer log in")
	bare := newRig(t)
	bare.reconfigure(func(c *spec.Config) { c.PAM = spec.PAM{Enabled: true, Service: "fastx"} })
	_, err = bare.enter("kim")
	wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
}

func TestAPAMThatDoesNotAnswerChargesNobody(t *testing.T) {
	t.Parallel()
	r, f := pamRig(t, "kim")
	f.err = errors.New("fastxd-launchd does not answer: the machine is on fire")
	for range 3 * pairPerMinute {
		_, err := r.enter("kim")
		wantError(t, err, transporter.Unavailable, "logins cannot be checked at the moment")
	}
	if !strings.Contains(r.said.String(), "on fire") {
		t.Error("the log does not say why")
	}
	f.err = launchd.ErrBusy
	_, err := r.enter("kim")
	wantError(t, err, transporter.TooMany, "try again")
	f.err = nil
	if _, err := r.enter("kim"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestALoginThatIsNoAccountStandsForTheOneThatItIsMappedTo(t *testing.T) {
	t.Parallel()
	r, _ := pamRig(t, "kim")
	fred := r.token("fred")
	if got := r.account(fred); got != "" {
		t.Errorf("fred's sessions run as %q", got)
	}
	r.reconfigure(func(c *spec.Config) { c.Accounts = spec.Accounts{"fred": "trainee", "kim": "somebody-else"} })
	if got := r.account(fred); got != "trainee" {
		t.Errorf("mapped, fred's sessions run as %q", got)
	}
	reply, err := r.enter("kim")
	if err != nil || r.account(reply.Token) != "kim" {
		t.Errorf("kim, who is an account: %+v, %v", reply, err)
	}
}
