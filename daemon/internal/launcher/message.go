package launcher

import (
	"context"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// message says something to who looks at a session, or where the ticket names none at any. It
// is a launcher that says it because a launcher verifies tickets: webservers tell their viewers
// what they hear and ask nobody. A ticket is good for one message.
func (l *Launcher) message(_ context.Context, req transporter.MessageRequest) (transporter.Message, error) {
	m, claims, err := l.compose(req)
	if err == nil {
		err = l.spend(claims)
	}
	if err == nil {
		err = transporter.Publish(l.opts.Conn, transporter.MessageSaid, m)
	}
	if claims.Subject != "" {
		l.recordMessage(claims, req.Text, err)
	}
	return m, err
}

// compose makes the message of a request that is as it should be.
func (l *Launcher) compose(req transporter.MessageRequest) (transporter.Message, ticket.Claims, error) {
	claims, err := l.verify(req.Ticket, ticket.Message)
	if err == nil {
		err = transporter.CheckMessage(req.Text)
	}
	if err != nil {
		return transporter.Message{}, claims, err
	}
	m := transporter.Message{Session: claims.Session, Text: req.Text, From: claims.Subject, At: l.opts.Now().UTC()}
	if claims.Session == "" {
		return m, claims, nil
	}
	e, _, err := l.order(req.Ticket, ticket.Message)
	if err != nil {
		return m, claims, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m.User = e.rec.User
	if !e.life.alive() {
		err = transporter.Errorf(transporter.Conflict, "the session has ended; nobody looks at it")
	}
	return m, claims, err
}

// recordMessage audits what was said: it is said in the administrator's name.
func (l *Launcher) recordMessage(c ticket.Claims, text string, err error) {
	e := audit.Event{Time: l.opts.Now(), Action: audit.Message, User: c.Subject, Node: l.opts.Node, Session: c.Session,
		Outcome: audit.Done, Detail: text}
	if err != nil {
		e.Outcome, e.Detail = audit.Refused, transporter.AsError(err).Message
	}
	l.opts.Audit.Record(e)
}
