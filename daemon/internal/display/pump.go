package display

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// What a viewer costs and how long it may be silent.
const (
	// downSize is the most that one message to the viewer carries. A viewer that does
	// not read holds back this much and no more; the X server waits.
	downSize = 64 << 10
	// upSize holds many key and pointer events; longer messages go through in pieces.
	upSize = 4 << 10
	// readLimit is the longest message a viewer may send: a pasted text.
	readLimit = 1 << 20
	// pingEvery keeps proxies from closing a quiet connection.
	pingEvery = 20 * time.Second
	// patience is how long a viewer may take to answer a ping or to read one message.
	patience = 3 * pingEvery
)

var (
	downBuffers = sync.Pool{New: func() any { return new([downSize]byte) }}
	upBuffers   = sync.Pool{New: func() any { return new([upSize]byte) }}

	errSilent = errors.New("the viewer does not answer")
)

// Stats counts the bytes that went through a Pump.
type Stats struct {
	Down int64 // to the viewer
	Up   int64 // from the viewer
}

// Pump copies both ways between a viewer's WebSocket, opened without compression, and
// an RFB connection until one of them ends or ctx is done, and closes both.
//
// The viewer is told why: 1000 with the reason when the session or its launcher ended, 1001 when ctx is
// done, 1008 with the reason when it is refused, by a transporter.Error of ctx or an Over, and not to come
// again by itself, 1003 when it sent text, 1009 when it sent more than 1 MiB at once. The error is nil
// when the session ended or the viewer left in good order.
func Pump(ctx context.Context, ws *websocket.Conn, rfb net.Conn) (Stats, error) {
	p := &pump{ws: ws, rfb: rfb, every: pingEvery, patience: patience, over: make(chan struct{})}
	return p.run(ctx)
}

// pump is one Pump at work. The two copying loops use a context that is never done,
// because the WebSocket library arms and disarms a timer for every read and write
// under one that can be; finish ends them by closing the connections.
type pump struct {
	ws              *websocket.Conn
	rfb             net.Conn
	every, patience time.Duration

	stats  Stats
	writes atomic.Uint64 // odd while a message to the viewer is being written
	once   sync.Once
	over   chan struct{} // closed when the first reason to end is known
	err    error
}

func (p *pump) run(ctx context.Context) (Stats, error) {
	p.ws.SetReadLimit(readLimit)
	stop := context.AfterFunc(ctx, func() {
		code, reason := websocket.StatusGoingAway, "the server is stopping"
		if refused := new(transporter.Error); errors.As(context.Cause(ctx), &refused) {
			code, reason = websocket.StatusPolicyViolation, refused.Message
		}
		p.finish(code, reason, context.Cause(ctx))
	})
	var wg sync.WaitGroup
	wg.Go(p.up)
	wg.Go(p.watch)
	p.down()
	wg.Wait()
	if !stop() {
		<-p.over
	}
	return p.stats, p.err
}

// finish ends the pump for the first reason that comes; later ones are its consequences.
func (p *pump) finish(code websocket.StatusCode, reason string, err error) {
	p.once.Do(func() {
		p.err = err
		close(p.over)
		p.rfb.Close()
		if code == 0 {
			p.ws.CloseNow()
			return
		}
		p.ws.Close(code, clip(reason))
	})
}

// sessionOver ends the pump because the RFB connection did.
func (p *pump) sessionOver(err error) {
	over := &Over{}
	errors.As(err, &over)
	if over.Refused {
		p.finish(websocket.StatusPolicyViolation, over.Error(), over)
		return
	}
	p.finish(websocket.StatusNormalClosure, over.Error(), nil)
}

// viewerGone ends the pump because the WebSocket did.
func (p *pump) viewerGone(err error) {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		err = nil
	default:
		err = fmt.Errorf("the viewer's connection broke: %w", err)
	}
	p.finish(0, "", err)
}

// unsent ends the pump because a message could not be written. When the WebSocket was
// closed already, up knows the reason: it is the one that reads the viewer's last word.
func (p *pump) unsent(err error) {
	if errors.Is(err, net.ErrClosed) {
		<-p.over
		return
	}
	p.viewerGone(err)
}

// down copies to the viewer: what one read brings becomes one message.
func (p *pump) down() {
	buf := downBuffers.Get().(*[downSize]byte)
	defer downBuffers.Put(buf)
	for {
		n, err := p.rfb.Read(buf[:])
		if n > 0 {
			if err := p.send(buf[:n]); err != nil {
				p.unsent(err)
				return
			}
		}
		if err != nil {
			p.sessionOver(err)
			return
		}
	}
}

func (p *pump) send(b []byte) error {
	p.writes.Add(1)
	defer p.writes.Add(1)
	p.stats.Down += int64(len(b))
	return p.ws.Write(context.Background(), websocket.MessageBinary, b)
}

// up copies from the viewer.
func (p *pump) up() {
	buf := upBuffers.Get().(*[upSize]byte)
	defer upBuffers.Put(buf)
	for {
		kind, r, err := p.ws.Reader(context.Background())
		if err != nil {
			p.viewerGone(err)
			return
		}
		if kind != websocket.MessageBinary {
			p.finish(websocket.StatusUnsupportedData, "a display speaks binary messages only", errors.New("the viewer sent text"))
			return
		}
		if !p.message(r, buf[:]) {
			return
		}
	}
}

// message copies one message from the viewer and reports whether the pump goes on.
func (p *pump) message(r io.Reader, buf []byte) bool {
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := p.rfb.Write(buf[:n]); err != nil {
				p.sessionOver(err)
				return false
			}
			p.stats.Up += int64(n)
		}
		switch {
		case err == io.EOF:
			return true
		case err != nil:
			p.viewerGone(err)
			return false
		}
	}
}

// watch pings the viewer, and ends the pump when it neither answers nor reads. While a
// message is being written nothing is pinged: the ping could only wait behind it.
func (p *pump) watch() {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	var last uint64
	var since time.Time
	for {
		select {
		case <-p.over:
			return
		case now := <-tick.C:
			switch writes := p.writes.Load(); {
			case writes%2 == 0:
				p.ping()
			case writes != last:
				last, since = writes, now
			case now.Sub(since) >= p.patience:
				p.finish(0, "", errSilent)
			}
		}
	}
}

func (p *pump) ping() {
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	if err := p.ws.Ping(ctx); err != nil {
		p.finish(0, "", errSilent)
	}
}

// clip keeps a reason within what a WebSocket's close frame holds.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 123)], "")
}
