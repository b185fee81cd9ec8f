package user

import (
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"
)

// The limits on failed logins. Guessing one user's password from one address is
// slowed to 5 a minute, trying one address's luck with many users to 20, and one user from
// many addresses to 60. A person who has logged in from an address before is there
// held to the first limit only, so that nobody else's guessing can lock them out. Every
// node counts for itself.
const (
	pairPerMinute    = 5
	addressPerMinute = 20
	namePerMinute    = 60
	// loginsPerMinute bounds the successful logins of one user, and with them what a
	// list of revoked tokens can grow to.
	loginsPerMinute = 60
	// messagesPerMinute bounds what one user may say to viewers.
	messagesPerMinute = 10

	// refusalsPerMinute bounds what one user's refused requests put into the audit log.
	refusalsPerMinute = 20

	maxBuckets = 1 << 16 // of each limit
	maxKnown   = 1 << 14
)

// throttle slows down guessing. Its memory is bounded; it is forgotten when the process ends.
type throttle struct {
	mu                  sync.Mutex
	pair, address, name *buckets
	logins              *buckets
	messages            *buckets
	notes, refusals     *buckets
	known               map[string]struct{} // pairs that have logged in
}

func newThrottle() *throttle {
	return &throttle{
		pair: newBuckets(pairPerMinute), address: newBuckets(addressPerMinute), name: newBuckets(namePerMinute),
		logins: newBuckets(loginsPerMinute), messages: newBuckets(messagesPerMinute),
		notes: newBuckets(1), refusals: newBuckets(refusalsPerMinute), known: make(map[string]struct{}),
	}
}

// guess is one attempt to log in that was charged in advance, so that many at once
// get no further than one after the other.
type guess struct {
	t                   *throttle
	pair, address, name string
	known               bool
}

// enter charges an attempt, or says how long to wait until there may be one.
func (t *throttle) enter(name, address string, now time.Time) (*guess, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := &guess{t: t, address: block(address), name: name}
	g.pair = g.address + " " + name
	_, g.known = t.known[g.pair]
	var longest time.Duration
	for b, key := range g.charged {
		longest = max(longest, b.wait(key, now))
	}
	if longest > 0 {
		return nil, longest
	}
	for b, key := range g.charged {
		b.take(key, now)
	}
	return g, 0
}

// charged goes over the limits that hold for a guess.
func (g *guess) charged(yield func(*buckets, string) bool) {
	_ = yield(g.t.pair, g.pair) && !g.known && yield(g.t.address, g.address) && yield(g.t.name, g.name)
}

// forgive takes the charge back: it was not a wrong guess.
func (g *guess) forgive(now time.Time) {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	for b, key := range g.charged {
		b.give(key, now)
	}
}

// remember lets the pair be known from now on.
func (g *guess) remember() {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	for old := range g.t.known {
		if len(g.t.known) < maxKnown {
			break
		}
		delete(g.t.known, old)
	}
	g.t.known[g.pair] = struct{}{}
}

// login charges a successful login, or says how long to wait until there may be one.
func (t *throttle) login(name string, now time.Time) time.Duration {
	return t.once(t.logins, name, now)
}

// message charges a message to viewers, or says how long to wait until there may be one.
func (t *throttle) message(name string, now time.Time) time.Duration {
	return t.once(t.messages, name, now)
}

// worthNoting reports whether a refusal should get into the audit log: one a
// minute and address is enough.
func (t *throttle) worthNoting(address string, now time.Time) bool {
	return t.once(t.notes, block(address), now) == 0
}

func (t *throttle) once(b *buckets, key string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := b.wait(key, now)
	if wait == 0 {
		b.take(key, now)
	}
	return wait
}

// block is what counts as one address: an IPv4 address, or an IPv6 /64, which one
// subscriber has all of.
func block(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		port, err := netip.ParseAddrPort(address)
		if err != nil {
			return "?" // whoever does not say shares one
		}
		ip = port.Addr()
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64) // cannot fail for IPv6
	return prefix.String()
}

// buckets are token buckets by key that hold a minute's worth. One that is full again
// says nothing and is dropped when room is needed; when there is none to drop, any goes.
type buckets struct {
	size  float64 // and what flows back in a minute
	by    map[string]bucket
	swept time.Time
}

type bucket struct {
	left float64
	at   time.Time
}

func newBuckets(perMinute int) *buckets {
	return &buckets{size: float64(perMinute), by: make(map[string]bucket)}
}

func (b *buckets) left(key string, now time.Time) float64 {
	k, ok := b.by[key]
	if !ok {
		return b.size
	}
	return min(b.size, k.left+b.size*max(0, now.Sub(k.at).Minutes()))
}

// wait is how long it takes until the bucket holds one.
func (b *buckets) wait(key string, now time.Time) time.Duration {
	missing := 1 - b.left(key, now)
	if missing < 1e-5 { // a whole one but for rounding
		return 0
	}
	return time.Duration(missing / b.size * float64(time.Minute)).Round(time.Microsecond)
}

func (b *buckets) take(key string, now time.Time) { b.put(key, b.left(key, now)-1, now) }

func (b *buckets) give(key string, now time.Time) { b.put(key, b.left(key, now)+1, now) }

func (b *buckets) put(key string, left float64, now time.Time) {
	if _, ok := b.by[key]; !ok {
		b.makeRoom(now)
	}
	b.by[key] = bucket{left, now}
}

func (b *buckets) makeRoom(now time.Time) {
	if len(b.by) < maxBuckets {
		return
	}
	if now.Sub(b.swept) > time.Second { // going over all of them at every request would be an attack's work done for it
		b.swept = now
		for key := range b.by {
			if b.left(key, now) >= b.size {
				delete(b.by, key)
			}
		}
	}
	for key := range b.by {
		if len(b.by) < maxBuckets {
			return
		}
		delete(b.by, key)
	}
}

// seconds says a time to wait, rounded up.
func seconds(d time.Duration) string {
	n := int(math.Ceil(d.Seconds()))
	if n == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", n)
}
