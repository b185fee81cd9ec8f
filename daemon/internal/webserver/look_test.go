package webserver

import (
	"regexp"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const pixel = "\x89PNG\r\n\x1a\nof a picture"

// dressed is a configuration as administrators write one.
func dressed(s *setup) {
	s.conf.Theme = spec.Theme{Title: "Example & Sons", Logo: "/srv/logo.png", CSS: "/srv/ours.css", Accent: "#0b6b3a"}
	s.conf.Pages = spec.Pages{MOTD: "<p>Hello, <b>all</b></p>", Announcements: "<p>Sunday: no power</p>", Errors: map[int]string{404: "<h1>Lost?</h1>", 403: "<p>Ask Ann.</p>"}}
	s.set = s.set.With(fileset.File{Name: "/srv/logo.png", Data: []byte(pixel)})
	s.set = s.set.With(fileset.File{Name: "/srv/ours.css", Data: []byte(".brand { letter-spacing: 1px }")})
}

func TestThePageIsDressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dressed)
	ann := cookieOf(w, "ann")
	s := w.fake.add(transporter.Session{User: "ann"})
	ended := w.fake.add(transporter.Session{User: "ann", State: transporter.Ended})
	for path, o := range map[string]option{"/": header("X", "y"), "/?": ann, "/sessions/" + s.ID: ann, "/sessions/" + ended.ID: ann, "/nowhere": ann} {
		body := w.do("GET", path, nil, o).body
		for _, part := range []string{"Example &amp; Sons</title>", `<p>Sunday: no power</p>`, `/theme/` + w.ws.look().digest + `/theme.css" id="theme"`} {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %s: %s", path, part, body)
			}
		}
		if shown := strings.Contains(body, "<b>all</b>"); shown != (path == "/?") {
			t.Errorf("%s shows the message of the day: %t", path, shown)
		}
	}
	sheet := w.do("GET", "/theme/"+w.ws.look().digest+"/theme.css", nil).want(t, 200)
	if !strings.Contains(sheet.body, "--accent: #0b6b3a;") || !strings.HasSuffix(sheet.body, ".brand { letter-spacing: 1px }") ||
		sheet.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(sheet.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("the style sheet: %v %s", sheet.Header, sheet.body)
	}
	if policy := sheet.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") {
		t.Errorf("the style sheet's policy is %s", policy)
	}
	logo := w.do("GET", "/theme/"+w.ws.look().digest+"/logo.png", nil).want(t, 200)
	if logo.body != pixel || logo.Header.Get("Content-Type") != "image/png" || logo.Header.Get("X-Content-Type-Options") != "nosniff" ||
		logo.Header.Get("Content-Security-Policy") != pictureAlone {
		t.Errorf("the logo: %v %q", logo.Header, logo.body)
	}
	if old := w.do("GET", "/theme/0123456789abcdef/theme.css", nil).want(t, 200); old.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("another look's style sheet is kept: %v", old.Header)
	}
	for _, path := range []string{"/logo.svg", "/ours.css", "/..%2f..%2fetc%2fpasswd", "/"} {
		w.do("GET", "/theme/"+w.ws.look().digest+path, nil).want(t, 404)
	}
}

func TestAnUndressedPageIsOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	body := w.do("GET", "/", nil).want(t, 200).body
	if !strings.Contains(body, w.ws.page.prefix+`icon.svg" alt=""`) || !strings.Contains(body, `data-brand>`+thisNode) {
		t.Errorf("the page: %s", body)
	}
	if sheet := w.do("GET", "/theme/"+w.ws.look().digest+"/theme.css", nil).want(t, 200).body; sheet != "" {
		t.Errorf("the style sheet: %s", sheet)
	}
	w.do("GET", "/theme/"+w.ws.look().digest+"/logo", nil).want(t, 404)
}

// TestErrorPagesAreReplacedForPeopleOnly asks as a browser and as a program.
func TestErrorPagesAreReplacedForPeopleOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dressed)
	lim := cookieOf(w, "lim")
	for path, want := range map[string]string{"/nowhere": "<h1>Lost?</h1>", "/?all=1": "<p>Ask Ann.</p>"} {
		if body := w.do("GET", path, nil, lim).body; !strings.Contains(body, want) || !strings.Contains(body, `<div id="usual" hidden>`) || !strings.Contains(body, `href="/"`) {
			t.Errorf("%s: %s", path, body)
		}
	}
	for path, status := range map[string]int{"/api/v1/nowhere": 404, "/api/v1/sessions?all=1": 403} {
		if a := w.do("GET", path, nil, lim).want(t, status); strings.Contains(a.body, "<") || a.code(t) == "" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	w.fake.failing("list", transporter.Errorf(transporter.Unavailable, "no manager answers"))
	if body := w.do("GET", "/", nil, lim).want(t, 503).body; !strings.Contains(body, "No manager answers.") || strings.Contains(body, " hidden><h1>") {
		t.Errorf("an error without a text of its own: %s", body)
	}
}

// TestALookReachesOpenPages changes the files under an open page and goes the way its script does.
func TestALookReachesOpenPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dressed)
	ann := cookieOf(w, "ann")
	events := w.events(t, "", ann)
	before := w.ws.look().digest
	w.do("GET", "/fragments/look?have="+before, nil, ann).want(t, 204)
	w.commit() // the same again is no news
	w.conf.Theme.Title, w.conf.Pages.MOTD, w.conf.Pages.Errors = "Other", "<p>Bye</p>", map[int]string{404: "<p>Gone.</p>"}
	w.commit()
	now := w.ws.look().digest
	if name, data := events.next(); name != "page" || data != `{"look":"`+now+`"}` || now == before {
		t.Errorf("heard %s %s", name, data)
	}
	fragment := w.do("GET", "/fragments/look?have="+before+"&error=404", nil, ann).want(t, 200).body
	for _, part := range []string{`data-look="` + now, `data-brand="Other"`, `/logo.png"`, "<p>Sunday: no power</p>", "<p>Bye</p>", "<p>Gone.</p>"} {
		if !strings.Contains(fragment, part) {
			t.Errorf("the fragment lacks %s: %s", part, fragment)
		}
	}
	stranger := w.do("GET", "/fragments/look?error=teapot", nil).want(t, 200).body
	if strings.Contains(stranger, "Bye") || strings.Contains(stranger, "Gone.") || !strings.Contains(stranger, "no power") {
		t.Errorf("who is not signed in sees %s", stranger)
	}
	w.set = w.set.With(fileset.File{Name: "/srv/logo.png", Data: []byte(pixel + " that changed")})
	w.commit()
	if name, data := events.next(); name != "page" || strings.Contains(data, now) {
		t.Errorf("a new logo: heard %s %s", name, data)
	}
}

// TestThemesAreNotMarkup gives what is not meant as HTML names that would be a script. Colours cannot hold any.
func TestThemesAreNotMarkup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.conf.Theme.Title, s.conf.Theme.Logo = nasty, `/srv/"><script>alert(1)</script>.png`
		s.set = s.set.With(fileset.File{Name: s.conf.Theme.Logo, Data: []byte(pixel)})
	})
	ann := cookieOf(w, "ann")
	s := w.fake.add(transporter.Session{User: "ann"})
	for _, path := range []string{"/", "/sessions/" + s.ID, "/nowhere", "/fragments/look"} {
		body := w.do("GET", path, nil, ann).body
		if strings.Contains(body, "<script>") || strings.Contains(body, "<img src=x") || strings.Contains(body, `"'>`) || !strings.Contains(body, "/logo.png") {
			t.Errorf("%s: %s", path, body)
		}
	}
	for _, colour := range []string{"red;} body{", "#fff", "#12345g", "#123456;", "</style><script>", "url(//evil)"} {
		for _, key := range []string{"accent", "accent_dark"} {
			row, _ := spec.Lookup("theme.ini", "", key)
			if row.Check(colour) == nil {
				t.Errorf("the colour %q is taken", colour)
			}
		}
	}
}

// TestColoursCanBeRead looks at what is made of an accent, light and dark.
func TestColoursCanBeRead(t *testing.T) {
	t.Parallel()
	value := regexp.MustCompile(`--(accent|on-accent|accent-wash): (#[0-9a-f]{6});`)
	for _, accent := range []spec.Colour{"#000000", "#0b6b3a", "#1160c9", "#800000", "#ffcc00", "#ffffff"} {
		found := value.FindAllStringSubmatch(string(palette(spec.Theme{Accent: accent})), -1)
		if len(found) != 6 {
			t.Fatalf("%s: %v", accent, found)
		}
		for i := 0; i < 6; i += 3 {
			if c := spec.Colour(found[i][2]).Contrast(spec.Colour(found[i+1][2])); c < legible {
				t.Errorf("%s: %s on %s has a contrast of %.1f", accent, found[i+1][2], found[i][2], c)
			}
		}
		if c := spec.Colour(found[3][2]).Contrast(spec.SurfaceDark); c < legible {
			t.Errorf("%s: on a dark page %s has a contrast of %.1f", accent, found[3][2], c)
		}
	}
	if sheet := string(palette(spec.Theme{AccentDark: "#ff0000"})); strings.Count(sheet, ":root") != 1 || !strings.Contains(sheet, "dark) { :root { --accent: #ff0000;") {
		t.Errorf("a dark accent alone: %s", sheet)
	}
}

// TestSurfacesAreThoseOfTheStyleSheet holds what spec measures contrasts against to page.css.
func TestSurfacesAreThoseOfTheStyleSheet(t *testing.T) {
	t.Parallel()
	css := assetTexts(t)["static/page.css"]
	surface := regexp.MustCompile(`--surface: (#[0-9a-f]+);`).FindAllStringSubmatch(css, -1)
	if len(surface) != 2 || strings.Replace(surface[0][1], "#fff", "#ffffff", 1) != string(spec.SurfaceLight) || surface[1][1] != string(spec.SurfaceDark) {
		t.Errorf("page.css has the surfaces %v, spec %s and %s", surface, spec.SurfaceLight, spec.SurfaceDark)
	}
}

// TestHeadersOfTheAdministrator adds some to every answer, and changes them under way.
func TestHeadersOfTheAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.conf.Headers = spec.Headers{"X-Robots-Tag": "noindex", spec.HSTS: "max-age=7"} })
	for _, path := range []string{"/", "/nowhere", "/api/v1/me", "/healthz", w.ws.page.prefix + "page.css"} {
		if h := w.do("GET", path, nil).Header; h.Get("X-Robots-Tag") != "noindex" || h.Get(spec.HSTS) != "" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, h) // no HSTS: the certificate is a generated one
		}
	}
	w.conf.Headers = nil
	w.commit()
	if h := w.do("GET", "/", nil).Header; h.Get("X-Robots-Tag") != "" {
		t.Errorf("a header stays: %v", h)
	}
}

// TestHSTSGoesOverTLSOnly looks at it behind a proxy.
func TestHSTSGoesOverTLSOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.conf.HTTPS = trusted
		s.conf.Headers = spec.Headers{"strict-transport-security": "max-age=7"}
	})
	if h := w.do("GET", "/", nil).Header; h.Get(spec.HSTS) != "" {
		t.Errorf("without TLS: %v", h)
	}
	if h := w.do("GET", "/", nil, header("X-Forwarded-Proto", "https")).Header; h.Get(spec.HSTS) != "max-age=7" {
		t.Errorf("behind TLS: %v", h)
	}
}
