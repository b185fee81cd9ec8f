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
	maxRepeats = 4096
)

// repeats gives a repeated order the id of the first, so that it starts nothing twice.
type repeats struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[repeatKey]repeat
}

type repeatKey struct{ user, key string }

type repeat struct {
	id    string
	order [sha256.Size]byte
	until time.Time
}

func newRepeats(now func() time.Time) *repeats {
	return &repeats{now: now, known: make(map[repeatKey]repeat)}
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
	case !ok && len(p.known) >= maxRepeats:
		return "", nil, transporter.Errorf(transporter.TooMany, "too many sessions are being started; try again in a moment")
	case !ok:
		first = repeat{id: ticket.NewID(), order: sum, until: p.now().Add(repeatFor)}
		p.known[k] = first
	}
	return first.id, func(err error) { p.finish(k, err) }, nil
}

// finish forgets an order that was refused. When nobody answered, it may have been
// carried out: the key has to go on meaning the same session.
func (p *repeats) finish(k repeatKey, err error) {
	if err == nil || asFailure(err).Code == string(transporter.Unavailable) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, k)
}

func (p *repeats) forget() {
	now := p.now()
	for k, r := range p.known {
		if r.until.Before(now) {
			delete(p.known, k)
		}
	}
}
