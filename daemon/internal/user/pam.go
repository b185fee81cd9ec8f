package user

import (
	"context"
	"errors"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// machinePAM is the Method of the machine's accounts: fastxd-launchd has PAM judge them.
type machinePAM struct {
	*residents
	settings func() spec.PAM
	ask      func(context.Context, launchd.Login) (launchd.Turn, error) // nil: there is no fastxd-launchd
}

var _ Method = (*machinePAM)(nil)

// Name is "pam".
func (*machinePAM) Name() string { return "pam" }

// Takes takes each name that an account can have, where PAM can be asked at all.
func (p *machinePAM) Takes(user string) bool {
	return p.ask != nil && p.settings().Enabled && account.ValidName(user)
}

// Login has PAM begin with the name and the password. What it asks beyond that, it asks the person.
func (p *machinePAM) Login(ctx context.Context, a Attempt) (Step, error) {
	turn, err := p.ask(ctx, launchd.Login{Service: p.settings().Service, User: a.User, Password: a.Password, Address: a.Address})
	return p.step(ctx, turn, err)
}

func (p *machinePAM) step(ctx context.Context, turn launchd.Turn, err error) (Step, error) {
	switch {
	case errors.Is(err, launchd.ErrDenied):
		return Step{}, ErrWrong
	case errors.Is(err, launchd.ErrBusy):
		return Step{}, tooMany("too many people are logging in", challengeTime/2)
	case err != nil:
		return Step{}, err
	case turn.Account != "":
		name, err := p.Admit(ctx, turn.Account)
		return Step{User: name}, err
	}
	return Step{
		Prompts: prompts(turn),
		Answer: func(ctx context.Context, answers []string) (Step, error) {
			next, err := turn.Answer(ctx, answers)
			return p.step(ctx, next, err)
		},
		Abandon: turn.Abandon,
	}, nil
}

// prompts are PAM's questions, the first with what modules said before it.
func prompts(turn launchd.Turn) []transporter.Prompt {
	var out []transporter.Prompt
	for _, q := range turn.Prompts {
		out = append(out, transporter.Prompt{Text: q.Text, Echo: q.Echo})
	}
	if len(turn.Notes) > 0 {
		out[0].Text = strings.Join(append(turn.Notes, out[0].Text), "\n")
	}
	return out
}
