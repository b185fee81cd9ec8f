package webserver

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// maxHeader bounds a request's headers.
const maxHeader = 64 << 10

// limits say how long a client may take.
type limits struct {
	first     time.Duration // for its first byte
	header    time.Duration // for the headers, and for the TLS handshake
	read      time.Duration // for headers and body
	write     time.Duration // for taking the answer once it is ready
	idle      time.Duration // until its next request
	event     time.Duration // for taking one event
	heartbeat time.Duration // between two signs of life on a quiet stream
}

// usual are the limits outside tests. The heartbeat keeps proxies, which give up after
// 60 seconds, from closing a stream.
var usual = limits{
	first: 10 * time.Second, header: 10 * time.Second, read: 30 * time.Second, write: 30 * time.Second,
	idle: 2 * time.Minute, event: 10 * time.Second, heartbeat: 20 * time.Second,
}

// servers makes the server that answers and the one that redirects.
func (w *Webserver) servers() (content, plain *http.Server) {
	complaints := slog.NewLogLogger(w.o.Log.Handler(), slog.LevelDebug)
	content = &http.Server{
		Handler:           w.handler,
		ReadHeaderTimeout: w.limits.header, ReadTimeout: w.limits.read, IdleTimeout: w.limits.idle,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true, ErrorLog: complaints,
	}
	plain = &http.Server{
		Handler:           http.HandlerFunc(redirect),
		ReadHeaderTimeout: w.limits.header, ReadTimeout: w.limits.header, WriteTimeout: w.limits.header,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true, ErrorLog: complaints,
	}
	return content, plain
}

// guard stands before every route: it bounds the body, sets the headers that no answer
// may lack, turns a panic into a 500, and writes the access log.
func (w *Webserver) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		begun := w.o.Now()
		rec := &recorder{ResponseWriter: rw}
		defer func() { w.logAccess(rec, r, begun) }()
		defer w.recoverFrom(rec, r)
		w.securityHeaders(rec.Header(), r)
		http.NewResponseController(rec).SetWriteDeadline(time.Now().Add(w.limits.write)) // until the route says otherwise
		if r.ContentLength > maxBody {
			w.fail(rec, r, errTooLarge)
			return
		}
		r.Body = http.MaxBytesReader(rec, r.Body, maxBody)
		next.ServeHTTP(rec, r)
	})
}

// securityHeaders forbid what no answer needs; a page allows itself a little more. What headers.ini
// adds is none of these, which spec sees to, but for the last.
func (w *Webserver) securityHeaders(h http.Header, r *http.Request) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// "no-referrer" would make browsers send "Origin: null" with our own forms.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// A browser that was told so could not reach a host whose certificate it does not trust.
	s := w.settings.Load()
	if s == nil {
		return
	}
	if s.cert != nil && !s.cert.generated {
		h.Set(spec.HSTS, "max-age=31536000")
	}
	for name, value := range s.extra {
		if !strings.EqualFold(name, spec.HSTS) || w.overTLS(r) && (s.cert == nil || !s.cert.generated) {
			h.Set(name, value)
		}
	}
}

func (w *Webserver) recoverFrom(rec *recorder, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	w.o.Log.Error("a request made the webserver panic", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if rec.status == 0 {
		w.fail(rec, r, errInternal)
	}
}

// logAccess never logs a query: a ticket may stand there.
func (w *Webserver) logAccess(rec *recorder, r *http.Request, begun time.Time) {
	level := slog.LevelInfo
	if quiet(strings.TrimPrefix(r.URL.Path, w.base())) {
		level = slog.LevelDebug
	}
	w.o.Log.LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method), slog.String("path", clip(r.URL.Path, 256)), slog.Int("status", rec.status),
		slog.String("client", w.clientAddress(r)), slog.Duration("took", w.o.Now().Sub(begun)))
}

func quiet(path string) bool {
	return isProbe(path) || path == "/fragments/look" || strings.HasPrefix(path, "/static/") || strings.HasPrefix(path, "/novnc/") || strings.HasPrefix(path, "/theme/")
}

// recorder notes the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController and the WebSocket library reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// bounded gives a request the time its route allows. A request without a body is no
// longer read from, so that the reading deadline does not end a long answer; one with a body
// keeps the deadline whatever its route: before anything is answered, the server reads the body.
func (w *Webserver) bounded(rw http.ResponseWriter, r *http.Request, d time.Duration) (*http.Request, context.CancelFunc) {
	rc := http.NewResponseController(rw)
	if r.ContentLength == 0 {
		rc.SetReadDeadline(time.Time{})
	}
	if d < 0 {
		rc.SetWriteDeadline(time.Time{})
		return r, func() {}
	}
	if d == 0 {
		d = patience
	}
	rc.SetWriteDeadline(time.Now().Add(d + w.limits.write))
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return r.WithContext(ctx), cancel
}
