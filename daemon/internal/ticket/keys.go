package ticket

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// leeway is how far the clock of the node that signed may be ahead of ours.
const leeway = time.Minute

// Keys is an immutable set of trusted public keys.
type Keys struct {
	byID map[string]ed25519.PublicKey
}

// NewKeys makes a set of the given keys.
func NewKeys(pub ...ed25519.PublicKey) *Keys {
	return (&Keys{}).With(pub...)
}

// With returns a set that holds the given keys as well.
func (k *Keys) With(pub ...ed25519.PublicKey) *Keys {
	out := &Keys{byID: maps.Clone(k.byID)}
	if out.byID == nil {
		out.byID = make(map[string]ed25519.PublicKey, len(pub))
	}
	for _, p := range pub {
		out.byID[KeyID(p)] = p
	}
	return out
}

// Len returns how many keys there are.
func (k *Keys) Len() int { return len(k.byID) }

// LoadKeys reads all *.pem files of a folder. The set it returns is never nil and
// holds every good key; the error joins what is wrong with the others. A key counts
// only where its file's name is its id, so that a look at the folder shows who is
// trusted, and where nobody but the file's owner can write to it.
func LoadKeys(dir string) (*Keys, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return NewKeys(), fmt.Errorf("trusted keys: %w", err)
	}
	var good []ed25519.PublicKey
	var bad []error
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".pem" || e.Name()[0] == '.' {
			continue
		}
		pub, err := loadPublic(filepath.Join(dir, e.Name()))
		if err != nil {
			bad = append(bad, fmt.Errorf("trusted key %w", err))
			continue
		}
		good = append(good, pub)
	}
	return NewKeys(good...), errors.Join(bad...)
}

func loadPublic(path string) (ed25519.PublicKey, error) {
	data, err := readGuarded(path, publicFile)
	if err != nil {
		return nil, err
	}
	der, err := onlyBlock(data, "PUBLIC KEY")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pub, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s: it is a %T, not an Ed25519 key", path, key)
	}
	if want := KeyID(pub) + ".pem"; filepath.Base(path) != want {
		return nil, fmt.Errorf("%s: a key is trusted under its own id only; rename the file to %s", path, want)
	}
	return pub, nil
}

// Verify returns the claims of a ticket that a trusted key signed, that is of the
// kind wanted and that is good at the time now. There is one algorithm and the
// ticket has no say in it. Of what is wrong, the signature is told first: nothing that
// an unsigned ticket claims is looked at.
func (k *Keys) Verify(token string, now time.Time, want Kind) (Claims, error) {
	p, err := parse(token)
	if err != nil {
		return Claims{}, err
	}
	pub, ok := k.byID[p.key]
	if !ok {
		return Claims{}, ErrUnknownKey
	}
	if !ed25519.Verify(pub, []byte(p.signed), p.signature) {
		return Claims{}, ErrSignature
	}
	c, err := p.claims()
	if err != nil {
		return Claims{}, err
	}
	if err := c.check(now, want); err != nil {
		return Claims{}, err
	}
	return c, nil
}

func (c Claims) check(now time.Time, want Kind) error {
	switch {
	case c.Kind != want:
		return ErrKind
	case time.Unix(c.IssuedAt, 0).After(now.Add(leeway)):
		return ErrNotYet
	case !now.Before(time.Unix(c.Expires, 0)):
		return ErrExpired
	}
	return nil
}
