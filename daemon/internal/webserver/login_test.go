package webserver

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, c := range []struct {
		name   string
		body   any
		status int
		says   string
	}{
		{"good", credentials{Username: "ann", Password: password}, 200, `"user":"ann"`},
		{"wrong password", credentials{Username: "ann", Password: "no"}, 401, "unauthorized"},
		{"unknown user", credentials{Username: "nobody", Password: password}, 401, "unauthorized"},
		{"nobody at all", credentials{Password: password}, 400, `\"username\"`},
		{"both ways", credentials{Username: "ann", Challenge: "c1"}, 400, "either"},
		{"challenge", credentials{Username: "otp", Password: password}, 401, `{"challenge":{"id":"c1","prompts":[{"text":"Code","echo":true},{"text":"Pet","echo":false}]}}`},
		{"right answers", credentials{Challenge: "c1", Answers: []string{"42", "Rex"}}, 200, `"user":"ann"`},
		{"wrong answers", credentials{Challenge: "c1", Answers: []string{"41"}}, 401, "unauthorized"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := w.do("POST", "/api/v1/login", c.body).want(t, c.status)
			if !strings.Contains(a.body, c.says) || len(a.Cookies()) != 0 || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v %s", a.Header, a.body)
			}
		})
	}
}

func TestALoginThatComesTooOftenIsToldToWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for said, want := range map[int]string{0: "30", 7: "7"} {
		w.fake.failing("login", &transporter.Error{Code: transporter.TooMany, Message: "wait", Retry: said})
		a := w.do("POST", "/api/v1/login", credentials{Username: "ann", Password: "x"}).want(t, 429)
		if a.code(t) != "too_many" || a.Header.Get("Retry-After") != want {
			t.Errorf("%v %s", a.Header, a.body)
		}
	}
}

func TestALoginOfAnotherSitesPageIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := credentials{Username: "ann", Password: password}
	for _, path := range []string{"/api/v1/login", "/login"} {
		for _, o := range []option{
			header("Origin", "https://evil.example"), header("Origin", "null"), header("Origin", "http://"+w.addr()),
			header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Site", "same-site"),
		} {
			w.do("POST", path, c, o).want(t, 403).code(t)
		}
		w.do("POST", path, c, header("Origin", w.url)).want(t, 200)
		w.do("POST", path, c, header("Sec-Fetch-Site", "same-origin")).want(t, 200)
	}
	if n := len(w.fake.logins); n != 4 {
		t.Errorf("%d logins were tried, want the 4 good ones", n)
	}
}

func TestThePageSignsInWithACookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.do("POST", "/login", credentials{Username: "ann", Password: password}).want(t, 200)
	if a.body != `{"user":"ann"}`+"\n" {
		t.Errorf("the page learns %s", a.body)
	}
	c := a.Cookies()[0]
	if c.Name != "__Host-fastx" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || time.Until(c.Expires) < time.Minute {
		t.Errorf("the cookie is %v", c)
	}
	w.do("GET", "/api/v1/me", nil, cookie(c.Name, c.Value)).want(t, 200)
	w.do("GET", "/api/v1/me", nil, cookie("fastx", c.Value)).want(t, 401)
	challenge := w.do("POST", "/login", credentials{Username: "otp", Password: password}).want(t, 401)
	if !strings.Contains(challenge.body, `"prompts"`) || len(challenge.Cookies()) != 0 {
		t.Errorf("a challenge: %v %s", challenge.Header, challenge.body)
	}
	w.do("POST", "/login", credentials{Username: "ann", Password: "no"}).want(t, 401).code(t)
}

func TestTheFormWorksWithoutScripts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	form := func(values url.Values) answer {
		t.Helper()
		return w.do("POST", "/login", values.Encode(), header("Content-Type", "application/x-www-form-urlencoded"), header("Origin", w.url))
	}
	for next, want := range map[string]string{
		"": "/", "/": "/", "/sessions/" + s.ID: "/sessions/" + s.ID,
		"//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "/sessions/" + s.ID + "/../..": "/", "/sessions/x": "/",
	} {
		a := form(url.Values{"username": {"ann"}, "password": {password}, "next": {next}}).want(t, 303)
		if a.Header.Get("Location") != want || len(a.Cookies()) != 1 {
			t.Errorf("next %q leads to %q with %v", next, a.Header.Get("Location"), a.Cookies())
		}
	}
	wrong := form(url.Values{"username": {`"><script>x`}, "password": {"hunter2"}}).want(t, 401)
	if !strings.Contains(wrong.body, "is wrong.") || !strings.Contains(wrong.body, "&#34;&gt;&lt;script&gt;x") || strings.Contains(wrong.body, "hunter2") {
		t.Errorf("the form after a wrong password: %s", wrong.body)
	}
	asked := form(url.Values{"username": {"otp"}, "password": {password}, "next": {"/sessions/" + s.ID}}).want(t, 401)
	for _, part := range []string{`name="challenge" value="c1"`, `>Code</label>`, `type="text"`, `>Pet</label>`, `type="password"`, `value="/sessions/` + s.ID} {
		if !strings.Contains(asked.body, part) {
			t.Errorf("the challenge's form lacks %s", part)
		}
	}
	form(url.Values{"challenge": {"c1"}, "answer": {"42", "Rex"}}).want(t, 303)
	form(url.Values{"username": {""}}).want(t, 400)
}

func TestWhatChangesSomethingNeedsTheCSRFHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token, other := w.login("ann"), w.login("boss")
	c := cookie("__Host-fastx", token)
	page := w.do("GET", "/", nil, c).want(t, 200).body
	csrf := regexp.MustCompile(`<meta name="csrf" content="([0-9a-f]{32})">`).FindStringSubmatch(page)
	if csrf == nil {
		t.Fatalf("the page holds no CSRF value: %s", page)
	}
	if strings.Contains(page, token) {
		t.Error("the page shows the token to its scripts")
	}
	xterm := order{App: "xterm"}
	others := (&caller{token: other}).csrf()
	for _, wrong := range []string{"", "x", others, strings.ToUpper(csrf[1]), csrf[1] + "0"} {
		a := w.do("POST", "/api/v1/sessions", xterm, c, header("X-CSRF-Token", wrong)).want(t, 403)
		if !strings.Contains(a.body, "X-CSRF-Token") || a.code(t) != "csrf" {
			t.Errorf("the value %q: %s", wrong, a.body)
		}
	}
	if w.fake.starts != 0 {
		t.Errorf("%d sessions were started", w.fake.starts)
	}
	w.do("GET", "/api/v1/me", nil, c).want(t, 200)
	w.do("POST", "/api/v1/sessions", xterm, c, header("X-CSRF-Token", csrf[1])).want(t, 201)
	w.do("POST", "/api/v1/sessions", xterm, bearer(token)).want(t, 201)
	out := w.do("POST", "/api/v1/logout", nil, c, header("X-CSRF-Token", csrf[1])).want(t, 200)
	if gone := out.Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || gone[0].Value != "" {
		t.Errorf("after signing out the cookie is %v", gone)
	}
	w.do("GET", "/api/v1/me", nil, c).want(t, 401)
}

// TestWhoMayDoNothingMayLogOut is for somebody who was disabled meanwhile.
func TestWhoMayDoNothingMayLogOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := w.login("ann")
	c := &caller{token: token}
	w.fake.failing("verify", transporter.Errorf(transporter.Unauthorized, "the user may no longer log in"))
	w.do("GET", "/api/v1/me", nil, bearer(token)).want(t, 401)
	w.do("POST", "/api/v1/logout", nil, cookie("__Host-fastx", token)).want(t, 403) // without the CSRF header
	a := w.do("POST", "/api/v1/logout", nil, cookie("__Host-fastx", token), header("X-CSRF-Token", c.csrf())).want(t, 200)
	if !strings.Contains(a.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("the browser keeps its cookie: %q", a.Header.Get("Set-Cookie"))
	}
	w.fake.failing("verify", nil)
	w.do("GET", "/api/v1/me", nil, bearer(token)).want(t, 401)
	w.do("POST", "/api/v1/logout", nil).want(t, 401)
}

func TestOnlyABearerTokenIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := w.login("ann")
	for _, h := range []string{"Basic " + token, "Bearer", "Bearer ", token, "Bearer " + token + "x", "Bearer " + strings.Repeat("a", 20<<10)} {
		a := w.do("GET", "/api/v1/me", nil, header("Authorization", h)).want(t, 401)
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Error("401 does not say how to authenticate")
		}
	}
	w.do("GET", "/api/v1/me", nil, header("Authorization", "bearer "+token)).want(t, 200)
	// A header that was put there on purpose is not overruled by what the browser adds.
	w.do("GET", "/api/v1/me", nil, header("Authorization", "Bearer nonsense"), cookie("__Host-fastx", token)).want(t, 401)
}

func TestTheUserComponentIsAskedNowAndThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := w.login("ann")
	for range 5 {
		w.do("GET", "/api/v1/me", nil, bearer(token)).want(t, 200)
	}
	if w.fake.verified != 1 {
		t.Errorf("asked %d times about one token", w.fake.verified)
	}
	w.fake.failing("verify", transporter.Errorf(transporter.Unavailable, "nobody"))
	w.do("GET", "/api/v1/me", nil, bearer(w.login("boss"))).want(t, 503)
}

func TestALogoutAnywhereEndsTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := w.login("ann")
	w.do("GET", "/api/v1/me", nil, bearer(token)).want(t, 200)
	w.do("POST", "/api/v1/logout", nil, bearer(token)).want(t, 200)
	w.do("GET", "/api/v1/me", nil, bearer(token)).want(t, 401)

	token = w.login("ann")
	w.do("GET", "/api/v1/me", nil, bearer(token)).want(t, 200)
	id, _ := w.ws.tokens.known(token)
	if err := transporter.Publish(w.fake.news, transporter.TokenRevoked, transporter.Revocation{TokenID: id.TokenID, Expires: id.Expires}); err != nil {
		t.Fatal(err)
	}
	// The user component of this test knows nothing of it: the webserver remembers by itself.
	await(t, "the end of the token", func() bool { return w.do("GET", "/api/v1/me", nil, bearer(token)).StatusCode == 401 })
}

func TestTokensAreForgottenInTime(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	k := newTokens(func() time.Time { return clock })
	id := transporter.Identity{User: "ann", TokenID: "t1", Expires: clock.Add(time.Hour)}
	if _, ok := k.known("a"); ok || !k.learn("a", id) {
		t.Fatal("an unknown token is known, or a good one is not learnt")
	}
	if got, ok := k.known("a"); !ok || got.User != "ann" {
		t.Error("a token is forgotten at once")
	}
	clock = clock.Add(verifyFor)
	if _, ok := k.known("a"); ok {
		t.Error("a token is believed for too long")
	}
	ends := id
	ends.Expires = clock.Add(time.Second)
	k.learn("b", ends)
	clock = clock.Add(time.Second)
	if _, ok := k.known("b"); ok {
		t.Error("a token is believed after its end")
	}
	if k.learn("b", ends) {
		t.Error("an expired token was learnt")
	}
	k.revoke(transporter.Revocation{TokenID: "t1", Expires: clock.Add(time.Minute)})
	if k.learn("a", id) {
		t.Error("an answer that came after the revocation was believed")
	}
	clock = clock.Add(2 * time.Minute)
	k.revoke(transporter.Revocation{TokenID: "t2", Expires: clock.Add(time.Minute)})
	if len(k.revoked) != 1 {
		t.Errorf("%d revocations are remembered, one is still of use", len(k.revoked))
	}
	id.TokenID = "t3"
	for i := range maxKnown + 10 {
		k.learn(string(rune(i)), id)
	}
	if len(k.holders) > maxKnown {
		t.Errorf("%d tokens are remembered", len(k.holders))
	}
}
