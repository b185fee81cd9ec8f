package webserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// tooLong is when a test gives up waiting for something that has to happen.
const tooLong = 20 * time.Second

// world is a running webserver with the fake components around it.
type world struct {
	t    testing.TB
	ws   *Webserver
	fake *fake
	log  *logBuffer
	dirs spec.Dirs
	urls chan string
	url  string
	conf spec.Config
	set  fileset.Set // the files that the configuration was read from
	stop func()      // ends Run and waits for it
}

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

var noVNC = fstest.MapFS{
	"core/rfb.js":     {Data: []byte("export default class {}")},
	"core/websock.js": {Data: []byte("attach(rawChannel) {}")},
	"core/input/x.js": {Data: []byte("1")},
	"vnc.html":        {Data: []byte("<p>theirs</p>")},
	"package.json":    {Data: []byte("{}")},
}

// setup is what a test may change before its world begins.
type setup struct {
	Options
	limits limits
	conf   *spec.Config
	set    fileset.Set
}

// impatient makes the webserver drop silent clients soon.
func impatient(s *setup) { s.limits.first, s.limits.header = 50*time.Millisecond, 50*time.Millisecond }

// lively makes heartbeats frequent.
func lively(s *setup) { s.limits.heartbeat = 20 * time.Millisecond }

// newWorld starts one; change may be nil.
func newWorld(t testing.TB, change func(*setup)) *world {
	t.Helper()
	w := prepareWorld(t, change)
	w.commit()
	w.run()
	return w
}

// prepareWorld makes one that does not listen yet.
func prepareWorld(t testing.TB, change func(*setup)) *world {
	t.Helper()
	w := &world{t: t, log: &logBuffer{}, urls: make(chan string, 16)}
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	hub, err := transporter.NewHub(logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	w.fake = newFake(t, hub, logger)
	conn, err := transporter.Open(t.Context(), transporter.Options{Role: spec.Webserver, Node: thisNode, Hub: hub, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	w.dirs = shortDirs(t)
	w.conf = spec.Config{Env: spec.Env{NodeName: thisNode, Listen: "127.0.0.1:0"}, HTTPS: spec.HTTPS{Enabled: true}}
	s := &setup{limits: usual, conf: &w.conf, Options: Options{
		Conn: conn, Dirs: w.dirs, Version: "1.2.3", Log: logger, NoVNC: noVNC,
		Announce: func(url string) { w.urls <- url },
		Ready:    func() (bool, []string) { return true, nil },
	}}
	if change != nil {
		change(s)
	}
	w.set = s.set
	if w.ws, err = newWebserver(s.Options.withDefaults(), s.limits); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.ws.close)
	return w
}

// shortDirs makes the directories; a socket's path has to be short.
func shortDirs(t testing.TB) spec.Dirs {
	t.Helper()
	root, err := os.MkdirTemp("", "fxw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	d := spec.Dirs{
		Config: filepath.Join(root, "c"), Var: filepath.Join(root, "v"), Local: filepath.Join(root, "l"),
		Temp: filepath.Join(root, "t"), Run: filepath.Join(root, "r"),
	}
	for _, dir := range []string{d.Config, d.Var, d.Local, d.Temp, d.Run} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// prepare offers the world's configuration as a generation.
func (w *world) prepare() (interface {
	Commit()
	Abort()
}, error) {
	conf := w.conf
	return w.ws.Prepare(context.Background(), &generation.Generation{Config: &conf, Set: w.set})
}

func (w *world) commit() {
	w.t.Helper()
	change, err := w.prepare()
	if err != nil {
		w.t.Fatal(err)
	}
	change.Commit()
}

// run starts Run and waits for the URL.
func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.ws.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				w.t.Errorf("Run: %v", err)
			}
		case <-time.After(tooLong):
			w.t.Error("Run does not end")
		}
	})
	w.t.Cleanup(w.stop)
	w.awaitURL()
}

func (w *world) awaitURL() string {
	w.t.Helper()
	select {
	case w.url = <-w.urls:
	case <-time.After(tooLong):
		w.t.Fatal("no URL was announced")
	}
	return w.url
}

func (w *world) addr() string {
	addr, _, _ := strings.Cut(w.url[strings.Index(w.url, "://")+3:], "/")
	return addr
}

// origin is the URL without the base path.
func (w *world) origin() string { return strings.TrimSuffix(w.url, w.ws.base()) }

// outside makes a GET of a path that need not be below the base path.
func (w *world) outside(path string, options ...option) answer {
	w.t.Helper()
	return (&world{t: w.t, url: w.origin()}).do("GET", path, nil, options...)
}

// client is a browser without cookies that follows nothing.
func client(t testing.TB) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: tooLong,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body string
}

// code is the error's code in an answer.
func (a answer) code(t testing.TB) string {
	t.Helper()
	var e struct {
		Error struct{ Code, Message, Detail *string }
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error.Code == nil || e.Error.Message == nil || e.Error.Detail == nil {
		t.Fatalf("%d is no error of the API: %s", a.StatusCode, a.body)
	}
	return *e.Error.Code
}

// option changes a request before it is sent.
type option func(*http.Request)

func bearer(token string) option { return header("Authorization", "Bearer "+token) }

func header(key, value string) option {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

func cookie(name, value string) option {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) }
}

// do makes a request; a body that is not a string is sent as JSON.
func (w *world) do(method, path string, body any, options ...option) answer {
	w.t.Helper()
	var in io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
		kind = ""
	case string:
		in = strings.NewReader(b)
	case []byte:
		in = bytes.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequest(method, w.url+path, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for _, o := range options {
		o(r)
	}
	resp, err := client(w.t).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{resp, string(data)}
}

// want fails unless the answer has the status.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	return a
}

func into[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// login signs in and returns the token.
func (w *world) login(user string) string {
	w.t.Helper()
	a := w.do("POST", "/api/v1/login", map[string]string{"username": user, "password": password}).want(w.t, 200)
	return into[struct {
		Token, User string
		Expires     time.Time
	}](w.t, a).Token
}

// dial opens a display.
func (w *world) dial(id, query string, options ...option) (*websocket.Conn, *http.Response, error) {
	r, _ := http.NewRequest("GET", w.url, nil)
	for _, o := range options {
		o(r)
	}
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, strings.Replace(w.url, "http", "ws", 1)+"/api/v1/sessions/"+id+"/display"+query, &websocket.DialOptions{
		HTTPClient: client(w.t), HTTPHeader: r.Header, Subprotocols: []string{"binary"},
	})
	if err == nil {
		w.t.Cleanup(func() { ws.CloseNow() })
	}
	return ws, resp, err
}

// receive reads one message.
func receive(t testing.TB, ws *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	kind, data, err := ws.Read(ctx)
	if err != nil || kind != websocket.MessageBinary {
		t.Fatalf("read: %v %v", kind, err)
	}
	return string(data)
}

func echo(t testing.TB, ws *websocket.Conn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageBinary, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, ws); got != text {
		t.Fatalf("sent %q, got back %q", text, got)
	}
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(tooLong)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// tell publishes a session's news as its launcher would.
// say publishes a message as a launcher does.
func (w *world) say(m transporter.Message) {
	w.t.Helper()
	if err := transporter.Publish(w.fake.news, transporter.MessageSaid, m); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tell(s transporter.Session, gone bool) {
	w.t.Helper()
	if err := transporter.Publish(w.fake.news, transporter.SessionChanged, transporter.SessionNews{Node: thisNode, Session: s, Gone: gone}); err != nil {
		w.t.Fatal(err)
	}
}
