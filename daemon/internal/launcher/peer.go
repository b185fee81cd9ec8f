package launcher

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// peer is a supervisor's connection.
type peer struct {
	link *session.Link

	mu      sync.Mutex
	seq     uint64
	waiting map[uint64]chan answer // for viewers' descriptors; nil when the connection has ended
}

type answer struct {
	file *os.File
	err  error
}

var errGone = errors.New("the session's supervisor is not connected")

func newPeer(link *session.Link) *peer {
	return &peer{link: link, waiting: make(map[uint64]chan answer)}
}

// send gives an order. That it could not be sent shows in that the connection ends.
func (p *peer) send(o session.Order) { _ = p.link.Send(o, nil) }

// viewer asks for an RFB connection and waits for its descriptor.
func (p *peer) viewer(ctx context.Context) (*os.File, error) {
	seq, ch, err := p.ask()
	if err != nil {
		return nil, err
	}
	p.send(session.Order{Type: "viewer", Seq: seq})
	select {
	case a := <-ch:
		if a.err != nil {
			return nil, a.err
		}
		return a.file, nil
	case <-ctx.Done():
		p.forget(seq, ch)
		return nil, context.Cause(ctx)
	}
}

func (p *peer) ask() (uint64, chan answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		return 0, nil, errGone
	}
	p.seq++
	ch := make(chan answer, 1)
	p.waiting[p.seq] = ch
	return p.seq, ch, nil
}

// forget gives a wait up; an answer that came meanwhile is closed.
func (p *peer) forget(seq uint64, ch chan answer) {
	p.mu.Lock()
	delete(p.waiting, seq)
	p.mu.Unlock()
	select {
	case a := <-ch:
		if a.err == nil {
			a.file.Close()
		}
	default:
	}
}

// deliver hands the answer to an order for a viewer to who waits for it, if anyone still does.
func (p *peer) deliver(r session.Report, file *os.File) {
	a := answer{file: file}
	switch {
	case r.Error != "":
		a.err = errors.New(r.Error)
	case file == nil:
		a.err = errors.New("the supervisor sent no connection")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	ch := p.waiting[r.Seq]
	delete(p.waiting, r.Seq)
	if file != nil && (ch == nil || a.err != nil) {
		file.Close()
	}
	if ch != nil {
		ch <- a // holds one, and only here or in fail
	}
}

// fail ends all waits.
func (p *peer) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ch := range p.waiting {
		ch <- answer{err: errGone}
	}
	p.waiting = nil
}
