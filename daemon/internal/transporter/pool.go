package transporter

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// Sizes of a pool.
const (
	handlersAtOnce = 256  // requests that one endpoint works on
	waitingAtOnce  = 1024 // requests that wait their turn; more are dropped, and asked again by their callers
	idleWorkers    = 4    // goroutines kept for the next request, with the stacks they have grown
)

// pool works on the requests of one subscription. The client puts them into the channel and
// a waiting worker takes them out, with nobody between: each hand-over costs a tenth of a round trip.
type pool struct {
	requests chan *nats.Msg // closed when no more will come
	handle   func(*nats.Msg)
	workers  sync.WaitGroup

	mu   sync.Mutex
	idle int // workers that wait, or are about to
	all  int
}

func newPool(handle func(*nats.Msg)) *pool {
	p := &pool{requests: make(chan *nats.Msg, waitingAtOnce), handle: handle}
	p.hire()
	return p
}

// hire adds a worker.
func (p *pool) hire() {
	p.idle++
	p.all++
	p.workers.Go(p.work)
}

// work handles one request after the other. As long as fewer than all may work, one more waits.
func (p *pool) work() {
	for m := range p.requests {
		p.busy()
		p.handle(m)
		if !p.free() {
			return
		}
	}
}

func (p *pool) busy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle--
	if p.idle == 0 && p.all < handlersAtOnce {
		p.hire()
	}
}

// free reports whether the worker is to wait for another request.
func (p *pool) free() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle >= idleWorkers {
		p.all--
		return false
	}
	p.idle++
	return true
}
