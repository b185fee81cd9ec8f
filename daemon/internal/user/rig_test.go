package user

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// clock is a time that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// syncBuffer is a buffer that several goroutines may write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// rig is a user component that nobody runs yet, with its configuration.
type rig struct {
	*User
	t      *testing.T
	clock  *clock
	dirs   spec.Dirs
	said   *syncBuffer // the log
	trail  *audit.Log
	config spec.Config
}

// passwords of the users of a rig; dora is disabled.
var passwords = map[string]string{
	"lea": "lea's", "fred": "fred's", "otto": "otto's", "anna": "anna's", "sue": "sue's", "dora": "dora's",
}

var hashes = sync.OnceValue(func() map[string]string {
	out := make(map[string]string)
	for user, password := range passwords {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			panic(err)
		}
		out[user] = string(hash)
	}
	return out
})

func baseConfig() spec.Config {
	h := make(map[string]string)
	for user, hash := range hashes() {
		h[user] = hash
	}
	return spec.Config{
		Htpasswd: h,
		Permissions: spec.Permissions{Default: spec.Limited, Users: map[string]spec.Level{
			"fred": spec.Full, "otto": spec.Operator, "anna": spec.Admin, "sue": spec.Superadmin, "dora": spec.Disabled,
		}},
		Apps: []spec.App{
			{ID: "editor", Name: "Editor", Command: "gedit", Geometry: "rootless", Icon: "e.png"},
			{ID: "lab", Name: "Lab", Command: "lab", Groups: []string{"science", "staff"}},
			{ID: "xterm", Name: "Terminal", Command: "xterm", Geometry: "800x600", StartDBus: true},
		},
	}
}

type option func(*Options)

func with(a Authenticator) option { return func(o *Options) { o.Authenticator = a } }

func named(node string) option { return func(o *Options) { o.Node = node } }

func shares(dir string) option { return func(o *Options) { o.Dirs.Var = dir } }

func on(hub *transporter.Hub) option {
	return func(o *Options) {
		conn, err := transporter.Open(context.Background(), transporter.Options{
			Role: spec.User, Node: o.Node, Hub: hub, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			panic(err)
		}
		o.Conn = conn
	}
}

func newHub(t *testing.T) *transporter.Hub {
	t.Helper()
	hub, err := transporter.NewHub(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	return hub
}

// newBareRig has no configuration and, unless an option brings one, no connection.
func newBareRig(t *testing.T, options ...option) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{t: time.Unix(1_700_000_000, 0)}, said: new(syncBuffer), config: baseConfig()}
	o := Options{
		Dirs: spec.Dirs{Local: t.TempDir(), Var: t.TempDir()}, Node: "n1",
		Log: slog.New(slog.NewTextHandler(r.said, nil)), Now: r.clock.now,
	}
	for _, opt := range options {
		opt(&o)
	}
	if o.Conn != nil {
		t.Cleanup(o.Conn.Close)
	}
	var err error
	if o.Audit, err = audit.Open(audit.Options{Path: filepath.Join(o.Dirs.Local, audit.FileName), Log: o.Log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Audit.Close)
	r.dirs, r.trail = o.Dirs, o.Audit
	if r.User, err = New(o); err != nil {
		t.Fatal(err)
	}
	return r
}

func newRig(t *testing.T, options ...option) *rig {
	t.Helper()
	r := newBareRig(t, options...)
	r.reconfigure(func(*spec.Config) {})
	return r
}

// reconfigure makes a changed configuration live, as a reload does.
func (r *rig) reconfigure(change func(*spec.Config)) {
	r.t.Helper()
	change(&r.config)
	next := r.config
	step, err := r.Prepare(context.Background(), &generation.Generation{Config: &next})
	if err != nil {
		r.t.Fatal(err)
	}
	step.Commit()
}

// run serves until the test ends.
func (r *rig) run() {
	r.t.Helper()
	stop := r.start()
	r.t.Cleanup(stop)
}

// start serves until stop is called.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	until(r.t, "it serves", r.Ready)
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
}

// until waits for a condition that is bound to come true; the test's own limit ends it otherwise.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for !cond() {
		select {
		case <-t.Context().Done():
			t.Fatal("never: " + what)
		case <-time.After(time.Millisecond):
		}
	}
}

func (r *rig) try(user, password, address string) (transporter.LoginReply, error) {
	return r.login(context.Background(), transporter.LoginRequest{User: user, Password: password, Address: address})
}

// token logs a user in.
func (r *rig) token(user string) string {
	r.t.Helper()
	reply, err := r.try(user, passwords[user], "192.0.2.1")
	if err != nil {
		r.t.Fatal(err)
	}
	return reply.Token
}

func (r *rig) who(token string) (transporter.Identity, error) {
	return r.verify(context.Background(), transporter.VerifyRequest{Token: token})
}

func (r *rig) end(token string) {
	r.t.Helper()
	if _, err := r.logout(context.Background(), transporter.LogoutRequest{Token: token}); err != nil {
		r.t.Fatal(err)
	}
}

// audited closes the audit log and returns what it holds.
func (r *rig) audited() []audit.Event {
	r.t.Helper()
	r.trail.Close()
	data, err := os.ReadFile(filepath.Join(r.dirs.Local, audit.FileName))
	if err != nil {
		r.t.Fatal(err)
	}
	var out []audit.Event
	for line := range bytes.Lines(data) {
		var e audit.Event
		if err := json.Unmarshal(line, &e); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// code is the kind of an error that crosses the transporter; "" for none.
func code(err error) transporter.Code {
	e := new(transporter.Error)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	default:
		return transporter.Internal
	}
}

func wantError(t *testing.T, err error, want transporter.Code, words ...string) {
	t.Helper()
	if code(err) != want {
		t.Errorf("got %v, want the code %q", err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func ids(apps []transporter.App) string {
	var out []string
	for _, a := range apps {
		out = append(out, a.ID)
	}
	return strings.Join(out, " ")
}

// questions is an Authenticator that asks each user for a list of codes, one prompt after the other.
type questions struct {
	codes     []string
	groups    map[string][]string
	abandoned syncCounter
	err       error // what Login says instead
}

type syncCounter struct {
	mu sync.Mutex
	n  int
}

func (c *syncCounter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *syncCounter) get() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (q *questions) Login(_ context.Context, a Attempt) (Step, error) {
	if q.err != nil {
		return Step{}, q.err
	}
	if passwords[a.User] == "" || passwords[a.User] != a.Password {
		return Step{}, ErrWrong
	}
	return q.step(a.User, q.codes), nil
}

func (q *questions) step(user string, codes []string) Step {
	if len(codes) == 0 {
		return Step{User: user}
	}
	return Step{
		Prompts: []transporter.Prompt{{Text: "Code: "}, {Text: "Again: ", Echo: true}},
		Answer: func(_ context.Context, answers []string) (Step, error) {
			if !slices.Equal(answers, []string{codes[0], codes[0]}) {
				return Step{}, ErrWrong
			}
			return q.step(user, codes[1:]), nil
		},
		Abandon: q.abandoned.add,
	}
}

func (q *questions) Lookup(user string) ([]string, error) {
	if _, ok := passwords[user]; !ok {
		return nil, ErrGone
	}
	return q.groups[user], nil
}

func (r *rig) mint(c ticket.Claims) string {
	r.t.Helper()
	token, err := r.key.Sign(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}
