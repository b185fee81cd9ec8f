package webserver

import (
	"bytes"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// mimeTypes are the kinds of files that are served. They are not taken from the
// machine: one without /etc/mime.types would send modules that no browser runs.
var mimeTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".jpeg": "image/jpeg",
	".jpg":  "image/jpeg",
	".json": "application/json",
	".png":  "image/png",
	".svg":  "image/svg+xml",
}

func (w *Webserver) serveStatic(rw http.ResponseWriter, r *http.Request) error {
	name, ok := strings.CutPrefix(r.URL.Path, w.base()+w.page.prefix)
	if !ok {
		return errNoPage // of another release
	}
	data, ok := w.page.static[name]
	if !ok {
		return errNoPage
	}
	rw.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	return w.serveData(rw, r, name, data, time.Time{})
}

// hasNoVNC looks each time: it may be installed or upgraded while we run. Before 1.3 noVNC took no channel
// but opened its own, so that the page could not see how the connection is.
func (w *Webserver) hasNoVNC() bool {
	if w.o.NoVNC == nil {
		return false
	}
	_, err := fs.Stat(w.o.NoVNC, "core/rfb.js")
	socket, unread := fs.ReadFile(w.o.NoVNC, "core/websock.js")
	return err == nil && unread == nil && bytes.Contains(socket, []byte("rawChannel"))
}

// serveNoVNC serves noVNC's library. Its own pages are left out: ours is the page.
func (w *Webserver) serveNoVNC(rw http.ResponseWriter, r *http.Request) error {
	if w.o.NoVNC == nil {
		return errNoPage
	}
	name := r.PathValue("file")
	info, err := fs.Stat(w.o.NoVNC, name)
	if err != nil {
		return errNoPage
	}
	rw.Header().Set("Cache-Control", "no-cache") // ask each time whether it was upgraded
	// fs.FS takes no path that climbs out of it, however it was written in the request.
	data, err := fs.ReadFile(w.o.NoVNC, name)
	if err != nil {
		return errNoPage
	}
	return w.serveData(rw, r, name, data, info.ModTime())
}

// serveData serves a file that has one path, compressed for those who take that.
func (w *Webserver) serveData(rw http.ResponseWriter, r *http.Request, name string, data []byte, modified time.Time) error {
	rw.Header().Set("Vary", "Accept-Encoding")
	if _, known := mimeTypes[path.Ext(name)]; known && takesGzip(r) {
		if small := w.packed.get(r.URL.Path, modified, data); small != nil {
			rw.Header().Set("Content-Encoding", "gzip")
			data = small
		}
	}
	return servePlain(rw, r, name, data, modified)
}

// servePlain serves what a file of a kind that pages need holds.
func servePlain(rw http.ResponseWriter, r *http.Request, name string, data []byte, modified time.Time) error {
	kind, known := mimeTypes[path.Ext(name)]
	if !known {
		return errNoPage
	}
	rw.Header().Set("Content-Type", kind)
	http.ServeContent(rw, r, "", modified, bytes.NewReader(data))
	return nil
}
