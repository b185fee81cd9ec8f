package launcher

import (
	"maps"
	"slices"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// warnBefore is how long before a timeout acts everybody is told, at most; at least half of it has passed by then.
const warnBefore = 5 * time.Minute

// due is what one of a session's timeouts is going to do.
type due struct {
	at    time.Time
	span  time.Duration // the whole timeout
	limit string        // its key, value and file
	ends  bool          // it ends the session; else it sends the viewers away
}

// due returns what is next, if anything. A session is idle while somebody looks on and does
// nothing, and left while nobody does; it cannot be both. Caller holds l.mu.
func (e *entry) due() (due, bool) {
	limits := e.rec.Limits
	switch {
	case e.life.State != transporter.Running || e.link == nil || e.order != "":
		return due{}, false
	case len(e.viewers) > 0 && limits.IdleTimeout > 0:
		d := due{span: time.Duration(limits.IdleTimeout) * time.Second, limit: limits.Idle()}
		d.at = latest(e.input, e.came, e.life.Started).Add(d.span)
		return d, true
	case len(e.viewers) == 0 && limits.DisconnectTimeout > 0:
		d := due{span: time.Duration(limits.DisconnectTimeout) * time.Second, limit: limits.Disconnect(), ends: true}
		d.at = latest(e.left, e.life.Started).Add(d.span)
		return d, true
	}
	return due{}, false
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// warning is what everybody is told shortly before, nil until then.
func (d due) warning(now time.Time) *transporter.Warning {
	if d.at.Sub(now) > min(warnBefore, d.span/2) {
		return nil
	}
	text := "viewers are disconnected unless somebody uses the keyboard or the mouse: " + d.limit
	if d.ends {
		text = "the session is ended unless somebody connects: " + d.limit
	}
	return &transporter.Warning{At: d.at.UTC().Truncate(time.Second), Text: text}
}

// reason is why something happened when it has.
func (d due) reason() string {
	if d.ends {
		return "nobody was connected for too long: " + d.limit
	}
	return "disconnected, because nobody used the keyboard or the mouse: " + d.limit
}

// warn brings a session's warning up to date and reports whether that is news. Caller holds l.mu.
func (l *Launcher) warn(e *entry) bool {
	var next *transporter.Warning
	if d, ok := e.due(); ok {
		next = d.warning(l.opts.Now())
	}
	same := e.warning == next || e.warning != nil && next != nil && *e.warning == *next
	e.warning = next
	return !same
}

// timeOut does what a session's timeout says when its time has come, and warns of it before.
func (l *Launcher) timeOut(e *entry) {
	l.mu.Lock()
	if l.warn(e) {
		l.publish(e, false)
	}
	act := func() {}
	if d, ok := e.due(); ok && !l.opts.Now().Before(d.at) {
		act = l.overdue(e, d)
	}
	l.mu.Unlock()
	act()
}

// overdue returns what has to be done without l.mu, which the caller holds.
func (l *Launcher) overdue(e *entry, d due) func() {
	l.opts.Log.Info("a timeout has come", "session", e.id, "reason", d.reason())
	if d.ends {
		return l.sentence(e, d.reason(), "")
	}
	viewers := slices.Collect(maps.Keys(e.viewers))
	return func() {
		for _, v := range viewers {
			v.Close(d.reason())
		}
	}
}

// keepLeft writes into the record since when a session has no viewer, if anything depends on it: a
// restart of the daemon must not give it its whole time again.
func (l *Launcher) keepLeft(e *entry) {
	e.files.Lock()
	defer e.files.Unlock()
	l.mu.Lock()
	e.rec.Left = e.left
	rec, alive := e.rec, e.life.alive()
	l.mu.Unlock()
	if alive && rec.Limits.DisconnectTimeout > 0 {
		l.save(e, &rec)
	}
}
