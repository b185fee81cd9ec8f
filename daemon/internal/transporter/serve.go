package transporter

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"
)

// Serve answers requests until the connection is closed. Requests are handled
// concurrently. The handler's context ends when the caller no longer waits. A
// handler's *Error reaches the caller whole; any other error becomes Internal.
//
// Being away from the transporter is no failure: the endpoint is served when it is back.
func Serve[Req, Resp any](c *Conn, e Endpoint[Req, Resp], h func(context.Context, Req) (Resp, error)) error {
	s := &service{c: c, subject: e.Subject}
	if e.Once {
		s.recent = newRecent(time.Now)
	}
	return c.register(&registration{subject: e.Subject, queue: e.Queue, concurrent: true, heard: func(l *link, m *nats.Msg) {
		req, err := decode[Req](m.Data)
		if err == nil && req.ID == "" {
			err = Errorf(Invalid, "a request has no id")
		}
		if err != nil {
			s.respond(l, m, encodeError(req.ID, AsError(err)))
			return
		}
		s.serve(l, m, req.ID, req.MS, func(ctx context.Context) (any, error) { return h(ctx, req.Body) })
	}})
}

// service is what an endpoint does for requests of every type.
type service struct {
	c       *Conn
	subject string
	recent  *recent // nil when a request may be carried out twice
}

// serve has a new request carried out, and answers a repeated one as the first where that matters.
func (s *service) serve(l *link, m *nats.Msg, id string, ms int64, h func(context.Context) (any, error)) {
	if s.recent == nil {
		s.respond(l, m, s.reply(id, ms, h))
		return
	}
	if s.recent.begin(id, func(frame []byte) { s.respond(l, m, frame) }) {
		s.recent.finish(id, s.reply(id, ms, h))
	}
}

// reply runs the handler for as long as the caller waits and frames what it says.
func (s *service) reply(id string, ms int64, h func(context.Context) (any, error)) []byte {
	wait := callTimeout
	if ms > 0 {
		wait = time.Duration(min(ms, time.Hour.Milliseconds())) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(s.c.work, wait)
	defer cancel()
	body, err := s.guarded(ctx, h)
	if err == nil {
		var frame []byte
		if frame, err = encodeReply(id, body); err == nil {
			return frame
		}
		err = Errorf(Internal, "the answer cannot be sent: %s", AsError(err).Message)
	}
	e := AsError(err)
	if e.Code == Internal {
		s.c.log.Error("a request failed", "subject", s.subject, "err", err)
	}
	return encodeError(id, e)
}

// guarded turns a handler's panic into an error.
func (s *service) guarded(ctx context.Context, h func(context.Context) (any, error)) (body any, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.c.log.Error("a handler panicked", "subject", s.subject, "panic", p, "stack", string(debug.Stack()))
			err = Errorf(Internal, "the %s failed on this request; its log says more", s.c.o.Role)
		}
	}()
	return h(ctx)
}

// respond answers on the link the request came by, which alone may be permitted to, and
// when that is lost on the current one.
func (s *service) respond(l *link, m *nats.Msg, frame []byte) {
	if m.Reply == "" || l.nc.Publish(m.Reply, frame) == nil {
		return
	}
	if now, _, _ := s.c.current(); now != nil {
		_ = now.nc.Publish(m.Reply, frame) // lost again: the caller asks again
	}
}

// register attaches r to the link there is and to every later one.
func (c *Conn) register(r *registration) error {
	c.mu.Lock()
	c.regs = append(c.regs, r)
	l := c.link
	c.mu.Unlock()
	if l == nil {
		return nil
	}
	l.attach(r)
	if e := l.settle(); e != nil && e.subject == r.subject {
		return e.err
	}
	return nil // when the link was lost just now, r is attached to the next
}

// Publish tells an event to all who listen. While the transporter is away it fails
// with Unavailable: old news is not sent later.
func Publish[T any](c *Conn, e Event[T], v T) error {
	frame, err := encodeEvent(v)
	if err != nil {
		return err
	}
	l, _, _ := c.current()
	if l == nil {
		return Errorf(Unavailable, "%s", c.Err())
	}
	if err := l.nc.Publish(e.Subject, frame); err != nil {
		return Errorf(Unavailable, "%s", err)
	}
	return nil
}

// Subscribe hears an event until the connection is closed. Events of one
// subscription are handled one after the other, in their order.
func Subscribe[T any](c *Conn, e Event[T], h func(T)) error {
	return c.register(&registration{subject: e.Subject, heard: func(_ *link, m *nats.Msg) {
		ev, err := decode[T](m.Data)
		if err != nil {
			c.log.Warn("an event is not understood", "subject", e.Subject, "err", err)
			return
		}
		defer func() {
			if p := recover(); p != nil {
				c.log.Error("a handler panicked", "subject", e.Subject, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		h(ev.Body)
	}})
}
