package launcher

import (
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// enforce announces what the limits on idle and lonely sessions have in mind with one, and does it. Who
// comes in the same moment is in time, or too late for sure.
func (l *Launcher) enforce(e *entry) {
	now := l.opts.Now()
	l.mu.Lock()
	limits, v := e.rec.Limits, verdict{}
	if e.life.State == transporter.Running && e.link != nil && e.order == "" {
		v = l.presence(e).judge(limits)
	}
	if w := v.warning(now, limits); !sameWarning(w, e.warning) {
		e.warning = w
		l.publish(e, false)
	}
	do := func() {}
	switch {
	case !v.acts(now):
	case v.key == session.KeyIdle:
		do = l.sendAway(e, "disconnected by "+limits.Name(v.key)+": nobody used the keyboard or mouse")
	default:
		do = l.endFor(e, limits.Name(v.key)+": nobody was connected")
	}
	l.mu.Unlock()
	do()
}

// presence is who is with the session. Caller holds l.mu.
func (l *Launcher) presence(e *entry) presence {
	return presence{
		viewers: len(e.viewers) + e.expected, came: e.came, alone: latest(e.alone, e.life.Started), input: e.input, since: l.since,
	}
}

// sendAway disconnects viewers, each once; the session goes on. Caller holds l.mu, and then
// calls what it returns without.
func (l *Launcher) sendAway(e *entry, reason string) func() {
	var leaving []*display.Delivery
	for d, welcome := range e.viewers {
		if welcome {
			leaving, e.viewers[d] = append(leaving, d), false
		}
	}
	return func() {
		for _, d := range leaving {
			l.opts.Log.Info("disconnecting a viewer", "session", e.id, "reason", reason)
			l.guests.Go(func() { d.Refuse(reason) }) // one that reads nothing takes its time
		}
	}
}

// endFor ends a session on nobody's order. Caller holds l.mu, and then calls what it returns without.
func (l *Launcher) endFor(e *entry, reason string) func() {
	reason = "ended by " + reason
	tell := l.setOrder(e, reason, "")
	return func() {
		l.opts.Log.Info("ending a session", "session", e.id, "reason", reason)
		l.opts.Audit.Record(audit.Event{
			Time: l.opts.Now(), Action: audit.Terminate, Node: l.opts.Node, Session: e.id, Outcome: audit.Done, Detail: reason,
		})
		tell()
	}
}

// expect counts somebody who is about to look at a session, so that no limit acts meanwhile.
func (l *Launcher) expect(e *entry) (arrived func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.expected++
	e.came = l.opts.Now()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		e.expected--
	}
}

// seat counts a viewer for as long as it looks on. One that comes too late is sent away.
func (l *Launcher) seat(e *entry, d *display.Delivery) (err error) {
	e.files.Lock()
	defer e.files.Unlock()
	l.update(e, func() bool {
		late := ""
		switch {
		case l.stopped:
			late = stopping
		case !e.life.alive():
			late = ended(e.life.Reason)
		}
		if late != "" {
			go d.Close(late)
			err = transporter.Errorf(transporter.Unavailable, "%s", late)
			return false
		}
		e.viewers[d] = true
		e.came, e.warning = l.opts.Now(), nil
		e.setAlone(false, e.came)
		l.guests.Go(func() {
			<-d.Done()
			l.unseat(e, d)
		})
		return true
	})
	return err
}

// unseat takes note that a viewer has gone. Of a session that was forgotten meanwhile nothing is written.
func (l *Launcher) unseat(e *entry, d *display.Delivery) {
	e.files.Lock()
	defer e.files.Unlock()
	l.update(e, func() bool {
		delete(e.viewers, d)
		e.setAlone(len(e.viewers) == 0, l.opts.Now())
		return l.sessions[e.id] == e
	})
}

// noteInput takes note of when the keyboard or mouse was last used.
func (l *Launcher) noteInput(e *entry, r session.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.Input.IsZero() { // as time that has passed: a clock that is set makes nobody idle
		now := l.opts.Now()
		e.input = now.Add(-max(0, now.Sub(r.Input)))
	}
}

// lament says in the log which limits are not held, once in each generation.
func (l *Launcher) lament(unheld []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, what := range unheld {
		if !l.lamented[what] {
			l.lamented[what] = true
			l.opts.Log.Warn(what)
		}
	}
}

// forgive makes the next lament heard.
func (l *Launcher) forgive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.lamented)
}
