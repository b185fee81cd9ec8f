package transporter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Times of connecting.
const (
	dialTimeout  = 2 * time.Second // for each server
	backoffFirst = 250 * time.Millisecond
	backoffLast  = 5 * time.Second
	stable       = 10 * time.Second // a connection that lived so long ends the back-off
	pingInterval = 20 * time.Second // so that a peer that vanished is noticed within a minute
)

// dialer makes connections with one name and one Settings.
type dialer struct {
	urls    []string
	options []nats.Option
	keys    []nats.Option // ways to identify oneself, to be tried in turn: current, previous
}

// newDialer checks what can be checked without the network.
func newDialer(o Options) (*dialer, error) {
	s := o.Settings
	d := &dialer{options: []nats.Option{
		nats.Name(o.Node + "/" + string(o.Role)),
		nats.Timeout(dialTimeout),
		nats.PingInterval(pingInterval),
		nats.NoReconnect(), // connecting again is done by Conn, which can change the key
	}}
	if len(s.URLs) == 0 {
		if o.Hub == nil {
			return nil, errors.New("there is no transporter to connect to; set urls in transporter-secret.ini")
		}
		d.options = append(d.options, nats.InProcessServer(o.Hub))
		d.keys = []nats.Option{anonymous}
		return d, nil
	}
	d.urls = s.URLs
	if s.TLSCAFile != "" {
		d.options = append(d.options, nats.RootCAs(s.TLSCAFile))
	}
	seed, ok := s.Seeds[o.Role]
	if !ok || seed.Current == "" {
		seed = s.Default
	}
	var err error
	d.keys, err = keys(s.Form, seed)
	if err != nil {
		return nil, fmt.Errorf("the transporter secret of %s: %w", o.Role, err)
	}
	return d, nil
}

// anonymous presents no key: none is needed in process, and a URL may hold its own.
func anonymous(*nats.Options) error { return nil }

// keys turns a seed into what is presented to the server, the current one first.
func keys(form string, seed spec.Seed) ([]nats.Option, error) {
	var out []nats.Option
	for _, secret := range []string{seed.Current, seed.Previous} {
		switch {
		case secret == "":
		case form == "token":
			out = append(out, nats.Token(secret))
		default:
			key, err := nkey(secret)
			if err != nil {
				return nil, err
			}
			out = append(out, key)
		}
	}
	if len(out) == 0 {
		out = []nats.Option{anonymous}
	}
	return out, nil
}

// nkey never puts the seed into its error.
func nkey(seed string) (nats.Option, error) {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, errors.New("it is not an nkey seed; a user seed begins with SU")
	}
	public, err := pair.PublicKey()
	if err != nil || !nkeys.IsValidPublicUserKey(public) {
		return nil, errors.New("it is an nkey seed, but not one of a user; a user seed begins with SU")
	}
	return nats.Nkey(public, pair.Sign), nil
}

// dial tries every key once and returns the first connection that is let in.
func (d *dialer) dial(ctx context.Context, more ...nats.Option) (*nats.Conn, error) {
	var refused error
	for _, key := range d.keys {
		options := append([]nats.Option{key, nats.SetCustomDialer(contextDialer{ctx})}, d.options...)
		nc, err := nats.Connect(strings.Join(d.urls, ","), append(options, more...)...)
		if err == nil {
			return nc, nil
		}
		if refused == nil || errors.Is(err, nats.ErrAuthorization) {
			refused = err
		}
	}
	return nil, d.explain(refused)
}

// explain says in one sentence why no connection came about.
func (d *dialer) explain(err error) error {
	where := "the embedded transporter"
	if len(d.urls) > 0 {
		where = "the transporter at " + strings.Join(hosts(d.urls), ", ")
	}
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("%s refused this node's key; compare transporter-secret.ini with its nats-server.conf: %w", where, err)
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("%s does not answer: %w", where, err)
	}
	return fmt.Errorf("%s cannot be used: %w", where, err)
}

// hosts leaves out of URLs what may be a secret.
func hosts(urls []string) []string {
	out := make([]string, len(urls))
	for i, s := range urls {
		s = s[strings.LastIndex(s, "@")+1:]
		out[i] = s[strings.LastIndex(s, "/")+1:]
	}
	return out
}

// contextDialer ends a dial when the Conn is closed.
type contextDialer struct{ ctx context.Context }

// Dial is nats.CustomDialer's.
func (d contextDialer) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	return dialer.DialContext(d.ctx, network, address)
}

// backoff is how long to wait before the dial after so many failures: any time up to
// a bound that doubles, so that a whole cluster does not come back in step.
func backoff(failures int) time.Duration {
	bound := min(backoffFirst<<min(failures, 10), backoffLast)
	return rand.N(bound)
}
