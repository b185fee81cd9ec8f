package launcher

import (
	"context"
	"errors"
	"maps"
	"os"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// start starts the session that a ticket orders, or returns the one that the same
// order has started already.
func (l *Launcher) start(ctx context.Context, req transporter.TicketRequest) (transporter.Session, error) {
	claims, err := l.verify(req.Ticket, ticket.Start)
	if err != nil {
		return transporter.Session{}, err
	}
	s, err := l.carryOut(ctx, claims, req.Ticket)
	l.record(audit.Start, claims, claims.Session, err)
	return s, err
}

func (l *Launcher) carryOut(ctx context.Context, claims ticket.Claims, token string) (transporter.Session, error) {
	o := claims.Order
	if o == nil || !ticket.IsID(o.Session) || claims.Session != "" && claims.Session != o.Session {
		return transporter.Session{}, transporter.Errorf(transporter.Invalid, "the ticket does not say which session to start")
	}
	place, err := l.lodge(o)
	if err != nil {
		return transporter.Session{}, err
	}
	e, mine, err := l.reserve(claims, place)
	if err != nil {
		return transporter.Session{}, err
	}
	if !mine {
		return l.awaitStart(ctx, e)
	}
	if err := l.launch(e, token); err != nil {
		l.discard(e, err)
		return transporter.Session{}, err
	}
	return l.awaitStart(ctx, e)
}

// reserve gives the order a place in the table, if there is one, or finds the
// session that the same order has made; mine tells which.
func (l *Launcher) reserve(claims ticket.Claims, place spawn.Place) (e *entry, mine bool, err error) {
	rec := l.recordOf(claims.Order, place)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.sessions[rec.ID]; e != nil {
		if !sameOrder(e.rec, rec) {
			return nil, false, transporter.Errorf(transporter.Conflict, "there is another session with the id %s", rec.ID)
		}
		return e, false, nil
	}
	if err := l.room(); err != nil {
		return nil, false, err
	}
	if err := l.spend(claims); err != nil {
		return nil, false, err
	}
	e = newEntry(rec)
	l.sessions[rec.ID] = e
	return e, true, nil
}

// room refuses a session when the node takes no more.
func (l *Launcher) room() error {
	switch {
	case l.stopped || !l.adopted:
		return transporter.Errorf(transporter.Unavailable, "node %s is not ready to start sessions; try again in a moment", l.opts.Node)
	case l.deaf:
		return transporter.Errorf(transporter.Unavailable, "node %s cannot start sessions: its sockets in FX_RUN_DIR are gone; an administrator has to restart fastxd", l.opts.Node)
	case l.draining:
		return transporter.Errorf(transporter.Unavailable, "node %s is drained and starts no sessions", l.opts.Node)
	}
	limit, count := l.MaxSessions(), 0
	for _, e := range l.sessions {
		if e.life.alive() {
			count++
		}
	}
	if limit > 0 && count >= limit {
		return transporter.Errorf(transporter.Limit, "node %s runs %d sessions and FX_MAX_SESSIONS is %d", l.opts.Node, count, limit)
	}
	return nil
}

// recordOf is the record of a session that is about to be started in a place.
func (l *Launcher) recordOf(o *ticket.Order, p spawn.Place) session.Record {
	return spawn.Record(o, p, spawn.Site{
		Node: l.opts.Node, Socket: session.LauncherSocket(l.opts.Dirs.Run), TempDir: l.opts.Dirs.Temp, BootID: l.boot, Now: l.opts.Now(),
	})
}

// lodge says where a session is to run: as the user who ordered it where the Starter can do that, else as the daemon.
func (l *Launcher) lodge(o *ticket.Order) (spawn.Place, error) {
	if l.lodger == nil {
		return spawn.Place{Account: l.opts.Account, Dir: session.Dir(l.opts.Dirs.Run, o.Session)}, nil
	}
	p, err := l.lodger.Lodge(o)
	if err != nil {
		return p, l.blame(o.Session, err)
	}
	return p, nil
}

// sameOrder reports whether two records stand for the same order. The limits on time and use are not
// asked for but looked up for each ticket, so they may differ between two.
func sameOrder(a, b session.Record) bool {
	return a.User == b.User && a.Name == b.Name && a.App == b.App && a.Command == b.Command &&
		a.Geometry == b.Geometry && a.MaxGeometry == b.MaxGeometry && a.StartDBus == b.StartDBus && a.Clean == b.Clean &&
		maps.Equal(a.Params, b.Params)
}

// awaitStart waits until a session is no longer pending: at once, but for a second
// request with the same order while the first is being carried out.
func (l *Launcher) awaitStart(ctx context.Context, e *entry) (transporter.Session, error) {
	for {
		l.mu.Lock()
		s, failed, changed := e.view(l.opts.Node), e.failed, e.changed
		l.mu.Unlock()
		if failed != nil || s.State != transporter.Pending {
			return s, failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
	}
}

// launch takes a session from its order to a running supervisor, in the steps of
// births. The number of supervisors that are started at the same time is bounded, the
// number of those that wait for it is not.
func (l *Launcher) launch(e *entry, token string) error {
	l.forks <- struct{}{}
	defer func() { <-l.forks }()
	e.files.Lock()
	defer e.files.Unlock()
	b := &birth{l: l, e: e, token: token}
	defer b.close()
	for _, step := range births {
		if err := step.do(b); err != nil {
			return b.undo(err)
		}
		if l.step != nil {
			l.step(step.name)
		}
	}
	return nil
}

// discard takes a session that could not be started out of the table.
func (l *Launcher) discard(e *entry, err error) {
	e.files.Lock()
	defer e.files.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	e.failed = err
	delete(l.sessions, e.id)
	e.setLife(life{State: transporter.Ended, Reason: "it could not be started", Ended: l.opts.Now().UTC()})
	l.publish(e, true) // a list may have told of it
	e.wake()
}

// birth is one session on its way from an order to a process.
type birth struct {
	l                 *Launcher
	e                 *entry
	token             string
	lock, record, log *os.File
}

// births are the steps of a start. A daemon that is killed between two of them leaves:
//
//  1. after lock: a free lock and no record, which is litter;
//  2. after record and log: a record that says pending, and a free lock: ended, for
//     the reason that the daemon was stopped;
//  3. after spawn: a record that says pending and a lock that is held by a supervisor
//     that goes on reporting: the session is adopted;
//  4. after note: the same, and the record names the supervisor.
var births = []struct {
	name string
	do   func(*birth) error
}{
	{"lock", (*birth).takeLock},
	{"record", (*birth).writeRecord},
	{"log", (*birth).openLog},
	{"spawn", (*birth).spawn},
	{"note", (*birth).note},
}

func (b *birth) takeLock() (err error) {
	b.lock, err = session.CreateLock(session.LockPath(b.l.opts.Dirs.Local, b.e.id))
	return err
}

func (b *birth) writeRecord() (err error) {
	path := session.RecordPath(b.l.opts.Dirs.Local, b.e.id)
	if err := session.WriteRecord(path, &b.e.rec); err != nil {
		return err
	}
	b.record, err = os.Open(path)
	return err
}

func (b *birth) openLog() (err error) {
	b.log, err = session.OpenLog(session.LogPath(b.l.opts.Dirs.Local, b.e.id))
	return err
}

// spawn starts the supervisor.
func (b *birth) spawn() error {
	supervisor, child, err := b.l.opts.Starter.Start(spawn.Order{
		ID: b.e.id, Program: b.l.opts.Supervisor, Record: b.record, Lock: b.lock, Log: b.log, Limits: b.e.rec.Limits,
		Ticket: b.token, Socket: b.e.rec.Socket, TempDir: b.e.rec.TempDir,
	})
	if err != nil {
		return err
	}
	b.l.mu.Lock()
	defer b.l.mu.Unlock()
	b.e.rec.Supervisor, b.e.child = supervisor, child
	return nil
}

func (b *birth) note() error {
	b.l.mu.Lock()
	if b.e.link == nil {
		b.e.lost = b.l.opts.Now().Add(b.l.pace.hello) // should it never report, that shows
	}
	b.l.mu.Unlock()
	b.l.happen(b.e, event{kind: spawned})
	return nil
}

func (b *birth) close() {
	for _, f := range []*os.File{b.lock, b.record, b.log} {
		if f != nil {
			f.Close()
		}
	}
}

// undo leaves nothing behind and says what went wrong in the administrator's words.
func (b *birth) undo(err error) error {
	if b.lock != nil {
		// Closing would leave the lock to a child that is being started just now and holds a copy.
		session.Unlock(b.lock)
		err = errors.Join(err, b.l.erase(b.e.id))
	}
	return b.l.blame(b.e.id, err)
}

// blame logs why a session cannot be started and says it to who ordered it.
func (l *Launcher) blame(id string, err error) error {
	var refusal spawn.Refusal
	if errors.As(err, &refusal) {
		l.opts.Log.Warn("a session is not to be started", "session", id, "error", err)
		return transporter.Errorf(transporter.Forbidden, "node %s does not start the session: %s", l.opts.Node, refusal)
	}
	l.opts.Log.Error("cannot start a session", "session", id, "error", err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return transporter.Errorf(transporter.Unavailable, "node %s cannot start the session: the disk of FX_LOCAL_DIR is full", l.opts.Node)
	}
	return transporter.Errorf(transporter.Internal, "node %s cannot start the session: %s", l.opts.Node, err)
}
