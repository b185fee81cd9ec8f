package user

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

var errNoConfig = transporter.Errorf(transporter.Unavailable, "this node has no configuration yet; try again in a few seconds")

// caller is a person as the configuration of this moment sees them; the rest of
// the request is judged by the same one.
type caller struct {
	config  *policy
	user    string
	account string // the Unix account that the login stands for, "" for none
	level   spec.Level
	groups  []string
	claims  ticket.Claims // of the token
}

// errDisabled is what caller returns for a user whom the configuration keeps out.
var errDisabled = errors.New("the user is disabled")

// caller looks a person up; ErrGone when there is no such user, errDisabled when the user is disabled.
func (u *User) caller(user string) (caller, error) {
	p := u.config.Load()
	groups, err := u.auth.Lookup(user)
	if err != nil {
		return caller{}, err
	}
	c := caller{config: p, user: user, account: u.account(user), groups: groups, level: p.Permissions.LevelOf(user, groups)}
	if c.level <= spec.Disabled {
		return c, errDisabled
	}
	return c, nil
}

// keptOut reports whether what caller says keeps a person out for good, and not for the moment.
func keptOut(err error) bool { return errors.Is(err, ErrGone) || errors.Is(err, errDisabled) }

// identify finds out whose a token is, now: it may have been revoked, and its holder
// disabled or removed, since it was given out.
func (u *User) identify(token string) (caller, error) {
	if u.config.Load() == nil {
		return caller{}, errNoConfig
	}
	claims, err := u.keys.load().Verify(token, u.now(), ticket.Login)
	switch {
	case errors.Is(err, ticket.ErrExpired):
		return caller{}, transporter.Errorf(transporter.Unauthorized, "the login has expired; sign in again")
	case err != nil:
		return caller{}, transporter.Errorf(transporter.Unauthorized, "the token is not valid; sign in again")
	case u.revoked.has(claims.ID):
		return caller{}, transporter.Errorf(transporter.Unauthorized, "the login was ended; sign in again")
	}
	if claims.Local {
		// An administrator of the machine acts under a name of the machine's.
		return caller{config: u.config.Load(), user: claims.Subject, account: claims.Subject, level: spec.Superadmin, claims: claims}, nil
	}
	c, err := u.holder(claims.Subject, claims.Stamp)
	c.claims = claims
	return c, err
}

// holder is who logged in, as the configuration sees them now, if that login is still good.
func (u *User) holder(user, stamp string) (caller, error) {
	c, err := u.caller(user)
	switch {
	case keptOut(err):
		return caller{}, transporter.Errorf(transporter.Unauthorized, "the user %q may no longer log in; ask an administrator", user)
	case err != nil:
		return caller{}, err
	case stamp != u.stamp(user) && (stamp != "" || c.account == user): // an older release gives none, and knows no accounts
		return caller{}, transporter.Errorf(transporter.Unauthorized, "the password was changed; sign in again")
	}
	return c, nil
}

// Stamper is an Authenticator whose passwords change where this node sees it.
type Stamper interface {
	// Stamp changes when the user's password does, and tells nothing about it.
	Stamp(user string) string
}

// Accountant is an Authenticator whose users are, or stand for, accounts of the machines. Of one that is none, no
// login is an account that happens to have the same name.
type Accountant interface {
	// Account is the Unix account that a user's sessions run as, "" for none.
	Account(user string) string
}

func (u *User) account(user string) string {
	if a, ok := u.auth.(Accountant); ok {
		return a.Account(user)
	}
	return ""
}

func (u *User) stamp(user string) string {
	if s, ok := u.auth.(Stamper); ok {
		return s.Stamp(user)
	}
	return ""
}

// standing says whether somebody may go on with what a ticket once allowed.
func (u *User) standing(_ context.Context, req transporter.StandingRequest) (transporter.Empty, error) {
	switch r, known := rules[req.Action]; {
	case u.config.Load() == nil:
		return transporter.Empty{}, errNoConfig
	case !known:
		return transporter.Empty{}, transporter.Errorf(transporter.Invalid, "there is no action %q", req.Action)
	case u.revoked.has(req.Login):
		return transporter.Empty{}, transporter.Errorf(transporter.Unauthorized, "the login was ended; sign in again")
	default:
		c, err := u.holder(req.User, req.Stamp)
		if err != nil {
			return transporter.Empty{}, err
		}
		return transporter.Empty{}, c.allowed(r, transporter.AuthorizeRequest{Owner: req.Owner})
	}
}

// identity is the caller as the other components see them.
func (c caller) identity() transporter.Identity {
	return transporter.Identity{
		User: c.user, Level: c.level.String(), Groups: append([]string{}, c.groups...),
		TokenID: c.claims.ID, Expires: time.Unix(c.claims.Expires, 0).UTC(), May: c.may(),
	}
}

func (u *User) verify(_ context.Context, req transporter.VerifyRequest) (transporter.Identity, error) {
	c, err := u.identify(req.Token)
	if err != nil {
		return transporter.Identity{}, err
	}
	return c.identity(), nil
}

// logout revokes a token here and, by word of mouth, everywhere. One that has
// expired or was revoked already needs nothing; one of a disabled user is revoked all the same.
func (u *User) logout(_ context.Context, req transporter.LogoutRequest) (transporter.Empty, error) {
	claims, err := u.keys.load().Verify(req.Token, u.now(), ticket.Login)
	switch {
	case errors.Is(err, ticket.ErrExpired):
		return transporter.Empty{}, nil
	case err != nil:
		return transporter.Empty{}, transporter.Errorf(transporter.Unauthorized, "the token is not valid")
	case u.revoked.has(claims.ID):
		return transporter.Empty{}, nil
	}
	r := transporter.Revocation{TokenID: claims.ID, Expires: time.Unix(claims.Expires, 0).UTC()}
	u.revoked.add(r)
	if err := transporter.Publish(u.conn, transporter.TokenRevoked, r); err != nil {
		u.log.Warn("the other nodes will learn of a logout from the share only", "error", err)
	}
	u.record(audit.Event{Action: audit.Logout, User: claims.Subject, Outcome: audit.Done})
	return transporter.Empty{}, nil
}

func (u *User) apps(_ context.Context, req transporter.AppsRequest) (transporter.AppsReply, error) {
	c, err := u.identify(req.Token)
	if err != nil {
		return transporter.AppsReply{}, err
	}
	reply := transporter.AppsReply{Apps: []transporter.App{}}
	for _, a := range c.config.Apps {
		if c.maySee(a) {
			reply.Apps = append(reply.Apps, wireApp(a))
		}
	}
	return reply, nil
}

func wireApp(a spec.App) transporter.App {
	return transporter.App{
		ID: a.ID, Name: a.Name, Command: a.Command, Geometry: a.Geometry, Icon: a.Icon, Category: a.Category, Groups: append([]string{}, a.Groups...),
	}
}

// maySee reports whether an application is for the caller.
func (c caller) maySee(a spec.App) bool {
	return len(a.Groups) == 0 || c.level >= spec.Operator ||
		slices.ContainsFunc(a.Groups, func(g string) bool { return slices.Contains(c.groups, g) })
}

// policy is the configuration of one generation with what is worked out once.
type policy struct {
	*spec.Config
	logins logins
	ssh    *sshSite
}

func newPolicy(gen *generation.Generation) *policy {
	c := gen.Config
	return &policy{Config: c, logins: newLogins(c.Htpasswd), ssh: newSSHSite(c.AuthSSH, gen.Set)}
}

// logins is what the htpasswd file says now.
func (u *User) logins() logins { return u.config.Load().logins }

// sshSite is the sshd that is asked now, nil for none.
func (u *User) sshSite() *sshSite { return u.config.Load().ssh }
