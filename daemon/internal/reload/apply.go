package reload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// Applier takes a generation through services, all of them or none.
type Applier struct {
	Services []Service     // in the order in which they prepare and commit
	Timeout  time.Duration // for all that Prepare does together; 0 = DefaultTimeout
}

// DefaultTimeout is how long the services may take to get ready for a generation.
const DefaultTimeout = 30 * time.Second

// RefusedError says which service could not take a generation, and why.
type RefusedError struct {
	Service string
	Err     error
}

// Error prints "webserver: the port 3300 is taken".
func (e *RefusedError) Error() string { return e.Service + ": " + e.Err.Error() }

// Unwrap returns the service's own error.
func (e *RefusedError) Unwrap() error { return e.Err }

// Diagnostic tells an administrator.
func (e *RefusedError) Diagnostic() diag.Diagnostic {
	return diag.Diagnostic{
		Severity: diag.Error, Code: "refused", Summary: fmt.Sprintf("the %s cannot take this configuration: %v", e.Service, e.Err),
		Remedy: "mend what it says, then run fastxctl reload --wait",
	}
}

// prepared is one service's step.
type prepared struct {
	service Service
	change  Change
}

// Apply prepares all services in order, then commits all in order. When one
// cannot prepare, those that could are aborted in reverse and the error is a
// *RefusedError. It returns the names of the services that had anything to do.
//
// A service that does not return in time is left to itself: what it still
// prepares is aborted when it comes.
func (a Applier) Apply(ctx context.Context, gen *generation.Generation) ([]string, error) {
	timeout := a.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var done []prepared
	for _, s := range a.Services {
		change, err := prepare(ctx, s, gen)
		if err != nil {
			for _, p := range slices.Backward(done) {
				p.change.Abort()
			}
			return nil, &RefusedError{s.Name(), err}
		}
		done = append(done, prepared{s, change})
	}
	var changed []string
	for _, p := range done {
		p.change.Commit()
		if !idle(p.change) {
			changed = append(changed, p.service.Name())
		}
	}
	return changed, nil
}

// prepare runs Prepare and waits for it no longer than ctx.
func prepare(ctx context.Context, s Service, gen *generation.Generation) (Change, error) {
	if ctx.Err() != nil {
		return nil, late(ctx)
	}
	type answer struct {
		change Change
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		change, err := s.Prepare(ctx, gen)
		answers <- answer{orNothing(change), err}
	}()
	select {
	case a := <-answers:
		return a.change, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-answers: // it gave up because of ctx, and may say more about it
		return a.change, a.err
	case <-time.After(grace):
	}
	go func() {
		if a := <-answers; a.err == nil {
			a.change.Abort()
		}
	}()
	return nil, late(ctx)
}

// grace is how long a service may take to notice that its context has ended.
const grace = 100 * time.Millisecond

func late(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return errors.New("it did not get ready in time")
	}
	return context.Cause(ctx)
}

// orNothing lets a service that has nothing to do return nil.
func orNothing(c Change) Change {
	if c == nil {
		return Steps{}
	}
	return c
}

// idle reports whether a change is known to do nothing.
func idle(c Change) bool {
	s, ok := c.(Steps)
	return ok && s.OnCommit == nil
}
