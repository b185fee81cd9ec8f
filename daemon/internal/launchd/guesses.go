package launchd

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many logins PAM is asked to judge. The user component slows guessing down by who does it and from where, and lets
// about 60 a minute through for one name; these limits lie above its own, are rough, and are there for the day on which
// somebody else is in its place.
const (
	perAccount  = 120 // a minute, and at once
	altogether  = 20  // a second
	atOnce      = 500
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
		g.makeRoom()
		l = rate.NewLimiter(rate.Every(time.Minute/perAccount), perAccount)
		g.each[name] = l
	}
	return l.AllowN(now, 1) && g.all.AllowN(now, 1)
}

// makeRoom forgets any account when there are many: the limit on all together holds.
func (g *guesses) makeRoom() {
	for name := range g.each {
		if len(g.each) < maxAccounts {
			return
		}
		delete(g.each, name)
	}
}

// worthNoting reports whether a refusal should get into the audit log, which thousands of them must not fill.
func (g *guesses) worthNoting() bool { return g.note.Allow() }
