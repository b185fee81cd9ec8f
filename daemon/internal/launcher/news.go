package launcher

import (
	"context"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// publish tells one session's news. Caller holds l.mu, so that news leaves in the order of its numbers.
func (l *Launcher) publish(e *entry, gone bool) {
	l.seq++
	news := transporter.SessionNews{
		Node: l.opts.Node, Instance: l.opts.Instance, Seq: l.seq, Session: e.view(l.opts.Node), Gone: gone,
	}
	l.outbox.put(func() error { return transporter.Publish(l.opts.Conn, transporter.SessionChanged, news) })
}

// publishList tells everything: what it says holds as of its number.
func (l *Launcher) publishList() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	seq, list := l.seq, make([]transporter.Session, 0, len(l.sessions))
	for _, e := range l.sorted() {
		list = append(list, e.view(l.opts.Node))
	}
	l.outbox.put(func() error {
		for _, part := range transporter.SplitSessions(l.opts.Node, l.opts.Instance, seq, list) {
			if err := transporter.Publish(l.opts.Conn, transporter.SessionList, part); err != nil {
				return err
			}
		}
		return nil
	})
}

// maxNews is how much news may wait for a transporter that does not take it.
const maxNews = 1024

// outbox keeps news in its order and apart from who makes it, so that a transporter that
// hangs holds up no session. What does not fit or cannot be sent is dropped: the
// next list says the same.
type outbox struct {
	mu    sync.Mutex
	queue []func() error
	ready chan struct{} // holds one when there may be something
}

func newOutbox() *outbox { return &outbox{ready: make(chan struct{}, 1)} }

func (o *outbox) put(send func() error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) < maxNews {
		o.queue = append(o.queue, send)
	}
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

func (o *outbox) take() []func() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue := o.queue
	o.queue = nil
	return queue
}

// run sends until ctx is done.
func (o *outbox) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.ready:
			for _, send := range o.take() {
				_ = send() // the transporter says itself that it is away
			}
		}
	}
}
