package daemon_test

import (
	"net"
	"sync"
	"testing"
)

// wire is a network between a browser and a node that can be cut, and mended.
type wire struct {
	ln net.Listener
	to string

	mu    sync.Mutex
	state wireState
	conns map[net.Conn]bool
	held  chan struct{} // closed when what was held goes on
}

type wireState int

const (
	whole wireState = iota
	severed
	stuck // connections stay, and carry nothing
)

func startWire(t *testing.T, to string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ln: ln, to: to, conns: map[net.Conn]bool{}, held: make(chan struct{})}
	t.Cleanup(func() {
		ln.Close()
		w.cut()
	})
	go w.accept()
	return w
}

func (w *wire) url() string { return "https://" + w.ln.Addr().String() }

func (w *wire) accept() {
	for {
		conn, err := w.ln.Accept()
		if err != nil {
			return
		}
		go w.carry(conn)
	}
}

func (w *wire) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	if w.state == severed {
		w.mu.Unlock()
		return
	}
	w.conns[near], w.conns[far] = true, true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, near)
		delete(w.conns, far)
	}()
	go func() {
		w.copy(near, far)
		near.Close()
		far.Close()
	}()
	w.copy(far, near)
}

func (w *wire) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		stuckNow, held := w.state == stuck, w.held
		w.mu.Unlock()
		if stuckNow {
			<-held
			return // what was on its way is lost
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut ends all connections and lets none come.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(severed)
	for c := range w.conns {
		c.Close()
	}
}

// hold lets all connections stay and carries nothing more on them.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(stuck)
}

// mend lets new connections through. Those that were held are over.
func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(whole)
}

// set changes the state; w.mu is held.
func (w *wire) set(s wireState) {
	if w.state == stuck {
		close(w.held)
		w.held = make(chan struct{})
	}
	w.state = s
}
