package webserver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestWhoMayCallWhat goes through every row of the API as a stranger, a user with the
// lowest rights, the owner of a session, and an administrator.
func TestWhoMayCallWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.rfb = plainScreen.serve
	s := w.fake.add(transporter.Session{User: "ann", Name: "mine"})
	tokens := []string{"", w.login("lim"), w.login("ann"), w.login("boss")}
	own := "/api/v1/sessions/" + s.ID
	// The login has tests of its own.
	tried := map[string]bool{"POST /api/v1/login": true}
	for _, c := range []struct {
		method, path string
		body         any
		status       [4]int // stranger, lim, ann (the owner), boss
	}{
		{"GET", "/api/v1/me", nil, [4]int{401, 200, 200, 200}},
		{"GET", "/api/v1/me/preferences", nil, [4]int{401, 200, 200, 200}},
		{"PUT", "/api/v1/me/preferences", transporter.Preferences{Favourites: []string{"xterm"}}, [4]int{401, 200, 200, 200}},
		{"GET", "/api/v1/apps", nil, [4]int{401, 200, 200, 200}},
		{"POST", "/api/v1/sessions", order{App: "xterm"}, [4]int{401, 201, 201, 201}},
		{"POST", "/api/v1/sessions", order{Command: "xclock"}, [4]int{401, 403, 201, 201}},
		{"GET", "/api/v1/sessions", nil, [4]int{401, 200, 200, 200}},
		{"GET", "/api/v1/sessions?all=1", nil, [4]int{401, 403, 403, 200}},
		{"GET", "/api/v1/sessions?all=0", nil, [4]int{401, 200, 200, 200}},
		{"GET", "/api/v1/events?all=1", nil, [4]int{401, 403, 403, 0}},
		{"GET", own, nil, [4]int{401, 404, 200, 200}},
		{"POST", own + "/ticket", nil, [4]int{401, 404, 200, 200}},
		{"GET", own + "/log", nil, [4]int{401, 404, 200, 200}},
		{"GET", own + "/thumbnail", nil, [4]int{401, 404, 200, 200}},
		{"GET", own + "/display", nil, [4]int{426, 426, 426, 426}},
		{"POST", own + "/message", text{"hello"}, [4]int{401, 404, 200, 200}},
		{"POST", "/api/v1/message", text{"hello"}, [4]int{401, 403, 403, 200}},
		{"GET", "/api/v1/nodes", nil, [4]int{401, 403, 403, 200}},
		{"POST", "/api/v1/nodes/" + thisNode + "/drain", nil, [4]int{401, 403, 403, 200}},
		{"DELETE", "/api/v1/nodes/" + thisNode + "/drain", nil, [4]int{401, 403, 403, 200}},
		{"GET", "/api/v1/config", nil, [4]int{401, 403, 403, 200}},
		{"GET", "/api/v1/nodes/" + thisNode + "/config/history", nil, [4]int{401, 403, 403, 200}},
		{"GET", "/api/v1/nodes/" + thisNode + "/config/generations/7", nil, [4]int{401, 403, 403, 404}},
		{"GET", "/api/v1/nodes/" + thisNode + "/config/diff?from=1&to=2", nil, [4]int{401, 403, 403, 200}},
		{"GET", "/api/v1/loglevel", nil, [4]int{401, 403, 403, 200}},
		{"PUT", "/api/v1/loglevel", map[string]any{"levels": map[string]string{"user": "warn"}}, [4]int{401, 403, 403, 200}},
		{"GET", "/api/v1/openapi.yaml", nil, [4]int{200, 200, 200, 200}},
		{"GET", "/healthz", nil, [4]int{200, 200, 200, 200}},
		{"GET", "/readyz", nil, [4]int{200, 200, 200, 200}},
		{"DELETE", own, nil, [4]int{401, 404, 200, 200}},
		{"POST", "/api/v1/logout", nil, [4]int{401, 200, 200, 200}},
	} {
		path, _, _ := strings.Cut(c.path, "?")
		tried[c.method+" "+strings.NewReplacer(s.ID, "{id}", thisNode, "{node}", "generations/7", "generations/{generation}").Replace(path)] = true
		for i, token := range tokens {
			if c.status[i] == 0 {
				continue // an endless stream; events have tests of their own
			}
			options := []option{}
			if token != "" {
				options = append(options, bearer(token))
			}
			a := w.do(c.method, c.path, c.body, options...)
			if a.StatusCode != c.status[i] {
				t.Errorf("%s %s as %d: status %d, want %d: %s", c.method, c.path, i, a.StatusCode, c.status[i], a.body)
			}
			if a.StatusCode >= 400 {
				a.code(t)
			}
		}
	}
	for _, r := range table {
		if !tried[r.method+" "+r.path] {
			t.Errorf("nobody tried %s %s", r.method, r.path)
		}
	}
}

func TestAStrangersSessionLooksLikeNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	theirs := w.fake.add(transporter.Session{User: "boss"})
	token := bearer(w.login("ann"))
	for _, c := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/ticket"}, {"GET", "/log"}} {
		real := w.do(c[0], "/api/v1/sessions/"+theirs.ID+c[1], nil, token).want(t, 404)
		none := w.do(c[0], "/api/v1/sessions/"+ticket.NewID()+c[1], nil, token).want(t, 404)
		odd := w.do(c[0], "/api/v1/sessions/no-id"+c[1], nil, token).want(t, 404)
		if real.body != none.body || real.body != odd.body {
			t.Errorf("%s %s tells: %q, %q, %q", c[0], c[1], real.body, none.body, odd.body)
		}
	}
}

func TestUnknownPathsAndMethodsAreJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, path := range []string{"/api/", "/api/v1/", "/api/v1/nothing", "/api/v2/me", "/api/v1/sessions/x/y/z"} {
		if code := w.do("GET", path, nil).want(t, 404).code(t); code != "not_found" {
			t.Errorf("%s: code %q", path, code)
		}
	}
	for path, allow := range map[string]string{
		"/api/v1/login": "POST", "/api/v1/me": "GET, HEAD", "/api/v1/sessions": "GET, HEAD, POST",
		"/api/v1/nodes/x/drain": "DELETE, POST", "/healthz": "GET, HEAD",
	} {
		a := w.do("PATCH", path, nil).want(t, 405)
		if a.code(t) != "method_not_allowed" || a.Header.Get("Allow") != allow {
			t.Errorf("%s: %s, Allow %q", path, a.body, a.Header.Get("Allow"))
		}
	}
	if a := w.do("HEAD", "/healthz", nil).want(t, 200); a.body != "" {
		t.Errorf("HEAD has the body %q", a.body)
	}
}

func TestBodiesAreReadStrictly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := bearer(w.login("ann"))
	for _, c := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"nothing", ``, 400, "not a JSON object"},
		{"half", `{"app":`, 400, "not a JSON object"},
		{"a list", `["xterm"]`, 400, "not a JSON object"},
		{"unknown field", `{"app":"xterm","comand":"x"}`, 400, `\"comand\"`},
		{"something after it", `{"app":"xterm"} {"app":"xterm"}`, 400, "exactly one"},
		{"rubbish after it", `{"app":"xterm"} secret-rubbish`, 400, "exactly one"},
		{"wrong type", `{"app":7}`, 400, `\"app\" has to be a string`},
		{"wrong type inside", `{"app":"xterm","params":{"a":1}}`, 400, "string"},
		{"wrong kind", `{"app":"xterm","params":[]}`, 400, "object of strings"},
		{"both", `{"app":"xterm","command":"x"}`, 400, "either"},
		{"neither", `{}`, 400, "either"},
		{"null", `null`, 400, "either"},
		{"unknown app", `{"app":"nope"}`, 404, "nope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := w.do("POST", "/api/v1/sessions", c.body, token).want(t, c.status)
			if a.code(t); !strings.Contains(a.body, c.says) || strings.Contains(a.body, "rubbish") {
				t.Errorf("the answer %s does not say %s", a.body, c.says)
			}
		})
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"} {
		a := w.do("POST", "/api/v1/sessions", `{"app":"xterm"}`, token, header("Content-Type", kind), header("Origin", w.url)).want(t, 415)
		if a.code(t) != "unsupported_media_type" {
			t.Errorf("Content-Type %q: %s", kind, a.body)
		}
	}
	w.do("POST", "/api/v1/sessions", `{"app":"xterm"}`, token, header("Content-Type", "text/plain")).want(t, 415)
	w.do("POST", "/api/v1/sessions", `{"app":"xterm"}`, token, header("Content-Type", "application/x-www-form-urlencoded")).want(t, 201) // curl -d
	w.do("POST", "/api/v1/sessions", `{"app":"xterm"}`, token, header("Content-Type", "application/json; charset=utf-8")).want(t, 201)
}

func TestAStartedSessionIsWhereLocationSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := bearer(w.login("ann"))
	a := w.do("POST", "/api/v1/sessions", order{Command: "xclock", Geometry: "640x480", Name: "clock", Params: map[string]string{"k": "v"}}, token).want(t, 201)
	s := into[transporter.Session](t, a)
	if s.Name != "clock" || s.Command != "xclock" || s.Geometry != "640x480" || s.Params["k"] != "v" || s.User != "ann" {
		t.Errorf("started %+v", s)
	}
	if into[transporter.Session](t, w.do("GET", a.Header.Get("Location"), nil, token).want(t, 200)).ID != s.ID {
		t.Error("Location names another session")
	}
	ended := into[transporter.Session](t, w.do("DELETE", a.Header.Get("Location"), nil, token).want(t, 200))
	if ended.State != transporter.Ended || ended.Reason != "ended by ann" {
		t.Errorf("terminated: %+v", ended)
	}
	w.do("DELETE", a.Header.Get("Location"), nil, token).want(t, 200) // forgets it
	w.do("GET", a.Header.Get("Location"), nil, token).want(t, 404)
}

func TestARepeatedOrderStartsNothingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ann, boss := bearer(w.login("ann")), bearer(w.login("boss"))
	start := func(who option, key string, o order, status int) string {
		t.Helper()
		a := w.do("POST", "/api/v1/sessions", o, who, header("Idempotency-Key", key)).want(t, status)
		if status != 201 {
			return a.code(t)
		}
		return into[transporter.Session](t, a).ID
	}
	xterm := order{App: "xterm"}
	first := start(ann, "k1", xterm, 201)
	if again := start(ann, "k1", xterm, 201); again != first {
		t.Errorf("the same key started %s and %s", first, again)
	}
	if other := start(ann, "k2", xterm, 201); other == first {
		t.Error("another key gave the same session")
	}
	if theirs := start(boss, "k1", xterm, 201); theirs == first {
		t.Error("another user's key gave the same session")
	}
	if a, b := start(ann, "", xterm, 201), start(ann, "", xterm, 201); a == b {
		t.Error("orders without a key are one")
	}
	if code := start(ann, "k1", order{Command: "x"}, 409); code != "conflict" {
		t.Errorf("the key of another order: %s", code)
	}
	if code := start(ann, strings.Repeat("k", 256), xterm, 400); code != "invalid" {
		t.Errorf("a long key: %s", code)
	}
}

func TestARefusedOrderMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	p := newRepeats(func() time.Time { return clock })
	begin := func(key string) (string, func(error)) {
		t.Helper()
		id, finish, err := p.begin("ann", key, order{App: "xterm"})
		if err != nil {
			t.Fatal(err)
		}
		return id, finish
	}
	first, finish := begin("refused")
	finish(transporter.Errorf(transporter.Limit, "no more than 3"))
	if again, _ := begin("refused"); again == first {
		t.Error("a refused order keeps its id")
	}
	first, finish = begin("silence")
	finish(transporter.Errorf(transporter.Unavailable, "nobody answers"))
	if again, _ := begin("silence"); again != first {
		t.Error("an order that may have been carried out got a new id")
	}
	first, _ = begin("old")
	clock = clock.Add(repeatFor + time.Second)
	if again, _ := begin("old"); again == first {
		t.Error("a key is remembered for ever")
	}
	for i := range maxOwn {
		p.begin("bob", fmt.Sprint(i), order{App: "x"})
	}
	if _, _, err := p.begin("bob", "one more", order{App: "x"}); asFailure(err).status != 429 {
		t.Errorf("one user takes up %d keys and one more: %v", p.own["bob"], err)
	}
	if _, _, err := p.begin("eve", "one", order{App: "x"}); err != nil {
		t.Errorf("another user pays for it: %v", err)
	}
	for i := range maxRepeats {
		p.known[repeatKey{"crowd", fmt.Sprint(i)}] = repeat{until: clock}
	}
	p.own["crowd"] = maxRepeats
	if _, _, err := p.begin("eve", "two", order{App: "x"}); err == nil || !strings.Contains(err.Error(), "all users together have used 65536") {
		t.Errorf("when there is no room for anybody, a user hears %v", err)
	}
	clock = clock.Add(repeatFor + time.Second)
	if _, finish, err := p.begin("bob", "late", order{App: "x"}); err != nil || len(p.own) != 1 || p.own["bob"] != 1 {
		t.Errorf("after a while %v are counted; %v", p.own, err)
	} else if finish(transporter.Errorf(transporter.Limit, "no")); len(p.known) != 0 || len(p.own) != 0 {
		t.Errorf("left are %v, %v", p.known, p.own)
	}
}

func TestListsGoOverAllPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 5 {
		w.fake.add(transporter.Session{User: "ann"})
		w.fake.add(transporter.Session{User: "lim"})
	}
	count := func(user, query string) int {
		a := w.do("GET", "/api/v1/sessions"+query, nil, bearer(w.login(user))).want(t, 200)
		return len(into[struct{ Sessions []transporter.Session }](t, a).Sessions)
	}
	if ann, boss, all := count("ann", ""), count("boss", ""), count("boss", "?all=1"); ann != 5 || boss != 0 || all != 10 {
		t.Errorf("ann sees %d, boss %d, boss of all %d", ann, boss, all)
	}
	w.do("GET", "/api/v1/sessions?all=maybe", nil, bearer(w.login("boss"))).want(t, 400)
}

func TestNothingIsNull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.apps = nil
	w.fake.logs = nil
	token := bearer(w.login("boss"))
	s := w.fake.add(transporter.Session{User: "boss"})
	for _, path := range []string{"/api/v1/me", "/api/v1/apps", "/api/v1/sessions", "/api/v1/sessions/" + s.ID, "/api/v1/sessions/" + s.ID + "/log", "/api/v1/nodes", "/api/v1/config"} {
		if a := w.do("GET", path, nil, token).want(t, 200); strings.Contains(a.body, "null") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestNodesAndConfigHaveTheirShape(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := bearer(w.login("boss"))
	w.do("POST", "/api/v1/nodes/"+thisNode+"/drain", nil, token).want(t, 200)
	nodes := into[struct{ Nodes []node }](t, w.do("GET", "/api/v1/nodes", nil, token).want(t, 200)).Nodes
	bare, full := nodes[0], nodes[1]
	if bare.Age != 0 {
		t.Errorf("a beat from the future is %v s old", bare.Age)
	}
	if full.Age < 1 || full.Age > 60 || !full.Drain || full.Load.Cores != 8 || full.Metadata["rack"] != "7" {
		t.Errorf("the node is %+v", full)
	}
	w.do("DELETE", "/api/v1/nodes/"+thisNode+"/drain", nil, token).want(t, 200)
	if w.fake.drained[thisNode] {
		t.Error("the node is still drained")
	}
	w.do("POST", "/api/v1/nodes/nowhere/drain", nil, token).want(t, 404)
	configs := into[struct{ Nodes []nodeConfig }](t, w.do("GET", "/api/v1/config", nil, token).want(t, 200)).Nodes
	if c := configs[1]; c.Generation != 3 || c.Accepted || len(c.Problems) != 1 || c.Problems[0].File != "apps/x.ini" {
		t.Errorf("the configuration is %+v", c)
	}
}

func TestErrorsOfTheComponentsBecomeStatuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := bearer(w.login("ann"))
	for code, status := range statusOf {
		w.fake.failing("start", &transporter.Error{Code: code, Message: "a sentence", Detail: "more"})
		a := w.do("POST", "/api/v1/sessions", order{App: "xterm"}, token).want(t, status)
		if a.code(t) != string(code) || !strings.Contains(a.body, "a sentence") || !strings.Contains(a.body, `"detail":"more"`) {
			t.Errorf("%s became %s", code, a.body)
		}
		if (a.Header.Get("Retry-After") != "") != (code == transporter.TooMany) {
			t.Errorf("%s: Retry-After %q", code, a.Header.Get("Retry-After"))
		}
	}
	if f := asFailure(fmt.Errorf("open /secret/place: no")); f.status != 500 || strings.Contains(f.Message, "secret") {
		t.Errorf("an inner error became %+v", f)
	}
	if f := asFailure(&transporter.Error{Code: "of-a-later-release"}); f.status != 500 {
		t.Errorf("an unknown code became %d", f.status)
	}
}

func TestReadinessNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	ready := make(chan bool, 1)
	ready <- false
	w := newWorld(t, func(s *setup) {
		s.Options.Ready = func() (bool, []string) {
			ok := <-ready
			ready <- ok
			return ok, []string{"manager", "3 sessions"}
		}
	})
	a := w.do("GET", "/readyz", nil).want(t, 503)
	if a.body != "waiting for: manager, 3 sessions\n" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("not ready: %q", a.body)
	}
	<-ready
	ready <- true
	if a := w.do("GET", "/readyz", nil).want(t, 200); a.body != "ready\n" {
		t.Errorf("ready: %q", a.body)
	}
	if a := w.do("GET", "/healthz", nil).want(t, 200); a.body != "ok\n" {
		t.Errorf("healthy: %q", a.body)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := w.login("ann")
	w.ws.handler = nil // not used from here on
	rec := newRecorded()
	r, _ := http.NewRequest("GET", "/api/v1/me?ticket="+token, nil)
	w.ws.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("of the kind") })).ServeHTTP(rec, r)
	if rec.status != 500 || !strings.Contains(rec.body.String(), `"code":"internal"`) || strings.Contains(rec.body.String(), "kind") {
		t.Errorf("a panic became %d %s", rec.status, rec.body.String())
	}
	if log := w.log.String(); !strings.Contains(log, "of the kind") || strings.Contains(log, token) {
		t.Errorf("the log: %s", log)
	}
}

// recorded is a ResponseWriter without a connection.
type recorded struct {
	header http.Header
	status int
	body   strings.Builder
}

func newRecorded() *recorded                    { return &recorded{header: http.Header{}} }
func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(status int)      { r.status = status }
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }
