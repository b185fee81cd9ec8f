package watch

import (
	"slices"
	"time"
)

// The pauses after which files count as settled.
const (
	// renameQuiet tells a rename (one event) from the making of a file that is then written
	// (more events follow at once).
	renameQuiet = 2 * time.Millisecond
	// writeQuiet is how long nobody may have written in place.
	writeQuiet = 100 * time.Millisecond
	// writeLimit is how long a writer that never pauses can hold up a look.
	writeLimit = time.Second
)

// maxTouched is how many paths a look can be told of; beyond it every file is glanced at.
const maxTouched = 16

// settle decides when to look. It is pure: it is told what happened and when, and says
// when a look is due. The zero value has nothing to look at.
type settle struct {
	first time.Time // the first event since the last look
	due   time.Time // when to look; zero when there is nothing to see
	wrote bool      // somebody writes in place
	seen  string    // the digest of a look that is to be confirmed by this one
	doubt bool      // events are not all that this look is for

	touched []string // what events have named since the last look
}

// renamed hears that a name came, went or changed hands.
func (s *settle) renamed(now time.Time) {
	s.begin(now)
	s.seen = ""
	if !s.wrote {
		s.due = now.Add(renameQuiet)
	}
}

// written hears of a write in place.
func (s *settle) written(now time.Time) {
	s.begin(now)
	s.wrote = true
	s.due = earlier(now.Add(writeQuiet), s.first.Add(writeLimit))
}

// asked hears that somebody wants to know now.
func (s *settle) asked(now time.Time) {
	s.begin(now)
	s.doubt = true
	if !s.wrote {
		s.due = now
	}
}

// touch hears which path something has happened to.
func (s *settle) touch(path string) {
	if len(s.touched) <= maxTouched && !slices.Contains(s.touched, path) {
		s.touched = append(s.touched, path)
	}
}

// job is how to look: events tell which files have changed, and a rescan is there because they may not.
func (s *settle) job() job {
	switch {
	case s.doubt || s.first.IsZero():
		return job{how: thorough}
	case len(s.touched) > maxTouched:
		return job{how: glancing}
	}
	return job{touching, s.touched}
}

// hasty reports whether a look that found this digest came too early to be believed: what
// only a rescan noticed may be half-written by somebody whose events we do not
// get, so two looks have to agree, unless that somebody never stops.
func (s *settle) hasty(now time.Time, digest string) bool {
	rescan := s.first.IsZero()
	confirming := s.seen != ""
	switch {
	case rescan:
		return true
	case confirming:
		return s.seen != digest && now.Sub(s.first) < writeLimit
	default:
		return false
	}
}

// confirm asks for another look that agrees with this one; before is the state in which this one was made.
func (s *settle) confirm(now time.Time, digest string, before settle) {
	first := before.first
	if first.IsZero() {
		first = now
	}
	s.first, s.seen, s.doubt = first, digest, true
	if s.due.IsZero() {
		s.due = now.Add(writeQuiet)
	}
}

func (s *settle) begin(now time.Time) {
	if s.first.IsZero() {
		s.first = now
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
