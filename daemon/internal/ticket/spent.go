package ticket

import (
	"maps"
	"sync"
	"time"
)

// sweepEvery is how often expired ids are dropped at most.
const sweepEvery = 10 * time.Second

// Spent remembers which one-time tickets were used. The zero value is ready to
// use. It holds an id no longer than the ticket would be good, give or take
// sweepEvery. It does not outlive the process: whoever needs that refuses
// tickets issued before the process started.
type Spent struct {
	mu    sync.Mutex
	until map[string]time.Time
	sweep time.Time
}

// Spend reports whether the ticket of this id, good until exp, is used for the
// first time. An expired one never is: its first use may have been forgotten.
func (s *Spent) Spend(id string, exp, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(exp) {
		return false
	}
	s.drop(now)
	if _, again := s.until[id]; again {
		return false
	}
	if s.until == nil {
		s.until = make(map[string]time.Time)
	}
	s.until[id] = exp
	return true
}

func (s *Spent) drop(now time.Time) {
	if now.Before(s.sweep) {
		return
	}
	s.sweep = now.Add(sweepEvery)
	maps.DeleteFunc(s.until, func(_ string, exp time.Time) bool { return !now.Before(exp) })
}
