package webserver

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
	"time"
)

// packed keeps the compressed form of files that many browsers load. Pages are not compressed: they
// hold the CSRF token beside what others may choose, and their length would tell of both.
type packed struct {
	mu    sync.Mutex
	files map[string]packedFile
}

type packedFile struct {
	modified time.Time
	data     []byte // nil where compressing gains nothing
}

func newPacked() *packed { return &packed{files: make(map[string]packedFile)} }

// get compresses a file once for each of its versions.
func (p *packed) get(name string, modified time.Time, data []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.files[name]
	if !ok || !f.modified.Equal(modified) {
		f = packedFile{modified, pack(data)}
		p.files[name] = f
	}
	return f.data
}

func pack(data []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a good one
	z.Write(data)
	z.Close()
	if b.Len() > len(data)*9/10 {
		return nil
	}
	return b.Bytes()
}

// takesGzip reports whether a client wants gzip. What it says in any but the usual way counts as no.
func takesGzip(r *http.Request) bool {
	for item := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, rest, _ := strings.Cut(strings.TrimSpace(item), ";")
		if strings.EqualFold(coding, "gzip") {
			return !strings.Contains(rest, "q=0") || strings.Contains(rest, "q=0.")
		}
	}
	return false
}
