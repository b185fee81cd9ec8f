package display_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPumpCopiesBothWays(t *testing.T) {
	t.Parallel()
	p := startPump(t, usual)
	big := bytes.Repeat([]byte("0123456789abcdef"), 10<<16/16)
	go p.server.Write(big)
	var got []byte
	messages := 0
	for ; len(got) < len(big); messages++ {
		kind, b, err := p.viewer.Read(t.Context())
		if err != nil || kind != websocket.MessageBinary {
			t.Fatalf("after %d bytes: kind %v, %v", len(got), kind, err)
		}
		got = append(got, b...)
	}
	if !bytes.Equal(got, big) {
		t.Error("what came down is not what was sent")
	}
	if messages < len(big)/display.DownSize {
		t.Errorf("%d bytes came in %d messages; none may exceed %d", len(big), messages, display.DownSize)
	}
	for _, word := range []string{"key", "", strings.Repeat("paste", 20000)} {
		p.send(t, websocket.MessageBinary, word)
		if back := readN(t, p.server, len(word)); back != word {
			t.Errorf("%d bytes went up, %d other ones arrived", len(word), len(back))
		}
	}
	p.viewer.Close(websocket.StatusNormalClosure, "")
	r := p.result(t)
	if r.err != nil || r.stats.Down != int64(len(big)) || r.stats.Up != 3+100000 {
		t.Errorf("Pump returned %+v, %v", r.stats, r.err)
	}
	ends(t, p.server)
}

func TestPumpTellsTheViewerWhyItEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do     func(*testing.T, *pumping)
		code   websocket.StatusCode
		reason string
		failed bool
	}{
		"the session ended": {
			do:   func(_ *testing.T, p *pumping) { p.server.Close() },
			code: websocket.StatusNormalClosure, reason: "the session's display was closed",
		},
		"the server stops": {
			do:   func(_ *testing.T, p *pumping) { p.cancel() },
			code: websocket.StatusGoingAway, reason: "the server is stopping", failed: true,
		},
		"the viewer sent text": {
			do:   func(t *testing.T, p *pumping) { p.send(t, websocket.MessageText, "hello") },
			code: websocket.StatusUnsupportedData, reason: "a display speaks binary messages only", failed: true,
		},
		"the viewer sent too much at once": {
			do: func(t *testing.T, p *pumping) {
				go io.Copy(io.Discard, p.server)
				p.send(t, websocket.MessageBinary, strings.Repeat("x", 1<<20+1))
			},
			code: websocket.StatusMessageTooBig, reason: "read limited at", failed: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPump(t, usual)
			c.do(t, p)
			_, _, err := p.viewer.Read(t.Context())
			var ce websocket.CloseError
			if !errors.As(err, &ce) || ce.Code != c.code || !strings.Contains(ce.Reason, c.reason) {
				t.Errorf("the viewer was told %v, want %v %q", err, c.code, c.reason)
			}
			if r := p.result(t); (r.err != nil) != c.failed {
				t.Errorf("Pump returned %v", r.err)
			}
		})
	}
}

func TestPumpTellsTheLaunchersReason(t *testing.T) {
	t.Parallel()
	lobby, _ := openLobby(t)
	visit := lobby.Expect()
	_, delivery := bring(t, visit.Meet())
	viewer := wait(t, visit)
	p := startPumpOn(t, usual, viewer.RFB)
	reason := strings.Repeat("ä", 100) // 200 bytes: a close frame holds 123
	delivery.Close(reason)
	_, _, err := p.viewer.Read(t.Context())
	var ce websocket.CloseError
	if !errors.As(err, &ce) || ce.Reason != reason[:122] {
		t.Errorf("the viewer was told %v", err)
	}
	if r := p.result(t); r.err != nil {
		t.Errorf("Pump returned %v", r.err)
	}
}

// TestARefusedViewerIsTold refuses one that its launcher sends away, and one of a display whose size
// is limited that says what nobody can follow. What it said before has arrived.
func TestARefusedViewerIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do     func(*pumping, *display.Delivery)
		reason string
	}{
		"sent away": {func(_ *pumping, d *display.Delivery) { d.Refuse("idle_timeout = 30m: nobody was there") }, "idle_timeout = 30m: nobody was there"},
		"not followed": {func(p *pumping, _ *display.Delivery) { p.send(t, websocket.MessageBinary, "\x01") },
			"the screen is at most 800x600 (max_geometry), and the viewer cannot be kept to it: message type 1 is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lobby, _ := openLobby(t)
			visit := lobby.Expect()
			server, delivery := bringAtMost(t, visit.Meet(), image.Pt(800, 600))
			p := startPumpOn(t, usual, wait(t, visit).RFB)
			p.send(t, websocket.MessageBinary, "RFB 003.008\n\x01\x01")
			if got := readN(t, server, 14); got != "RFB 003.008\n\x01\x01" {
				t.Errorf("the display heard %q", got)
			}
			c.do(p, delivery)
			_, _, err := p.viewer.Read(t.Context())
			var ce websocket.CloseError
			if !errors.As(err, &ce) || ce.Code != websocket.StatusPolicyViolation || ce.Reason != c.reason {
				t.Errorf("the viewer was told %v", err)
			}
			if r := p.result(t); r.err == nil {
				t.Error("the pump says that all was well")
			}
		})
	}
}

// TestAViewerMayLeaveAtAnyTime leaves while a message is being written to it: which of
// the two copying loops is first to notice must not matter.
func TestAViewerMayLeaveAtAnyTime(t *testing.T) {
	t.Parallel()
	for range 50 {
		p := startPump(t, usual)
		go io.Copy(p.server, zeros{})
		if _, _, err := p.viewer.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.viewer.Close(websocket.StatusGoingAway, "")
		if r := p.result(t); r.err != nil {
			t.Fatalf("Pump returned %v", r.err)
		}
	}
}

func TestPumpNoticesAViewerThatVanishes(t *testing.T) {
	t.Parallel()
	p := startPump(t, usual)
	p.viewer.CloseNow()
	if r := p.result(t); r.err == nil {
		t.Error("Pump calls that a good end")
	}
	ends(t, p.server)
}

func TestPumpPingsAQuietViewer(t *testing.T) {
	t.Parallel()
	p := startPump(t, hasty)
	go p.viewer.Read(t.Context()) // answers pings
	for p.pings.Load() < 5 {
		select {
		case r := <-p.done:
			t.Fatalf("Pump ended: %v", r.err)
		case <-time.After(time.Millisecond):
		}
	}
	p.cancel()
	p.result(t)
}

func TestPumpEndsAViewerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p := startPump(t, hasty)
	p.mute.Store(true)
	go p.viewer.Read(t.Context())
	if r := p.result(t); r.err == nil || !strings.Contains(r.err.Error(), "does not answer") {
		t.Errorf("Pump returned %v", r.err)
	}
	ends(t, p.server)
}

// TestAViewerThatDoesNotReadBlocksItselfOnly fills the pipe to one viewer until it is
// thrown out, while another one is served all along.
func TestAViewerThatDoesNotReadBlocksItselfOnly(t *testing.T) {
	t.Parallel()
	stuck, well := startPump(t, hasty), startPump(t, usual)
	stopped := make(chan int64)
	go func() {
		n, _ := io.Copy(stuck.server, zeros{}) // ends when the pump has closed its end
		stopped <- n
	}()
	var n int64
	for served := 0; n == 0; served++ {
		io.WriteString(well.server, "frame")
		if _, b, err := well.viewer.Read(t.Context()); err != nil || string(b) != "frame" {
			t.Fatalf("the other viewer, served %d times, read %q, %v", served, b, err)
		}
		select {
		case n = <-stopped:
		default:
		}
	}
	r := stuck.result(t)
	if r.err == nil || !strings.Contains(r.err.Error(), "does not answer") {
		t.Errorf("Pump returned %v", r.err)
	}
	// What the X server got rid of lies in the buffers of two sockets, and one message in ours.
	if limit := int64(32 << 20); n > limit {
		t.Errorf("%d bytes were taken for a viewer that reads nothing", n)
	}
	well.viewer.Close(websocket.StatusNormalClosure, "")
	if r := well.result(t); r.err != nil {
		t.Errorf("the other Pump returned %v", r.err)
	}
}

func TestPumpUnderAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	server, file := pair(t)
	rfb, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	ws, viewer := sockets(t, false, nil)
	go viewer.Read(context.Background())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := display.Pump(ctx, ws, rfb); !errors.Is(err, context.Canceled) {
		t.Errorf("Pump returned %v", err)
	}
	ends(t, server)
}

// timing is how often a pump pings and how long it waits.
type timing struct{ every, patience time.Duration }

var (
	usual = timing{20 * time.Second, time.Minute}
	hasty = timing{2 * time.Millisecond, 100 * time.Millisecond}
)

// pumping is a Pump at work between an X server's end and a viewer's.
type pumping struct {
	server net.Conn
	viewer *websocket.Conn
	cancel context.CancelFunc
	done   chan pumped
	pings  atomic.Int64
	mute   atomic.Bool
}

type pumped struct {
	stats display.Stats
	err   error
}

func startPump(t testing.TB, at timing) *pumping {
	t.Helper()
	server, file := pair(t)
	rfb, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	p := startPumpOn(t, at, rfb)
	p.server = server
	return p
}

func startPumpOn(t testing.TB, at timing, rfb net.Conn) *pumping {
	t.Helper()
	p := &pumping{done: make(chan pumped, 1)}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	ws, viewer := sockets(t, false, func(context.Context, []byte) bool {
		p.pings.Add(1)
		return !p.mute.Load()
	})
	p.viewer = viewer
	go func() {
		stats, err := display.PumpAt(ctx, ws, rfb, at.every, at.patience)
		p.done <- pumped{stats, err}
	}()
	t.Cleanup(p.cancel)
	return p
}

func (p *pumping) send(t testing.TB, kind websocket.MessageType, s string) {
	t.Helper()
	if err := p.viewer.Write(context.Background(), kind, []byte(s)); err != nil {
		t.Logf("the viewer sends: %v", err)
	}
}

func (p *pumping) result(t testing.TB) pumped {
	t.Helper()
	select {
	case r := <-p.done:
		return r
	case <-time.After(time.Minute):
		t.Fatal("Pump does not return")
		return pumped{}
	}
}

// sockets is one WebSocket over loopback: the webserver's end and the viewer's.
func sockets(t testing.TB, tls bool, onPing func(context.Context, []byte) bool) (server, viewer *websocket.Conn) {
	t.Helper()
	accepted, over := make(chan *websocket.Conn, 1), make(chan struct{})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			t.Error(err)
		}
		accepted <- ws
		<-over
	}))
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	viewer, _, err := websocket.Dial(context.Background(), srv.URL, &websocket.DialOptions{
		HTTPClient: srv.Client(), CompressionMode: websocket.CompressionDisabled, OnPingReceived: onPing,
	})
	if err != nil {
		t.Fatal(err)
	}
	viewer.SetReadLimit(-1)
	t.Cleanup(func() {
		viewer.CloseNow()
		close(over)
		srv.Close()
	})
	return <-accepted, viewer
}

// zeros is an endless screen.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
