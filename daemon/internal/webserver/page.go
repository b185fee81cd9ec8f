package webserver

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

//go:embed templates static
var assets embed.FS

// page is the look: templates, texts, and static files under a path that changes with them.
type page struct {
	templates *template.Template
	words     map[string]*words // by language
	static    map[string][]byte
	prefix    string // "/static/<digest>/"
}

func newPage() (*page, error) {
	templates, err := template.New("").Funcs(template.FuncMap{
		"stateName": stateName, "title": title, "moment": moment, "live": live, "sentence": sentence, "tone": tone, "initial": initial,
		"stamp": stamp, "seconds": seconds, "short": short, "gib": gib, "join": strings.Join,
	}).ParseFS(assets, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the page's templates: %w", err)
	}
	p := &page{templates: templates, static: make(map[string][]byte)}
	if p.words, err = readWords(); err != nil {
		return nil, err
	}
	if err := p.readStatic(); err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	p.prefix = "/static/" + p.digest() + "/"
	return p, nil
}

// readStatic reads the embedded files, and adds each language's texts as a module.
func (p *page) readStatic() error {
	for lang, w := range p.words {
		module, err := w.module()
		if err != nil {
			return err
		}
		p.static["words."+lang+".js"] = module
	}
	files, err := assets.ReadDir("static")
	if err != nil {
		return err
	}
	for _, f := range files {
		if p.static[f.Name()], err = assets.ReadFile("static/" + f.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (p *page) digest() string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(p.static)) {
		fmt.Fprintf(sum, "%s %d\n%s", name, len(p.static[name]), p.static[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// frame is what every page shows around its own content.
type frame struct {
	*words
	looks
	Base                                  string // what all paths begin with, "" for the root
	Title, Static, Node, Version, Account string
	User, Level, CSRF                     string // of who is signed in, else ""
	Script                                string // the page's module, "" for none
	Nav                                   []navItem
}

type signInPage struct {
	frame
	Next, Username, Problem string
	Challenge               *transporter.Challenge
}

type sessionPage struct {
	frame
	Session   transporter.Session
	Viewer    bool // noVNC is there
	Log       []string
	Failed    bool // it has ended, and not in good order
	MayRepeat bool // whether the one who looks may start the same again
}

// Order is what starts the same session again, as JSON.
func (p sessionPage) Order(clean bool) (string, error) {
	o := struct {
		App      string            `json:"app,omitempty"`
		Command  string            `json:"command,omitempty"`
		Geometry string            `json:"geometry,omitempty"`
		Name     string            `json:"name,omitempty"`
		Params   map[string]string `json:"params,omitempty"`
		Clean    bool              `json:"clean,omitempty"`
	}{App: p.Session.App, Name: p.Session.Name, Params: p.Session.Params, Clean: clean}
	if o.App == "" {
		o.Command, o.Geometry = p.Session.Command, p.Session.Geometry
	}
	data, err := json.Marshal(o)
	return string(data), err
}

type messagePage struct {
	frame
	Status        int
	Heading, Text string
}

func (w *Webserver) frame(r *http.Request, title, script string, who *caller) frame {
	f := frame{
		words: w.page.wordsFor(r), looks: w.looks(who != nil), Title: title, Script: script, Base: w.base(), Static: w.base() + w.page.prefix,
		Node: w.node(), Version: w.o.Version, Account: w.o.Account,
	}
	if who != nil {
		f.User, f.Level, f.CSRF, f.Nav = who.User, who.Level, who.csrf(), navigation(w.base(), r.URL.Path, who)
	}
	return f
}

func (w *Webserver) pageRoutes(mux *http.ServeMux, base string) {
	pages := map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                   w.home,
		"POST /login":                w.pageLogin,
		"GET /login":                 w.toHome,
		"GET /sessions/{id}":         w.sessionPage,
		"GET /fragments/sessions":    fragment(w, "sessions", w.listFor),
		"GET /fragments/apps":        fragment(w, "apps", w.appListFor),
		"GET /icons/{name}":          w.serveIcon,
		"GET /fragments/look":        w.lookFragment,
		"GET /static/":               w.serveStatic,
		"GET /theme/{digest}/{file}": w.serveTheme,
		"GET /novnc/{file...}":       w.serveNoVNC,
		"/":                          func(http.ResponseWriter, *http.Request) error { return errNoPage },
	}
	maps.Copy(pages, w.adminPages())
	slow := map[string]time.Duration{"POST /login": loginPatience}
	for pattern, serve := range pages {
		mux.HandleFunc(below(base, pattern), func(rw http.ResponseWriter, r *http.Request) {
			r, done := w.bounded(rw, r, slow[pattern])
			defer done()
			w.allowPage(rw.Header(), r)
			if err := serve(rw, r); err != nil {
				w.failPage(rw, r, err)
			}
		})
	}
}

// below is a pattern of a route with the base path in it.
func below(base, pattern string) string {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		return base + pattern
	}
	return method + " " + base + path
}

// toHome is for who loads the page again that a sign-in has failed on.
func (w *Webserver) toHome(rw http.ResponseWriter, r *http.Request) error {
	http.Redirect(rw, r, w.base()+"/", http.StatusSeeOther)
	return nil
}

var errNoPage = transporter.Errorf(transporter.NotFound, "there is no such page")

// allowPage allows a page what it needs and nothing else. noVNC draws pictures from
// data: URLs; not every browser counts wss: to 'self'.
func (w *Webserver) allowPage(h http.Header, r *http.Request) {
	connect := "'self'"
	if host, ok := cleanHost(w.host(r)); ok && w.overTLS(r) {
		connect += " wss://" + host
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
		"connect-src "+connect+"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
}

func (w *Webserver) render(rw http.ResponseWriter, status int, name string, data any) error {
	var b strings.Builder
	if err := w.page.templates.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("render the page: %w", err)
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(status)
	_, err := rw.Write([]byte(b.String()))
	if err != nil {
		w.o.Log.Debug("a page could not be sent", "error", err)
	}
	return nil
}

// failPage shows a failure to a person; one who is not signed in may do that right there.
func (w *Webserver) failPage(rw http.ResponseWriter, r *http.Request, err error) {
	f := asFailure(err)
	if f.status == http.StatusUnauthorized {
		w.showSignIn(rw, r, http.StatusOK, signInPage{Next: r.URL.Path})
		return
	}
	if f.status >= http.StatusInternalServerError {
		w.o.Log.Warn("a page failed", "path", r.URL.Path, "error", err)
	}
	setFailureHeaders(rw.Header(), f)
	m := messagePage{frame: w.frame(r, "", "", nil), Status: f.status, Text: sentence(f.Message)}
	m.Heading = m.T(headingOf(f.status))
	m.Title = m.Heading
	m.Replaced = w.look().errors[f.status]
	if w.render(rw, f.status, "message.html", m) != nil {
		writeText(rw, f.status, f.Message+"\n")
	}
}

// headingOf is the key of a failure's heading.
func headingOf(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusForbidden, http.StatusServiceUnavailable:
		return fmt.Sprintf("failure.%d", status)
	default:
		return "failure.other"
	}
}

// sentence makes a message look like one.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + strings.TrimSuffix(s[n:], ".") + "."
}

func livelyFirst(a, b transporter.Session) int {
	if live(a) != live(b) {
		if live(a) {
			return -1
		}
		return 1
	}
	return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
}

// sessionPage shows a session's display, or why there is none.
func (w *Webserver) sessionPage(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	s, err := w.session(r, who)
	if err != nil {
		return err
	}
	p := sessionPage{frame: w.frame(r, title(s), "", who), Session: s, Viewer: w.hasNoVNC()}
	switch {
	case !live(s):
		p.Failed = failed(s)
		p.MayRepeat = s.App != "" && who.may(transporter.ActStart) || s.App == "" && who.may(transporter.ActCommand)
		p.Log, err = w.as(who).Log(r.Context(), s.ID)
		if err != nil { // the reason alone is worth showing
			w.o.Log.Info("a session's log cannot be shown", "session", s.ID, "error", err)
		}
		p.Script = "ended.js"
		return w.render(rw, http.StatusOK, "ended.html", p)
	case p.Viewer:
		p.Script = "display.js"
	}
	return w.render(rw, http.StatusOK, "display.html", p)
}

func (w *Webserver) showSignIn(rw http.ResponseWriter, r *http.Request, status int, p signInPage) {
	p.frame = w.frame(r, "", "signin.js", nil)
	p.Title = p.T("sign-in")
	p.Next = cleanNext(w.base(), p.Next)
	if err := w.render(rw, status, "signin.html", p); err != nil {
		w.o.Log.Error("cannot show the sign-in page", "error", err)
		writeText(rw, http.StatusInternalServerError, errInternal.Message+"\n")
	}
}

// cleanNext is where to go after signing in: one of our own pages, whatever a link says.
func cleanNext(base, next string) string {
	path, below := strings.CutPrefix(next, base)
	id, session := strings.CutPrefix(path, "/sessions/")
	if below && (session && ticket.IsID(id) || slices.Contains(adminPaths, path)) {
		return next
	}
	return base + "/"
}

func live(s transporter.Session) bool { return s.State != transporter.Ended }

// failed reports whether a session ended for another reason than that its command did, or that
// somebody or a rule ended it: such reasons begin with "ended".
func failed(s transporter.Session) bool {
	switch {
	case s.State != transporter.Ended, s.Reason == "", s.Reason == "the command ended":
		return false
	default:
		return !strings.HasPrefix(s.Reason, "ended ")
	}
}

// title is what a session is called when nobody named it.
func title(s transporter.Session) string { return cmp.Or(s.Name, s.App, s.Command, s.ID) }

// stateName is the key of a state's name.
func stateName(s transporter.State) string {
	switch s {
	case transporter.Pending, transporter.Starting, transporter.Running, transporter.Ended:
		return "state." + string(s)
	default:
		return "state.unknown"
	}
}

// moment is a time as the page shows it until its script says "3 minutes ago".
func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04 MST") }
