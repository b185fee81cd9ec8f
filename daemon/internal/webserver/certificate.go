package webserver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	// A generated certificate is replaced renewBefore its end.
	certificateLife = 397 * 24 * time.Hour
	renewBefore     = 30 * 24 * time.Hour
	// certificateCheck is how often the files are looked at between generations:
	// what renews certificates replaces them without touching the configuration.
	certificateCheck = time.Minute
)

// certificate is a key pair and where it came from.
type certificate struct {
	pair      tls.Certificate
	generated bool // by this node; nobody else vouches for it
}

func (c *certificate) same(o *certificate) bool {
	return c != nil && o != nil && slices.EqualFunc(c.pair.Certificate, o.pair.Certificate, bytes.Equal)
}

// pairFiles names the files of a key pair, and the key of https.ini that an
// administrator has to look at when they are bad.
type pairFiles struct{ cert, key, setting string }

// loadCertificate returns the configured certificate; without one, the pair in
// FX_VAR_DIR; without both of its files, a generated one in FX_LOCAL_DIR.
func loadCertificate(dirs spec.Dirs, h spec.HTTPS, names []string, now time.Time) (*certificate, error) {
	files := pairFiles{h.CertFile, h.KeyFile, "cert_file"}
	if h.CertFile == "" && h.KeyFile == "" {
		files = pairFiles{filepath.Join(dirs.Var, "fastx.crt"), filepath.Join(dirs.Var, "fastx.key"), ""}
		if !exist(files.cert, files.key) {
			return ownCertificate(dirs.Local, names, now)
		}
	}
	pair, err := files.load()
	if err != nil {
		return nil, err
	}
	return &certificate{pair: pair}, nil
}

func exist(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool {
		_, err := os.Stat(p)
		return errors.Is(err, fs.ErrNotExist)
	})
}

func (f pairFiles) load() (tls.Certificate, error) {
	if f.cert == "" || f.key == "" {
		return tls.Certificate{}, f.problem("https.ini", "only one of cert_file and key_file is set", "set both, or neither")
	}
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return tls.Certificate{}, f.problem(f.cert, "the certificate cannot be read: "+reason(err), "make it readable for the daemon's user")
	}
	key, err := ticket.ReadPrivate(f.key)
	if err != nil {
		return tls.Certificate{}, f.problem(f.key, "the certificate's key cannot be used: "+reason(err), "let the daemon's user read it and nobody else")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, f.problem(f.cert, "the certificate and "+f.key+" are no pair: "+err.Error(), "replace both files with a matching PEM certificate and key")
	}
	return pair, nil
}

func (f pairFiles) problem(file, summary, remedy string) error {
	d := diag.Diagnostic{
		File: file, Key: f.setting, Severity: diag.Error, Code: "bad-certificate", Summary: summary, Remedy: remedy,
	}
	return diag.List{d}.Err()
}

// reason is what went wrong with a file, without its name.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// ownCertificate reads the generated pair in dir, or makes one when there is none,
// or it cannot be used, or it ends soon. The key is written before the certificate: a
// crash between the two leaves a pair that does not match, and is replaced.
func ownCertificate(dir string, names []string, now time.Time) (*certificate, error) {
	certFile, keyFile := filepath.Join(dir, "fastx.cert"), filepath.Join(dir, "fastx.key")
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && fresh(pair.Leaf, now) {
		return &certificate{pair: pair, generated: true}, nil
	}
	cert, key, err := generate(names, now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	if _, err := fileset.WriteFile(keyFile, key, 0o600); err != nil {
		return nil, fmt.Errorf("keep the generated certificate: %w", err)
	}
	if _, err := fileset.WriteFile(certFile, cert, 0o644); err != nil {
		return nil, fmt.Errorf("keep the generated certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("use the generated certificate: %w", err)
	}
	return &certificate{pair: pair, generated: true}, nil
}

func fresh(leaf *x509.Certificate, now time.Time) bool {
	return now.After(leaf.NotBefore) && now.Add(renewBefore).Before(leaf.NotAfter)
}

// generate makes a self-signed certificate for names, which are host names or
// addresses. Its own key signs it, so it is good for nothing but this node.
func generate(names []string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0], Organization: []string{"fastx-kit generated certificate"}},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}

// namesOf is what a generated certificate of a node stands for: every way to reach this machine
// that the machine itself knows.
func namesOf(node string) []string {
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	if isHost(node) {
		names = append(names, node)
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLinkLocalUnicast() {
			names = append(names, ip.IP.String())
		}
	}
	slices.Sort(names[1:])
	return slices.Compact(names)
}

// watchCertificate takes up certificates that were renewed between two generations.
// It has a goroutine of its own because the files may lie on a share that hangs.
func (w *Webserver) watchCertificate(ctx context.Context) {
	tick := time.NewTicker(certificateCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.renewCertificate()
		}
	}
}

// renewCertificate keeps what is served when the files are bad.
func (w *Webserver) renewCertificate() {
	s := w.settings.Load()
	if s == nil || s.cert == nil {
		return
	}
	cert, err := loadCertificate(w.o.Dirs, s.https, namesOf(s.node), w.o.Now())
	if err != nil {
		w.o.Log.Warn("the certificate on disk is bad; the last good one is served", "error", err)
		return
	}
	if cert.same(s.cert) {
		return
	}
	next := *s
	next.cert = cert
	if w.settings.CompareAndSwap(s, &next) {
		w.front.cert.CompareAndSwap(s.cert, cert)
		w.o.Log.Info("a renewed certificate is served", "until", cert.pair.Leaf.NotAfter)
	}
}
