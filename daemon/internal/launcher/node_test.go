package launcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// node is a launcher at work on folders of its own, and the rest of the cluster in a nutshell.
type node struct {
	t    testing.TB
	dirs spec.Dirs
	key  *ticket.Key
	env  spec.Env
	log  *logbook
	time clock

	hub    *transporter.Hub
	caller *transporter.Conn // of a webserver or manager
	conn   *transporter.Conn // the launcher's
	l      *Launcher
	stop   func()
}

// brisk is the pace of the tests: what has to happen happens at once, and what must
// not happen has plenty of time not to.
var brisk = pace{
	sweep: 5 * time.Millisecond, silence: 20 * time.Millisecond, obey: 100 * time.Millisecond,
	display: time.Minute, viewer: time.Minute, hello: time.Minute, adopt: time.Hour,
}

func newNode(t testing.TB) *node {
	t.Helper()
	base, err := os.MkdirTemp("", "fx") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, dirs: dirsIn(base), log: &logbook{}}
	for _, d := range []string{n.dirs.Local, n.dirs.Run, n.dirs.Temp} {
		must(t, os.MkdirAll(d, 0o700))
	}
	n.key, err = ticket.LoadOrCreateKey(filepath.Join(n.dirs.Local, ticket.KeyFile))
	must(t, err)
	must(t, ticket.InstallPublic(filepath.Join(n.dirs.Local, ticket.KeysDir), n.key))
	n.hub, err = transporter.NewHub(slog.New(slog.DiscardHandler))
	must(t, err)
	n.caller = n.open(spec.Webserver)
	t.Cleanup(func() {
		n.halt()
		n.caller.Close()
		n.hub.Close()
		os.RemoveAll(base) // every fake supervisor ends when its folder is gone
	})
	return n
}

func dirsIn(base string) spec.Dirs {
	return spec.Dirs{Local: filepath.Join(base, "local"), Run: filepath.Join(base, "run"), Temp: filepath.Join(base, "tmp")}
}

func (n *node) open(role spec.Component) *transporter.Conn {
	n.t.Helper()
	c, err := transporter.Open(context.Background(), transporter.Options{
		Role: role, Node: "n1", Hub: n.hub, Log: slog.New(slog.DiscardHandler),
	})
	must(n.t, err)
	return c
}

// build makes the launcher; change may alter it before it runs.
func (n *node) build(change ...func(*Launcher)) *Launcher {
	n.t.Helper()
	n.conn = n.open(spec.Launcher)
	o := options(n.conn, n.dirs, slog.New(n.log))
	o.Now = n.time.now
	l, err := New(o)
	must(n.t, err)
	l.pace = brisk
	c, err := l.Prepare(context.Background(), &generation.Generation{Config: &spec.Config{Env: n.env}})
	must(n.t, err)
	c.Commit()
	for _, f := range change {
		f(l)
	}
	return l
}

func options(conn *transporter.Conn, dirs spec.Dirs, log *slog.Logger) Options {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Options{
		Conn: conn, Dirs: dirs, Node: "n1", Instance: ticket.NewID(), Supervisor: self, Log: log,
		Account: session.Account{Name: "fastx", UID: os.Getuid(), GID: os.Getgid(), Home: dirs.Temp, Shell: "/bin/sh"},
	}
}

// start builds and runs the launcher and waits until it answers.
func (n *node) start(change ...func(*Launcher)) *node {
	n.t.Helper()
	n.l = n.build(change...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.l.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			n.t.Errorf("Run: %v", err)
		}
		n.conn.Close()
	})
	n.until("the launcher answers", func() bool {
		_, err := transporter.Call(n.t.Context(), n.caller, transporter.LauncherLog.On("n1"), transporter.TicketRequest{})
		return transporter.AsError(err).Code == transporter.Unauthorized
	})
	return n
}

func (n *node) halt() {
	if n.stop != nil {
		n.stop()
	}
}

// restart stops the launcher and starts another one on the same folders.
func (n *node) restart(change ...func(*Launcher)) {
	n.t.Helper()
	n.halt()
	n.start(change...)
}

func (n *node) until(what string, cond func() bool) {
	n.t.Helper()
	await(n.t, what, cond)
}

// await polls a condition. The time it gives is for a machine that is busy; no test relies on its length.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// clock goes with the machine's, ahead of it by what a test adds.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(by time.Duration) { c.ahead.Add(int64(by)) }

// now are claims that are good by the launcher's clock.
func (n *node) now(c ticket.Claims) ticket.Claims {
	ahead := n.time.ahead.Load() / int64(time.Second)
	c.IssuedAt, c.Expires = c.IssuedAt+ahead, c.Expires+ahead
	return c
}

// claims are good for a minute and for anything of the kind.
func claims(kind ticket.Kind, id string) ticket.Claims {
	now := time.Now()
	return ticket.Claims{
		Kind: kind, Subject: "alice", Session: id, Node: "n1", ID: ticket.NewID(),
		IssuedAt: now.Unix(), Expires: now.Add(time.Minute).Unix(),
	}
}

func order(command string) *ticket.Order {
	return &ticket.Order{
		Session: ticket.NewID(), User: "alice", Name: "My app", App: "xterm", Command: command, Geometry: "800x600",
		Params: map[string]string{"a": "b"},
	}
}

func (n *node) sign(c ticket.Claims) string {
	n.t.Helper()
	s, err := n.key.Sign(c)
	must(n.t, err)
	return s
}

func (n *node) startTicket(o *ticket.Order) string {
	c := claims(ticket.Start, o.Session)
	c.Order = o
	return n.sign(c)
}

func (n *node) call(e transporter.Endpoint[transporter.TicketRequest, transporter.Session], token string) (transporter.Session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return transporter.Call(ctx, n.caller, e.On("n1"), transporter.TicketRequest{Ticket: token})
}

// begin starts a session and does not wait for it to run.
func (n *node) begin(command string) transporter.Session {
	n.t.Helper()
	s, err := n.call(transporter.LauncherStart, n.startTicket(order(command)))
	must(n.t, err)
	return s
}

// run starts a session and waits until it runs.
func (n *node) run(command string) transporter.Session {
	n.t.Helper()
	return n.becomes(n.begin(command).ID, transporter.Running)
}

func (n *node) terminate(id string) (transporter.Session, error) {
	return n.call(transporter.LauncherTerminate, n.sign(claims(ticket.Terminate, id)))
}

// becomes waits until the launcher says that a session is in the state.
func (n *node) becomes(id string, want transporter.State) transporter.Session {
	n.t.Helper()
	var s transporter.Session
	n.until(fmt.Sprintf("session %s is %s", id, want), func() bool {
		var ok bool
		if s, ok = n.view(id); ok && s.State == transporter.Ended && want != transporter.Ended {
			n.t.Fatalf("session %s has ended: %s", id, s.Reason)
		}
		return ok && s.State == want
	})
	return s
}

// view is the session as the launcher sees it now.
func (n *node) view(id string) (transporter.Session, bool) {
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	e := n.l.sessions[id]
	if e == nil {
		return transporter.Session{}, false
	}
	return e.view("n1"), true
}

// supervisor is the process that runs a session.
func (n *node) supervisor(id string) session.Process {
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	return n.l.sessions[id].rec.Supervisor
}

// record is what the disk says of a session.
func (n *node) record(id string) session.Record {
	n.t.Helper()
	rec, err := session.ReadRecord(session.RecordPath(n.dirs.Local, id))
	must(n.t, err)
	return *rec
}

// files lists what lies in the sessions' folder.
func (n *node) files() []string {
	n.t.Helper()
	entries, err := os.ReadDir(filepath.Join(n.dirs.Local, "sessions"))
	must(n.t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// goOn lets the fakes that wait for it go on.
func (n *node) goOn() { must(n.t, os.WriteFile(filepath.Join(n.dirs.Temp, "go"), nil, 0o600)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code is an error's code, "" for none.
func code(err error) transporter.Code {
	var e *transporter.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return transporter.Code("not an Error: " + err.Error())
}

// logbook collects what is logged.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logbook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logbook) WithGroup(string) slog.Handler            { return b }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	return nil
}
