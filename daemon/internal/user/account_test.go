package user

import (
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// unix is an Authenticator whose users are accounts of the machines.
type unix struct{ questions }

func (*unix) Account(user string) string { return user + "@example.com" }

// account is the one that a start that this token allows is for.
func (r *rig) account(token string) string {
	r.t.Helper()
	reply, err := r.ask(token, transporter.AuthorizeRequest{Action: transporter.ActStart, Start: &transporter.StartRequest{ID: sid, App: "xterm"}})
	if err != nil {
		r.t.Fatal(err)
	}
	claims, err := ticket.Peek(reply.Ticket)
	if err != nil || claims.Order.User == "" {
		r.t.Fatalf("the ticket says %+v, %v", claims, err)
	}
	return claims.Order.Account
}

func TestALoginStandsForAnAccountOnlyWhereTheAuthenticatorSaysSo(t *testing.T) {
	t.Parallel()
	plain, machine := newRig(t), newRig(t, with(&unix{}))
	if got := plain.account(plain.token("fred")); got != "" {
		t.Errorf("who stands in htpasswd may run sessions as the account %q", got)
	}
	if got := machine.account(machine.token("fred")); got != "fred@example.com" {
		t.Errorf("a user of the machine runs sessions as %q", got)
	}
	local, err := ticket.LocalToken(plain.dirs.Local, "ada", plain.clock.now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if got := plain.account(local); got != "ada" {
		t.Errorf("an administrator of the machine, acting as ada, runs sessions as %q", got)
	}
}
