package user

import (
	"context"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// machine is a method that lets everybody in with the password "secret", under the name that the name service has.
type machine struct {
	*residents
	off   bool
	asked []string
}

func (*machine) Name() string             { return "machine" }
func (m *machine) Takes(user string) bool { return !m.off && user != "" }

func (m *machine) Login(ctx context.Context, a Attempt) (Step, error) {
	m.asked = append(m.asked, a.User)
	if a.Password != "secret" {
		return Step{}, ErrWrong
	}
	return Step{Prompts: []transporter.Prompt{{Text: "Really? "}}, Answer: func(ctx context.Context, _ []string) (Step, error) {
		name, err := m.Admit(ctx, a.User)
		return Step{User: name}, err
	}}, nil
}

// withMachine adds a machine to the methods of a rig, whose name service knows these lines.
func withMachine(t *testing.T, ns *nameService) (*rig, *machine) {
	t.Helper()
	r := newBareRig(t, func(o *Options) { o.Lookup = ns.lookup })
	m := &machine{residents: r.people}
	ms := r.auth.(*methods)
	ms.all = append(ms.all, m)
	r.reconfigure(func(c *spec.Config) {
		c.Permissions.Groups = map[string]spec.Level{"wheel": spec.Admin, "out": spec.Disabled}
	})
	return r, m
}

// enter logs in by the machine.
func (r *rig) enter(user string) (transporter.LoginReply, error) {
	reply, err := r.try(user, "secret", "192.0.2.9")
	if err != nil || reply.Challenge == nil {
		return reply, err
	}
	return r.login(context.Background(), transporter.LoginRequest{Challenge: reply.Challenge.ID, Answers: []string{"yes"}})
}

func TestANameBelongsToOneMethod(t *testing.T) {
	t.Parallel()
	ns := newNameService()
	ns.add("ann", 5001, "wheel")
	ns.add("fred", 5002) // who stands in htpasswd, too
	ns.alias("FRED", "fred")
	r, m := withMachine(t, ns)

	reply, err := r.enter("ann")
	if err != nil || reply.User != "ann" {
		t.Fatalf("ann: %+v, %v", reply, err)
	}
	if who, err := r.who(reply.Token); err != nil || who.Level != "admin" || strings.Join(who.Groups, " ") != "people wheel" {
		t.Errorf("ann is %+v, %v", who, err)
	}
	if got := r.account(reply.Token); got != "ann" {
		t.Errorf("ann's sessions run as %q", got)
	}
	if token := r.token("fred"); r.account(token) != "" {
		t.Error("the fred of htpasswd is taken for the account of that name")
	}
	for _, name := range []string{"fred", "FRED"} {
		_, err := r.enter(name)
		wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
	}
	_, err = r.enter("nobody-of-that-name")
	wantError(t, err, transporter.Unauthorized, ErrWrong.Error())
	if got := strings.Join(m.asked, " "); got != "ann FRED nobody-of-that-name" {
		t.Errorf("the machine was asked for %s", got)
	}
	for i, want := range []audit.Event{
		{User: "ann", Method: "machine", Outcome: audit.Done}, {User: "fred", Method: "htpasswd", Outcome: audit.Done},
		{User: "fred", Method: "htpasswd", Outcome: audit.Refused}, {User: "FRED", Method: "machine", Outcome: audit.Refused},
		{User: "nobody-of-that-name", Method: "machine", Outcome: audit.Refused},
	} {
		var logins []audit.Event
		for _, e := range r.audited() {
			if e.Action == audit.Login {
				logins = append(logins, e)
			}
		}
		if got := logins[i]; got.User != want.User || got.Method != want.Method || got.Outcome != want.Outcome {
			t.Errorf("the audit log has %+v, want %+v", got, want)
		}
	}
}

func TestALoginIsGoodForItsMethodAlone(t *testing.T) {
	t.Parallel()
	ns := newNameService()
	ns.add("ann", 5001)
	ns.add("fred", 5002)
	r, m := withMachine(t, ns)
	fred := r.token("fred")
	reply, err := r.enter("ann")
	if err != nil {
		t.Fatal(err)
	}
	hash := r.config.Htpasswd["fred"]
	r.reconfigure(func(c *spec.Config) {
		c.Htpasswd = map[string]string{"ann": hash}
	})
	_, err = r.who(fred)
	wantError(t, err, transporter.Unauthorized, "sign in again")
	_, err = r.who(reply.Token)
	wantError(t, err, transporter.Unauthorized, "sign in again")
	r.reconfigure(func(c *spec.Config) { c.Htpasswd = nil })
	if _, err := r.who(reply.Token); err != nil {
		t.Errorf("ann's login is not good any more: %v", err)
	}
	m.off = true
	_, err = r.who(reply.Token)
	wantError(t, err, transporter.Unauthorized, "may no longer log in")
}

func TestALoginWithoutAStampIsNoAccounts(t *testing.T) {
	t.Parallel()
	ns := newNameService()
	ns.add("fred", 5002)
	r, _ := withMachine(t, ns)
	old := r.mint(ticket.Claims{Kind: ticket.Login, Subject: "fred", ID: ticket.NewID(), IssuedAt: r.clock.now().Unix(), Expires: r.clock.now().Unix() + 60})
	if _, err := r.who(old); err != nil {
		t.Fatalf("a login of an older release: %v", err)
	}
	r.reconfigure(func(c *spec.Config) { c.Htpasswd = nil })
	_, err := r.who(old)
	wantError(t, err, transporter.Unauthorized, "sign in again")
}
