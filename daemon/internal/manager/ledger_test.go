package manager

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const interval = 5 * time.Second

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world plays messages to a ledger at a time that only moves when it is told to.
type world struct {
	*ledger
	now time.Time
}

func newWorld() *world { return &world{newLedger(interval), begin} }

func (w *world) wait(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) beat(node, instance string, seq uint64) {
	w.hearBeat(w.now, transporter.Beat{Node: node, Instance: instance, Seq: seq, Services: []string{"launcher"}})
}

func (w *world) leave(node, instance string, seq uint64) {
	w.hearBeat(w.now, transporter.Beat{Node: node, Instance: instance, Seq: seq, Services: []string{"launcher"}, Leaving: true})
}

// tell is a node's whole list in one part: "id" is running, "id=state" in another state.
func (w *world) tell(node, instance string, seq uint64, sessions ...string) {
	w.hearList(w.now, transporter.SessionsOf{Node: node, Instance: instance, Seq: seq, Last: true, Sessions: parse(node, sessions)})
}

func (w *world) news(node, instance string, seq uint64, session string) {
	w.hearNews(w.now, transporter.SessionNews{Node: node, Instance: instance, Seq: seq, Session: parse(node, []string{session})[0]})
}

func (w *world) gone(node, instance string, seq uint64, id string) {
	w.hearNews(w.now, transporter.SessionNews{Node: node, Instance: instance, Seq: seq, Session: transporter.Session{ID: id, Node: node}, Gone: true})
}

func parse(node string, specs []string) []transporter.Session {
	var out []transporter.Session
	for _, s := range specs {
		id, state, ok := strings.Cut(s, "=")
		if !ok {
			state = string(transporter.Running)
		}
		out = append(out, transporter.Session{ID: id, Node: node, User: "ann", State: transporter.State(state)})
	}
	return out
}

// seen prints what is shown: "a b=ended".
func (w *world) seen() string {
	var out []string
	for _, s := range w.sessions(w.now, "") {
		text := s.ID
		if s.State != transporter.Running {
			text += "=" + string(s.State)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestLedgerHearsSessions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		play func(*world)
		want string
	}{
		{"a whole list", func(w *world) { w.tell("n", "i", 1, "b", "a") }, "a b"},
		{"a newer list replaces", func(w *world) { w.tell("n", "i", 1, "a"); w.tell("n", "i", 2, "b") }, "b"},
		{"a late list changes nothing", func(w *world) { w.tell("n", "i", 2, "b"); w.tell("n", "i", 1, "a") }, "b"},
		{"a repeated list changes nothing", func(w *world) {
			w.tell("n", "i", 1, "a")
			w.news("n", "i", 2, "a=ended")
			w.tell("n", "i", 1, "a")
		}, "a=ended"},
		{"news before any list", func(w *world) { w.news("n", "i", 1, "a=starting") }, "a=starting"},
		{"news after a list", func(w *world) { w.tell("n", "i", 1, "a"); w.news("n", "i", 2, "b") }, "a b"},
		{"news that a list overtook", func(w *world) { w.tell("n", "i", 2, "a"); w.news("n", "i", 1, "a=starting") }, "a"},
		{"a list that news overtook", func(w *world) { w.news("n", "i", 2, "a=ended"); w.tell("n", "i", 1, "a", "b") }, "a=ended b"},
		{"late news", func(w *world) { w.news("n", "i", 3, "a=ended"); w.news("n", "i", 2, "a") }, "a=ended"},
		{"gone", func(w *world) { w.tell("n", "i", 1, "a", "b"); w.gone("n", "i", 2, "a") }, "b"},
		{"gone is not undone by an older list", func(w *world) {
			w.tell("n", "i", 1, "a")
			w.gone("n", "i", 3, "a")
			w.tell("n", "i", 2, "a")
		}, ""},
		{"gone is not undone by older news", func(w *world) { w.gone("n", "i", 3, "a"); w.news("n", "i", 2, "a") }, ""},
		{"parts in any order", func(w *world) { w.parts("n", "i", 1, "2!c", "0a", "1b") }, "a b c"},
		{"a part twice", func(w *world) { w.parts("n", "i", 1, "0a", "0a", "1!b") }, "a b"},
		{"a list without all its parts", func(w *world) { w.tell("n", "i", 1, "x"); w.parts("n", "i", 2, "0a", "2!c") }, "x"},
		{"parts of two lists", func(w *world) { w.parts("n", "i", 1, "0a"); w.parts("n", "i", 2, "0b"); w.parts("n", "i", 1, "1!c") }, ""},
		{"the newer of two mixed lists", func(w *world) {
			w.parts("n", "i", 1, "0a")
			w.parts("n", "i", 2, "0b")
			w.parts("n", "i", 1, "1!c")
			w.parts("n", "i", 2, "1!d")
		}, "b d"},
		{"two nodes", func(w *world) { w.tell("n", "i", 1, "a"); w.tell("m", "j", 1, "b") }, "a b"},
		{"a node that goes on by another name", func(w *world) { w.tell("n", "i", 1, "a", "b"); w.leave("n", "i", 1); w.tell("m", "j", 1, "a") }, "a b=unknown"},
		{"the new name is heard first", func(w *world) { w.tell("n", "i", 1, "a"); w.tell("m", "j", 1, "a"); w.leave("n", "i", 1) }, "a"},
		{"a machine that was killed and comes back by another name", func(w *world) {
			w.tell("n", "i", 1, "a=starting")
			w.wait(silentAfter*interval + 1)
			w.tell("m", "j", 1, "a")
		}, "a"},
		{"and back to its first name", func(w *world) {
			w.tell("n", "i", 1, "a")
			w.leave("n", "i", 1)
			w.tell("m", "j", 1, "a")
			w.leave("m", "j", 1)
			w.tell("n", "k", 1, "a")
		}, "a"},
		{"a new instance makes the old list unknown", func(w *world) { w.tell("n", "i", 9, "a", "b=ended"); w.beat("n", "j", 1) }, "a=unknown b=ended"},
		{"a new instance's list replaces it, whatever its number", func(w *world) { w.tell("n", "i", 9, "a", "b"); w.tell("n", "j", 1, "a") }, "a"},
		{"a new instance's news replaces singly", func(w *world) { w.tell("n", "i", 9, "a", "b"); w.news("n", "j", 1, "a=starting") }, "a=starting b=unknown"},
		{"an old instance is not heard any more", func(w *world) {
			w.tell("n", "i", 1, "a")
			w.tell("n", "j", 1, "b")
			w.tell("n", "i", 5, "a")
			w.news("n", "i", 6, "c")
			w.gone("n", "i", 7, "b")
		}, "b"},
		{"a silent node's sessions are unknown, not ended", func(w *world) { w.tell("n", "i", 1, "a", "b=ended"); w.wait(silentAfter*interval + 1) }, "a=unknown b=ended"},
		{"not yet silent", func(w *world) { w.tell("n", "i", 1, "a"); w.wait(silentAfter * interval) }, "a"},
		{"heard of again", func(w *world) { w.tell("n", "i", 1, "a"); w.wait(time.Hour); w.beat("n", "i", 1) }, "a"},
		{"a stopped node's sessions are unknown", func(w *world) { w.tell("n", "i", 1, "a"); w.leave("n", "i", 1) }, "a=unknown"},
		{"they are kept for ever", func(w *world) { w.tell("n", "i", 1, "a"); w.leave("n", "i", 1); w.wait(time.Hour); w.expire(w.now) }, "a=unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tt.play(w)
			if got := w.seen(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// parts tells parts of a list: "0a" is part 0 with session a, "1!b" the last part.
func (w *world) parts(node, instance string, seq uint64, specs ...string) {
	for _, s := range specs {
		id := strings.TrimPrefix(s[1:], "!")
		w.hearList(w.now, transporter.SessionsOf{Node: node, Instance: instance, Seq: seq, Part: int(s[0] - '0'),
			Last: s[1] == '!', Sessions: parse(node, []string{id})})
	}
}

func TestReasonSaysSinceWhen(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.tell("n", "i", 1, "a")
	w.tell("m", "i", 1, "b")
	w.leave("m", "i", 1)
	w.wait(time.Minute)
	for id, want := range map[string]string{
		"a": "node n has not been heard of since 2026-03-01T12:00:00Z; the session may still run there",
		"b": "fastxd on node m was stopped at 2026-03-01T12:00:00Z; the session may still run there",
	} {
		if s, ok := w.session(w.now, id); !ok || s.Reason != want || s.State != transporter.Unknown {
			t.Errorf("%s: %+v", id, s)
		}
	}
}

func TestLedgerListsNodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		play func(*world)
		want string
	}{
		{"sorted by name", func(w *world) { w.beat("b", "i", 1); w.beat("a", "i", 1) }, "[a:1 b:1]"},
		{"a late beat changes nothing", func(w *world) { w.beat("a", "i", 5); w.beat("a", "i", 4) }, "[a:5]"},
		{"a new instance counts anew", func(w *world) { w.beat("a", "i", 5); w.beat("a", "j", 1) }, "[a:1]"},
		{"an old instance is not heard any more", func(w *world) { w.beat("a", "i", 5); w.beat("a", "j", 1); w.beat("a", "i", 6) }, "[a:1]"},
		{"a leaving node is gone", func(w *world) { w.beat("a", "i", 1); w.leave("a", "i", 2) }, "[]"},
		{"a late beat does not bring it back", func(w *world) { w.leave("a", "i", 2); w.beat("a", "i", 3) }, "[]"},
		{"its next instance does", func(w *world) { w.leave("a", "i", 2); w.beat("a", "j", 1) }, "[a:1]"},
		{"a silent node is still listed", func(w *world) { w.beat("a", "i", 1); w.wait(forgetAfter) }, "[a:1]"},
		{"a node silent for long is not", func(w *world) { w.beat("a", "i", 1); w.wait(forgetAfter + 1) }, "[]"},
		{"a node that told only sessions is not", func(w *world) { w.tell("a", "i", 1, "x") }, "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tt.play(w)
			for _, when := range []string{"before", "after"} {
				got := []string{}
				for _, n := range w.list(w.now) {
					got = append(got, fmt.Sprintf("%s:%d", n.Node, n.Seq))
				}
				if fmt.Sprint(got) != tt.want {
					t.Errorf("%s expire: got %v, want %s", when, got, tt.want)
				}
				w.expire(w.now)
			}
		})
	}
}

// TestAnOldNameIsForgotten renames a node and back: each time nothing is left of the name it had, though its session lives.
func TestAnOldNameIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld()
	names := []string{"n", "m", "n"}
	for i, name := range names {
		instance := fmt.Sprint("i", i)
		w.beat(name, instance, 1)
		w.tell(name, instance, 1, "a")
		w.expire(w.now)
		s, ok := w.session(w.now, "a")
		if list := w.list(w.now); !ok || s.Node != name || s.State != transporter.Running || len(list) != 1 || list[0].Node != name || list[0].Sessions != 1 || len(w.nodes) != 1 {
			t.Errorf("as %s, the %d. time: %d nodes, listed %+v, session %+v", name, i, len(w.nodes), list, s)
		}
		w.leave(name, instance, 2)
	}
}

func TestExpireForgetsNodesWithoutSessions(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.beat("a", "i", 1)
	w.tell("b", "i", 1, "x")
	w.leave("c", "i", 1)
	w.wait(forgetAfter + 1)
	w.expire(w.now)
	if len(w.nodes) != 1 || w.nodes["b"] == nil {
		t.Errorf("kept %v", w.nodes)
	}
}

func orderFor(id, user string) ticket.Order { return ticket.Order{Session: id, User: user} }

// A start is seen exactly once from its order on, and what its node tells holds.
func TestStartsAreSeenOnce(t *testing.T) {
	t.Parallel()
	running := transporter.Session{ID: "a", Node: "n", User: "ann", State: transporter.Running}
	steps := []struct {
		name string
		do   func(*world)
		want string
		load int
	}{
		{"ordered", func(w *world) { w.reserve(w.now, orderFor("a", "ann"), "n", "me") }, "a=pending", 1},
		{"news overtakes the answer", func(w *world) { w.news("n", "i", 2, "a=starting") }, "a=starting", 1},
		{"answered", func(w *world) { w.started(w.now, running, "me") }, "a=starting", 1},
		{"running", func(w *world) { w.news("n", "i", 3, "a") }, "a", 1},
		{"forgotten", func(w *world) { w.gone("n", "i", 4, "a") }, "", 0},
		{"a list without it", func(w *world) { w.tell("n", "i", 5) }, "", 0},
		{"later", func(w *world) { w.wait(interval); w.beat("n", "i", 2); w.expire(w.now) }, "", 0},
	}
	w := newWorld()
	w.beat("n", "i", 1)
	w.tell("n", "i", 1)
	for _, s := range steps {
		s.do(w)
		if got, load := w.seen(), w.load(w.nodes["n"]); got != s.want || load != s.load {
			t.Fatalf("%s: sees %q, load %d; want %q, %d", s.name, got, load, s.want, s.load)
		}
	}
	if len(w.starts) != 0 {
		t.Errorf("%d starts are left over", len(w.starts))
	}
}

func TestStartsThatAreNeverToldExpire(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.reserve(w.now, orderFor("a", "ann"), "n", "me")
	w.started(w.now, transporter.Session{ID: "b", Node: "n", State: transporter.Running}, "me")
	w.wait(tellAfter)
	w.expire(w.now)
	if got := w.seen(); got != "a=pending b" {
		t.Errorf("too early: %q", got)
	}
	w.wait(1)
	w.expire(w.now)
	if got := w.seen(); got != "a=pending" {
		t.Errorf("the started one: %q", got)
	}
	w.wait(reserveLimit)
	w.expire(w.now)
	if got := w.seen(); got != "" {
		t.Errorf("the reserved one: %q", got)
	}
}

func TestReservationsOfOtherManagers(t *testing.T) {
	t.Parallel()
	theirs := transporter.Reservation{Manager: "other", Session: transporter.Session{ID: "a", Node: "n", User: "ann", State: transporter.Pending}}
	over := theirs
	over.Released = true
	w := newWorld()
	w.beat("n", "i", 1)
	w.hearReservation(w.now, theirs)
	if w.load(w.nodes["n"]) != 1 || w.seen() != "a=pending" {
		t.Error("another manager's start does not count")
	}
	w.hearReservation(w.now, over)
	if w.load(w.nodes["n"]) != 0 {
		t.Error("it counts after its end")
	}
	w.reserve(w.now, orderFor("a", "ann"), "m", "me")
	w.hearReservation(w.now, theirs)
	w.hearReservation(w.now, over)
	if s, _ := w.session(w.now, "a"); s.Node != "m" {
		t.Errorf("our own reservation was taken away: %+v", s)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.tell("n", "i", 1, "1", "2=ended", "3=unknown") // ann's
	w.hearNews(w.now, transporter.SessionNews{Node: "n", Instance: "i", Seq: 2, Session: transporter.Session{ID: "4", Node: "n", User: "bob", State: transporter.Running}})
	w.reserve(w.now, orderFor("5", "ann"), "n", "me")
	tests := []struct {
		name  string
		order ticket.Order
		want  string
	}{
		{"none", ticket.Order{Session: "x", User: "ann"}, ""},
		{"per user, not reached", ticket.Order{Session: "x", User: "ann", PerUser: 4}, ""},
		{"per user, ended ones do not count, unknown and pending ones do", ticket.Order{Session: "x", User: "ann", PerUser: 3},
			"limit: you have 3 sessions and the limit is 3 (sessions_per_user in performance/default.ini)"},
		{"of another user", ticket.Order{Session: "x", User: "bob", PerUser: 1, Profile: "small"},
			"limit: you have 1 session and the limit is 1 (sessions_per_user in performance/small.ini)"},
		{"in total", ticket.Order{Session: "x", User: "eve", PerUser: 1, Total: 4},
			"limit: the cluster has 4 sessions and the limit is 4 (sessions_total in performance/default.ini)"},
		{"in total, not reached", ticket.Order{Session: "x", User: "eve", Total: 5}, ""},
		{"the session itself does not count", ticket.Order{Session: "5", User: "ann", PerUser: 3, Total: 4}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := w.check(w.now, tt.order); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestAnswersCountAheadOfTheirNews(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.tell("n", "i", 1, "a", "b=ended")
	w.amend(transporter.Session{ID: "a", Node: "n", State: transporter.Ended}, false)
	w.amend(transporter.Session{ID: "b", Node: "n", State: transporter.Ended}, true)
	w.amend(transporter.Session{ID: "c", Node: "gone", State: transporter.Ended}, true)
	if got := w.seen(); got != "a=ended" {
		t.Errorf("got %q", got)
	}
	w.tell("n", "i", 2, "a")
	if got := w.seen(); got != "a" {
		t.Errorf("what is told later does not hold: %q", got)
	}
}

func TestSessionsOfOneUserAreSorted(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.tell("n", "i", 1, "c", "a")
	w.reserve(w.now, orderFor("b", "ann"), "n", "me")
	w.reserve(w.now, orderFor("d", "bob"), "n", "me")
	var ids []string
	for _, s := range w.sessions(w.now, "ann") {
		ids = append(ids, s.ID)
	}
	if !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("got %v", ids)
	}
}
