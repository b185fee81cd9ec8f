package reload

import (
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// Outcome says what became of a look at the files.
type Outcome string

// The outcomes. When the files hold nothing new, the outcome is Unchanged only
// if there is nothing left to be said of the generation that runs.
const (
	Applied       Outcome = "applied"        // the files are what runs now
	Unchanged     Outcome = "unchanged"      // the files are what ran before
	Rejected      Outcome = "rejected"       // the generation before runs on
	HeldBack      Outcome = "held-back"      // accepted, but single objects run as they last were good, or not at all
	RestartNeeded Outcome = "restart-needed" // accepted, but some keys wait for a restart of the daemon
)

// ExitCode is what fastxctl reload --wait exits with, and so what systemctl reload comes to.
func (o Outcome) ExitCode() int {
	switch o {
	case Applied, Unchanged:
		return 0
	case Rejected:
		return 2
	case HeldBack:
		return 3
	case RestartNeeded:
		return 4
	}
	return 1
}

// Report is what a reload came to.
type Report struct {
	Outcome    Outcome   `json:"outcome"`
	Generation int       `json:"generation"` // the one that runs now; 0 = none
	Digest     string    `json:"digest"`     // of the files that were looked at; "" when they could not be read
	Problems   diag.List `json:"problems"`
	HeldBack   []string  `json:"held_back,omitempty"` // files of the objects that are held back
	LeftOut    []string  `json:"left_out,omitempty"`  // those of them that do not run at all

	Unchanged bool      `json:"unchanged"` // the files hold nothing new: Keys are those of the last change
	Origin    string    `json:"origin"`    // who asked for the generation that runs
	Accepted  time.Time `json:"accepted"`  // and when it was accepted
	Keys      []Key     `json:"keys"`      // what became of each key
}
