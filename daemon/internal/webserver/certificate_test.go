package webserver

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// served returns the certificate that a new connection is shown.
func (w *world) served() *x509.Certificate {
	w.t.Helper()
	conn := w.rawTLS()
	if err := conn.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	return conn.ConnectionState().PeerCertificates[0]
}

// writePair makes a key pair for a name.
func writePair(t *testing.T, cert, key, name string) {
	t.Helper()
	c, k, err := generate([]string{name}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(cert, c, 0o644), os.WriteFile(key, k, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestACertificateIsMadeWhenThereIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	leaf := w.served()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", thisNode, host} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if leaf.IsCA || leaf.NotAfter.Sub(leaf.NotBefore) > 398*24*time.Hour {
		t.Errorf("a browser refuses this: CA %v, until %v", leaf.IsCA, leaf.NotAfter)
	}
	for file, mode := range map[string]os.FileMode{"fastx.key": 0o600, "fastx.cert": 0o644} {
		info, err := os.Stat(filepath.Join(w.dirs.Local, file))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	w.commit()
	if again := w.served(); !again.Equal(leaf) {
		t.Error("every generation makes a new certificate")
	}
	if w.do("GET", "/", nil).Header.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS with a certificate that nobody vouches for")
	}
}

func TestAGeneratedCertificateIsReplacedWhenItIsOfNoUse(t *testing.T) {
	t.Parallel()
	now := time.Now()
	make := func(dir string) *certificate {
		t.Helper()
		c, err := ownCertificate(dir, []string{"localhost"}, now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, spoil := range map[string]func(dir string) error{
		"ends soon":      func(string) error { now = now.Add(certificateLife - renewBefore + time.Hour); return nil },
		"no certificate": func(dir string) error { return os.Remove(filepath.Join(dir, "fastx.cert")) },
		"no key":         func(dir string) error { return os.Remove(filepath.Join(dir, "fastx.key")) },
		"half written":   func(dir string) error { return os.Truncate(filepath.Join(dir, "fastx.cert"), 100) },
		"a crash in between": func(dir string) error {
			_, key, err := generate([]string{"x"}, now)
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "fastx.key"), key, 0o600))
		},
	} {
		dir := t.TempDir()
		first := make(dir)
		if !make(dir).same(first) {
			t.Fatalf("%s: a good one was replaced", name)
		}
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if make(dir).same(first) {
			t.Errorf("%s: it is still used", name)
		}
	}
	if _, err := ownCertificate(filepath.Join(t.TempDir(), "nowhere"), []string{"x"}, now); err == nil {
		t.Error("a certificate that cannot be kept is no error")
	}
}

// TestCertificatesAreSwappedWhileServing walks through all sources of a certificate
// with a display open.
func TestCertificatesAreSwappedWhileServing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ws := w.openDisplay(w.fake.add(transporter.Session{User: "ann"}).ID)
	inVar := func(name string) string { return filepath.Join(w.dirs.Var, name) }
	expect := func(name string) {
		t.Helper()
		if got := w.served().Subject.CommonName; got != name {
			t.Errorf("served is the certificate of %q, want %q", got, name)
		}
		echo(t, ws, name)
	}
	expect("localhost")
	writePair(t, inVar("fastx.crt"), inVar("fastx.key"), "from-var")
	w.commit()
	expect("from-var")
	if w.do("GET", "/", nil).Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS with a certificate of the administrator's")
	}
	other := t.TempDir()
	w.conf.HTTPS.CertFile, w.conf.HTTPS.KeyFile = filepath.Join(other, "c.pem"), filepath.Join(other, "k.pem")
	writePair(t, w.conf.HTTPS.CertFile, w.conf.HTTPS.KeyFile, "configured")
	change, err := w.prepare()
	if err != nil {
		t.Fatal(err)
	}
	expect("from-var")
	change.Commit()
	expect("configured")

	// What renews certificates does not touch the configuration.
	writePair(t, w.conf.HTTPS.CertFile, w.conf.HTTPS.KeyFile, "renewed")
	w.ws.renewCertificate()
	expect("renewed")
	if err := os.WriteFile(w.conf.HTTPS.KeyFile, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.ws.renewCertificate()
	expect("renewed")
	if !strings.Contains(w.log.String(), "the last good one is served") {
		t.Error("a bad renewal is not logged")
	}
	if _, err := w.prepare(); err == nil {
		t.Error("a bad pair does not refuse the generation")
	}
	w.conf.HTTPS = spec.HTTPS{}
	w.commit()
	w.ws.renewCertificate()
	echo(t, ws, "without TLS for the others")
}

func TestABadCertificateRefusesTheGeneration(t *testing.T) {
	t.Parallel()
	dirs := shortDirs(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	writePair(t, file("a.crt"), file("a.key"), "a")
	writePair(t, file("b.crt"), file("b.key"), "b")
	if err := os.WriteFile(file("text"), []byte("no PEM"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cert, key, says string }{
		"only one":    {file("a.crt"), "", "only one of cert_file and key_file is set; set both, or neither"},
		"no such":     {file("x.crt"), file("a.key"), "the certificate cannot be read: no such file or directory"},
		"no key":      {file("a.crt"), file("x.key"), "key cannot be used: no such file"},
		"no PEM":      {file("text"), file("a.key"), "no pair"},
		"no pair":     {file("a.crt"), file("b.key"), "no pair"},
		"interchange": {file("a.key"), file("a.crt"), "lets others at it"},
	} {
		_, err := loadCertificate(dirs, spec.HTTPS{CertFile: c.cert, KeyFile: c.key}, []string{"x"}, time.Now())
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "cert_file: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Half a pair in FX_VAR_DIR is one that is being written.
	if err := os.WriteFile(filepath.Join(dirs.Var, "fastx.crt"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err := loadCertificate(dirs, spec.HTTPS{}, []string{"x"}, time.Now()); err != nil || !c.generated {
		t.Errorf("with half a pair: %v, %v", c, err)
	}
}

func TestACertificateNamesEveryWayToTheMachine(t *testing.T) {
	t.Parallel()
	names := namesOf(thisNode)
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip := a.(*net.IPNet).IP; !ip.IsLinkLocalUnicast() && !slices.Contains(names, ip.String()) {
			t.Errorf("%v is missing in %v", ip, names)
		}
	}
}

func TestWithoutACertificateThereIsNoTLS(t *testing.T) {
	t.Parallel()
	if _, err := newFront(nil, 0).config.GetCertificate(nil); err == nil {
		t.Error("a certificate is served before there is one")
	}
}
