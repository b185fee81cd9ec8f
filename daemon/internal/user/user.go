// Package user checks logins, permissions and tokens, and signs tickets.
//
//	name + password ─▶ throttle ─▶ Authenticator ─▶ login token ─┐
//	                                                              ▼
//	login token + what is wanted ─▶ identity, level ─▶ ticket for exactly that
//
// It is the only component that signs. What it signs is complete: a launcher starts
// what stands in a ticket and asks nobody. It knows nothing of sessions; whose a
// session is it is told by whoever asks, and that stands in the ticket too, for the launcher
// to compare.
//
// A request touches memory alone. The signing key and the trusted keys are in
// FX_LOCAL_DIR; of the shared FX_VAR_DIR only background goroutines read and write
// the list of revoked tokens and what users prefer on the page. No key on a share is ever trusted: whoever can write there
// must not be able to mint logins.
package user

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	// houseKeeping is how often trusted keys are read again and challenges that nobody answered dropped.
	houseKeeping = 10 * time.Second
	// shareWait is how long a share that hangs may hold up the start, and the end.
	shareWait = 5 * time.Second
)

// Options say what a User needs.
type Options struct {
	Conn   *transporter.Conn
	Dirs   spec.Dirs
	Node   string
	Log    *slog.Logger
	Audit  *audit.Log       // nil: nothing is audited
	Now    func() time.Time // nil: time.Now
	Lookup account.Lookup   // the name service; nil: account.Getent
	// PAM has the machine's accounts judged; nil: there is no fastxd-launchd, and nobody logs in by PAM.
	PAM           func(context.Context, launchd.Login) (launchd.Turn, error)
	Authenticator Authenticator // nil: all methods that the configuration turns on
}

// User is the component.
type User struct {
	conn  *transporter.Conn
	node  string
	log   *slog.Logger
	audit *audit.Log
	now   func() time.Time

	key    *ticket.Key
	keys   *keyring
	auth   Authenticator
	people *residents

	config     atomic.Pointer[policy] // nil before the first generation
	throttle   *throttle
	challenges *challenges
	revoked    *revocations
	prefers    *preferences
	serving    atomic.Bool
	patience   time.Duration // with the share, at the start and at the end
}

var _ reload.Service = (*User)(nil)

// New makes the component ready, with a signing key of its own that the launcher of this
// machine trusts. It serves nothing before Run.
func New(o Options) (*User, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	key, err := ticket.LoadOrCreateKey(filepath.Join(o.Dirs.Local, ticket.KeyFile))
	if err != nil {
		return nil, err
	}
	trusted := filepath.Join(o.Dirs.Local, ticket.KeysDir)
	if err := ticket.InstallPublic(trusted, key); err != nil {
		return nil, err
	}
	u := &User{
		conn: o.Conn, node: o.Node, log: o.Log, audit: o.Audit, now: o.Now,
		key: key, keys: newKeyring(trusted, key.Public(), o.Log), auth: o.Authenticator,
		patience: shareWait, throttle: newThrottle(),
		challenges: newChallenges(o.Node, o.Now),
		revoked:    newRevocations(filepath.Join(o.Dirs.Var, "tokens", "revoked.json"), o.Now, o.Log),
		prefers:    newPreferences(filepath.Join(o.Dirs.Var, "users"), o.Log),
	}
	if o.Lookup == nil {
		o.Lookup = account.Getent
	}
	u.people = newResidents(o.Lookup, o.Now, o.Log)
	if u.auth == nil {
		u.auth = u.newMethods(o)
	}
	return u, nil
}

// newMethods lists the ways to log in, in the order in which they take names.
func (u *User) newMethods(o Options) *methods {
	return &methods{
		all: []Method{
			newHtpasswd(u.logins),
			newSSHD(u.sshSite, u.people, o.Log),
			&machinePAM{residents: u.people, ask: o.PAM, settings: func() spec.PAM { return u.config.Load().PAM }},
		},
		mapped: func(user string) string { return u.config.Load().Accounts[user] },
	}
}

// Name is "user".
func (u *User) Name() string { return string(spec.User) }

// Prepare makes ready for gen. It refuses none: what is wrong with the files
// is found when they are checked.
func (u *User) Prepare(_ context.Context, gen *generation.Generation) (reload.Change, error) {
	next := newPolicy(gen)
	return reload.Steps{OnCommit: func() { u.config.Store(next) }}, nil
}

// Ready reports whether a configuration is live and requests are answered.
func (u *User) Ready() bool { return u.config.Load() != nil && u.serving.Load() }

// Run serves until ctx ends. It first waits for the list of revoked tokens, so that
// a restart forgives none, but not for long: a share that hangs must not keep users out.
func (u *User) Run(ctx context.Context) error {
	go u.revoked.run(ctx)
	go u.prefers.run(ctx)
	wait(ctx, u.revoked.loaded, u.patience)
	if err := u.serve(); err != nil {
		return fmt.Errorf("user: %w", err)
	}
	u.serving.Store(true)
	defer u.serving.Store(false)
	u.keepHouse(ctx)
	if !wait(context.WithoutCancel(ctx), u.revoked.ended, u.patience) {
		return errors.New("user: the list of revoked tokens could not be written in time; is FX_VAR_DIR reachable?")
	}
	return nil
}

// wait reports whether done was closed before ctx ended and before the time was over.
func wait(ctx context.Context, done <-chan struct{}, most time.Duration) bool {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	case <-t.C:
	}
	return false
}

func (u *User) keepHouse(ctx context.Context) {
	t := time.NewTicker(houseKeeping)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			u.challenges.abandonAll()
			return
		case <-t.C:
			u.keys.reload()
			u.challenges.abandonOld()
			u.people.forgetOld()
		}
	}
}

func (u *User) serve() error {
	return errors.Join(
		transporter.Subscribe(u.conn, transporter.TokenRevoked, u.revoked.heard),
		transporter.Serve(u.conn, transporter.UserLogin, u.login),
		transporter.Serve(u.conn, transporter.UserLogin.On(u.node), u.loginHere),
		transporter.Serve(u.conn, transporter.UserVerify, u.verify),
		transporter.Serve(u.conn, transporter.UserLogout, u.logout),
		transporter.Serve(u.conn, transporter.UserApps, u.apps),
		transporter.Serve(u.conn, transporter.UserAuthorize, u.authorize),
		transporter.Serve(u.conn, transporter.UserPlace, u.place),
		transporter.Serve(u.conn, transporter.UserStanding, u.standing),
		transporter.Serve(u.conn, transporter.UserPrefers, u.preferences),
	)
}

// record audits an event of this node.
func (u *User) record(e audit.Event) {
	e.Time, e.Node = u.now(), u.node
	u.audit.Record(e)
}
