package webserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// TestPreferencesNeedTheirUser changes favourites as their user, as another, and as a foreign page.
func TestPreferencesNeedTheirUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const path = "/api/v1/me/preferences"
	ann, boss := bearer(w.login("ann")), bearer(w.login("boss"))
	w.do("PUT", path, transporter.Preferences{Favourites: []string{"xterm"}}, ann).want(t, 200)
	if got := into[transporter.Preferences](t, w.do("GET", path, nil, ann)); !slices.Equal(got.Favourites, []string{"xterm"}) {
		t.Errorf("ann likes %v", got)
	}
	if a := w.do("GET", path, nil, boss).want(t, 200); a.body != `{"favourites":[]}`+"\n" {
		t.Errorf("boss likes %s", a.body)
	}
	page := cookie("__Host-fastx", w.login("ann"))
	w.do("PUT", path, transporter.Preferences{}, page).want(t, http.StatusForbidden) // without the CSRF token
	w.do("PUT", path, map[string]any{"favourites": []string{}, "admin": true}, ann).want(t, http.StatusBadRequest)
	w.do("PUT", path, strings.Repeat("x", maxBody+1), ann).want(t, http.StatusRequestEntityTooLarge)
	w.do("DELETE", path, nil, ann).want(t, http.StatusMethodNotAllowed)
	w.fake.failing("prefers", transporter.Errorf(transporter.Unavailable, "the share hangs"))
	if a := w.do("GET", "/", nil, page).want(t, 200); !strings.Contains(a.body, "Terminal") {
		t.Error("without preferences there are no applications")
	}
}

// TestApplicationsStandInGroups puts favourites first, categories after them, and no heading over a single group.
func TestApplicationsStandInGroups(t *testing.T) {
	t.Parallel()
	app := func(id, category string, liked bool) appCard {
		return appCard{App: transporter.App{ID: id, Category: category}, Favourite: liked}
	}
	show := func(groups []appGroup) string {
		var b strings.Builder
		for _, g := range groups {
			b.WriteString("[" + g.Title + "]")
			for _, a := range g.Apps {
				b.WriteString(" " + a.ID)
			}
		}
		return b.String()
	}
	for want, cards := range map[string][]appCard{
		"":                            nil,
		"[] a b":                      {app("a", "", false), app("b", "", false)},
		"[Liked] b a":                 {app("a", "x", true), app("b", "", true)},
		"[Liked] b[More] a":           {app("a", "", false), app("b", "", true)},
		"[CAD] b d[Office] a[More] c": {app("a", "Office", false), app("b", "CAD", false), app("c", "", false), app("d", "CAD", false)},
		"[Liked] a[CAD] b":            {app("a", "CAD", true), app("b", "CAD", false)},
	} {
		if got := show(groupApps(cards, []string{"b", "gone", "a"}, "Liked", "More")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestIconsAreServedAsPicturesOnly asks for icons that are there, and for whatever else a path may be made to mean.
func TestIconsAreServedAsPicturesOnly(t *testing.T) {
	t.Parallel()
	const drawn = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	w := newWorld(t, func(s *setup) {
		s.conf.Icons = []spec.Icon{{Name: "own one.svg", Type: "image/svg+xml", Data: []byte(drawn)}, {Name: "b.png", Type: "image/png", Data: []byte("\x89PNG")}}
		s.conf.Apps = []spec.App{{ID: "xterm", Icon: "own one.svg"}}
	})
	w.fake.apps = []transporter.App{{ID: "xterm", Name: "Terminal", Icon: "own one.svg"}, {ID: "b", Name: "B", Icon: "firefox.png"}, {ID: "c", Name: "C", Icon: "../b.png"}}
	w.fake.add(transporter.Session{User: "ann", App: "xterm"})
	ann := cookie("__Host-fastx", w.login("ann"))
	home := w.do("GET", "/", nil, ann).want(t, 200).body
	if n := strings.Count(home, `src="/icons/own%20one.svg?`); n != 2 {
		t.Errorf("the application's icon stands %d times on the page", n)
	}
	if !strings.Contains(home, string(drawings["browser"])) {
		t.Error("a name that is alike gets no built-in icon")
	}
	a := w.do("GET", "/icons/own%20one.svg", nil, ann).want(t, 200)
	if a.body != drawn || a.Header.Get("Content-Type") != "image/svg+xml" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v %s", a.Header, a.body)
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("a script in an icon may run: %q", csp)
	}
	if a := w.do("GET", "/icons/b.png", nil, ann).want(t, 200); a.Header.Get("Content-Type") != "image/png" {
		t.Errorf("a png is %v", a.Header)
	}
	w.do("GET", "/icons/b.png", nil).want(t, http.StatusUnauthorized)
	for _, path := range []string{"", "none.png", "..%2fhtpasswd", "%2e%2e/htpasswd", "..%2f..%2fetc%2fpasswd", "b.png/", "b.png%00", "B.PNG", ".", "%2fetc%2fpasswd"} {
		if a := w.do("GET", "/icons/"+path, nil, ann); a.StatusCode/100 == 2 || strings.Contains(a.body, "root:") {
			t.Errorf("%q: %d %.80s", path, a.StatusCode, a.body)
		}
	}
}

// TestTheListTellsFailuresFromEnds shows each end as what it is.
func TestTheListTellsFailuresFromEnds(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]bool{
		"": false, "the command ended": false, "ended by ann": false, "ended by disconnect_timeout = 2h in performance/p.ini: nobody was connected": false,
		"the command ended with status 1": true, "the X server ended unexpectedly: it was killed by signal 9 (SIGKILL)": true,
	} {
		if got := failed(transporter.Session{State: transporter.Ended, Reason: reason}); got != want {
			t.Errorf("%q is a failure: %t", reason, got)
		}
	}
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann", App: "xterm", Name: "T", State: transporter.Ended, Reason: "the command ended with status 1"})
	again := w.fake.add(transporter.Session{User: "ann", App: "xterm", State: transporter.Ended, Reason: "the command ended with status 1", Clean: true})
	own := w.fake.add(transporter.Session{User: "lim", Command: "sh", State: transporter.Ended, Reason: "the command ended with status 1"})
	ann, lim := cookie("__Host-fastx", w.login("ann")), cookie("__Host-fastx", w.login("lim"))
	for _, c := range []struct {
		session transporter.Session
		who     option
		orders  int
	}{{s, ann, 2}, {again, ann, 1}, {own, lim, 0}} {
		body := w.do("GET", "/sessions/"+c.session.ID, nil, c.who).want(t, 200).body
		if n := strings.Count(body, "data-order="); n != c.orders {
			t.Errorf("%s offers %d ways to start again, want %d", fmt.Sprint(c.session), n, c.orders)
		}
	}
	if body := w.do("GET", "/sessions/"+s.ID, nil, ann).body; !strings.Contains(body, `{&#34;app&#34;:&#34;xterm&#34;,&#34;name&#34;:&#34;T&#34;,&#34;clean&#34;:true}`) {
		t.Errorf("the clean start is not ordered: %s", body)
	}
}

// TestTheListOpensWhatMayBeOpened shows everyone's sessions to a manager, who may not connect to those of others,
// and to an administrator.
func TestTheListOpensWhatMayBeOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	anns := w.fake.add(transporter.Session{User: "ann", App: "xterm"})
	mias := w.fake.add(transporter.Session{User: "mia", App: "xterm"})
	ended := w.fake.add(transporter.Session{User: "ann", App: "xterm", State: transporter.Ended})
	for _, c := range []struct {
		user, path string
		want       [3]int // links to each of the three
		status     int    // of connecting to ann's
	}{{"mia", "/?all=1", [3]int{0, 2, 2}, 404}, {"mia", "/fragments/sessions?all=1", [3]int{0, 2, 2}, 404}, {"boss", "/?all=1", [3]int{2, 2, 2}, 200}, {"ann", "/", [3]int{3, 0, 2}, 200}} {
		token := w.login(c.user)
		page := w.do("GET", c.path, nil, cookie("__Host-fastx", token)).want(t, 200).body
		for i, s := range []transporter.Session{anns, mias, ended} {
			if n := strings.Count(page, `href="/sessions/`+s.ID+`"`); n != c.want[i] {
				t.Errorf("%s at %s: %d links to session %d, want %d", c.user, c.path, n, i, c.want[i])
			}
		}
		w.do("POST", "/api/v1/sessions/"+anns.ID+"/ticket", nil, bearer(token)).want(t, c.status)
	}
}
