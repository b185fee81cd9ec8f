package launcher

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// clock is a time that tests put forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func (c *clock) set(l *Launcher) { l.opts.Now = c.now }

// connect is leave to connect as of the clock's time.
func (c *clock) connect(id string) ticket.Claims {
	now := c.now()
	claims := claims(ticket.Connect, id)
	claims.IssuedAt, claims.Expires = now.Unix(), now.Add(time.Minute).Unix()
	return claims
}

// TestATimeoutIsDueAtTheRightTime looks at every situation that a session can be in.
func TestATimeoutIsDueAtTheRightTime(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	both := session.Limits{IdleTimeout: 1800, DisconnectTimeout: 3600}
	one := map[*display.Delivery]bool{{}: true}
	for name, c := range map[string]struct {
		e    *entry
		want time.Time
		ends bool
	}{
		"without limits":            {e: &entry{}},
		"never connected":           {e: &entry{rec: session.Record{Limits: both}, left: at(0)}, want: at(60), ends: true},
		"left later":                {e: &entry{rec: session.Record{Limits: both}, left: at(7)}, want: at(67), ends: true},
		"watched, untouched":        {e: &entry{rec: session.Record{Limits: both}, viewers: one, came: at(2)}, want: at(32)},
		"watched, used after":       {e: &entry{rec: session.Record{Limits: both}, viewers: one, came: at(2), input: at(9)}, want: at(39)},
		"used before it was opened": {e: &entry{rec: session.Record{Limits: both}, viewers: one, came: at(20), input: at(9)}, want: at(50)},
		"watched, no idle limit":    {e: &entry{rec: session.Record{Limits: session.Limits{DisconnectTimeout: 5}}, viewers: one}},
		"ordered to end":            {e: &entry{rec: session.Record{Limits: both}, left: at(0), order: "ended by ann"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.e.life, c.e.link = life{State: transporter.Running, Started: at(0)}, &peer{}
			d, ok := c.e.due()
			if ok != !c.want.IsZero() || ok && (!d.at.Equal(c.want) || d.ends != c.ends) {
				t.Errorf("due %+v, %v; want %v, ends %v", d, ok, c.want, c.ends)
			}
			c.e.life.State = transporter.Unknown
			if _, ok := c.e.due(); ok {
				t.Error("a session of which nothing is known is acted on")
			}
		})
	}
}

func TestAWarningComesInTimeAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	d := due{at: now.Add(5 * time.Minute), span: time.Hour, limit: "idle_timeout = 1h in performance/default.ini"}
	if d.warning(now.Add(-time.Second)) != nil || d.warning(now) == nil {
		t.Error("the warning does not come five minutes before")
	}
	if w := d.warning(now); !w.At.Equal(d.at) || !strings.Contains(w.Text, "mouse: idle_timeout = 1h") {
		t.Errorf("%+v", w)
	}
	short := due{at: now.Add(10 * time.Second), span: 20 * time.Second, ends: true}
	if short.warning(now.Add(-time.Second)) != nil || !strings.Contains(short.warning(now).Text, "unless somebody connects") {
		t.Error("a short timeout does not leave its first half in peace")
	}
}

// TestASessionThatNobodyLooksAtIsEnded warns first, goes on while somebody is connected, and counts
// anew from the moment that the last one leaves.
func TestASessionThatNobodyLooksAtIsEnded(t *testing.T) {
	t.Parallel()
	c := &clock{}
	n := newNode(t).start(c.set)
	o := order("x")
	o.Limits = session.Limits{Profile: "p", DisconnectTimeout: 600}
	started, err := n.call(transporter.LauncherStart, n.startTicket(o))
	must(t, err)
	n.becomes(started.ID, transporter.Running)
	c.add(6 * time.Minute)
	n.until("the warning", func() bool { s, _ := n.view(started.ID); return s.Warning != nil })
	v, err := n.watcher().connect(c.connect(started.ID))
	must(t, err)
	n.clients(started.ID, 1)
	if s, _ := n.view(started.ID); s.Warning != nil {
		t.Errorf("somebody has come, and the warning stays: %+v", s.Warning)
	}
	c.add(time.Hour)
	n.clients(started.ID, 1)
	v.Close()
	n.clients(started.ID, 0)
	n.until("the record to say since when", func() bool { return !n.record(started.ID).Left.IsZero() })
	c.add(9 * time.Minute)
	n.restart(c.set) // must not begin the ten minutes anew
	n.becomes(started.ID, transporter.Running)
	c.add(time.Minute)
	s := n.becomes(started.ID, transporter.Ended)
	if s.Reason != "nobody was connected for too long: disconnect_timeout = 10m in performance/p.ini" || s.Warning != nil {
		t.Errorf("the reason is %q, the warning %+v", s.Reason, s.Warning)
	}
}

// TestWhoDoesNothingIsDisconnected sends the viewers away and keeps the session.
func TestWhoDoesNothingIsDisconnected(t *testing.T) {
	t.Parallel()
	c := &clock{}
	n := newNode(t).start(c.set)
	o := order("x")
	o.Limits = session.Limits{Profile: "p", IdleTimeout: 600}
	started, err := n.call(transporter.LauncherStart, n.startTicket(o))
	must(t, err)
	n.becomes(started.ID, transporter.Running)
	c.add(time.Hour) // nobody is there to be idle
	v, err := n.watcher().connect(c.connect(started.ID))
	must(t, err)
	n.clients(started.ID, 1)
	c.add(6 * time.Minute)
	n.until("the warning", func() bool { s, _ := n.view(started.ID); return s.Warning != nil })
	c.add(5 * time.Minute)
	n.clients(started.ID, 0)
	if _, err := io.Copy(io.Discard, v.RFB); err == nil || !strings.Contains(err.Error(), "idle_timeout = 10m in performance/p.ini") {
		t.Errorf("the viewer is told %v", err)
	}
	if s := n.becomes(started.ID, transporter.Running); s.Warning != nil {
		t.Errorf("nobody is there, and the warning stays: %+v", s.Warning)
	}
}
