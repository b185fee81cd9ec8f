package user

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"

	"golang.org/x/crypto/bcrypt"
)

// htpasswd is the Authenticator of the htpasswd file.
type htpasswd struct {
	logins  func() logins
	gate    *gate
	compare func(hash, password []byte) error
}

var (
	_ Method  = (*htpasswd)(nil)
	_ Stamper = (*htpasswd)(nil)
)

// newHtpasswd leaves half of the processors to everything else the node does.
func newHtpasswd(current func() logins) *htpasswd {
	return &htpasswd{logins: current, gate: newGate((runtime.NumCPU() + 1) / 2), compare: bcrypt.CompareHashAndPassword}
}

// Name is "htpasswd".
func (h *htpasswd) Name() string { return "htpasswd" }

// Takes takes whom the file names.
func (h *htpasswd) Takes(user string) bool {
	_, ok := h.logins().hashes[user]
	return ok
}

// Login compares the password. An unknown user and a wrong password take the same work.
func (h *htpasswd) Login(ctx context.Context, a Attempt) (Step, error) {
	l := h.logins()
	hash, known := l.hashes[a.User]
	if !known {
		hash = dummy(l.cost)
	}
	match := false
	if err := h.gate.do(ctx, func() { match = h.matches(hash, a.Password, l.cost) }); err != nil {
		return Step{}, err
	}
	if !known || !match {
		return Step{}, ErrWrong
	}
	return Step{User: a.User}, nil
}

// Lookup knows whom the file names. The file says nothing of groups, and a Unix
// account that happens to have the same name is somebody else.
func (h *htpasswd) Lookup(user string) ([]string, error) {
	if !h.Takes(user) {
		return nil, ErrGone
	}
	return nil, nil
}

// Stamp is a digest of the hash, which has a random salt.
func (h *htpasswd) Stamp(user string) string {
	sum := sha256.Sum256([]byte("fastx login v1 " + h.logins().hashes[user]))
	return hex.EncodeToString(sum[:8])
}

// matches takes as long to fail as the dearest hash of the file: one of cost c takes
// 2^c, and 2^c + 2^c + 2^(c+1) + … + 2^(dearest-1) is 2^dearest.
func (h *htpasswd) matches(hash, password string, dearest int) bool {
	if h.compare([]byte(hash), []byte(password)) == nil {
		return true
	}
	cost, _ := bcrypt.Cost([]byte(hash)) // newLogins has seen to it that this works
	for ; cost < dearest; cost++ {
		_ = h.compare([]byte(dummy(cost)), []byte(password))
	}
	return false
}

// logins is the htpasswd file of one generation.
type logins struct {
	hashes map[string]string
	cost   int // of the dearest hash
}

// newLogins leaves out what is not a bcrypt hash: nobody can log in with it.
func newLogins(file map[string]string) logins {
	l := logins{hashes: make(map[string]string, len(file))}
	for name, hash := range file {
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			continue
		}
		l.hashes[name] = hash
		l.cost = max(l.cost, cost)
	}
	if len(l.hashes) == 0 {
		l.cost = bcrypt.DefaultCost
	}
	return l
}

// dummy is a well-formed hash of a password nobody knows.
func dummy(cost int) string {
	return fmt.Sprintf("$2a$%02d$%s", cost, "abcdefghijklmnopqrstuuKkVbD3yYqWqmHCqY2nKUIL1Wy3Nq0jW")
}
