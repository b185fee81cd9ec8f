package supervise

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// How long the reporter waits before it dials again: it doubles from the first to the
// last, and up to as much again is added so that many supervisors do not come at once.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = time.Second / 2
	wasStable = time.Second // a connection that lasted this long starts the waits anew
)

// reporter tells the launcher what becomes of the session, and hears its orders. It
// lives through any number of launchers.
type reporter struct {
	id        string        // the session's
	socket    string        // the launcher's
	rfb       string        // the X server's
	terminate chan string   // the reason of the first order to end
	goodbye   chan struct{} // closed when the end was heard
	bye       sync.Once
	done      chan struct{} // closed by close

	mu   sync.Mutex
	last session.Report // as it is now
	link *session.Link  // nil while there is no launcher
}

func newReporter(rec *session.Record, unheld []string) *reporter {
	return &reporter{
		id: rec.ID, socket: rec.Socket, rfb: session.RFBSocket(rec.Dir),
		terminate: make(chan string, 1), goodbye: make(chan struct{}), done: make(chan struct{}),
		last: session.Report{ID: rec.ID, State: "starting", PID: os.Getpid(), Unheld: unheld},
	}
}

// running says that the display can be used.
func (r *reporter) running(display string, processes []session.Process) {
	r.change(func(last *session.Report) {
		last.State, last.Display, last.Processes, last.Started = "running", display, processes, time.Now()
	})
}

// started says which processes there are now.
func (r *reporter) started(processes []session.Process) {
	r.change(func(last *session.Report) { last.Processes = processes })
}

// inputStep is less than what two looks at the same input may differ by.
const inputStep = 100 * time.Millisecond

// input says when the keyboard or mouse was last used, if that is news.
func (r *reporter) input(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Sub(r.last.Input).Abs() < inputStep {
		return
	}
	r.last.Input = at
	if r.link != nil {
		r.link.Send(session.Report{Type: "input", ID: r.last.ID, Input: at}, nil)
	}
}

// ended says that the session is over.
func (r *reporter) ended(reason string) {
	r.change(func(last *session.Report) { last.State, last.Reason, last.Processes = "ended", reason, nil })
}

// change makes news of the last report. What cannot be sent now the next hello tells.
func (r *reporter) change(f func(*session.Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.last)
	if r.link != nil {
		news := r.last
		news.Type = "state"
		r.link.Send(news, nil)
	}
}

// close ends run and the connection.
func (r *reporter) close() {
	close(r.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != nil {
		r.link.Close()
	}
}

// run keeps a connection to whatever launcher there is, until close.
func (r *reporter) run() {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		dialled := time.Now()
		r.serve()
		if time.Since(dialled) > wasStable {
			wait = firstWait
		}
		select {
		case <-r.done:
			return
		case <-time.After(wait + rand.N(wait)):
		}
	}
}

// serve is one connection from hello to its end.
func (r *reporter) serve() {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.socket, Net: "unix"})
	if err != nil {
		return
	}
	link := session.NewLink(conn)
	defer link.Close()
	if r.hello(link) != nil {
		return
	}
	defer r.hangUp()
	for {
		var order session.Order
		fd, err := link.Receive(&order)
		if err != nil {
			return
		}
		if fd != nil { // no order comes with one
			fd.Close()
		}
		if r.obey(link, order) != nil {
			return
		}
	}
}

// hello tells how things are and lets change tell what becomes of them, with nothing in between.
func (r *reporter) hello(link *session.Link) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.done:
		return net.ErrClosed
	default:
	}
	hello := r.last
	hello.Type = "hello"
	if err := link.Send(hello, nil); err != nil {
		return err
	}
	r.link = link
	return nil
}

func (r *reporter) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link = nil
}

func (r *reporter) obey(link *session.Link, order session.Order) error {
	switch order.Type {
	case "viewer":
		go r.viewer(link, order.Seq) // it may have to wait, and other orders must not
	case "terminate":
		select {
		case r.terminate <- orElse(order.Reason, "ended on request"):
		default: // it is being ended already
		}
	case "goodbye":
		if r.state() == "ended" {
			r.bye.Do(func() { close(r.goodbye) })
		}
	}
	return nil
}

// viewer opens an RFB connection and hands it over. That it could not be sent shows in that the
// connection ends.
func (r *reporter) viewer(link *session.Link, seq uint64) {
	answer := session.Report{Type: "viewer", ID: r.id, Seq: seq}
	f, err := r.dialRFB()
	if err != nil {
		answer.Error = err.Error()
		_ = link.Send(answer, nil)
		return
	}
	defer f.Close()
	_ = link.Send(answer, f)
}

func (r *reporter) dialRFB() (*os.File, error) {
	switch r.state() {
	case "starting":
		return nil, errors.New("the session is still starting")
	case "ended":
		return nil, errors.New("the session has ended")
	}
	conn, err := dialPatiently(r.rfb)
	if err != nil {
		return nil, errors.New("the session's display does not answer: " + err.Error())
	}
	defer conn.Close()
	return conn.File()
}

// How long viewers wait for a place in the X server's queue, and how often they look.
const (
	queueLimit = 2 * time.Second
	queuePoll  = 5 * time.Millisecond
)

// dialPatiently connects to a Unix socket. The X server's queue is short, and when many viewers come
// in the same moment the kernel refuses those that find no place in it.
func dialPatiently(path string) (*net.UnixConn, error) {
	for end := time.Now().Add(queueLimit); ; {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(end) {
			return conn, err
		}
		<-time.After(queuePoll)
	}
}

func (r *reporter) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last.State
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
