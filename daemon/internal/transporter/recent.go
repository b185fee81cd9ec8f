package transporter

import (
	"sync"
	"time"
)

// How much an endpoint remembers of the requests it answered.
const (
	recentCount = 4096
	recentBytes = 4 << 20
	recentAge   = 2 * time.Minute
)

// recent remembers the requests an endpoint has seen, so that a repeated one gets
// the reply of the first instead of being carried out again.
type recent struct {
	now func() time.Time

	mu    sync.Mutex
	byID  map[string]*seen
	done  []*seen // of byID, those answered, oldest answer first
	bytes int     // of the replies in done
}

// seen is one request. Until it is answered, frame is nil and waiting holds those who asked.
type seen struct {
	id       string
	answered time.Time
	frame    []byte
	waiting  []answer
}

// answer sends a frame back to one asker.
type answer func(frame []byte)

func newRecent(now func() time.Time) *recent {
	return &recent{now: now, byID: map[string]*seen{}}
}

// begin reports whether the request is new and has to be carried out. If it is not,
// it has been answered, or will be together with the first.
func (r *recent) begin(id string, reply answer) bool {
	fresh, frame := r.look(id, reply)
	if frame != nil {
		reply(frame)
	}
	return fresh
}

func (r *recent) look(id string, reply answer) (fresh bool, frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trim()
	s := r.byID[id]
	if s == nil {
		r.byID[id] = &seen{id: id, waiting: []answer{reply}}
		return true, nil
	}
	if s.frame == nil {
		s.waiting = append(s.waiting, reply)
	}
	return false, s.frame
}

// finish answers everyone who asked and keeps the reply.
func (r *recent) finish(id string, frame []byte) {
	r.mu.Lock()
	s := r.byID[id]
	waiting := s.waiting
	s.answered, s.frame, s.waiting = r.now(), frame, nil
	r.done = append(r.done, s)
	r.bytes += len(frame)
	r.mu.Unlock()
	for _, reply := range waiting {
		reply(frame)
	}
}

// trim forgets what is too old or too much. A request that still runs is never forgotten.
func (r *recent) trim() {
	oldest := r.now().Add(-recentAge)
	for len(r.done) > 0 {
		s := r.done[0]
		if s.answered.After(oldest) && len(r.done) <= recentCount && r.bytes <= recentBytes {
			return
		}
		delete(r.byID, s.id)
		r.bytes -= len(s.frame)
		r.done[0], r.done = nil, r.done[1:]
	}
}
