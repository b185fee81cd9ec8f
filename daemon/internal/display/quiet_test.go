package display_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
)

// proxyPatience is after how long without a word proxies close a connection, unless told otherwise.
const proxyPatience = 60 * time.Second

// pipeListener hands out one connection.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.conns) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// TestAQuietDisplayIsPingedInTime leaves a display alone for an hour of a clock of its own: there
// is never as long a silence as would make a proxy cut it.
func TestAQuietDisplayIsPingedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		listener := &pipeListener{conns: make(chan net.Conn, 1)}
		listener.conns <- ours
		rfb, xserver := net.Pipe()
		over := make(chan error, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, nil)
			if err == nil {
				_, err = display.Pump(context.Background(), ws, rfb)
			}
			over <- err
		})}
		go func() { _ = server.Serve(listener) }()
		defer server.Close()

		var longest time.Duration
		last := time.Now()
		heard := func(context.Context, []byte) bool {
			longest, last = max(longest, time.Since(last)), time.Now()
			return true
		}
		dial := func(context.Context, string, string) (net.Conn, error) { return theirs, nil }
		viewer, _, err := websocket.Dial(t.Context(), "ws://quiet/", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dial}}, OnPingReceived: heard,
		})
		if err != nil {
			t.Fatal(err)
		}
		go viewer.Read(context.Background())

		time.Sleep(time.Hour)
		synctest.Wait()
		if silence := max(longest, time.Since(last)); silence > proxyPatience/2 {
			t.Errorf("the display was silent for %s", silence)
		}
		xserver.Close()
		if err := <-over; err != nil {
			t.Errorf("the display broke: %v", err)
		}
		viewer.CloseNow()
	})
}
