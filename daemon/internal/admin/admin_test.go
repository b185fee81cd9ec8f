package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Backend that answers with what it holds and remembers what it was asked.
type fake struct {
	status   Status
	report   ReloadReport
	nodes    []Node
	sessions []Session
	lines    []string
	past     History
	gen      GenerationFiles
	diff     []FileDiff
	rolled   RollbackReport
	said     Message
	err      error
	block    chan struct{} // when set, Reload waits for it or for its context

	mu    sync.Mutex
	asked []any
}

func (f *fake) note(a ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, a...)
	return f.err
}

func (f *fake) Status(context.Context) (Status, error) { return f.status, f.note("status") }

func (f *fake) Reload(ctx context.Context, origin string) (ReloadReport, error) {
	err := f.note("reload", origin)
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			_ = f.note("broken off")
			return ReloadReport{}, ctx.Err()
		}
	}
	return f.report, err
}

func (f *fake) History(_ context.Context, before, limit int) (History, error) {
	return f.past, f.note("history", before, limit)
}

func (f *fake) Generation(_ context.Context, n int) (GenerationFiles, error) {
	return f.gen, f.note("generation", n)
}

func (f *fake) Diff(_ context.Context, from, to int) ([]FileDiff, error) {
	return f.diff, f.note("diff", from, to)
}

func (f *fake) Rollback(_ context.Context, r RollbackRequest) (RollbackReport, error) {
	return f.rolled, f.note("rollback", r)
}

func (f *fake) As(user string) Cluster { return cluster{f, user} }

type cluster struct {
	*fake
	user string
}

func (c cluster) Nodes(context.Context) ([]Node, error) { return c.nodes, c.note(c.user, "nodes") }

func (c cluster) Sessions(_ context.Context, all bool) ([]Session, error) {
	return c.sessions, c.note(c.user, "sessions", all)
}

func (c cluster) Start(_ context.Context, r StartRequest) (Session, error) {
	return c.sessions[0], c.note(c.user, "start", r)
}

func (c cluster) Session(_ context.Context, id string) (Session, error) {
	return c.sessions[0], c.note(c.user, "session", id)
}

func (c cluster) Log(_ context.Context, id string) ([]string, error) {
	return c.lines, c.note(c.user, "log", id)
}

func (c cluster) Terminate(_ context.Context, id string) (Session, error) {
	return c.sessions[0], c.note(c.user, "terminate", id)
}

func (c cluster) Message(_ context.Context, id, text string) (Message, error) {
	return c.said, c.note(c.user, "message", id, text)
}

func (c cluster) Drain(_ context.Context, node string, drain bool) error {
	return c.note(c.user, "drain", node, drain)
}

// runDir makes a directory whose name leaves room for a socket's.
func runDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// serve starts a server over b as Start does and returns a client of it.
func serve(t *testing.T, b Backend) *Client {
	t.Helper()
	dir := runDir(t)
	s, err := Start(Options{RunDir: dir, Backend: b, Log: quiet(), LoginName: named("ada")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return client(t, dir)
}

func client(t *testing.T, dir string) *Client {
	c := NewClient(SocketPath(dir))
	t.Cleanup(c.Close)
	return c
}

func named(name string) func(uint32) (string, error) {
	return func(uint32) (string, error) { return name, nil }
}

var aSession = Session{
	ID: "00112233445566aa", Name: "work", User: "ada", Node: "n1", App: "xterm", Command: "xterm", Geometry: "800x600",
	State: "running", Created: time.Unix(1000, 0).UTC(), Started: time.Unix(1001, 0).UTC(), Clients: 2, Params: map[string]string{"k": "v"},
	Clipboard: "disabled", Warning: &Warning{At: time.Unix(1002, 0).UTC(), Text: "nobody is connected"},
}

func TestEveryCallCarriesItsValuesBothWays(t *testing.T) {
	t.Parallel()
	b := &fake{
		status:   Status{Version: "1", Node: "n1", PID: 7, URL: "https://n1:3300", Services: []string{"user"}, Waiting: []string{"a key"}, Config: ConfigStatus{Generation: 3, Problems: diag.List{{File: "fastx.env", Line: 2, Severity: diag.Error}}}},
		rolled:   RollbackReport{Generation: 3, Files: []FileDiff{{Name: "a"}}, KeptSecrets: []string{"b"}, Left: []string{}},
		report:   ReloadReport{Outcome: HeldBack, Generation: 4, Digest: "sha256:1", Problems: diag.List{{File: "apps/x.ini"}}},
		nodes:    []Node{{Node: "n1", Metadata: map[string]string{"gpu": "1"}, Load: Load{Cores: 2}, Sessions: 5, Age: 1.5}},
		sessions: []Session{aSession}, lines: []string{"one", "two"},
		past: History{Generations: []Generation{{Generation: 7, When: time.Unix(1000, 0).UTC(), Origin: "ann", Changed: []string{"fastx.env"}}}, More: true},
		gen:  GenerationFiles{Generation: Generation{Generation: 7, Changed: []string{}}, Files: []File{{"fastx.env", "A=1\n"}}},
		diff: []FileDiff{{"fastx.env", "changed", "-A=1\n+A=2\n"}}, said: Message{Text: "noon", From: "ada", At: time.Unix(1000, 0).UTC()},
	}
	nothing := func(err error) (any, error) { return nil, err }
	c, ctx, id := serve(t, b), t.Context(), aSession.ID
	start := StartRequest{Command: "xeyes", Geometry: "rootless", Name: "eyes", Params: map[string]string{"a": "b"}}
	tests := map[string]struct {
		call  func() (any, error)
		want  any
		asked []any
	}{
		"status": {func() (any, error) { return c.Status(ctx) }, b.status, []any{"status"}},
		"reload": {func() (any, error) { return c.Reload(ctx, ReloadRequest{Wait: true}) }, b.report, []any{"reload", ""}},
		"rollback": {func() (any, error) {
			return c.Rollback(ctx, RollbackRequest{Generation: 3, DryRun: true, KeepSecrets: true})
		}, b.rolled, []any{"rollback", RollbackRequest{3, true, true, "ada"}}},
		"origin":       {func() (any, error) { return c.Reload(ctx, ReloadRequest{Origin: "puppet", Wait: true}) }, b.report, []any{"reload", "puppet"}},
		"nodes":        {func() (any, error) { return c.Nodes(ctx) }, b.nodes, []any{"ada", "nodes"}},
		"sessions":     {func() (any, error) { return c.Sessions(ctx, false) }, b.sessions, []any{"ada", "sessions", false}},
		"all sessions": {func() (any, error) { return c.As("bob").Sessions(ctx, true) }, b.sessions, []any{"bob", "sessions", true}},
		"start":        {func() (any, error) { return c.As("bob").Start(ctx, start) }, aSession, []any{"bob", "start", start}},
		"session":      {func() (any, error) { return c.Session(ctx, id) }, aSession, []any{"ada", "session", id}},
		"log":          {func() (any, error) { return c.Log(ctx, id) }, b.lines, []any{"ada", "log", id}},
		"terminate":    {func() (any, error) { return c.Terminate(ctx, id) }, aSession, []any{"ada", "terminate", id}},
		"history":      {func() (any, error) { return c.History(ctx, 9, 2) }, b.past, []any{"history", 9, 2}},
		"generation":   {func() (any, error) { return c.Generation(ctx, 7) }, b.gen, []any{"generation", 7}},
		"diff":         {func() (any, error) { return c.Diff(ctx, 1, 7) }, b.diff, []any{"diff", 1, 7}},
		"message":      {func() (any, error) { return c.Message(ctx, id, "noon") }, b.said, []any{"ada", "message", id, "noon"}},
		"to everyone":  {func() (any, error) { return c.As("bob").Message(ctx, "", "noon") }, b.said, []any{"bob", "message", "", "noon"}},
		"drain":        {func() (any, error) { return nothing(c.Drain(ctx, "a/b", true)) }, nil, []any{"ada", "drain", "a/b", true}},
		"undrain":      {func() (any, error) { return nothing(c.Drain(ctx, "n1", false)) }, nil, []any{"ada", "drain", "n1", false}},
	}
	for name, tt := range tests {
		b.asked = nil
		got, err := tt.call()
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tt.want)
		}
		if !reflect.DeepEqual(b.asked, tt.asked) {
			t.Errorf("%s: the backend was asked %v, want %v", name, b.asked, tt.asked)
		}
	}
}

func TestAnEmptyListIsAListNotNull(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/nodes", "/v1/sessions", "/v1/sessions/x/log", "/v1/config/diff"} {
		resp, err := serve(t, &fake{}).do(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if !strings.Contains(string(body), ":[]}") {
			t.Errorf("%s answered %s", path, body)
		}
	}
}

func TestErrorsCrossWhole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want Error
		http int
	}{
		{&Error{Code: "invalid", Message: "m", Detail: "d"}, Error{Code: "invalid", Message: "m", Detail: "d"}, 400},
		{&Error{Code: "forbidden"}, Error{Code: "forbidden"}, 403},
		{&Error{Code: "not_found"}, Error{Code: "not_found"}, 404},
		{&Error{Code: "conflict"}, Error{Code: "conflict"}, 409},
		{&Error{Code: "limit"}, Error{Code: "limit"}, 429},
		{&Error{Code: "unavailable"}, Error{Code: "unavailable"}, 503},
		{errors.New("boom"), Error{Code: "internal", Message: "boom"}, 500},
	}
	for _, tt := range tests {
		c := serve(t, &fake{err: tt.err, sessions: []Session{aSession}})
		_, err := c.Session(t.Context(), "x")
		var got *Error
		if !errors.As(err, &got) || *got != tt.want {
			t.Errorf("%v arrived as %#v", tt.err, err)
		}
		if got := httpStatus(tt.want.Code); got != tt.http {
			t.Errorf("code %s has HTTP status %d, want %d", tt.want.Code, got, tt.http)
		}
	}
}

func TestWhatIsNoCallAndNoJSONIsSaidSo(t *testing.T) {
	t.Parallel()
	c := serve(t, &fake{})
	tests := map[string]struct {
		method, path string
		body         any
		code         string
	}{
		"unknown call":   {http.MethodGet, "/v2/status", nil, "not_found"},
		"wrong method":   {http.MethodDelete, "/v1/status", nil, "not_found"},
		"unknown field":  {http.MethodPost, "/v1/sessions", map[string]int{"appp": 1}, "invalid"},
		"no JSON":        {http.MethodPost, "/v1/reload", nil, "invalid"},
		"a giant":        {http.MethodPost, "/v1/sessions", StartRequest{Name: strings.Repeat("x", maxBody)}, "invalid"},
		"not an object ": {http.MethodPost, "/v1/sessions", "text", "invalid"},
		"no number":      {http.MethodGet, "/v1/config/x", nil, "invalid"},
		"a huge number":  {http.MethodGet, "/v1/config/diff?from=99999999999999999999&to=1", nil, "invalid"},
		"below nought":   {http.MethodGet, "/v1/config/history?before=-1", nil, "invalid"},
		"no text":        {http.MethodPost, "/v1/message", nil, "invalid"},
	}
	for name, tt := range tests {
		_, err := call[struct{}](t.Context(), c, tt.method, tt.path, tt.body)
		var e *Error
		if !errors.As(err, &e) || e.Code != tt.code || e.Message == "" {
			t.Errorf("%s: %#v, want code %s", name, err, tt.code)
		}
	}
}

func TestAReloadNobodyWaitsForGoesOn(t *testing.T) {
	t.Parallel()
	b := &fake{block: make(chan struct{})}
	c := serve(t, b)
	if _, err := c.Reload(t.Context(), ReloadRequest{}); err != nil {
		t.Fatal(err) // it would hang here if it waited
	}
	close(b.block)
}

func TestCloseBreaksOffAReloadAndRemovesTheSocket(t *testing.T) {
	t.Parallel()
	dir, b := runDir(t), &fake{block: make(chan struct{})}
	s, err := Start(Options{RunDir: dir, Backend: b, Log: quiet(), LoginName: named("ada")})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, dir)
	if _, err := c.Reload(t.Context(), ReloadRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []any{"reload", "", "broken off"}; !reflect.DeepEqual(b.asked, want) {
		t.Errorf("Close returned while the reload went on: %v", b.asked)
	}
	if _, err := os.Lstat(SocketPath(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	_, err = c.Status(t.Context())
	if _, ok := errors.AsType[*UnreachableError](err); !ok {
		t.Errorf("Status of a closed server: %v", err)
	}
}

func TestADeadlineIsTheCallersNotTheDaemonsFault(t *testing.T) {
	t.Parallel()
	b := &fake{block: make(chan struct{})}
	c := serve(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Reload(ctx, ReloadRequest{Wait: true}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ status, body, want string }{
		"no JSON":       {"200 OK", "hello", "read the answer of fastxd"},
		"no reason":     {"500 Internal Server Error", "{}", "no reason"},
		"not even JSON": {"502 Bad Gateway", "<html>", "no reason"},
		"hung up":       {"", "", "it stopped while it was asked"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := runDir(t)
			ln, err := net.Listen("unix", SocketPath(dir))
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 4096))
				if tt.status != "" {
					_, _ = io.WriteString(c, "HTTP/1.1 "+tt.status+"\r\nConnection: close\r\n\r\n"+tt.body)
				}
				_ = c.Close()
			}()
			if _, err := client(t, dir).Status(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestExitCodesTellTheOutcomesApart(t *testing.T) {
	t.Parallel()
	for o, want := range map[Outcome]int{Applied: 0, Rejected: 2, HeldBack: 3, Restart: 4, "": 1, "new": 1} {
		if got := o.ExitCode(); got != want {
			t.Errorf("%q exits %d, want %d", o, got, want)
		}
	}
}

// FuzzRequests: whatever is sent, the answer is JSON that says what was wrong.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/v1/sessions", `{"app":"xterm"}`)
	f.Add("POST", "/v1/reload", `{"wait":true}`)
	f.Add("GET", "/v1/sessions/..%2f", "")
	s := &Server{o: Options{Backend: &fake{sessions: []Session{aSession}}, Log: quiet(), LoginName: named("ada")}, ctx: context.Background()}
	h := s.routes()
	f.Fuzz(func(t *testing.T, method, path, body string) {
		req, err := http.NewRequest(method, "http://fastxd/", strings.NewReader(body))
		if err != nil {
			return // net/http would not read it
		}
		req.URL.Path = path
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, req)
		s.running.Wait()
		if w.header.Get("Location") == "" && method != http.MethodHead && !json.Valid(w.body) {
			t.Errorf("%s %q answered %q", method, path, w.body)
		}
	})
}

type recorder struct {
	header http.Header
	body   []byte
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { r.body = append(r.body, p...); return len(p), nil }
