package webserver

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func loadOpenAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheDescriptionHasExactlyTheRoutes(t *testing.T) {
	t.Parallel()
	doc := loadOpenAPI(t)
	described := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			described[method+" "+path] = op
		}
	}
	for _, r := range table {
		key := r.method + " " + r.path
		op, ok := described[key]
		if !ok {
			t.Errorf("%s is served and not described", key)
			continue
		}
		delete(described, key)
		anyone := op.Security != nil && len(*op.Security) == 0
		if display := strings.HasSuffix(r.path, "/display"); r.open != (anyone || display) {
			t.Errorf("%s: open to everyone is %v in the table, %v in the description", key, r.open, anyone)
		}
	}
	for key := range described {
		t.Errorf("%s is described and not served", key)
	}
}

func TestTheDescriptionIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.do("GET", "/api/v1/openapi.yaml", nil).want(t, 200)
	if a.body != string(openapi) || a.Header.Get("Content-Type") != "application/yaml" {
		t.Error("the description is another, or not YAML")
	}
}

// TestAnswersAreAsDescribed makes every call, good and bad, and holds request and
// answer against the description.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	doc := loadOpenAPI(t)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	w.fake.rfb = plainScreen.serve
	s := w.fake.add(transporter.Session{User: "boss", Name: "x", Params: map[string]string{"a": "b"},
		Clipboard: "disabled", Warning: &transporter.Warning{At: time.Now(), Text: "nobody is connected"}})
	ended := w.fake.add(transporter.Session{User: "boss", State: transporter.Ended, Reason: "over"})
	boss, lim := bearer(w.login("boss")), bearer(w.login("lim"))
	own := "/api/v1/sessions/" + s.ID
	drain := "/api/v1/nodes/" + thisNode + "/drain"
	node := "/api/v1/nodes/" + thisNode + "/config"
	w.fake.remember()
	seen := map[string]bool{}
	for _, c := range []struct {
		method, path string
		body         any
		who          option
	}{
		{"POST", "/api/v1/login", map[string]any{"username": "ann", "password": password}, lim},
		{"POST", "/api/v1/login", map[string]any{"username": "ann", "password": "no"}, lim},
		{"POST", "/api/v1/login", map[string]any{"username": "otp", "password": password}, lim},
		{"POST", "/api/v1/login", map[string]any{"challenge": "c1", "answers": []string{"42", "Rex"}}, lim},
		{"POST", "/api/v1/login", map[string]any{}, lim},
		{"GET", "/api/v1/me", nil, boss}, {"GET", "/api/v1/me", nil, bearer("x")},
		{"GET", "/api/v1/me/preferences", nil, boss},
		{"PUT", "/api/v1/me/preferences", map[string]any{"favourites": []string{"xterm"}}, boss},
		{"GET", "/api/v1/apps", nil, boss},
		{"POST", "/api/v1/sessions", map[string]any{"app": "xterm", "params": map[string]string{"k": "v"}}, boss},
		{"POST", "/api/v1/sessions", map[string]any{"command": "x"}, lim},
		{"GET", "/api/v1/sessions", nil, boss}, {"GET", "/api/v1/sessions?all=1", nil, boss}, {"GET", "/api/v1/sessions?all=1", nil, lim},
		{"GET", own, nil, boss}, {"GET", own, nil, lim},
		{"POST", own + "/ticket", nil, boss}, {"POST", "/api/v1/sessions/" + ended.ID + "/ticket", nil, boss},
		{"GET", own + "/log", nil, boss},
		{"GET", own + "/thumbnail", nil, boss}, {"GET", "/api/v1/sessions/" + ended.ID + "/thumbnail", nil, boss},
		{"GET", own + "/display", nil, boss},
		{"GET", "/api/v1/nodes", nil, boss}, {"GET", "/api/v1/nodes", nil, lim},
		{"POST", drain, nil, boss}, {"DELETE", drain, nil, boss}, {"DELETE", drain, nil, lim},
		{"GET", "/api/v1/config", nil, boss},
		{"GET", node + "/history?limit=1", nil, boss}, {"GET", node + "/history", nil, lim},
		{"GET", node + "/generations/2", nil, boss}, {"GET", node + "/generations/9", nil, boss},
		{"GET", node + "/diff?from=1&to=2", nil, boss}, {"GET", node + "/diff?from=1&to=2", nil, lim},
		{"GET", "/api/v1/loglevel", nil, boss}, {"GET", "/api/v1/loglevel", nil, lim},
		{"PUT", "/api/v1/loglevel", map[string]any{"levels": map[string]string{"user": "warn", "launcher": ""}}, boss},
		{"PUT", "/api/v1/loglevel", map[string]any{"node": "bare", "levels": map[string]string{"user": "warn"}}, boss},
		{"POST", own + "/message", text{"hello"}, boss}, {"POST", own + "/message", text{"hello"}, lim},
		{"POST", "/api/v1/message", text{"hello"}, boss}, {"POST", "/api/v1/message", text{"hello"}, lim},
		{"GET", "/api/v1/openapi.yaml", nil, boss},
		{"GET", "/healthz", nil, boss}, {"GET", "/readyz", nil, boss},
		{"DELETE", own, nil, boss},
		{"POST", "/api/v1/logout", nil, boss},
	} {
		a := w.do(c.method, c.path, c.body, c.who)
		route := validate(t, router, a)
		seen[c.method+" "+route.Path] = true
	}
	for _, r := range table {
		if key := r.method + " " + r.path; !seen[key] && key != "GET /api/v1/events" {
			t.Errorf("%s was not tried", key)
		}
	}
}

// validate holds one answer against the description.
func validate(t *testing.T, router routers.Router, a answer) *routers.Route {
	t.Helper()
	route, params, err := router.FindRoute(a.Request)
	if err != nil {
		t.Fatalf("%s %s: %v", a.Request.Method, a.Request.URL.Path, err)
	}
	if slices.Contains([]string{"text/plain; charset=utf-8", "application/yaml", "image/jpeg"}, a.Header.Get("Content-Type")) {
		return route
	}
	if body := a.Request.GetBody; body != nil {
		if a.Request.Body, err = body(); err != nil {
			t.Fatal(err)
		}
	}
	in := &openapi3filter.RequestValidationInput{
		Request: a.Request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
		t.Errorf("%s %s: the request: %v", a.Request.Method, a.Request.URL, err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: a.StatusCode, Header: http.Header(a.Header), Options: in.Options,
		Body: io.NopCloser(bytes.NewReader([]byte(a.body))),
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s %s: the answer %d %s: %v", a.Request.Method, a.Request.URL, a.StatusCode, a.body, err)
	}
	return route
}
