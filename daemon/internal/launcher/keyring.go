package launcher

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// rereadEvery is how often, at most, tickets with an unknown key make the launcher read its keys again.
const rereadEvery = time.Second

// keyring is the folder of trusted keys, read again when a ticket names an unknown
// one and from time to time, so that a key that was removed is soon trusted no more.
type keyring struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex
	keys   *ticket.Keys
	read   time.Time
	lament string // what was last said about the folder
}

func newKeyring(dir string, log *slog.Logger) *keyring {
	k := &keyring{dir: dir, log: log}
	k.refresh()
	return k
}

func (k *keyring) refresh() *ticket.Keys {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.load()
}

// load reads the folder; what is wrong with it is told once.
func (k *keyring) load() *ticket.Keys {
	keys, err := ticket.LoadKeys(k.dir)
	k.keys, k.read = keys, time.Now()
	lament := ""
	if err != nil {
		lament = err.Error()
	}
	if lament != "" && lament != k.lament {
		k.log.Warn("not every trusted key can be used", "error", err)
	}
	k.lament = lament
	return k.keys
}

// again returns the keys, read again unless that was done a moment ago.
func (k *keyring) again() *ticket.Keys {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.read) < rereadEvery {
		return k.keys
	}
	return k.load()
}

func (k *keyring) current() *ticket.Keys {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys
}

// verify returns what a ticket of this kind says, if a trusted key signed it.
func (k *keyring) verify(token string, now time.Time, kind ticket.Kind) (ticket.Claims, error) {
	c, err := k.current().Verify(token, now, kind)
	if errors.Is(err, ticket.ErrUnknownKey) {
		c, err = k.again().Verify(token, now, kind)
	}
	if errors.Is(err, ticket.ErrKind) {
		return c, transporter.Errorf(transporter.Forbidden, "%s", err)
	}
	if err != nil {
		return c, transporter.Errorf(transporter.Unauthorized, "%s", err)
	}
	return c, nil
}

// verify checks a ticket's signature, kind, time and node.
func (l *Launcher) verify(token string, kind ticket.Kind) (ticket.Claims, error) {
	c, err := l.keys.verify(token, l.opts.Now(), kind)
	if err == nil && c.Node != l.opts.Node && (c.Node != "" || kind == ticket.Start) {
		err = transporter.Errorf(transporter.Forbidden, "the ticket is for node %s and this is %s", c.Node, l.opts.Node)
	}
	return c, err
}

// spend uses a one-time ticket up. One from before this launcher started may have
// been used then, which nobody remembers, so it is refused as well.
func (l *Launcher) spend(c ticket.Claims) error {
	switch {
	case c.IssuedAt < l.since.Unix():
		return transporter.Errorf(transporter.Unauthorized, "the ticket is older than this node's launcher; ask for a new one")
	case !l.spent.Spend(c.ID, time.Unix(c.Expires, 0), l.opts.Now()):
		return transporter.Errorf(transporter.Unauthorized, "the ticket has been used already; ask for a new one")
	}
	return nil
}
