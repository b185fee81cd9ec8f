package user

import (
	"context"
	"errors"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// ErrWrong is what an Authenticator returns when the person is not let in. Why must
// not be told apart from outside, neither by the text nor by the time it takes.
var ErrWrong = errors.New("wrong user name or password")

// Authenticator finds out who someone is.
type Authenticator interface {
	// Login begins with a name and a password. ErrWrong, from here or from a Step's
	// Answer, counts as a guess; any other error is a fault of ours and does not.
	Login(ctx context.Context, a Attempt) (Step, error)
	// Lookup tells in which groups a user is who logged in earlier, with ErrGone that there is no such user any
	// more. Every request asks it: it answers from memory. Any other error says that it is not known now.
	Lookup(user string) (groups []string, err error)
}

// Attempt is what someone types first.
type Attempt struct {
	User, Password string
	Address        string // the client's
}

// Step is how far a login has come: either User is set and it is done, or the Prompts
// have to be answered.
type Step struct {
	User    string
	Prompts []transporter.Prompt
	// Answer goes on with as many answers as there are prompts. It is called at most once.
	Answer func(ctx context.Context, answers []string) (Step, error)
	// Abandon, where set, frees what a step holds that will not be answered. Either it or Answer is called.
	Abandon func()
}
