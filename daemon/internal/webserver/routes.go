package webserver

import (
	"bytes"
	"cmp"
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// patience is how long a request is worked on unless its route says otherwise.
const patience = 20 * time.Second

// loginPatience is how long one step of a login may take: PAM may wait for somebody to confirm it on a phone.
const loginPatience = 100 * time.Second

//go:embed openapi.yaml
var openapi []byte

// route is one row of the API.
type route struct {
	method, path string
	open         bool          // needs no login, or checks it itself
	patience     time.Duration // 0: the usual; < 0: as long as the client likes
	serve        func(*Webserver, http.ResponseWriter, *http.Request, *caller) error
}

// endless is the patience of streams.
const endless = -1

// table is the whole API; openapi.yaml describes exactly these rows.
var table = []route{
	{method: "POST", path: "/api/v1/login", open: true, patience: loginPatience, serve: (*Webserver).login},
	{method: "POST", path: "/api/v1/logout", open: true, serve: (*Webserver).logout},
	{method: "GET", path: "/api/v1/me", serve: (*Webserver).me},
	{method: "GET", path: "/api/v1/me/preferences", serve: (*Webserver).preferences},
	{method: "PUT", path: "/api/v1/me/preferences", serve: (*Webserver).setPreferences},
	{method: "GET", path: "/api/v1/apps", serve: (*Webserver).apps},
	{method: "POST", path: "/api/v1/sessions", patience: startPatience, serve: (*Webserver).startSession},
	{method: "GET", path: "/api/v1/sessions", serve: (*Webserver).listSessions},
	{method: "GET", path: "/api/v1/sessions/{id}", serve: (*Webserver).showSession},
	{method: "DELETE", path: "/api/v1/sessions/{id}", serve: (*Webserver).terminateSession},
	{method: "POST", path: "/api/v1/sessions/{id}/ticket", serve: (*Webserver).displayTicket},
	{method: "POST", path: "/api/v1/sessions/{id}/message", serve: (*Webserver).messageSession},
	{method: "GET", path: "/api/v1/sessions/{id}/log", serve: (*Webserver).sessionLog},
	{method: "GET", path: "/api/v1/sessions/{id}/thumbnail", serve: (*Webserver).thumbnail},
	{method: "GET", path: "/api/v1/sessions/{id}/display", open: true, patience: endless, serve: (*Webserver).display},
	{method: "GET", path: "/api/v1/nodes", serve: (*Webserver).listNodes},
	{method: "POST", path: "/api/v1/nodes/{node}/drain", serve: (*Webserver).drain},
	{method: "DELETE", path: "/api/v1/nodes/{node}/drain", serve: (*Webserver).drain},
	{method: "GET", path: "/api/v1/nodes/{node}/config/history", serve: (*Webserver).history},
	{method: "GET", path: "/api/v1/nodes/{node}/config/generations/{generation}", serve: (*Webserver).generation},
	{method: "GET", path: "/api/v1/nodes/{node}/config/diff", serve: (*Webserver).diff},
	{method: "GET", path: "/api/v1/config", serve: (*Webserver).config},
	{method: "GET", path: "/api/v1/loglevel", serve: (*Webserver).logLevels},
	{method: "PUT", path: "/api/v1/loglevel", serve: (*Webserver).setLogLevel},
	{method: "POST", path: "/api/v1/message", serve: (*Webserver).messageAll},
	{method: "GET", path: "/api/v1/events", patience: endless, serve: (*Webserver).streamEvents},
	{method: "GET", path: "/api/v1/openapi.yaml", open: true, serve: (*Webserver).openapi},
	{method: "GET", path: "/healthz", open: true, serve: (*Webserver).healthz},
	{method: "GET", path: "/readyz", open: true, serve: (*Webserver).readyz},
}

// routes puts the API and the page together, below a base path. The two questions that a
// machine asks about the process are answered without it, too.
func (w *Webserver) routes(base string) http.Handler {
	mux := http.NewServeMux()
	for path, methods := range byPath(table) {
		mux.Handle(base+path, w.dispatch(methods))
		if base != "" && isProbe(path) {
			mux.Handle(path, w.dispatch(methods))
		}
	}
	mux.HandleFunc(base+"/api/", func(rw http.ResponseWriter, r *http.Request) { w.fail(rw, r, errNoRoute) })
	w.pageRoutes(mux, base)
	if base != "" {
		w.outside(mux, base)
	}
	return mux
}

func isProbe(path string) bool { return path == "/healthz" || path == "/readyz" }

// outside leads from the root to the base path, and tells who asks for anything else there
// where to ask: a proxy that cuts the path off is found out by it.
func (w *Webserver) outside(mux *http.ServeMux, base string) {
	hint := transporter.Errorf(transporter.NotFound, "nothing is served here; all paths of this server begin with %s/", base)
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, base+"/", http.StatusSeeOther)
	})
	mux.HandleFunc("/api/", func(rw http.ResponseWriter, r *http.Request) { w.fail(rw, r, hint) })
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		w.allowPage(rw.Header(), r)
		w.failPage(rw, r, hint)
	})
}

// base is the path that everything is served below, such as "/fastx", or "".
func (w *Webserver) base() string {
	if s := w.settings.Load(); s != nil {
		return s.https.BasePath
	}
	return ""
}

func byPath(table []route) map[string]map[string]route {
	paths := make(map[string]map[string]route)
	for _, r := range table {
		if paths[r.path] == nil {
			paths[r.path] = make(map[string]route)
		}
		paths[r.path][r.method] = r
	}
	return paths
}

// dispatch answers one path. A HEAD is a GET whose body nobody sees.
func (w *Webserver) dispatch(methods map[string]route) http.Handler {
	var allow []string
	for m := range methods {
		allow = append(allow, m)
	}
	if slices.Contains(allow, "GET") {
		allow = append(allow, "HEAD")
	}
	slices.Sort(allow)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		row, ok := methods[method]
		if !ok {
			rw.Header().Set("Allow", strings.Join(allow, ", "))
			w.fail(rw, r, errMethod)
			return
		}
		w.serveAPI(row, rw, r)
	})
}

func (w *Webserver) serveAPI(row route, rw http.ResponseWriter, r *http.Request) {
	r, done := w.bounded(rw, r, row.patience)
	defer done()
	var who *caller
	if !row.open {
		var err error
		if who, err = w.caller(r); err != nil {
			w.fail(rw, r, err)
			return
		}
	}
	if err := row.serve(w, rw, r, who); err != nil {
		w.fail(rw, r, err)
	}
}

func (w *Webserver) openapi(rw http.ResponseWriter, r *http.Request, _ *caller) error {
	rw.Header().Set("Content-Type", "application/yaml")
	here := bytes.Replace(openapi, []byte("\n  - url: /\n"), []byte("\n  - url: "+cmp.Or(w.base(), "/")+"\n"), 1)
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(here))
	return nil
}

func (w *Webserver) healthz(rw http.ResponseWriter, _ *http.Request, _ *caller) error {
	writeText(rw, http.StatusOK, "ok\n")
	return nil
}

func (w *Webserver) readyz(rw http.ResponseWriter, _ *http.Request, _ *caller) error {
	ok, waiting := w.o.Ready()
	if ok {
		writeText(rw, http.StatusOK, "ready\n")
		return nil
	}
	writeText(rw, http.StatusServiceUnavailable, "waiting for: "+strings.Join(waiting, ", ")+"\n")
	return nil
}

func writeText(rw http.ResponseWriter, status int, text string) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.WriteHeader(status)
	rw.Write([]byte(text))
}
