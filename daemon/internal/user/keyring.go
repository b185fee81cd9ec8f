package user

import (
	"crypto/ed25519"
	"log/slog"
	"sync/atomic"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

// keyring holds the keys this node trusts: its own and those in LOCAL/keys.d, which
// is read again from time to time, so that another node's key can be added or taken away
// without a restart.
type keyring struct {
	dir  string
	own  ed25519.PublicKey
	log  *slog.Logger
	keys atomic.Pointer[ticket.Keys]
	said string // the last complaint, so that it is made once
}

func newKeyring(dir string, own ed25519.PublicKey, log *slog.Logger) *keyring {
	k := &keyring{dir: dir, own: own, log: log}
	k.reload()
	return k
}

func (k *keyring) reload() {
	keys, err := ticket.LoadKeys(k.dir)
	k.keys.Store(keys.With(k.own))
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != k.said && problem != "" {
		k.log.Warn("some keys are not trusted", "problems", problem)
	}
	k.said = problem
}

func (k *keyring) load() *ticket.Keys { return k.keys.Load() }
