package user

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	maxName   = 256  // bytes of a user name
	maxSecret = 1024 // bytes of a password or an answer
)

// login answers a login that reaches any node: the answers to a challenge are passed
// on to the node that asked the questions.
func (u *User) login(ctx context.Context, req transporter.LoginRequest) (transporter.LoginReply, error) {
	node, other := u.challenges.elsewhere(req.Challenge)
	if !other {
		return u.loginHere(ctx, req)
	}
	reply, err := transporter.Call(ctx, u.conn, transporter.UserLogin.On(node), req)
	if transporter.Undelivered(err) { // a made-up id must not tell which nodes there are
		err = errTooLate
	}
	return reply, err
}

var errTooLate = transporter.Errorf(transporter.Unauthorized, "the login took too long or was answered already; sign in again")

func (u *User) loginHere(ctx context.Context, req transporter.LoginRequest) (transporter.LoginReply, error) {
	switch {
	case u.config.Load() == nil:
		return transporter.LoginReply{}, errNoConfig
	case req.Challenge != "":
		return u.answer(ctx, req)
	case req.User == "" || req.Password == "":
		return transporter.LoginReply{}, transporter.Errorf(transporter.Invalid, "a user name and a password are needed")
	case len(req.User) > maxName || len(req.Password) > maxSecret:
		return transporter.LoginReply{}, transporter.Errorf(transporter.Invalid, "the user name or the password is too long")
	}
	g, wait := u.throttle.enter(req.User, req.Address, u.now())
	if wait > 0 {
		return transporter.LoginReply{}, u.slowDown(req.User, req.Address, "too many failed logins", wait)
	}
	c := &challenge{guess: g, method: u.method(req.User), attempt: Attempt{User: req.User, Password: req.Password, Address: req.Address}}
	step, err := u.auth.Login(ctx, c.attempt)
	c.attempt.Password = "" // not kept while answers are waited for
	return u.proceed(c, step, err)
}

// answer goes on with a login that asked questions.
func (u *User) answer(ctx context.Context, req transporter.LoginRequest) (transporter.LoginReply, error) {
	c, ok := u.challenges.take(req.Challenge)
	if !ok {
		return transporter.LoginReply{}, errTooLate
	}
	if !c.fits(req.Answers) {
		c.abandon()
		return transporter.LoginReply{}, transporter.Errorf(transporter.Invalid, "there must be one answer to each question; sign in again")
	}
	step, err := c.step.Answer(ctx, req.Answers)
	return u.proceed(c, step, err)
}

// proceed makes a reply out of what the authenticator says.
func (u *User) proceed(c *challenge, step Step, err error) (transporter.LoginReply, error) {
	switch {
	case errors.Is(err, ErrWrong):
		return transporter.LoginReply{}, u.refuse(c, "")
	case err != nil:
		c.guess.forgive(u.now())
		return transporter.LoginReply{}, u.failed(c, err)
	case step.User != "":
		return u.grant(c, step.User)
	default:
		return u.ask(c, step)
	}
}

// refuse says the one sentence that all refusals share; why is for the audit log alone.
func (u *User) refuse(c *challenge, why string) error {
	u.recordLogin(c, audit.Refused, why)
	return transporter.Errorf(transporter.Unauthorized, "%s", ErrWrong)
}

func (u *User) failed(c *challenge, err error) error {
	u.recordLogin(c, audit.Failed, "the login could not be checked")
	if e := new(transporter.Error); errors.As(err, &e) {
		return e
	}
	u.log.Error("a login could not be checked", "user", c.attempt.User, "error", err)
	return transporter.Errorf(transporter.Unavailable, "logins cannot be checked at the moment; try again, and if that lasts tell an administrator")
}

// grant gives a token to a person whom the authenticator knows, if the
// configuration lets that person in. If not, that is charged and told like a wrong password.
func (u *User) grant(c *challenge, user string) (transporter.LoginReply, error) {
	now := u.now()
	switch _, err := u.caller(user); {
	case keptOut(err):
		return transporter.LoginReply{}, u.refuse(c, err.Error())
	case err != nil:
		c.guess.forgive(now)
		return transporter.LoginReply{}, u.failed(c, err)
	}
	c.guess.forgive(now)
	if wait := u.throttle.login(user, now); wait > 0 {
		return transporter.LoginReply{}, u.slowDown(user, c.attempt.Address, "too many logins", wait)
	}
	c.guess.remember()
	expires := now.Add(spec.TokenLifetime).Truncate(time.Second)
	token, err := u.key.Sign(ticket.Claims{
		Kind: ticket.Login, Subject: user, ID: ticket.NewID(), IssuedAt: now.Unix(), Expires: expires.Unix(),
		Stamp: u.stamp(user),
	})
	if err != nil {
		return transporter.LoginReply{}, u.failed(c, err)
	}
	u.recordLogin(c, audit.Done, "")
	return transporter.LoginReply{Token: token, User: user, Expires: expires}, nil
}

// ask passes the authenticator's questions on.
func (u *User) ask(c *challenge, step Step) (transporter.LoginReply, error) {
	next := &challenge{step: step, guess: c.guess, attempt: c.attempt, method: c.method, steps: c.steps + 1}
	if next.steps > maxSteps {
		next.abandon()
		return transporter.LoginReply{}, u.refuse(c, "too many questions")
	}
	id, ok := u.challenges.add(next)
	if !ok {
		next.abandon()
		c.guess.forgive(u.now())
		return transporter.LoginReply{}, tooMany("too many people are logging in", challengeTime)
	}
	return transporter.LoginReply{Challenge: next.wire(id)}, nil
}

// slowDown refuses for a while. The audit log is told now and then only: who is
// refused thousands of times must not push everything else out of it.
func (u *User) slowDown(user, address, why string, wait time.Duration) error {
	if u.throttle.worthNoting(address, u.now()) {
		u.record(audit.Event{Action: audit.Login, User: user, Address: address, Outcome: audit.Refused, Detail: why})
	}
	return tooMany(why, wait)
}

// tooMany refuses for now and says when to come again, to people and to programs.
func tooMany(why string, wait time.Duration) *transporter.Error {
	err := transporter.Errorf(transporter.TooMany, "%s; try again in %s", why, seconds(wait))
	err.Retry = int(math.Ceil(wait.Seconds()))
	return err
}

func (u *User) recordLogin(c *challenge, outcome audit.Outcome, detail string) {
	u.record(audit.Event{Action: audit.Login, User: c.attempt.User, Address: c.attempt.Address, Method: c.method, Outcome: outcome, Detail: detail})
}

// method names the method that a user name belongs to.
func (u *User) method(user string) string {
	if ms, ok := u.auth.(*methods); ok {
		return ms.MethodOf(user)
	}
	return ""
}
