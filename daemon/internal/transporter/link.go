package transporter

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// link is one connection to one server, with everything registered on it.
type link struct {
	nc    *nats.Conn
	since time.Time
	lost  chan struct{} // closed when the connection is
	calls tally         // those that wait for an answer on this link

	denied *denial // a registration that the server did not permit when the link was made

	mu   sync.Mutex
	subs map[*registration]*hearing
}

// registration is a handler or a subscription; it is attached to every link.
type registration struct {
	subject string
	queue   string
	heard   func(*link, *nats.Msg)

	concurrent bool // heard may be called again before it returns; else one message comes after the other
}

// connect dials, hears replies, and attaches all that is registered.
func (c *Conn) connect(ctx context.Context, d *dialer) (*link, error) {
	l := &link{since: time.Now(), lost: make(chan struct{}), subs: map[*registration]*hearing{}}
	nc, err := d.dial(ctx,
		nats.ClosedHandler(func(*nats.Conn) { close(l.lost) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.complain(err) }))
	if err != nil {
		return nil, err
	}
	l.nc = nc
	c.mu.Lock()
	regs := append([]*registration{{subject: c.inbox + "*", heard: c.answered}}, c.regs...)
	c.mu.Unlock()
	for _, r := range regs {
		l.attach(r)
	}
	l.denied = l.settle()
	return l, nil
}

// hearing is a registration on a link.
type hearing struct {
	sub  *nats.Subscription
	over func() // does the rest, once, when nothing more will come
	wait func() // returns when that is so and everything has been handled
}

// attach subscribes, once. A failure means that the link is lost, which is noticed elsewhere.
func (l *link) attach(r *registration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.subs[r] != nil {
		return
	}
	h, err := l.hear(r)
	if err != nil {
		h.over()
		return
	}
	l.subs[r] = h
	h.sub.SetClosedHandler(func(string) { h.over() })
	if !h.sub.IsValid() { // it ended before it had the handler
		h.over()
	}
}

func (l *link) hear(r *registration) (h *hearing, err error) {
	handle := func(m *nats.Msg) { r.heard(l, m) }
	if r.concurrent {
		p := newPool(handle)
		h = &hearing{over: sync.OnceFunc(func() { close(p.requests) }), wait: p.workers.Wait}
		h.sub, err = l.nc.ChanQueueSubscribe(r.subject, r.queue, p.requests)
		return h, err
	}
	ended := make(chan struct{})
	h = &hearing{over: sync.OnceFunc(func() { close(ended) }), wait: func() { <-ended }}
	h.sub, err = l.nc.QueueSubscribe(r.subject, r.queue, handle)
	return h, err
}

// settle waits until the server has seen the subscriptions and returns one that it does
// not permit. A link that is lost meanwhile is noticed elsewhere.
func (l *link) settle() *denial {
	if l.nc.FlushTimeout(dialTimeout) != nil {
		return nil
	}
	return asDenial(l.nc.LastError())
}

// retire stops hearing, waits for what runs, and closes.
func (l *link) retire() {
	quiet := make(chan struct{})
	go func() {
		l.unsubscribe()
		l.calls.wait()
		close(quiet)
	}()
	select {
	case <-quiet:
	case <-l.lost:
	case <-time.After(drainTime):
	}
	l.close()
}

// unsubscribe has what has already come handled, and returns when that is done. Replies
// are still heard: calls may be under way.
func (l *link) unsubscribe() {
	var ending []*hearing
	l.mu.Lock()
	for r, h := range l.subs {
		if !strings.HasPrefix(r.subject, inboxPrefix) {
			_ = h.sub.Drain() // one that has ended needs no draining
			ending = append(ending, h)
		}
	}
	l.mu.Unlock()
	for _, h := range ending {
		h.wait()
	}
}

// close sends what is still to be sent and ends the connection.
func (l *link) close() {
	_ = l.nc.FlushTimeout(dialTimeout) // a lost connection has nothing to send
	l.nc.Close()
}

// complain hears what the server says beside the conversation.
func (c *Conn) complain(err error) {
	d := asDenial(err)
	if d == nil {
		c.log.Warn("the transporter complains", "err", err)
		return
	}
	c.log.Error(d.err.Message)
	c.calls.deny(d)
}

// denial is a permissions violation, which to a caller would look like a time-out.
type denial struct {
	subject string
	err     *Error
}

var violation = regexp.MustCompile(`for (Publish|Subscription) to "([^"]+)"`)

// asDenial returns nil for every other error.
func asDenial(err error) *denial {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return nil
	}
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return &denial{err: Errorf(Forbidden, "the transporter does not permit this: %s", err)}
	}
	verb := map[string]string{"Publish": "send to", "Subscription": "hear"}[m[1]]
	return &denial{m[2], Errorf(Forbidden,
		"the transporter does not permit this node to %s %s; check the role's permissions in nats-server.conf", verb, m[2])}
}

// tally counts what is under way. Unlike a WaitGroup it may rise from zero while it is waited for.
type tally struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed when n falls to zero; made by wait
}

func (t *tally) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n += n
	if t.n == 0 && t.zero != nil {
		close(t.zero)
		t.zero = nil
	}
}

// wait returns when nothing is under way. Only one may wait.
func (t *tally) wait() {
	t.mu.Lock()
	if t.n == 0 {
		t.mu.Unlock()
		return
	}
	zero := make(chan struct{})
	t.zero = zero
	t.mu.Unlock()
	<-zero
}
