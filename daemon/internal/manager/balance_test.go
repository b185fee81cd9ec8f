package manager

import (
	"fmt"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestPolicies(t *testing.T) {
	t.Parallel()
	gib := func(n uint64) uint64 { return n << 30 }
	first := func(int) int { return 0 }
	last := func(n int) int { return n - 1 }
	tests := []struct {
		name   string
		policy string
		cs     []candidate
		before string
		rnd    func(int) int
		want   string
	}{
		{"fewest sessions is the default", "", []candidate{{Node: "a", Sessions: 2}, {Node: "b", Sessions: 1}}, "", first, "b"},
		{"fewest sessions", "fewest-sessions", []candidate{{Node: "a", Sessions: 2}, {Node: "b", Sessions: 1}, {Node: "c", Sessions: 3}}, "", first, "b"},
		{"a tie is broken by chance: low", "fewest-sessions", []candidate{{Node: "a", Sessions: 1}, {Node: "b", Sessions: 1}, {Node: "c"}, {Node: "d"}}, "", first, "c"},
		{"a tie is broken by chance: high", "fewest-sessions", []candidate{{Node: "a", Sessions: 1}, {Node: "b", Sessions: 1}, {Node: "c"}, {Node: "d"}}, "", last, "d"},
		{"most memory", "most-memory", []candidate{{Node: "a", MemFree: gib(4)}, {Node: "b", MemFree: gib(8)}}, "", first, "b"},
		{"most memory, less what was just started", "most-memory", []candidate{{Node: "a", MemFree: gib(4)}, {Node: "b", MemFree: gib(8), Fresh: 9}}, "", first, "a"},
		{"more started than there is memory", "most-memory", []candidate{{Node: "a", MemFree: gib(1), Fresh: 4}, {Node: "b", MemFree: gib(1), Fresh: 3}}, "", first, "b"},
		{"round robin begins", "round-robin", []candidate{{Node: "a"}, {Node: "b"}}, "", first, "a"},
		{"round robin goes on", "round-robin", []candidate{{Node: "a"}, {Node: "b"}, {Node: "c"}}, "a", first, "b"},
		{"round robin starts over", "round-robin", []candidate{{Node: "a"}, {Node: "b"}}, "b", first, "a"},
		{"round robin after a node that left", "round-robin", []candidate{{Node: "a"}, {Node: "c"}}, "b", first, "c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := policies[tt.policy](tt.cs, tt.before, tt.rnd); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	beat := func(w *world, edit func(*transporter.Beat)) {
		b := transporter.Beat{Node: "a", Instance: "i", Seq: 1, Services: []string{"user", "launcher"}}
		edit(&b)
		w.hearBeat(w.now, b)
	}
	plain := func(*transporter.Beat) {}
	tests := []struct {
		name string
		play func(*world)
		want string
	}{
		{"a node that told everything", func(w *world) { beat(w, plain); w.tell("a", "i", 1) }, "[a]"},
		{"no node at all", func(*world) {}, "unavailable: no node with a launcher is known; start fastxd with launcher in SERVICES on one"},
		{"without a launcher", func(w *world) { beat(w, func(b *transporter.Beat) { b.Services = []string{"user"} }) },
			"unavailable: no node with a launcher is known; start fastxd with launcher in SERVICES on one"},
		{"before its list", func(w *world) { beat(w, plain) }, "unavailable: no node can take a session: 1 not to be reached"},
		{"before its beat", func(w *world) { w.tell("a", "i", 1) }, "unavailable: no node can take a session: 1 not to be reached"},
		{"a new instance before its list", func(w *world) { beat(w, plain); w.tell("a", "i", 1); w.beat("a", "j", 1) },
			"unavailable: no node can take a session: 1 not to be reached"},
		{"drained", func(w *world) { beat(w, func(b *transporter.Beat) { b.Drain = true }); w.tell("a", "i", 1) },
			"unavailable: no node can take a session: 1 drained"},
		{"drained just now", func(w *world) { beat(w, plain); w.tell("a", "i", 1); w.drained("a", true) },
			"unavailable: no node can take a session: 1 drained"},
		{"silent", func(w *world) { beat(w, plain); w.tell("a", "i", 1); w.wait(time.Minute) },
			"unavailable: no node can take a session: 1 not to be reached"},
		{"stopped", func(w *world) { beat(w, plain); w.tell("a", "i", 1); w.leave("a", "i", 2) },
			"unavailable: no node can take a session: 1 not to be reached"},
		{"below its limit", func(w *world) {
			beat(w, func(b *transporter.Beat) { b.Max = 2 })
			w.tell("a", "i", 1, "x", "y=ended")
		}, "[a]"},
		{"full", func(w *world) { beat(w, func(b *transporter.Beat) { b.Max = 2 }); w.tell("a", "i", 1, "x", "y") },
			"limit: no node can take a session: 1 full (FX_MAX_SESSIONS allows 2)"},
		{"full with what is about to start", func(w *world) {
			beat(w, func(b *transporter.Beat) { b.Max = 2 })
			w.tell("a", "i", 1, "x")
			w.reserve(w.now, orderFor("y", "ann"), "a", "me")
		}, "limit: no node can take a session: 1 full (FX_MAX_SESSIONS allows 2)"},
		{"several reasons", func(w *world) {
			beat(w, func(b *transporter.Beat) { b.Max = 1 })
			w.tell("a", "i", 1, "x")
			w.beat("b", "i", 1)
			w.tell("b", "i", 1)
			w.drained("b", true)
			w.beat("tried", "i", 1)
		}, "unavailable: no node can take a session: 1 drained, 1 full (FX_MAX_SESSIONS allows 1), 1 not answering"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tt.play(w)
			var names []string
			cs, err := w.candidates(w.now, map[string]string{"tried": unfitTried})
			for _, c := range cs {
				names = append(names, c.Node)
			}
			got := fmt.Sprint(names)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// What was started since a node told its load counts against its memory; what it has
// measured since does not count twice.
func TestFreshStartsCountUntilTheNextBeat(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.beat("a", "i", 1)
	w.tell("a", "i", 1)
	for _, step := range []struct {
		name string
		do   func()
		want int
	}{
		{"nothing", func() {}, 0},
		{"under way", func() { w.wait(1); w.reserve(w.now, orderFor("x", "ann"), "a", "me") }, 1},
		{"a beat meanwhile", func() { w.wait(1); w.beat("a", "i", 2) }, 1},
		{"started", func() { w.wait(1); w.started(w.now, transporter.Session{ID: "x", Node: "a"}, "me") }, 1},
		{"told", func() { w.wait(1); w.news("a", "i", 2, "x"); w.expire(w.now) }, 1},
		{"measured", func() { w.wait(1); w.beat("a", "i", 3) }, 0},
	} {
		step.do()
		cs, err := w.candidates(w.now, nil)
		if err != nil || cs[0].Fresh != step.want {
			t.Errorf("%s: %+v, %v; want %d", step.name, cs, err, step.want)
		}
	}
}
