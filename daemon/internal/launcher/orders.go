package launcher

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	logLines   = 200 // of a session's log, when it is asked for
	finalLines = 10  // of it, with the news that a session has ended
)

// order verifies a ticket for something to be done to one session and finds that.
func (l *Launcher) order(token string, kind ticket.Kind) (*entry, ticket.Claims, error) {
	claims, err := l.verify(token, kind)
	if err != nil {
		return nil, claims, err
	}
	e, err := l.find(claims.Session)
	if err != nil {
		return e, claims, err
	}
	l.mu.Lock()
	owner := e.rec.User
	l.mu.Unlock()
	if claims.Owner != "" && claims.Owner != owner {
		// Leave was given on a false word about whose session this is.
		return nil, claims, transporter.Errorf(transporter.Forbidden, "the ticket names another owner of session %s", e.id)
	}
	return e, claims, nil
}

// terminate ends a session and returns it when it has ended; one that has ended before is forgotten.
func (l *Launcher) terminate(ctx context.Context, req transporter.TicketRequest) (transporter.Session, error) {
	e, claims, err := l.order(req.Ticket, ticket.Terminate)
	if err != nil {
		return transporter.Session{}, err
	}
	if l.orderEnd(e, claims) {
		err = l.forget(e)
	} else {
		err = l.awaitEnd(ctx, e)
	}
	l.record(audit.Terminate, claims, e.id, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.view(l.opts.Node), err
}

// orderEnd tells a supervisor to end its session, once. It reports whether the session
// had ended before; the same ticket sent twice does not count as twice.
func (l *Launcher) orderEnd(e *entry, claims ticket.Claims) (before bool) {
	l.mu.Lock()
	if !e.life.alive() {
		defer l.mu.Unlock()
		return e.ender != claims.ID
	}
	tell := l.setOrder(e, "ended by "+claims.Subject, claims.ID)
	l.mu.Unlock()
	tell()
	return false
}

// setOrder notes why a session is to end, and by which ticket, unless it is ending already. What
// it returns tells the supervisor. Caller holds l.mu, but not for that.
func (l *Launcher) setOrder(e *entry, reason, ender string) (tell func()) {
	if e.order != "" {
		return func() {}
	}
	e.order, e.ordered, e.ender, e.told = reason, l.opts.Now(), ender, e.link
	link := e.link
	return func() {
		if link != nil {
			link.send(session.Order{Type: "terminate", Reason: reason})
		}
	}
}

func (l *Launcher) awaitEnd(ctx context.Context, e *entry) error {
	for {
		l.mu.Lock()
		alive, changed := e.life.alive(), e.changed
		l.mu.Unlock()
		if !alive {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for session %s to end: %w", e.id, context.Cause(ctx))
		}
	}
}

// connect brings a session's display to the webserver that waits for it.
func (l *Launcher) connect(ctx context.Context, req transporter.ConnectRequest) (transporter.Empty, error) {
	e, claims, err := l.order(req.Ticket, ticket.Connect)
	if err == nil {
		err = l.spend(claims)
	}
	if err != nil {
		return transporter.Empty{}, err
	}
	if req.Peek { // the webserver lets go of it by itself, and so does the X server when the session ends
		_, err := l.show(ctx, e, req.Meet)
		return transporter.Empty{}, err
	}
	arrived := l.expect(e)
	d, err := l.show(ctx, e, req.Meet)
	arrived()
	if err == nil {
		err = l.seat(e, d)
	}
	l.record(audit.Connect, claims, e.id, err)
	return transporter.Empty{}, err
}

func (l *Launcher) show(ctx context.Context, e *entry, meet transporter.Rendezvous) (*display.Delivery, error) {
	p, err := l.awaitDisplay(ctx, e)
	if err != nil {
		return nil, err
	}
	most, err := l.largest(e)
	if err != nil {
		return nil, err
	}
	asked, cancel := context.WithTimeout(ctx, l.pace.viewer)
	defer cancel()
	file, err := p.viewer(asked)
	if err != nil {
		return nil, transporter.Errorf(transporter.Unavailable, "the session's display cannot be opened: %s", err)
	}
	d, err := display.Bring(ctx, meet, file, most)
	if err != nil {
		return nil, transporter.Errorf(transporter.Unavailable, "%s", err)
	}
	return d, nil
}

// largest is the size that a session's screen may have; zero is no limit.
func (l *Launcher) largest(e *entry) (image.Point, error) {
	l.mu.Lock()
	most := e.rec.MaxGeometry
	l.mu.Unlock()
	if most == "" {
		return image.Point{}, nil
	}
	size, err := spec.ParseSize(most)
	if err != nil {
		return image.Point{}, transporter.Errorf(transporter.Unavailable, "the session's record has a limit of the screen's size that cannot be read: %s", err)
	}
	return image.Pt(size.Width, size.Height), nil
}

// awaitDisplay returns the connection to the supervisor of a running session. It
// waits for one that is being started or whose supervisor is away for a moment.
func (l *Launcher) awaitDisplay(ctx context.Context, e *entry) (*peer, error) {
	timeout := time.NewTimer(l.pace.display)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		state, link, changed := e.life.State, e.link, e.changed
		l.mu.Unlock()
		switch {
		case state == transporter.Ended:
			return nil, l.epitaph(e)
		case state == transporter.Running && link != nil:
			return link, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil, transporter.Errorf(transporter.Unavailable, "the session is %s and its display does not answer; try again later", state)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// epitaph says that a session has ended, why, and what it said last.
func (l *Launcher) epitaph(e *entry) error {
	l.mu.Lock()
	err := transporter.Errorf(transporter.Conflict, "%s", ended(e.life.Reason))
	l.mu.Unlock()
	lines, _ := session.Tail(session.LogPath(l.opts.Dirs.Local, e.id), finalLines)
	err.Detail = strings.Join(lines, "\n")
	return err
}

// readLog returns a session's last log lines.
func (l *Launcher) readLog(_ context.Context, req transporter.TicketRequest) (transporter.LogReply, error) {
	e, _, err := l.order(req.Ticket, ticket.Read)
	if err != nil {
		return transporter.LogReply{}, err
	}
	lines, err := session.Tail(session.LogPath(l.opts.Dirs.Local, e.id), logLines)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return transporter.LogReply{}, fmt.Errorf("read the session's log: %w", err)
	}
	return transporter.LogReply{Lines: lines}, nil
}

func (l *Launcher) drainFile() string { return filepath.Join(l.opts.Dirs.Local, "drain") }

// drain makes the node take no new sessions, or take some again. It outlives a restart.
func (l *Launcher) drain(_ context.Context, req transporter.DrainRequest) (transporter.Empty, error) {
	claims, err := l.verify(req.Ticket, ticket.Drain)
	if err == nil && claims.Node == "" {
		err = transporter.Errorf(transporter.Forbidden, "the ticket does not say which node it is for")
	}
	if err != nil {
		return transporter.Empty{}, err
	}
	err = l.setDrain(req.Drain, claims.Subject)
	l.record(audit.Drain, claims, "", err)
	return transporter.Empty{}, err
}

func (l *Launcher) setDrain(drain bool, by string) error {
	l.drains.Lock()
	defer l.drains.Unlock()
	if err := l.persistDrain(drain, by); err != nil {
		return fmt.Errorf("note that node %s is drained or not: %w", l.opts.Node, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = drain
	return nil
}

// persistDrain creates or removes the file that says that the node is drained, and by whom.
func (l *Launcher) persistDrain(drain bool, by string) error {
	path := l.drainFile()
	if !drain {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	staged := path + ".new"
	line := fmt.Appendf(nil, "drained by %q at %s\n", by, l.opts.Now().UTC().Format(time.RFC3339))
	if err := os.WriteFile(staged, line, 0o600); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return os.Rename(staged, path)
}

// record writes to the audit log who asked for what and what became of it.
func (l *Launcher) record(action audit.Action, c ticket.Claims, id string, err error) {
	outcome, detail := audit.Done, ""
	if err != nil {
		e := transporter.AsError(err)
		outcome, detail = audit.Refused, e.Message
		if e.Code == transporter.Internal || e.Code == transporter.Unavailable {
			outcome = audit.Failed
		}
	}
	if c.Order != nil {
		id = c.Order.Session
	}
	l.opts.Audit.Record(audit.Event{
		Time: l.opts.Now(), Action: action, User: c.Subject, Node: l.opts.Node, Session: id, Outcome: outcome, Detail: detail,
	})
}
