package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// accept hears supervisors until the listener is closed.
func (l *Launcher) accept(ctx context.Context, ln *net.UnixListener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.opts.Log.Error("cannot accept a supervisor", "error", err)
			select { // out of descriptors, most likely
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		wg.Go(func() { l.attend(ctx, conn) })
	}
}

// attend serves one connection to launcher.sock to its end.
func (l *Launcher) attend(ctx context.Context, conn *net.UnixConn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	p := newPeer(session.NewLink(conn))
	e, hello, err := l.greet(conn, p)
	if err == nil {
		l.hear(e, hello)
		l.answer(e, p, hello)
		err = l.converse(e, p)
		l.hangUp(e, p)
	}
	if ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		l.opts.Log.Warn("dropped a connection to launcher.sock", "session", hello.ID, "error", err)
	}
	if e != nil && ctx.Err() == nil {
		l.check(e)
	}
}

// greet finds out whose supervisor calls, and makes the connection the session's.
func (l *Launcher) greet(conn *net.UnixConn, p *peer) (*entry, session.Report, error) {
	var r session.Report
	uid, _, pid, err := session.PeerCred(conn)
	if err != nil {
		return nil, r, err
	}
	if !l.lodges(uid) { // at once: launcher.sock may be open to all who have an account here
		return nil, r, fmt.Errorf("process %d: no session here is of user id %d", pid, uid)
	}
	p.link.SetReadDeadline(time.Now().Add(l.pace.hello))
	file, err := p.link.Receive(&r)
	if file != nil {
		file.Close()
	}
	switch {
	case err != nil:
		return nil, session.Report{}, fmt.Errorf("process %d: no hello: %w", pid, err)
	case r.Type != "hello" || !session.ValidID(r.ID):
		return nil, session.Report{}, fmt.Errorf("process %d: what it says is no hello", pid)
	}
	p.link.SetReadDeadline(time.Time{})
	e, err := l.find(r.ID)
	if err == nil {
		err = l.attach(e, p, uid, pid)
	}
	if err != nil {
		return nil, r, fmt.Errorf("process %d of user id %d: %w", pid, uid, err)
	}
	return e, r, nil
}

// lodges reports whether a session in the table is of this user.
func (l *Launcher) lodges(uid int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.sessions {
		if e.rec.Account.UID == uid {
			return true
		}
	}
	return uid == l.opts.Account.UID
}

// attach makes p the connection of the session if the process at its other end is the session's supervisor.
func (l *Launcher) attach(e *entry, p *peer, uid, pid int) error {
	e.files.Lock()
	defer e.files.Unlock()
	caller, err := session.ProcessOf(pid)
	if err == nil {
		err = l.belongs(e, uid, caller)
	}
	if err != nil {
		return err
	}
	if e.blank {
		l.restore(e, pid)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.link != nil {
		return errors.New("the session's supervisor is connected already")
	}
	e.link, e.awaited, e.lost = p, false, time.Time{}
	e.rec.Supervisor = caller
	return nil
}

// belongs is the one place that decides whether a process may speak for a session: it
// has the account's user id, it is the process that was started for it where that is known,
// and else it is alone in that the session's lock is held. Caller holds e.files.
func (l *Launcher) belongs(e *entry, uid int, caller session.Process) error {
	started := e.rec.Supervisor
	switch {
	case uid != e.rec.Account.UID:
		return fmt.Errorf("it is not of user id %d, whose session this is", e.rec.Account.UID)
	case started.PID != 0 && (caller.PID != started.PID || caller.Start != started.Start):
		return fmt.Errorf("it is not the session's supervisor, process %d", started.PID)
	case started.PID == 0 && !l.lockHeld(e):
		return errors.New("the session has no supervisor")
	}
	return nil
}

func (l *Launcher) lockHeld(e *entry) bool {
	lock, held, err := session.TryLock(session.LockPath(l.opts.Dirs.Local, e.id))
	if lock != nil {
		session.Unlock(lock)
	}
	return held && err == nil
}

// restore fetches a record that was lost from the copy that its supervisor has open.
// Without it the session lives on all the same, but nobody knows whose it is.
func (l *Launcher) restore(e *entry, pid int) {
	f, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/fd/0", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		l.opts.Log.Warn("cannot restore a session's record", "session", e.id, "error", err)
		return
	}
	defer f.Close()
	rec, err := session.DecodeRecord(f)
	if err != nil || rec.ID != e.id {
		l.opts.Log.Warn("cannot restore a session's record", "session", e.id, "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.rec, e.blank = *rec, false
	e.setLife(e.life)
	e.alone = time.Time{} // since when is lost
	e.setAlone(true, l.opts.Now())
}

// converse hears what a supervisor says until the connection ends.
func (l *Launcher) converse(e *entry, p *peer) error {
	for {
		var r session.Report
		file, err := p.link.Receive(&r)
		if err != nil {
			return err
		}
		switch {
		case r.ID != e.id:
			err = fmt.Errorf("it speaks of session %q", r.ID)
		case r.Type == "viewer":
			p.deliver(r, file)
			continue
		case r.Type == "input":
			l.noteInput(e, r)
		case r.Type == "state":
			l.hear(e, r)
			l.answer(e, p, r)
		}
		if file != nil {
			file.Close()
		}
		if err != nil {
			return err
		}
	}
}

// hear takes in what a supervisor says of its session.
func (l *Launcher) hear(e *entry, r session.Report) {
	ev, known := eventOf(r, l.opts.Now().UTC())
	if !known {
		l.opts.Log.Warn("a supervisor reports a state that this version does not know", "session", e.id, "state", r.State)
		return
	}
	l.noteInput(e, r)
	l.lament(r.Unheld)
	e.files.Lock()
	defer e.files.Unlock()
	l.update(e, func() bool {
		next, changed := e.life.next(ev)
		e.setLife(next)
		return e.note(r) || changed
	})
}

// note keeps what the record tells of a session's processes and reports whether it is new.
func (e *entry) note(r session.Report) bool {
	news := false
	if r.Display != "" && r.Display != e.rec.Display {
		e.rec.Display, news = r.Display, true
	}
	if r.Processes != nil && !slices.Equal(r.Processes, e.rec.Processes) {
		e.rec.Processes, news = r.Processes, true
	}
	return news
}

// eventOf turns a report into an event.
func eventOf(r session.Report, now time.Time) (event, bool) {
	switch transporter.State(r.State) {
	case transporter.Starting:
		return event{kind: starting}, true
	case transporter.Running:
		if r.Started.IsZero() {
			r.Started = now
		}
		return event{kind: running, at: r.Started}, true
	case transporter.Ended:
		return event{kind: over, reason: r.Reason, at: now}, true
	}
	return event{}, false
}

// answer says what there is to say after a report: that the end was heard, or that
// the session was ordered to end while nobody listened.
func (l *Launcher) answer(e *entry, p *peer, r session.Report) {
	l.mu.Lock()
	alive, order, told := e.life.alive(), e.order, e.told == p
	if order != "" {
		e.told = p
	}
	l.mu.Unlock()
	switch {
	case transporter.State(r.State) == transporter.Ended:
		p.send(session.Order{Type: "goodbye"})
	case order != "" && !told:
		p.send(session.Order{Type: "terminate", Reason: order})
	case !alive:
		p.send(session.Order{Type: "terminate", Reason: "the session is known to have ended"})
	}
}

// hangUp notes that a connection has ended.
func (l *Launcher) hangUp(e *entry, p *peer) {
	p.fail()
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.link == p {
		e.link, e.lost = nil, l.opts.Now()
		e.wake()
	}
}
