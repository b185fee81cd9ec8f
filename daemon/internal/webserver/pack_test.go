package webserver

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestFilesTravelCompressed loads files as a browser and as a plain client; pages stay as they are.
func TestFilesTravelCompressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	css := w.ws.page.prefix + "page.css"
	plain := w.do("GET", css, nil, header("Accept-Encoding", "identity")).want(t, 200)
	small := w.do("GET", css, nil, header("Accept-Encoding", "br, gzip")).want(t, 200)
	if small.Header.Get("Content-Encoding") != "gzip" || small.Header.Get("Vary") != "Accept-Encoding" || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("plain %v, compressed %v", plain.Header, small.Header)
	}
	if len(small.body)*3 > len(plain.body) {
		t.Errorf("%d bytes become %d", len(plain.body), len(small.body))
	}
	z, err := gzip.NewReader(strings.NewReader(small.body))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(z); err != nil || string(data) != plain.body {
		t.Errorf("what comes out is another (%v)", err)
	}
	for accept, want := range map[string]string{"gzip;q=0": "", "gzip;q=0.5": "gzip", "": "", "deflate": "", "GZIP": "gzip"} {
		if got := w.do("GET", css, nil, header("Accept-Encoding", accept)).Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q gets %q", accept, got)
		}
	}
	home := w.do("GET", "/", nil, header("Accept-Encoding", "gzip"), cookie("__Host-fastx", w.login("ann")))
	if home.want(t, http.StatusOK).Header.Get("Content-Encoding") != "" {
		t.Error("a page with a CSRF token is compressed")
	}
}
