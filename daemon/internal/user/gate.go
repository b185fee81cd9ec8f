package user

import (
	"context"
	"sync/atomic"
	"time"
)

// waitersPerSlot is how many may wait for each that is at work: about a second's worth.
const waitersPerSlot = 16

// gate bounds the work on passwords, so that a flood of logins cannot starve the node.
type gate struct {
	slots  chan struct{}
	inside atomic.Int64 // at work or waiting
	most   int64
}

func newGate(slots int) *gate {
	return &gate{slots: make(chan struct{}, slots), most: int64(slots * (1 + waitersPerSlot))}
}

// do runs f when it is its turn, and returns without it when too many wait already or ctx ends first.
func (g *gate) do(ctx context.Context, f func()) error {
	defer g.inside.Add(-1)
	if g.inside.Add(1) > g.most {
		return tooMany("too many people are logging in at this moment", 2*time.Second)
	}
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.slots }()
	f()
	return nil
}
