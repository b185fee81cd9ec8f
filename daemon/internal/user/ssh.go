package user

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	// sshAtOnce is how many logins call an sshd at the same moment. Others wait for their turn: by itself an sshd begins to
	// drop calls when ten are not through (MaxStartups).
	sshAtOnce = 8
	// sshTurn is how long a login may keep its turn. One that waits for a person, or for somebody's telephone, holds up nobody.
	sshTurn = 2 * time.Second
	// maxConversations is how many logins there may be at an sshd in all, those that wait for a person included.
	maxConversations = 128
)

// sshd is the Authenticator of auth-ssh.ini: a person is who an sshd takes them for.
//
// It speaks to sshd as ssh(1) does, so that whatever stands behind it (PAM, a directory, a second factor) has
// its say, and hangs up once the person is let in: no session is opened there. The host key is always verified; there is
// nobody to ask about an unknown one, and without a known one no name and no password is sent.
//
// A login is a conversation that goes on for as long as sshd has questions. It is a goroutine with a
// connection, since the client of x/crypto waits inside of a callback while a person answers.
type sshd struct {
	*residents // who logs in by ssh is an account

	site   func() *sshSite // nil: auth-ssh.ini does not say that there are such logins
	log    *slog.Logger
	gate   *gate
	places chan struct{}
	dial   func(ctx context.Context, addr string) (net.Conn, error)
}

var _ Method = (*sshd)(nil)

// sshSite is the sshd that is asked, as one generation has it.
type sshSite struct {
	addr  string // HOST:PORT
	known []byte // known_hosts; nil: the keys of this machine's own sshd
}

// newSSHSite is what the files say; nil when they say nothing.
func newSSHSite(c *spec.AuthSSH, set fileset.Set) *sshSite {
	if c == nil || !c.Enabled {
		return nil
	}
	s := &sshSite{addr: net.JoinHostPort(c.Host, strconv.Itoa(c.Port))}
	if c.KnownHosts != "" {
		f, _ := set.Lookup(c.KnownHosts)
		s.known = append([]byte{}, f.Data...) // not nil: a file that is gone names nobody
	}
	return s
}

func newSSHD(site func() *sshSite, people *residents, log *slog.Logger) *sshd {
	return &sshd{residents: people, site: site, log: log, gate: newGate(sshAtOnce), places: make(chan struct{}, maxConversations), dial: dialTCP}
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// Name is "ssh".
func (s *sshd) Name() string { return "ssh" }

// Takes takes everybody while there is an sshd to ask: who has an account is for that to say. "ann/role" and "ann:style" would be
// ann to sshd, and somebody else to us.
func (s *sshd) Takes(user string) bool { return s.site() != nil && account.ValidName(user) }

// Login begins a conversation with sshd.
func (s *sshd) Login(ctx context.Context, a Attempt) (Step, error) {
	site := s.site()
	if site == nil { // it was turned off just now
		return Step{}, ErrWrong
	}
	keys, err := site.hostKeys()
	if err != nil {
		return Step{}, fmt.Errorf("sshd at %s is not asked: %w", site.addr, err)
	}
	c := newConversation(site.addr, keys, a, s.Admit, s.log)
	var first *news
	err = s.gate.do(ctx, func() {
		if s.begin(c) {
			first = c.await(ctx, time.After(sshTurn))
		}
	})
	switch {
	case err != nil:
		return Step{}, err
	case !c.begun:
		return Step{}, tooMany("too many people are logging in", challengeTime)
	case first == nil:
		first = c.await(ctx, nil)
	}
	return c.step(ctx, first)
}

// begin lets a conversation run if there is a place for it.
func (s *sshd) begin(c *conversation) bool {
	select {
	case s.places <- struct{}{}:
		c.begun = true
		go func() {
			defer func() { <-s.places }()
			c.run(s.dial)
		}()
	default:
	}
	return c.begun
}
