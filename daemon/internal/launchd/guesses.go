package launchd

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many logins PAM is asked to judge. The user component slows guessing down by who does it and from where; these
// limits are rough, and there for the day on which somebody else is in its place.
const (
	perAccount  = 20 // a minute, and at once
	altogether  = 5  // a second
	atOnce      = 100
	maxAccounts = 4096
)

// guesses bounds how fast logins are judged.
type guesses struct {
	mu   sync.Mutex
	all  *rate.Limiter
	note *rate.Limiter // refusals in the audit log
	each map[string]*rate.Limiter
}

func newGuesses() *guesses {
	return &guesses{all: rate.NewLimiter(altogether, atOnce), note: rate.NewLimiter(1, 1), each: map[string]*rate.Limiter{}}
}

// allow charges a login of an account and reports whether it may be judged. How a name is spelt makes no difference to
// some directories, and makes none here.
func (g *guesses) allow(name string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	name = strings.ToLower(name)
	l := g.each[name]
	if l == nil {
		g.makeRoom(now)
		l = rate.NewLimiter(rate.Every(time.Minute/perAccount), perAccount)
		g.each[name] = l
	}
	return l.AllowN(now, 1) && g.all.AllowN(now, 1)
}

// makeRoom forgets the accounts that are as good as new, and when there are none, any one: the limit on all holds.
func (g *guesses) makeRoom(now time.Time) {
	if len(g.each) < maxAccounts {
		return
	}
	any := ""
	for name, l := range g.each {
		if any = name; l.TokensAt(now) >= perAccount {
			delete(g.each, name)
		}
	}
	if len(g.each) >= maxAccounts {
		delete(g.each, any)
	}
}

// worthNoting reports whether a refusal should get into the audit log, which thousands of them must not fill.
func (g *guesses) worthNoting() bool { return g.note.Allow() }
