package transporter

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ping and pong are endpoints of the tests' own.
type (
	ping struct {
		N    int    `json:"n"`
		Text string `json:"text,omitempty"`
	}
	pong ping
)

var (
	echo     = Endpoint[ping, pong]{Subject: "fx.v1.manager.echo", Queue: "manager", Once: true}
	look     = Endpoint[ping, pong]{Subject: "fx.v1.manager.look", Queue: "manager"}
	echoNode = Endpoint[ping, pong]{Subject: "fx.v1.launcher.echo"}
	tidings  = Event[ping]{Subject: "fx.v1.event.tidings"}
)

func newHub(t testing.TB) *Hub {
	t.Helper()
	h, err := NewHub(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// open connects a role to a hub.
func open(t testing.TB, h *Hub, role spec.Component) *Conn {
	t.Helper()
	return openWith(t, Options{Role: role, Node: "n1", Hub: h})
}

func openWith(t testing.TB, o Options) *Conn {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t testing.TB, c *Conn, e Endpoint[ping, pong], h func(context.Context, ping) (pong, error)) {
	t.Helper()
	if err := Serve(c, e, h); err != nil {
		t.Fatal(err)
	}
}

func echoBack(_ context.Context, p ping) (pong, error) { return pong(p), nil }

// raw is a bare NATS connection to a hub: another implementation, or another version.
func raw(t testing.TB, h *Hub) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(h))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// ask sends a frame as it is and returns the reply's.
func ask(t testing.TB, nc *nats.Conn, subject, frame string) string {
	t.Helper()
	m, err := nc.Request(subject, []byte(frame), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return string(m.Data)
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// wantCode checks the kind of an error that crossed the transporter.
func wantCode(t testing.TB, err error, code Code) *Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	e := AsError(err)
	if e.Code != code {
		t.Fatalf("error is %q, want code %s", err, code)
	}
	return e
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
