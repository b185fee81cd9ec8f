package user

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	// residentAge is how old what is known of an account may be before it is looked up again.
	residentAge = time.Minute
	// residentWait is how long the first request after a start waits for the name service.
	residentWait = 2 * time.Second
	// residentLimit is how long one look-up may take in all.
	residentLimit = 15 * time.Second
)

var errNoDirectory = transporter.Errorf(transporter.Unavailable,
	"the directory of users does not answer at the moment; try again, and if that lasts tell an administrator")

// residents are the accounts of the machine that have logged in, as the name service knows them. Every request asks for
// one, and the name service may be slow or away, so they are kept in memory and looked up again in the background; while that
// fails, what was known holds. Only who has been let in is looked up, so strangers cannot fill it.
//
// Methods whose users are accounts of the machine embed it: it is their Lookup, Stamp and Account.
type residents struct {
	lookup account.Lookup
	now    func() time.Time
	log    *slog.Logger
	wait   time.Duration

	mu    sync.Mutex
	known map[string]*resident
}

// resident is one account.
type resident struct {
	account session.Account
	groups  []string
	err     error         // ErrGone, or nil
	seen    time.Time     // when it was looked up; zero before
	asked   time.Time     // when somebody asked last
	looking chan struct{} // closed when the look-up that is under way ends; nil when there is none
}

func newResidents(lookup account.Lookup, now func() time.Time, log *slog.Logger) *residents {
	return &residents{lookup: lookup, now: now, log: log, wait: residentWait, known: map[string]*resident{}}
}

// Lookup is Authenticator's. It waits for the name service only when nothing is known of the account, and not for long.
func (rs *residents) Lookup(user string) ([]string, error) {
	r, err := rs.get(context.Background(), user, false)
	return r.groups, err
}

// Stamp changes when the name comes to stand for another account. When the account's password changes cannot be
// seen from here.
func (rs *residents) Stamp(user string) string {
	r, err := rs.get(context.Background(), user, false)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte("fastx account v1 " + strconv.Itoa(r.account.UID)))
	return hex.EncodeToString(sum[:8])
}

// Account is Accountant's: the user itself, as the name service spells it.
func (rs *residents) Account(user string) string {
	r, _ := rs.get(context.Background(), user, false)
	return r.account.Name
}

// Admit looks an account up that was just let in, so that its groups are those of now, and returns how its name is spelt.
func (rs *residents) Admit(ctx context.Context, user string) (string, error) {
	r, err := rs.get(ctx, user, true)
	if errors.Is(err, ErrGone) {
		err = ErrWrong
	}
	return r.account.Name, err
}

// get returns what is known of an account, and with fresh what is found out now.
func (rs *residents) get(ctx context.Context, user string, fresh bool) (resident, error) {
	rs.mu.Lock()
	r := rs.known[user]
	if r == nil {
		r = &resident{}
		rs.known[user] = r
	}
	r.asked = rs.now()
	if r.looking == nil && (fresh || rs.now().Sub(r.seen) >= residentAge) {
		r.looking = make(chan struct{})
		go rs.look(user, r)
	}
	looking, limit := r.looking, rs.wait
	rs.mu.Unlock()
	if fresh {
		limit = residentLimit
	}
	if looking != nil && (fresh || rs.unseen(r)) {
		patience, done := context.WithTimeout(ctx, limit)
		defer done()
		select {
		case <-looking:
		case <-patience.Done():
		}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.seen.IsZero() {
		return resident{}, errNoDirectory
	}
	return *r, r.err
}

func (rs *residents) unseen(r *resident) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return r.seen.IsZero()
}

// look asks the name service. What cannot be found out leaves what was known.
func (rs *residents) look(user string, r *resident) {
	ctx, cancel := context.WithTimeout(context.Background(), residentLimit)
	defer cancel()
	a, err := rs.lookup.ByName(ctx, user)
	var groups []string
	if err == nil {
		groups, err = rs.lookup.Groups(ctx, a)
	}
	if err != nil && !errors.Is(err, account.ErrUnknown) {
		rs.log.Warn("an account could not be looked up; what was known of it holds", "user", user, "error", err)
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	switch {
	case err == nil:
		r.account, r.groups, r.err, r.seen = a, groups, nil, rs.now()
	case errors.Is(err, account.ErrUnknown):
		r.account, r.groups, r.err, r.seen = session.Account{}, nil, ErrGone, rs.now()
	case !r.seen.IsZero():
		r.seen = rs.now() // not at every request again
	}
	close(r.looking)
	r.looking = nil
}

// forgetOld forgets whom no login can be of any more.
func (rs *residents) forgetOld() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for user, r := range rs.known {
		if r.looking == nil && rs.now().Sub(r.asked) > spec.TokenLifetime {
			delete(rs.known, user)
		}
	}
}
