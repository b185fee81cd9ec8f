package launcher

import (
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestLife(t *testing.T) {
	t.Parallel()
	const (
		p = transporter.Pending
		s = transporter.Starting
		r = transporter.Running
		u = transporter.Unknown
		x = transporter.Ended
	)
	table := map[happening]map[transporter.State]transporter.State{
		spawned:  {p: s, s: s, r: r, u: u, x: x},
		starting: {p: s, s: s, r: r, u: s, x: x},
		running:  {p: r, s: r, r: r, u: r, x: x},
		silent:   {p: p, s: u, r: u, u: u, x: x},
		over:     {p: x, s: x, r: x, u: x, x: x},
	}
	at := time.Unix(1000, 0)
	for what, row := range table {
		for from, want := range row {
			got, changed := life{State: from, Reason: "old"}.next(event{kind: what, reason: "new", at: at})
			if got.State != want || changed != (from != want) {
				t.Errorf("event %d in %s leads to %s (changed: %v), want %s", what, from, got.State, changed, want)
			}
		}
	}
}

func TestLifeKeepsItsTimesAndReasons(t *testing.T) {
	t.Parallel()
	first, later, end := time.Unix(1, 0), time.Unix(2, 0), time.Unix(3, 0)
	l := life{State: transporter.Pending}
	for _, e := range []event{
		{kind: spawned}, {kind: running, at: first}, {kind: silent}, {kind: running, at: later},
		{kind: over, reason: "the command ended", at: end}, {kind: over, reason: "killed", at: later}, {kind: running, at: later},
	} {
		l, _ = l.next(e)
	}
	want := life{State: transporter.Ended, Reason: "the command ended", Started: first, Ended: end}
	if l != want {
		t.Errorf("the life is %+v, want %+v", l, want)
	}
}
