package nudge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// share is what a node sees of the files, and what it says.
type share struct {
	mu    sync.Mutex
	now   string // what a look finds
	seen  string
	looks []time.Duration // when
	said  []string
	began time.Time
}

// node runs a Nudge on a share inside a synctest bubble.
func node(t *testing.T, s *share) *Nudge {
	t.Helper()
	s.began = time.Now()
	n := New(Options{
		Seen: func() string { s.mu.Lock(); defer s.mu.Unlock(); return s.seen },
		Look: func(context.Context) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.seen, s.looks = s.now, append(s.looks, time.Since(s.began))
		},
		Announce: func(d string) { s.said = append(s.said, d) },
	})
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go n.Run(ctx)
	return n
}

func (s *share) shows(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = digest(text)
}

// rest lets time go by until nothing more happens.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAnAnnouncementIsLookedForAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &share{now: digest("new"), seen: digest("old")}
		n := node(t, s)
		n.Heard(digest("new"))
		rest(time.Minute)
		if len(s.looks) != 1 || s.looks[0] > Spread || n.Looks() != 1 {
			t.Errorf("looked at %v", s.looks)
		}
		n.Heard(digest("new")) // every other node says so too
		n.Heard("sha256:short")
		n.Heard("")
		rest(time.Minute)
		if len(s.looks) != 1 {
			t.Errorf("looked again at %v", s.looks)
		}
		n.Accepted(digest("new"))
		if len(s.said) != 0 {
			t.Errorf("what was heard is announced: %v", s.said)
		}
	})
}

// TestAShareThatIsBehindIsLookedAtUntilItIsNot as an NFS client is that caches what it read.
func TestAShareThatIsBehindIsLookedAtUntilItIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &share{now: digest("old"), seen: digest("old")}
		n := node(t, s)
		n.Heard(digest("new"))
		rest(3 * time.Second)
		s.shows("new")
		rest(time.Hour)
		last := s.looks[len(s.looks)-1]
		if len(s.looks) < 4 || len(s.looks) > 9 || last > 8*time.Second || s.seen != digest("new") {
			t.Errorf("looked at %v", s.looks)
		}
		for i := range s.looks[2:] {
			if before, after := s.looks[i+1]-s.looks[i], s.looks[i+2]-s.looks[i+1]; after < before/2 {
				t.Errorf("the pauses do not grow: %v", s.looks)
			}
		}
	})
}

func TestWhatNobodyEverSeesIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &share{now: digest("old"), seen: digest("old")}
		n := node(t, s)
		n.Heard(digest("nowhere"))
		rest(24 * time.Hour)
		if last := s.looks[len(s.looks)-1]; len(s.looks) > 30 || last > Patience+longest+Every {
			t.Errorf("%d looks, the last after %v", len(s.looks), last)
		}
		s.shows("new")
		n.Heard(digest("new"))
		rest(time.Second)
		if s.seen != digest("new") {
			t.Error("the next announcement is not looked for at once")
		}
	})
}

// TestAStormOfAnnouncementsCausesFewLooks, be they of one change by many nodes, of many changes, or made up.
func TestAStormOfAnnouncementsCausesFewLooks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		announce func(s *share, n *Nudge, i int)
		most     int
	}{
		"one change by a thousand nodes": {func(s *share, n *Nudge, i int) { s.shows("new"); n.Heard(digest("new")) }, 1},
		"a thousand changes":             {func(s *share, n *Nudge, i int) { s.shows(string(rune(i))); n.Heard(digest(string(rune(i)))) }, Burst + 6},
		"a thousand lies":                {func(s *share, n *Nudge, i int) { n.Heard(digest(string(rune(i)))) }, Burst + 6},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &share{now: digest("old"), seen: digest("old")}
				n := node(t, s)
				for i := range 1000 { // in ten seconds
					test.announce(s, n, i+1)
					time.Sleep(10 * time.Millisecond)
				}
				s.mu.Lock()
				looks := len(s.looks)
				s.mu.Unlock()
				if looks == 0 || looks > test.most {
					t.Errorf("%d looks, at most %d are allowed", looks, test.most)
				}
			})
		})
	}
}

func TestWhatIsAcceptedIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	s := &share{seen: digest("a")}
	n := New(Options{Seen: func() string { return s.seen }, Announce: func(d string) { s.said = append(s.said, d) }})
	n.Again() // nothing was accepted yet
	n.Accepted("")
	n.Accepted(digest("a"))
	n.Accepted(digest("a"))
	n.Again()
	s.seen = digest("b") // read, and not accepted
	n.Again()
	if want := []string{digest("a"), digest("a")}; !slices.Equal(s.said, want) {
		t.Errorf("said %v", s.said)
	}
}
