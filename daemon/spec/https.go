package spec

import (
	"crypto/tls"
	"fmt"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// https reads https.ini.
func (l *loader) https() {
	h := &l.cfg.HTTPS
	doc := l.decode(httpsFile, httpsFile, h)
	cert, key := find(doc, "", "cert_file"), find(doc, "", "key_file")
	switch {
	case h.CertFile != "" && h.KeyFile == "":
		l.at(doc.Name, cert, diag.Error, "missing", "key_file", "is missing beside cert_file", "name the certificate's private key")
	case h.CertFile == "" && h.KeyFile != "":
		l.at(doc.Name, key, diag.Error, "missing", "cert_file", "is missing beside key_file", "name the certificate")
	case h.CertFile != "":
		l.mustExist(doc.Name, cert, "cert_file", h.CertFile)
		l.mustExist(doc.Name, key, "key_file", h.KeyFile)
		l.keyFile(h.KeyFile)
		l.checkPair(doc, key, *h)
	}
}

// mustExist refuses a key that names a file which cannot be read.
func (l *loader) mustExist(file string, line syntax.Line, key, path string) {
	f, ok := l.in.Set.Lookup(path)
	switch {
	case l.away():
	case !ok:
		l.at(file, line, diag.Error, "missing", key, show(path)+" is not there", "write the file, or name another")
	case f.Err != nil:
		l.at(file, line, diag.Error, "missing", key, fmt.Sprintf("%s cannot be read: %v", show(path), f.Err), "make it readable to the daemon's user, or name another")
	}
}

// checkPair holds certificate and key together, where both could be read.
func (l *loader) checkPair(doc *syntax.Doc, line syntax.Line, h HTTPS) {
	cert, ok1 := l.in.Set.Lookup(h.CertFile)
	key, ok2 := l.in.Set.Lookup(h.KeyFile)
	if !ok1 || !ok2 || cert.Err != nil || key.Err != nil {
		return
	}
	if _, err := tls.X509KeyPair(cert.Data, key.Data); err != nil {
		l.at(doc.Name, line, diag.Error, "bad-pair", "key_file", "certificate and private key cannot be used together", "name a PEM certificate and the key it was made for")
	}
}
