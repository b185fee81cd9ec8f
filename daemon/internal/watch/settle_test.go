package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// at is a moment, given in milliseconds.
func at(ms int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, ms*1e6, time.UTC) }

func TestSettleSaysWhenToLook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		feed func(*settle)
		due  time.Time
	}{
		{"nothing happened", func(*settle) {}, time.Time{}},
		{"a rename is read at once", func(s *settle) { s.renamed(at(0)) }, at(2)},
		{"a write waits for quiet", func(s *settle) { s.written(at(0)) }, at(100)},
		{"each write waits anew", func(s *settle) { s.written(at(0)); s.written(at(80)) }, at(180)},
		{"a file that is made and then written is a write", func(s *settle) { s.renamed(at(0)); s.written(at(1)) }, at(101)},
		{"a rename beside a write waits with it", func(s *settle) { s.written(at(0)); s.renamed(at(50)) }, at(100)},
		{"a question is answered at once", func(s *settle) { s.asked(at(5)) }, at(5)},
		{"a question beside a write waits with it", func(s *settle) { s.written(at(0)); s.asked(at(5)) }, at(100)},
		{"a writer that never stops is cut short", func(s *settle) {
			for ms := 0; ms <= 990; ms += 10 {
				s.written(at(ms))
			}
		}, at(1000)},
	} {
		var s settle
		c.feed(&s)
		if !s.due.Equal(c.due) {
			t.Errorf("%s: due %v, want %v", c.name, s.due.Sub(at(0)), c.due.Sub(at(0)))
		}
	}
}

func TestSettleBelievesALook(t *testing.T) {
	t.Parallel()
	renamed, written := settle{}, settle{}
	renamed.renamed(at(0))
	written.written(at(0))
	var once, twice settle
	once.confirm(at(0), "a", settle{})
	twice.confirm(at(100), "b", once)
	for _, c := range []struct {
		name   string
		before settle
		now    time.Time
		digest string
		hasty  bool
	}{
		{"after a rename", renamed, at(2), "a", false},
		{"after a write has settled", written, at(100), "a", false},
		{"that only the clock asked for: not yet", settle{}, at(0), "a", true},
		{"that agrees with the one before", once, at(100), "a", false},
		{"that differs from the one before: not yet", once, at(100), "b", true},
		{"that differs for a second: enough", twice, at(1000), "c", false},
	} {
		if got := c.before.hasty(c.now, c.digest); got != c.hasty {
			t.Errorf("a look %s: hasty %t", c.name, got)
		}
	}
	if want := at(100); !once.due.Equal(want) {
		t.Errorf("the second look is due after %v", once.due.Sub(at(0)))
	}
	once.renamed(at(50))
	if once.hasty(at(52), "c") {
		t.Error("a rename is believed at once, also while a look waits to be confirmed")
	}
}

// TestOnlyEventsMakeALookThatTrustsWhatIsKnown lists what leads to a look, and how it is made.
func TestOnlyEventsMakeALookThatTrustsWhatIsKnown(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	renamed := func(s *settle, paths int) {
		s.renamed(now)
		for i := range paths {
			s.touch(fmt.Sprint(i))
			s.touch(fmt.Sprint(i)) // two events are one change
		}
	}
	for name, c := range map[string]struct {
		happens func(*settle)
		want    job
	}{
		"a rescan":                {func(*settle) {}, job{how: thorough}},
		"a rename":                {func(s *settle) { renamed(s, 2) }, job{touching, []string{"0", "1"}}},
		"a write in place":        {func(s *settle) { s.touch("a"); s.written(now) }, job{touching, []string{"a"}}},
		"very many renames":       {func(s *settle) { renamed(s, maxTouched+100) }, job{how: glancing}},
		"somebody asks":           {func(s *settle) { s.asked(now) }, job{how: thorough}},
		"a rename, and a request": {func(s *settle) { renamed(s, 1); s.asked(now) }, job{how: thorough}},
		"a look to be confirmed":  {func(s *settle) { s.confirm(now, "x", settle{}) }, job{how: thorough}},
	} {
		var s settle
		c.happens(&s)
		if got := s.job(); got.how != c.want.how || !slices.Equal(got.touched, c.want.touched) {
			t.Errorf("%s: job %v, want %v", name, got, c.want)
		}
	}
}
