// Package reload takes a generation through all services: Prepare all, then Commit all or Abort all.
package reload

import (
	"context"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// Service is a part of the node that a new generation concerns.
type Service interface {
	// Name is the component's name as the log and the error text say it.
	Name() string
	// Prepare makes ready for gen and changes nothing that others can see. An
	// error refuses the whole generation; it should be a sentence for an administrator.
	Prepare(ctx context.Context, gen *generation.Generation) (Change, error)
}

// Change is a prepared step. Exactly one of its two methods is called, once, and neither can fail.
type Change interface {
	Commit()
	Abort()
}

// Steps is a Change out of two functions; either may be nil.
type Steps struct{ OnCommit, OnAbort func() }

// Commit runs OnCommit.
func (s Steps) Commit() {
	if s.OnCommit != nil {
		s.OnCommit()
	}
}

// Abort runs OnAbort.
func (s Steps) Abort() {
	if s.OnAbort != nil {
		s.OnAbort()
	}
}
