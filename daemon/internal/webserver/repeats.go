package webserver

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	// repeatFor is how long an Idempotency-Key is remembered.
	repeatFor = 10 * time.Minute
	// maxKey and maxRepeats bound what is remembered.
	maxKey     = 255
	maxRepeats = 1 << 16
	// maxOwn bounds what is remembered for one user, so that nobody takes up everybody's room.
	maxOwn = 256
)

// repeats gives a repeated order the id of the first, so that it starts nothing twice.
type repeats struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[repeatKey]repeat
	own   map[string]int // of each user
}

type repeatKey struct{ user, key string }

type repeat struct {
	id    string
	order [sha256.Size]byte
	until time.Time
}

func newRepeats(now func() time.Time) *repeats {
	return &repeats{now: now, known: make(map[repeatKey]repeat), own: make(map[string]int)}
}

// begin chooses the id of the session that o asks for. finish has to be told what became
// of it: an order that was refused leaves nothing behind, and may be tried again.
func (p *repeats) begin(user, key string, o order) (id string, finish func(error), err error) {
	if key == "" {
		return ticket.NewID(), func(error) {}, nil
	}
	if len(key) > maxKey {
		return "", nil, transporter.Errorf(transporter.Invalid, "the Idempotency-Key is longer than %d characters", maxKey)
	}
	body, err := json.Marshal(o)
	if err != nil {
		return "", nil, err
	}
	k, sum := repeatKey{user, key}, sha256.Sum256(body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	first, ok := p.known[k]
	switch {
	case ok && first.order != sum:
		return "", nil, transporter.Errorf(transporter.Conflict, "this Idempotency-Key was used for another order")
	case !ok && p.own[user] >= maxOwn:
		return "", nil, tooManyKeys("you have", maxOwn)
	case !ok && len(p.known) >= maxRepeats:
		return "", nil, tooManyKeys("all users together have", maxRepeats)
	case !ok:
		first = repeat{id: ticket.NewID(), order: sum, until: p.now().Add(repeatFor)}
		p.known[k] = first
		p.own[user]++
	}
	return first.id, func(err error) { p.finish(k, err) }, nil
}

func tooManyKeys(who string, limit int) error {
	return transporter.Errorf(transporter.TooMany, "%s used %d Idempotency-Keys within %s, which is the limit; try again later", who, limit, repeatFor)
}

// finish forgets an order that was refused. When nobody answered, it may have been
// carried out: the key has to go on meaning the same session.
func (p *repeats) finish(k repeatKey, err error) {
	if err == nil || asFailure(err).Code == string(transporter.Unavailable) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(k)
}

// drop forgets one order. Caller holds p.mu.
func (p *repeats) drop(k repeatKey) {
	if _, ok := p.known[k]; !ok {
		return
	}
	delete(p.known, k)
	if p.own[k.user]--; p.own[k.user] == 0 {
		delete(p.own, k.user)
	}
}

func (p *repeats) forget() {
	now := p.now()
	for k, r := range p.known {
		if r.until.Before(now) {
			p.drop(k)
		}
	}
}
