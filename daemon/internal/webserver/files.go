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
	return serveData(rw, r, name, data, time.Time{})
}

// hasNoVNC looks each time: it may be installed while we run.
func (w *Webserver) hasNoVNC() bool {
	if w.o.NoVNC == nil {
		return false
	}
	_, err := fs.Stat(w.o.NoVNC, "core/rfb.js")
	return err == nil
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
	return serveFile(rw, r, w.o.NoVNC, name, info.ModTime())
}

// serveFile serves one file. fs.FS takes no path that climbs out of it, however it
// was written in the request.
func serveFile(rw http.ResponseWriter, r *http.Request, files fs.FS, name string, modified time.Time) error {
	if !fs.ValidPath(name) {
		return errNoPage
	}
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return errNoPage
	}
	return serveData(rw, r, name, data, modified)
}

// serveData serves what a file of a kind that pages need holds.
func serveData(rw http.ResponseWriter, r *http.Request, name string, data []byte, modified time.Time) error {
	kind, known := mimeTypes[path.Ext(name)]
	if !known {
		return errNoPage
	}
	rw.Header().Set("Content-Type", kind)
	http.ServeContent(rw, r, "", modified, bytes.NewReader(data))
	return nil
}
