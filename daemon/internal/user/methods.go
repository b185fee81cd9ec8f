package user

import (
	"context"
	"errors"
)

// ErrGone is what Lookup returns for a user who is none, or none any more.
var ErrGone = errors.New("there is no such user")

// Method is one way to log in, for the names that belong to it.
type Method interface {
	Authenticator
	// Name is what the audit log calls it.
	Name() string
	// Takes reports whether a name belongs to this method, as the configuration of this moment has it. It answers
	// from memory, and of a name that nobody has it may say so too: who that is, Login finds out.
	Takes(user string) bool
}

// methods are the ways to log in, in the order in which they take names: a name belongs to the first that takes it,
// and no other is asked for it. So a password is shown to one judge only, and who has the same name elsewhere is
// somebody else. A name that none takes is the first one's, which is htpasswd: it refuses a name it does not know
// as slowly as one that it knows.
type methods struct {
	all []Method
	// mapped is the account that a login stands for which is none by itself, "" for none.
	mapped func(user string) string
}

var (
	_ Authenticator = (*methods)(nil)
	_ Stamper       = (*methods)(nil)
	_ Accountant    = (*methods)(nil)
)

func (ms *methods) of(user string) Method {
	for _, m := range ms.all {
		if m.Takes(user) {
			return m
		}
	}
	return ms.all[0]
}

// Login lets the method that the name belongs to judge.
func (ms *methods) Login(ctx context.Context, a Attempt) (Step, error) {
	m := ms.of(a.User)
	step, err := m.Login(ctx, a)
	return ms.keep(m, step, err)
}

// keep sees to it that a login ends as a user of the method that it began with: a method may spell names otherwise
// than they were typed, and then they may be another one's.
func (ms *methods) keep(m Method, step Step, err error) (Step, error) {
	if err != nil {
		return Step{}, err
	}
	if step.User != "" && ms.of(step.User) != m {
		return Step{}, ErrWrong
	}
	if answer := step.Answer; answer != nil {
		step.Answer = func(ctx context.Context, answers []string) (Step, error) {
			next, err := answer(ctx, answers)
			return ms.keep(m, next, err)
		}
	}
	return step, nil
}

// Lookup is that of the method that the name belongs to.
func (ms *methods) Lookup(user string) ([]string, error) { return ms.of(user).Lookup(user) }

// Stamp is that of the method that the name belongs to.
func (ms *methods) Stamp(user string) string {
	if s, ok := ms.of(user).(Stamper); ok {
		return s.Stamp(user)
	}
	return ""
}

// Account is the user's own, where the method's users are accounts, else what administrators have mapped.
func (ms *methods) Account(user string) string {
	if a, ok := ms.of(user).(Accountant); ok {
		return a.Account(user)
	}
	return ms.mapped(user)
}

// MethodOf names the method that a user name belongs to, for the audit log.
func (ms *methods) MethodOf(user string) string { return ms.of(user).Name() }
