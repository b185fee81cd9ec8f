package user

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// sshServer is an sshd in this process, at the other end of a pipe.
type sshServer struct {
	t      *testing.T
	key    ssh.Signer
	config ssh.ServerConfig
	hear   func(net.Conn) // in the place of a server; nil: a server

	mu               sync.Mutex
	names, passwords []string // that were tried, in order
	methods          []string
	ended            chan struct{} // one for each connection that is over
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newSSHServer lets ann in by the password "secret".
func newSSHServer(t *testing.T) *sshServer {
	s := &sshServer{t: t, key: newSigner(t), ended: make(chan struct{}, 100)}
	s.config.PasswordCallback = func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		s.note("password", m, string(password))
		if m.User() != "ann" || string(password) != "secret" {
			return nil, errors.New("no")
		}
		return nil, nil
	}
	return s
}

func (s *sshServer) note(method string, m ssh.ConnMetadata, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.methods, s.names, s.passwords = append(s.methods, method), append(s.names, m.User()), append(s.passwords, password)
}

// asks makes the server ask by keyboard-interactive, and nothing else.
func (s *sshServer) asks(story func(ssh.KeyboardInteractiveChallenge) error) {
	s.config.PasswordCallback = nil
	s.config.KeyboardInteractiveCallback = func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		s.note(byAnswers, m, "")
		return nil, story(ask)
	}
}

// want asks one question and fails unless the answer is the right one.
func want(ask ssh.KeyboardInteractiveChallenge, instruction, question string, echo bool, right string) error {
	answers, err := ask("", instruction, []string{question}, []bool{echo})
	if err == nil && answers[0] != right {
		err = fmt.Errorf("wrong answer %q", answers[0])
	}
	return err
}

// buffered is an end of a pipe that takes what is written before it is read, as a socket does.
type buffered struct {
	net.Conn
	out chan []byte

	mu     sync.Mutex
	closed bool
}

func pipe() (a, b net.Conn) {
	x, y := net.Pipe()
	ends := []*buffered{{Conn: x, out: make(chan []byte, 1000)}, {Conn: y, out: make(chan []byte, 1000)}}
	for _, end := range ends {
		go func() {
			for data := range end.out {
				end.Conn.Write(data)
			}
			end.Conn.Close()
		}()
	}
	return ends[0], ends[1]
}

func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, net.ErrClosed
	}
	b.out <- bytes.Clone(p)
	return len(p), nil
}

// Close lets the other end read what was written.
func (b *buffered) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.Conn.SetReadDeadline(time.Unix(1, 0))
		close(b.out)
	}
	return nil
}

// SetDeadline is for reading alone: nothing that is written has to wait.
func (b *buffered) SetDeadline(t time.Time) error { return b.Conn.SetReadDeadline(t) }

func (s *sshServer) dial(context.Context, string) (net.Conn, error) {
	here, there := pipe()
	go func() {
		defer func() { there.Close(); s.ended <- struct{}{} }()
		if s.hear != nil {
			s.hear(there)
			return
		}
		config := s.config
		config.AddHostKey(s.key)
		conn, channels, requests, err := ssh.NewServerConn(there, &config)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		for range channels {
			s.t.Error("a session was opened")
		}
		conn.Close()
	}()
	return here, nil
}

func (s *sshServer) knownHosts() []byte {
	return []byte(knownhosts.Line([]string{sshAddr}, s.key.PublicKey()) + "\n")
}

// client asks the server, on a machine on which ann has an account.
func (s *sshServer) client(t *testing.T) (*sshd, *syncBuffer) {
	ns := newNameService()
	ns.add("ann", 5001)
	said := new(syncBuffer)
	log := slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	site := &sshSite{addr: sshAddr, known: s.knownHosts()}
	c := newSSHD(func() *sshSite { return site }, newResidents(ns.lookup, time.Now, log), log)
	c.dial = s.dial
	return c, said
}

func login(t *testing.T, c *sshd, user, password string) (Step, error) {
	return c.Login(t.Context(), Attempt{User: user, Password: password})
}

func texts(prompts []transporter.Prompt) string {
	var out []string
	for _, p := range prompts {
		out = append(out, fmt.Sprintf("%s %t", p.Text, p.Echo))
	}
	return strings.Join(out, " | ")
}

// reply answers the questions of a step, which have to be these.
func (s Step) reply(t *testing.T, questions string, answers ...string) (Step, error) {
	t.Helper()
	if got := texts(s.Prompts); got != questions {
		t.Fatalf("asked %q, want %q", got, questions)
	}
	return s.Answer(t.Context(), answers)
}

// free checks that nothing is left of a login: no connection and no place.
func free(t *testing.T, c *sshd, s *sshServer) {
	t.Helper()
	<-s.ended
	synctest.Wait()
	if n := len(c.places); n != 0 {
		t.Errorf("%d conversations are still open", n)
	}
}

// story runs one login in a bubble, in which time goes by when nothing else can happen.
func story(t *testing.T, f func(t *testing.T, s *sshServer)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newSSHServer(t)) })
}
