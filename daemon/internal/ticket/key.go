package ticket

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Where a node keeps its keys, below FX_LOCAL_DIR.
const (
	KeyFile = "ticket-signing.key" // the private key: PKCS#8 PEM, 0600
	KeysDir = "keys.d"             // the trusted public keys: <id>.pem, SPKI PEM, 0644
)

// MachineKeysDir holds the public keys that this machine's fastxd-launchd trusts: <id>.pem, all of it root's.
const MachineKeysDir = "/etc/fastx-launchd/keys.d"

// Key is the private key that signs tickets.
type Key struct {
	private ed25519.PrivateKey
	id      string
}

// NewKey makes a key that lives in memory only.
func NewKey() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newKey(private), nil
}

func newKey(private ed25519.PrivateKey) *Key {
	return &Key{private: private, id: KeyID(private.Public().(ed25519.PublicKey))}
}

// LoadKey reads a private key. It refuses a file that someone else could have read or written.
func LoadKey(path string) (*Key, error) {
	data, err := readGuarded(path, privateFile)
	if err != nil {
		return nil, fmt.Errorf("ticket signing key: %w", err)
	}
	key, err := parsePrivate(data)
	if err != nil {
		return nil, fmt.Errorf("ticket signing key %s: %w; put an Ed25519 key in PKCS#8 PEM form there, or remove the file to have one made", path, err)
	}
	return newKey(key), nil
}

// LoadOrCreateKey reads a private key, or makes one when there is none. The file
// appears whole and on disk, or not at all; of several processes that start at
// once, all end with the same key.
func LoadOrCreateKey(path string) (*Key, error) {
	key, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("ticket signing key %s cannot be made: %w", path, err)
	}
	return LoadKey(path)
}

// create leaves a key at path, its own or that of whoever was faster.
func create(path string) error {
	key, err := NewKey()
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return place(path, data, 0o600, func(tmp string) error {
		// A link, unlike a rename, never replaces the key of a faster process.
		if err := os.Link(tmp, path); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
}

// InstallPublic writes the key's public half to dir/<id>.pem, so that whoever
// reads that folder trusts tickets that k signs.
func InstallPublic(dir string, k *Key) error {
	path := filepath.Join(dir, k.id+".pem")
	if have, err := readGuarded(path, publicFile); err == nil && bytes.Equal(have, k.PublicPEM()) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("trusted keys: %w", err)
	}
	err := place(path, k.PublicPEM(), 0o644, func(tmp string) error { return os.Rename(tmp, path) })
	if err != nil {
		return fmt.Errorf("trusted key %s: %w", path, err)
	}
	return nil
}

// ID names the key in tickets and file names: the first 16 hex digits of sha256 over its SPKI DER.
func (k *Key) ID() string { return k.id }

// Public returns the public half.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// PublicPEM returns the public half as SPKI PEM.
func (k *Key) PublicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(k.Public())})
}

// Sign makes a ticket of the claims. It fails with ErrMalformed where Verify
// would, and with ErrTooLarge when they take more than MaxSize.
func (k *Key) Sign(c Claims) (string, error) {
	if c.Kind == "" || c.Subject == "" || c.ID == "" {
		return "", fmt.Errorf("%w: it lacks a kind, a subject or an id", ErrMalformed)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := format + "." + k.id + "." + encoding.EncodeToString(raw)
	if len(signed)+1+signatureLen > MaxSize {
		return "", ErrTooLarge
	}
	return signed + "." + encoding.EncodeToString(ed25519.Sign(k.private, []byte(signed))), nil
}

// KeyID returns the id of a public key: the first 16 hex digits of sha256 over its SPKI DER.
func KeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(spki(pub))
	return hex.EncodeToString(sum[:8])
}

func spki(pub ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic(err) // an Ed25519 key always has this form
	}
	return der
}

func parsePrivate(data []byte) (ed25519.PrivateKey, error) {
	der, err := onlyBlock(data, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("it is not a PKCS#8 private key") // the parser's own words could hold bytes of the key
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not an Ed25519 key", key)
	}
	return private, nil
}

// onlyBlock returns the bytes of the one PEM block that data must consist of.
func onlyBlock(data []byte, kind string) ([]byte, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("it does not hold exactly one PEM block %q", kind)
	}
	return block.Bytes, nil
}
