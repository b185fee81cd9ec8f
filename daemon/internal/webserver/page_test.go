package webserver

import (
	"crypto/tls"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const nasty = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// TestNamesAreNotMarkup gives everything that a user or an administrator can name a
// name that would be a script.
func TestNamesAreNotMarkup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.conf.Env.NodeName, s.Account, s.Version = nasty, nasty, nasty })
	w.fake.apps = []transporter.App{{ID: nasty, Name: nasty, Geometry: nasty, Icon: nasty}}
	w.fake.logs = []string{nasty, "</pre>" + nasty}
	full := transporter.Session{User: "ann", Name: nasty, App: nasty, Command: nasty, Geometry: nasty, Reason: nasty, Params: map[string]string{nasty: nasty}}
	running := w.fake.add(full)
	full.State, full.Node = transporter.Ended, thisNode
	ended := w.fake.add(full)
	c := cookie("__Host-fastx", w.login("ann"))
	for _, path := range []string{"/", "/fragments/sessions", "/sessions/" + running.ID, "/sessions/" + ended.ID, "/nowhere/" + nasty} {
		a := w.do("GET", path, nil, c)
		if !strings.Contains(a.Header.Get("Content-Type"), "text/html; charset=utf-8") {
			t.Errorf("%s is %s", path, a.Header.Get("Content-Type"))
		}
		if strings.Contains(a.body, "<img src=x") || strings.Contains(a.body, "<script>") || strings.Contains(a.body, `"'>`) {
			t.Errorf("%s: a name became markup: %s", path, a.body)
		}
		if path != "/nowhere/"+nasty && !strings.Contains(a.body, "&lt;script&gt;") {
			t.Errorf("%s does not show the name", path)
		}
	}
	w.do("GET", "/", nil).want(t, 200)
}

func TestPagesNeedASignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	for _, path := range []string{"/", "/sessions/" + s.ID} {
		for _, o := range []option{header("X", "y"), cookie("__Host-fastx", "stale")} {
			a := w.do("GET", path, nil, o).want(t, 200)
			if !strings.Contains(a.body, `name="next" value="`+path+`"`) || strings.Contains(a.body, `name="csrf"`) {
				t.Errorf("%s: %s", path, a.body)
			}
		}
	}
	w.do("GET", "/fragments/sessions", nil).want(t, 401).code(t)
	lim := cookie("__Host-fastx", w.login("lim"))
	w.do("GET", "/sessions/"+s.ID, nil, lim).want(t, 404)
	w.do("GET", "/?all=1", nil, lim).want(t, 403)
	if home := w.do("GET", "/", nil, lim).want(t, 200).body; strings.Contains(home, "command of your own") || strings.Contains(home, "Everyone") {
		t.Error("the page offers what is not allowed")
	}
	w.do("POST", "/", nil).want(t, 404)
	if to := w.do("GET", "/login", nil).want(t, 303).Header.Get("Location"); to != "/" {
		t.Errorf("/login leads to %q", to)
	}
}

func TestThePageShowsWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.Account = "root" })
	s := w.fake.add(transporter.Session{User: "boss", Name: "night run", State: transporter.Ended, Reason: "killed by signal 9"})
	w.fake.add(transporter.Session{User: "ann", Name: "of ann"})
	c := cookie("__Host-fastx", w.login("boss"))
	has := func(path string, parts ...string) {
		t.Helper()
		body := w.do("GET", path, nil, c).want(t, 200).body
		for _, p := range parts {
			if !strings.Contains(body, p) {
				t.Errorf("%s lacks %q", path, p)
			}
		}
	}
	has("/", "as the Unix account root", "night run", "Killed by signal 9", "Terminal", "command of your own", "Everyone’s")
	has("/?all=1", "of ann", "<span>ann</span>")
	has("/sessions/"+s.ID, "Killed by signal 9.", "line one\nline two")
	w.fake.logs = nil
	has("/sessions/"+s.ID, "its log is gone")
	if body := w.do("GET", "/", nil, c).body; strings.Contains(body, "of ann") {
		t.Error("everyone's sessions are among mine")
	}
	w.fake.failing("list", transporter.Errorf(transporter.Unavailable, "no manager answers"))
	if a := w.do("GET", "/", nil, c).want(t, 503); !strings.Contains(a.body, "No manager answers.") {
		t.Errorf("without a manager: %s", a.body)
	}
}

func TestADisplayPageNeedsNoVNC(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		w := newWorld(t, func(s *setup) {
			if !there {
				s.NoVNC = nil
			}
		})
		s := w.fake.add(transporter.Session{User: "ann"})
		body := w.do("GET", "/sessions/"+s.ID, nil, cookie("__Host-fastx", w.login("ann"))).want(t, 200).body
		if strings.Contains(body, "display.js") != there || strings.Contains(body, "apt install novnc") == there {
			t.Errorf("noVNC there: %v, the page: %s", there, body)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	c := cookie("__Host-fastx", w.login("ann"))
	for _, path := range []string{"/", "/sessions/" + s.ID, "/nowhere", "/api/v1/me", "/api/v1/nowhere", "/healthz", w.ws.page.prefix + "page.css", "/novnc/core/rfb.js", "/fragments/look"} {
		h := w.do("GET", path, nil, c).Header
		for key, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if h.Get(key) != want {
				t.Errorf("%s: %s is %q", path, key, h.Get(key))
			}
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy is %q", path, csp)
		}
	}
	page := w.do("GET", "/", nil, c).Header.Get("Content-Security-Policy")
	if !strings.Contains(page, "connect-src 'self' wss://"+w.addr()+";") {
		t.Errorf("the page's policy is %q", page)
	}
}

func TestAHostHeaderChangesNoPolicy(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"x;script-src *", "x script-src *", "x,*", "*", "'unsafe-inline'"} {
		h := http.Header{}
		(&Webserver{}).allowPage(h, &http.Request{Host: host, TLS: &tls.ConnectionState{}})
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self'; ") {
			t.Errorf("%q gives the policy %q", host, csp)
		}
	}
}

// cookieOf is the cookie that the page's own sign-in gives.
func cookieOf(w *world, user string) option {
	w.t.Helper()
	c := w.do("POST", "/login", credentials{Username: user, Password: password}).want(w.t, 200).Cookies()[0]
	return cookie(c.Name, c.Value)
}

// TestPagesLoadOnlyWhatIsServed follows every link of the templates and modules.
func TestPagesLoadOnlyWhatIsServed(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/apps/fastx"} {
		t.Run("base "+base, func(t *testing.T) {
			t.Parallel()
			followLinks(t, base)
		})
	}
}

func followLinks(t *testing.T, base string) {
	w := newWorld(t, func(s *setup) { s.conf.HTTPS.BasePath = base })
	s := w.fake.add(transporter.Session{User: "ann"})
	c := cookieOf(w, "ann")
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	pages := w.do("GET", "/", nil).body + w.do("GET", "/", nil, c).body + w.do("GET", "/sessions/"+s.ID, nil, c).body
	for _, m := range links.FindAllStringSubmatch(pages, -1) {
		if strings.HasPrefix(m[1], "#") {
			continue
		}
		if a := w.outside(m[1], c); a.StatusCode != 200 || !strings.HasPrefix(m[1], base+"/") {
			t.Errorf("%s: %d", m[1], a.StatusCode)
		}
	}
	imports := regexp.MustCompile(`from '([^']+)'`)
	for name := range w.ws.page.static {
		if path.Ext(name) != ".js" {
			continue
		}
		a := w.do("GET", w.ws.page.prefix+name, nil).want(t, 200)
		if a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %v", name, a.Header)
		}
		for _, m := range imports.FindAllStringSubmatch(a.body, -1) {
			w.do("GET", path.Join(w.ws.page.prefix, m[1]), nil).want(t, 200)
		}
	}
}

func TestNoTemplateHoldsAScriptOrAStyle(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:|https?://`)
	err := fs.WalkDir(assets, "templates", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(assets, name)
		if found := inline.FindString(string(text)); found != "" {
			t.Errorf("%s holds %q, which the policy forbids", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	if title(transporter.Session{ID: "1", Command: "c", App: "a", Name: "n"}) != "n" || title(transporter.Session{ID: "1"}) != "1" {
		t.Error("the title is not the best name there is")
	}
	for name, want := range map[string]string{"xterm": "X", " ärger": "Ä", "": "?", "\xff": "?", "\x00": "?"} {
		if got := initial(name); got != want {
			t.Errorf("the initial of %q is %q", name, got)
		}
	}
	for in, want := range map[string]string{"": "", "it broke": "It broke.", "É.": "É."} {
		if got := sentence(in); got != want {
			t.Errorf("sentence(%q) = %q", in, got)
		}
	}
	for _, s := range []transporter.State{transporter.Pending, transporter.Starting, transporter.Running, transporter.Ended} {
		if stateName(s) == stateName(transporter.Unknown) {
			t.Errorf("the state %s has no name of its own", s)
		}
	}
}

// TestARenamedNodeIsNamedOnItsPages commits another name under open connections.
func TestARenamedNodeIsNamedOnItsPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	events := w.events(t, "", bearer(w.login("ann")))
	for _, name := range []string{thisNode, "renamed.example"} {
		w.conf.Env.NodeName = name
		w.commit()
		if body := w.do("GET", "/", nil).want(t, 200).body; !strings.Contains(body, name) {
			t.Errorf("the page does not name %s: %s", name, body)
		}
	}
	w.tell(transporter.Session{ID: "1", User: "ann", Name: "afterwards"}, false)
	events.wantSession("afterwards", false)
}
