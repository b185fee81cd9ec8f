package launcher

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestNewsAndListsTellTheSame(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	heard := n.listen()
	id := n.run("").ID
	_, err := n.terminate(id)
	must(t, err)
	n.until("all states are heard", func() bool {
		return slices.Equal(heard.states(id), []transporter.State{transporter.Starting, transporter.Running, transporter.Ended})
	})
	n.run("")
	must(t, transporter.Publish(n.caller, transporter.WhoIsThere, transporter.Empty{}))
	n.until("the whole list is heard", func() bool {
		heard.mu.Lock()
		defer heard.mu.Unlock()
		return slices.ContainsFunc(heard.lists, func(l transporter.SessionsOf) bool { return l.Last && len(l.Sessions) == 2 })
	})
	heard.mu.Lock()
	defer heard.mu.Unlock()
	var last uint64
	for _, s := range heard.news {
		if s.Seq <= last || s.Node != "n1" || s.Instance != n.l.opts.Instance {
			t.Errorf("news %d after %d: %+v", s.Seq, last, s)
		}
		last = s.Seq
	}
}

func TestALongListComesInPartsUnderOneNumber(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for range 100 {
		n.dead(func(r *session.Record, _ *os.File) {
			r.State, r.Ended, r.Name = "ended", time.Now(), strings.Repeat("x", 10<<10)
		})
	}
	heard := n.listen()
	n.start()
	n.until("the last part is heard", func() bool {
		heard.mu.Lock()
		defer heard.mu.Unlock()
		return len(heard.lists) > 0 && heard.lists[len(heard.lists)-1].Last
	})
	heard.mu.Lock()
	defer heard.mu.Unlock()
	count := 0
	for i, part := range heard.lists {
		if part.Seq != heard.lists[0].Seq || part.Part != i {
			t.Errorf("part %d is part %d of %d", i, part.Part, part.Seq)
		}
		count += len(part.Sessions)
	}
	if count != 100 || len(heard.lists) < 4 {
		t.Errorf("%d sessions in %d parts", count, len(heard.lists))
	}
}

func TestATransporterThatTakesNothingHoldsUpNobody(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	for range maxNews * 2 {
		o.put(func() error { return nil })
	}
	if got := len(o.take()); got != maxNews {
		t.Errorf("%d wait, want %d", got, maxNews)
	}
}

// ears hear what a manager would.
type ears struct {
	mu    sync.Mutex
	news  []transporter.SessionNews
	lists []transporter.SessionsOf
}

func (n *node) listen() *ears {
	n.t.Helper()
	e := &ears{}
	must(n.t, transporter.Subscribe(n.caller, transporter.SessionChanged, func(s transporter.SessionNews) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.news = append(e.news, s)
	}))
	must(n.t, transporter.Subscribe(n.caller, transporter.SessionList, func(s transporter.SessionsOf) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.lists = append(e.lists, s)
	}))
	return e
}

func (e *ears) gone(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.news, func(s transporter.SessionNews) bool { return s.Session.ID == id && s.Gone })
}

// states are those that were heard of a session, each once.
func (e *ears) states(id string) []transporter.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	var states []transporter.State
	for _, s := range e.news {
		if s.Session.ID == id {
			states = append(states, s.Session.State)
		}
	}
	return slices.Compact(states)
}
