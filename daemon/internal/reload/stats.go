package reload

import "time"

// Stats counts what the log has told of, one line each, since the process began.
type Stats struct {
	Accepted uint64        // generations
	Rejected uint64        // sets of files, each once however often it was looked at
	Success  time.Time     // when the files were last found to be what runs, or became it; zero = never
	Took     time.Duration // what the last set took to be judged and applied
}

// Stats may be called by anyone at any time.
func (l *Loop) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

func (l *Loop) count(f func(*Stats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.stats)
}
