package webserver

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// belowBase puts a world below a base path.
func belowBase(s *setup) { s.conf.HTTPS.BasePath = "/apps/fastx" }

// TestAllIsServedBelowTheBasePath goes the ways of a browser and of a program below a base path, and
// looks at every place that names a path.
func TestAllIsServedBelowTheBasePath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, belowBase)
	if !strings.HasSuffix(w.url, "/apps/fastx") {
		t.Errorf("the announced URL is %s", w.url)
	}
	c := w.do("POST", "/login", credentials{Username: "ann", Password: password}).want(t, 200).Cookies()[0]
	if c.Name != "__Secure-fastx" || c.Path != "/apps/fastx" || !c.Secure || !c.HttpOnly {
		t.Errorf("the cookie is %v", c)
	}
	out := w.do("POST", "/api/v1/logout", nil, cookie(c.Name, c.Value), header("X-CSRF-Token", (&caller{token: c.Value}).csrf())).want(t, 200)
	if gone := out.Cookies(); len(gone) != 1 || gone[0].Path != "/apps/fastx" || gone[0].MaxAge >= 0 {
		t.Errorf("after signing out the cookie is %v", gone)
	}
	made := w.do("POST", "/api/v1/sessions", order{App: "xterm"}, bearer(w.login("ann"))).want(t, 201)
	s := into[transporter.Session](t, made)
	if to := made.Header.Get("Location"); to != "/apps/fastx/api/v1/sessions/"+s.ID {
		t.Errorf("a new session is at %s", to)
	}
	if page := w.do("GET", "/sessions/"+s.ID, nil).want(t, 200).body; !strings.Contains(page, `name="next" value="/apps/fastx/sessions/`+s.ID) {
		t.Errorf("who signs in is led elsewhere: %s", page)
	}
	for next, want := range map[string]string{"/apps/fastx/sessions/" + s.ID: "/apps/fastx/sessions/" + s.ID, "/sessions/" + s.ID: "/apps/fastx/", "//evil.example": "/apps/fastx/"} {
		form := url.Values{"username": {"ann"}, "password": {password}, "next": {next}}.Encode()
		a := w.do("POST", "/login", form, header("Content-Type", "application/x-www-form-urlencoded")).want(t, 303)
		if a.Header.Get("Location") != want {
			t.Errorf("next %q leads to %q", next, a.Header.Get("Location"))
		}
	}
	if to := w.do("GET", "/login", nil).want(t, 303).Header.Get("Location"); to != "/apps/fastx/" {
		t.Errorf("/login leads to %q", to)
	}
	if doc := w.do("GET", "/api/v1/openapi.yaml", nil).want(t, 200).body; !strings.Contains(doc, "\nservers:\n  - url: /apps/fastx\n") {
		t.Error("the description names another server")
	}
	ws, _, err := w.dial(s.ID, "", bearer(w.login("ann")))
	if err != nil {
		t.Fatal(err)
	}
	if hello := receive(t, ws); !strings.HasPrefix(hello, "RFB ") {
		t.Errorf("the display begins with %q", hello)
	}
	w.events(t, "", bearer(w.login("ann")))
}

// TestOutsideOfTheBasePathIsAHint asks for what a proxy asks for that cuts the base path off.
func TestOutsideOfTheBasePathIsAHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, belowBase)
	for _, path := range []string{"/healthz", "/readyz", "/apps/fastx/healthz", "/apps/fastx/readyz"} {
		w.outside(path).want(t, 200)
	}
	for path, want := range map[string]string{"/": "/apps/fastx/", "/apps/fastx": "/apps/fastx/", "/apps/fastx//": "/apps/fastx/"} {
		a := w.outside(path)
		if to := a.Header.Get("Location"); a.StatusCode < 300 || a.StatusCode > 399 || to != want || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d to %q, %v", path, a.StatusCode, to, a.Header)
		}
	}
	for _, path := range []string{"/login", "/apps", "/apps/fastxx/", "/sessions/0123456789abcdef", "/static/x", "/novnc/core/rfb.js"} {
		if a := w.outside(path).want(t, 404); !strings.Contains(a.body, "begin with /apps/fastx/.") || !strings.Contains(a.body, `href="/apps/fastx/"`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := w.outside("/api/v1/me").want(t, 404); a.code(t) != "not_found" || !strings.Contains(a.body, "/apps/fastx/") {
		t.Errorf("the API outside: %s", a.body)
	}
}

// TestTheBasePathMovesWhileTheServerRuns changes it under open connections.
func TestTheBasePathMovesWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	stays := w.events(t, "", bearer(w.login("ann")))
	w.conf.HTTPS.BasePath = "/fastx"
	w.commit()
	if url := w.awaitURL(); !strings.HasSuffix(url, "/fastx") {
		t.Errorf("the new URL is %s", url)
	}
	w.outside("/api/v1/me", bearer(w.fake.token("ann"))).want(t, 404)
	w.do("GET", "/api/v1/me", nil, bearer(w.fake.token("ann"))).want(t, 200)
	w.tell(transporter.Session{ID: "1", User: "ann", Name: "x"}, false)
	stays.wantSession("x", false)
	w.conf.HTTPS.BasePath = ""
	w.commit()
	w.awaitURL()
	w.do("GET", "/api/v1/me", nil, bearer(w.fake.token("ann"))).want(t, 200)
}

// TestNoAssetNamesAPathFromTheRoot finds links and calls that a base path would break. Templates begin
// theirs with {{.Base}}, modules theirs with base; call() does it by itself.
func TestNoAssetNamesAPathFromTheRoot(t *testing.T) {
	t.Parallel()
	inTemplate := regexp.MustCompile(`(?:href|src|action|data-words)="/[^"]*`)
	inModule := regexp.MustCompile("(?:assign|replace|fetch|EventSource|WebSocket|import|from|href =|src =|open)\\(? ?['\"`]/[^'\"`]*")
	for name, text := range assetTexts(t) {
		found := inTemplate.FindString(text)
		if path.Ext(name) == ".js" {
			found = inModule.FindString(text)
		}
		if found != "" {
			t.Errorf("%s holds %s", name, found)
		}
	}
	for _, planted := range []string{`location.assign('/sessions/'`, "fetch(`/api/v1/x`)", `import x from '/novnc/x.js'`, `new EventSource("/api`} {
		if !inModule.MatchString(planted) {
			t.Errorf("%s would not be found", planted)
		}
	}
}
