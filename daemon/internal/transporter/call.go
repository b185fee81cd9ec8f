package transporter

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// callTimeout holds where the context has no deadline.
const callTimeout = 5 * time.Second

const inboxPrefix = "_INBOX_"

// Call sends a request and waits for the reply. An *Error from the other side is
// returned as such; nobody there, or no answer in time, is an *Error with Unavailable.
//
// When no answer comes in half of the time there is, or the connection is lost, the request is
// sent once more under the same id, so that a server which has already seen it does not, where the
// endpoint says Once, carry it out twice.
func Call[Req, Resp any](ctx context.Context, c *Conn, e Endpoint[Req, Resp], req Req) (Resp, error) {
	var none Resp
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(callTimeout)
	}
	id := c.ids.next()
	frame, err := encodeRequest(id, time.Until(deadline), req)
	if err != nil {
		return none, err
	}
	data, err := c.roundTrip(ctx, deadline, message{subject: e.Subject, id: id, frame: frame})
	if err != nil {
		return none, err
	}
	reply, err := decode[Resp](data)
	if err == nil && reply.Error != nil {
		err = reply.Error
	}
	return reply.Body, err
}

// ids makes the ids of requests: unique in the cluster, because a server remembers
// requests by them, and cheap. They are no secret.
type ids struct {
	prefix string
	last   atomic.Uint64
}

func newIDs() *ids { return &ids{prefix: rand.Text()[:16]} }

func (i *ids) next() string {
	b := append(make([]byte, 0, 32), i.prefix...)
	return string(strconv.AppendUint(b, i.last.Add(1), 36))
}

// timers are kept for the next call.
var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// message is a request as it is sent, perhaps twice.
type message struct {
	subject, id string
	frame       []byte
}

// pending is a call that waits for its outcome.
type pending struct {
	subject string
	sent    int          // how often
	outcome chan outcome // holds one: the first that comes is the outcome
}

type outcome struct {
	data   []byte
	err    error
	nobody bool // the transporter says that no one hears the subject
}

// calls holds the calls under way by their id.
type calls struct {
	mu   sync.Mutex
	byID map[string]*pending
}

func (cs *calls) add(m message) *pending {
	p := &pending{subject: m.subject, outcome: make(chan outcome, 1)}
	cs.mu.Lock()
	cs.byID[m.id] = p
	cs.mu.Unlock()
	return p
}

func (cs *calls) remove(m message) {
	cs.mu.Lock()
	delete(cs.byID, m.id)
	cs.mu.Unlock()
}

func (cs *calls) get(id string) *pending {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.byID[id]
}

// deny ends all calls to a subject.
func (cs *calls) deny(d *denial) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, p := range cs.byID {
		if p.subject == d.subject {
			p.end(outcome{err: d.err})
		}
	}
}

func (p *pending) end(o outcome) {
	select {
	case p.outcome <- o:
	default: // it has one already
	}
}

// again ends the reply subject of a request that is sent once more. A transporter that lets each request be answered once
// (allow_responses) takes a second one of the same subject for the answer to the first, and the answer for one too many.
const again = "-"

// answered takes a reply out of the inbox. One that comes too late finds no call.
func (c *Conn) answered(_ *link, m *nats.Msg) {
	p := c.calls.get(strings.TrimSuffix(m.Subject[len(c.inbox):], again))
	if p == nil {
		return
	}
	nobody := len(m.Data) == 0 && m.Header.Get("Status") == "503"
	p.end(outcome{data: m.Data, nobody: nobody})
}

// roundTrip sends m up to twice before the deadline.
func (c *Conn) roundTrip(ctx context.Context, deadline time.Time, m message) ([]byte, error) {
	p := c.calls.add(m)
	defer c.calls.remove(m)
	timer := timers.Get().(*time.Timer)
	timer.Reset(time.Until(deadline) / 2)
	defer func() { timer.Stop(); timers.Put(timer) }()
	for range 2 {
		out := c.try(ctx, timer.C, p, m)
		switch {
		case out == nil:
		case out.nobody:
			return nil, undeliveredError{nobody(m.subject)}
		default:
			return out.data, out.err
		}
		timer.Reset(time.Until(deadline))
	}
	return nil, c.unanswered(ctx, p)
}

// try sends m and waits for its outcome; none means that there was no connection, it
// was lost, or the time is up.
func (c *Conn) try(ctx context.Context, timeout <-chan time.Time, p *pending, m message) *outcome {
	reply := c.inbox + m.id
	if p.sent > 0 {
		reply += again
	}
	l, err := c.send(ctx, timeout, m, reply)
	if err != nil {
		return &outcome{err: Errorf(Unavailable, "the request cannot be sent: %s", err)}
	}
	if l == nil {
		return nil
	}
	defer l.calls.add(-1)
	p.sent++
	for {
		select {
		case out := <-p.outcome:
			if out.nobody && p.sent > 1 {
				continue // whoever was reached the first time may still answer
			}
			return &out
		case <-l.lost:
		case <-timeout:
		case <-ctx.Done():
		}
		return nil
	}
}

// send sends m by the first link that takes it, and returns that, borrowed; none means that
// the time is up.
func (c *Conn) send(ctx context.Context, timeout <-chan time.Time, m message, reply string) (*link, error) {
	for {
		l := c.borrow(ctx, timeout)
		if l == nil {
			return nil, nil
		}
		err := l.nc.PublishRequest(m.subject, reply, m.frame)
		if err == nil {
			return l, nil
		}
		l.calls.add(-1)
		if !l.nc.IsClosed() {
			return nil, err
		}
	}
}

// borrow waits for a link, and keeps it from being retired until it is given back.
func (c *Conn) borrow(ctx context.Context, timeout <-chan time.Time) *link {
	for {
		l, changed := c.take()
		if l != nil {
			return l
		}
		select {
		case <-changed:
		case <-timeout:
			return nil
		case <-ctx.Done():
			return nil
		case <-c.ctx.Done():
			return nil
		}
	}
}

// take is one try of borrow. A link may have been lost before that was noticed.
func (c *Conn) take() (*link, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil || c.link.nc.IsClosed() {
		return nil, c.changed
	}
	c.link.calls.add(1)
	return c.link, nil
}

// unanswered says why a call came to nothing.
func (c *Conn) unanswered(ctx context.Context, p *pending) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if why := c.Err(); p.sent == 0 {
		return undeliveredError{Errorf(Unavailable, "%s", cmp.Or(why, errLost))}
	}
	component, node := addressee(p.subject)
	return Errorf(Unavailable, "%s%s did not answer in time", component, node)
}

func nobody(subject string) *Error {
	component, node := addressee(subject)
	if component == "node" {
		return Errorf(Unavailable, "nobody answers%s", node)
	}
	return Errorf(Unavailable, "no %s answers%s", component, node)
}

// addressee reads component and node out of fx.v1.<component>.<verb>[.<node>].
func addressee(subject string) (component, node string) {
	parts := strings.Split(subject, ".")
	if len(parts) < 4 {
		return subject, ""
	}
	if len(parts) > 4 {
		name, err := url.PathUnescape(parts[4])
		if err == nil {
			node = " on node " + name
		}
	}
	return parts[2], node
}

// Undelivered reports whether err is the failure of a Call that surely reached no one,
// so that asking elsewhere cannot do the work twice.
func Undelivered(err error) bool {
	var u undeliveredError
	return errors.As(err, &u)
}

type undeliveredError struct{ err *Error }

func (u undeliveredError) Error() string { return u.err.Error() }
func (u undeliveredError) Unwrap() error { return u.err }
