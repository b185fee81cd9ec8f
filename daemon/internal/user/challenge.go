package user

import (
	"strings"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	challengeTime = 2 * time.Minute
	maxChallenges = 1024
	maxSteps      = 8 // prompts after prompts of one login
)

// challenges are the logins that wait for answers. Each is answered once: going on
// makes a new one.
type challenges struct {
	node string
	now  func() time.Time

	mu   sync.Mutex
	open map[string]*challenge
}

// challenge is a login half done.
type challenge struct {
	step    Step
	guess   *guess // charged until the login is good
	attempt Attempt
	method  string // by which somebody logs in, for the audit log
	steps   int
	expires time.Time
}

func newChallenges(node string, now func() time.Time) *challenges {
	return &challenges{node: node, now: now, open: make(map[string]*challenge)}
}

// add keeps c and returns its id: hard to guess, and with the node's name in it, since
// any node may be asked but only this one can go on. It reports false when too many are open.
func (cs *challenges) add(c *challenge) (string, bool) {
	cs.abandonOld()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.open) >= maxChallenges {
		return "", false
	}
	id := ticket.NewID() + ticket.NewID() + "." + cs.node
	c.expires = cs.now().Add(challengeTime)
	cs.open[id] = c
	return id, true
}

// take hands out a challenge for good.
func (cs *challenges) take(id string) (*challenge, bool) {
	cs.abandonOld()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c, ok := cs.open[id]
	delete(cs.open, id)
	return c, ok
}

func (cs *challenges) abandonOld() {
	now := cs.now()
	cs.abandon(func(c *challenge) bool { return !now.Before(c.expires) })
}

func (cs *challenges) abandonAll() {
	cs.abandon(func(*challenge) bool { return true })
}

// abandon drops those that which says, and frees them without the lock held.
func (cs *challenges) abandon(which func(*challenge) bool) {
	var gone []*challenge
	cs.mu.Lock()
	for id, c := range cs.open {
		if which(c) {
			delete(cs.open, id)
			gone = append(gone, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range gone {
		c.abandon()
	}
}

func (c *challenge) abandon() {
	if c.step.Abandon != nil {
		c.step.Abandon()
	}
}

// fits reports whether the answers are ones to these prompts.
func (c *challenge) fits(answers []string) bool {
	for _, a := range answers {
		if len(a) > maxSecret {
			return false
		}
	}
	return len(answers) == len(c.step.Prompts)
}

// elsewhere returns the node that keeps the challenge, when that is another one.
func (cs *challenges) elsewhere(id string) (node string, other bool) {
	_, node, ok := strings.Cut(id, ".")
	return node, ok && node != cs.node && node != "" && len(node) <= maxName
}

// wire is the challenge as the one who logs in sees it.
func (c *challenge) wire(id string) *transporter.Challenge {
	return &transporter.Challenge{ID: id, Prompts: c.step.Prompts}
}
