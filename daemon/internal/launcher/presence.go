package launcher

import (
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// longestNotice is the most time before a limit acts that it is announced.
const longestNotice = 5 * time.Minute

// presence is who is with a session, as far as the limits on that ask. It is a value without I/O and clock.
//
// Two limits watch it, never both at a time. While somebody is connected, idle_timeout counts
// from the last input, or from the last arrival where that came later: who was disconnected for being idle
// and comes back is not thrown out at once. While nobody is, disconnect_timeout counts from the last
// departure, or from the session's start.
//
// Neither acts unannounced: one that ran out while no launcher was there, when nobody could connect
// either, leaves the time of its notice from the launcher's start on.
type presence struct {
	viewers int
	came    time.Time // when the last viewer did
	alone   time.Time // since when there is none
	input   time.Time // when the keyboard or mouse was last used; zero = not known
	since   time.Time // when the launcher started
}

// verdict is what a limit has in mind.
type verdict struct {
	key string    // of the limit; "" = none watches
	at  time.Time // when it acts
	due time.Time // when it does so at last: input just before at may be told a little later
	say time.Time // from when on it is announced
}

// judge returns what the limits have in mind if nothing happens.
func (p presence) judge(l session.Limits) verdict {
	switch {
	case p.viewers > 0 && l.Idle > 0 && !p.input.IsZero():
		at := latest(p.input, p.came).Add(l.Idle)
		return verdict{key: session.KeyIdle, at: at, due: at.Add(2 * l.LookEvery()), say: at.Add(-notice(l.Idle))}
	case p.viewers == 0 && l.Disconnect > 0:
		at := latest(p.alone.Add(l.Disconnect), p.since.Add(notice(l.Disconnect)))
		return verdict{key: session.KeyDisconnect, at: at, due: at, say: at.Add(-notice(l.Disconnect))}
	}
	return verdict{}
}

// warning is what is to be announced at a moment, or nil.
func (v verdict) warning(now time.Time, l session.Limits) *transporter.Warning {
	if v.key == "" || !now.After(v.say) {
		return nil
	}
	text := "the session ends, unless somebody connects: "
	if v.key == session.KeyIdle {
		text = "everybody is disconnected, unless somebody uses the keyboard or mouse: "
	}
	return &transporter.Warning{At: v.at.UTC(), Text: text + l.Name(v.key)}
}

// acts reports whether it is time.
func (v verdict) acts(now time.Time) bool { return v.key != "" && !now.Before(v.due) }

// notice is how long before it acts a limit is announced.
func notice(limit time.Duration) time.Duration { return min(longestNotice, limit/2) }

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sameWarning(a, b *transporter.Warning) bool {
	return a == b || a != nil && b != nil && a.Text == b.Text && a.At.Equal(b.At)
}
