package user

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const sshAddr = "gate.example:22"

func TestSSHLetsInByThePassword(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		c, said := s.client(t)
		if step, err := login(t, c, "ann", "secret"); err != nil || step.User != "ann" {
			t.Fatalf("%+v, %v", step, err)
		}
		free(t, c, s)
		for _, try := range [][2]string{{"ann", "guess-one"}, {"bob", "secret"}} {
			if step, err := login(t, c, try[0], try[1]); !errors.Is(err, ErrWrong) {
				t.Errorf("%v: %+v, %v", try, step, err)
			}
			free(t, c, s)
		}
		if got := strings.Join(s.passwords, " "); got != "secret guess-one secret" {
			t.Errorf("sshd was told %q", got)
		}
		for _, secret := range []string{"secret", "guess-one"} {
			if strings.Contains(said.String(), secret) {
				t.Errorf("the log holds a password:\n%s", said)
			}
		}
	})
}

func TestSSHSiteIsWhatTheFilesSay(t *testing.T) {
	t.Parallel()
	set := fileset.New(fileset.File{Name: "/etc/known", Data: []byte("x")})
	for name, c := range map[string]struct {
		says *spec.AuthSSH
		want string
	}{
		"no file":       {nil, "nobody"},
		"turned off":    {&spec.AuthSSH{Host: "gate", Port: 22}, "nobody"},
		"this machine":  {&spec.AuthSSH{Enabled: true, Host: "::1", Port: 2222}, "[::1]:2222, its own keys"},
		"another":       {&spec.AuthSSH{Enabled: true, Host: "gate", Port: 22, KnownHosts: "/etc/known"}, `gate:22, "x"`},
		"a list is off": {&spec.AuthSSH{Enabled: true, Host: "::1", Port: 22, KnownHosts: "/etc/gone"}, `[::1]:22, ""`},
	} {
		got := "nobody"
		if s := newSSHSite(c.says, set); s != nil && s.known == nil {
			got = s.addr + ", its own keys"
		} else if s != nil {
			got = fmt.Sprintf("%s, %q", s.addr, s.known)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestSSHNamesThatMeanSomebodyElseThereAreNotTaken(t *testing.T) {
	t.Parallel()
	c, _ := newSSHServer(t).client(t)
	for name, want := range map[string]bool{"ann": true, "ann@eda.example.com": true, "ann/role": false, "ann:style": false, "": false, "-ann": false} {
		if got := c.Takes(name); got != want {
			t.Errorf("%q is taken: %t", name, got)
		}
	}
}

func TestSSHWithTwoFactorsAndARoundOfWords(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error {
			_, err := ask("EDA cluster", "Work only.\x1b[2J", nil, nil)
			return errors.Join(err,
				want(ask, "", "Password: ", false, "secret"),
				want(ask, "A code was sent to +41\t99.", "Code: ", true, "123"),
				want(ask, "", "Pet: ", false, "rex"))
		})
		c, _ := s.client(t)
		step, err := login(t, c, "ann", "secret")
		if err != nil {
			t.Fatal(err)
		}
		step, err = step.reply(t, "EDA cluster\nWork only.[2J\nA code was sent to +41 99.\nCode:  true", "123")
		if err != nil {
			t.Fatal(err)
		}
		if step, err = step.reply(t, "Pet:  false", "rex"); err != nil || step.User != "ann" {
			t.Fatalf("%+v, %v", step, err)
		}
		free(t, c, s)
	})
}

func TestSSHWrongAnswerIsNotTriedAgainAsAPassword(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		byPasswordToo := s.config.PasswordCallback
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error { return want(ask, "", "Password: ", false, "secret") })
		s.config.PasswordCallback = byPasswordToo
		c, _ := s.client(t)
		if _, err := login(t, c, "ann", "wrong"); !errors.Is(err, ErrWrong) {
			t.Errorf("got %v", err)
		}
		free(t, c, s)
		if got := strings.Join(s.methods, " "); got != byAnswers {
			t.Errorf("tried %s", got)
		}
	})
}

func TestSSHPasswordIsForThePasswordPromptAlone(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error {
			answers, err := ask("", "", []string{"Verification code: ", "Password: ", "New password: "}, []bool{false, false, false})
			if err == nil && strings.Join(answers, " ") != "77 secret fresh" {
				err = fmt.Errorf("got %q", answers)
			}
			return err
		})
		c, _ := s.client(t)
		step, err := login(t, c, "ann", "secret")
		if err != nil {
			t.Fatal(err)
		}
		if step, err = step.reply(t, "Verification code:  false | New password:  false", "77", "fresh"); err != nil || step.User != "ann" {
			t.Fatalf("%+v, %v", step, err)
		}
		free(t, c, s)
	})
	for question, want := range map[string]bool{
		"Password: ": true, "ann@gate's password: ": true, "Passwort: ": true, "First Factor: ": true, "Passphrase: ": true,
		"Verification code: ": false, "One-time password (OATH) for `ann': ": false, "Password + OTP token: ": false, "New password: ": false, "Passcode: ": false, "PIN: ": false,
	} {
		if asksPassword(question) != want {
			t.Errorf("%q asks for the password: %t", question, !want)
		}
	}
}

func TestSSHPasswordThenAnswers(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		right := s.config.PasswordCallback
		s.config.PasswordCallback = func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if _, err := right(m, password); err != nil {
				return nil, err
			}
			return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
				KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
					return nil, want(ask, "", "Code: ", true, "1")
				}}}
		}
		c, _ := s.client(t)
		for answer, ok := range map[string]bool{"1": true, "2": false} {
			step, err := login(t, c, "ann", "secret")
			if err != nil {
				t.Fatal(err)
			}
			if step, err = step.reply(t, "Code:  true", answer); (err == nil) != ok || !ok && !errors.Is(err, ErrWrong) {
				t.Errorf("answer %s: %+v, %v", answer, step, err)
			}
			free(t, c, s)
		}
	})
}

func TestSSHBannerIsShownWithTheQuestion(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error { return want(ask, "", "Code: ", true, "1") })
		s.config.BannerCallback = func(ssh.ConnMetadata) string { return "Authorised use only.\r\n" }
		c, _ := s.client(t)
		step, err := login(t, c, "ann", "secret")
		if err != nil || texts(step.Prompts) != "Authorised use only.\nCode:  true" {
			t.Errorf("%q, %v", texts(step.Prompts), err)
		}
		step.Abandon()
		free(t, c, s)
	})
}

func TestSSHSaysNothingToAStranger(t *testing.T) {
	old := newSigner(t)
	for name, c := range map[string]struct {
		known func(s *sshServer) string
		says  string
	}{
		"changed": {func(*sshServer) string { return knownhosts.Line([]string{sshAddr}, old.PublicKey()) }, "none that known_hosts has"},
		"revoked": {func(s *sshServer) string {
			return string(s.knownHosts()) + "@revoked * " + strings.SplitN(string(s.knownHosts()), " ", 2)[1]
		}, "is revoked"},
		"unknown":      {func(s *sshServer) string { return knownhosts.Line([]string{"other.example"}, s.key.PublicKey()) }, "holds no key of gate.example"},
		"another port": {func(s *sshServer) string { return knownhosts.Line([]string{"gate.example:2222"}, s.key.PublicKey()) }, "holds no key of gate.example"},
		"excluded": {func(s *sshServer) string {
			return knownhosts.Line([]string{"!gate.example,*.example"}, s.key.PublicKey())
		}, "holds no key"},
		"an empty one": {func(*sshServer) string { return "# nothing yet\n" }, "holds no key"},
		"torn":         {func(s *sshServer) string { return string(s.knownHosts())[:40] }, "known_hosts:1"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, s *sshServer) {
				client, _ := s.client(t)
				client.site = func() *sshSite { return &sshSite{addr: sshAddr, known: []byte(c.known(s))} }
				if _, err := login(t, client, "ann", "secret"); err == nil || errors.Is(err, ErrWrong) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				synctest.Wait()
				if len(s.names) != 0 || len(client.places) != 0 {
					t.Errorf("the stranger was told %v %v", s.names, s.passwords)
				}
			})
		})
	}
}

func TestSSHKnowsHostsInEveryWayThatSSHWritesThem(t *testing.T) {
	key := newSigner(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := ssh.NewPublicKey(&other.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{ // the address, and the line
		"plain":           {sshAddr, knownhosts.Line([]string{"gate.example"}, key.PublicKey())},
		"hashed":          {sshAddr, knownhosts.Line([]string{knownhosts.HashHostname("gate.example")}, key.PublicKey())},
		"another port":    {"gate.example:2222", knownhosts.Line([]string{"gate.example:2222"}, key.PublicKey())},
		"a pattern":       {sshAddr, knownhosts.Line([]string{"*.example"}, key.PublicKey())},
		"several kinds":   {sshAddr, knownhosts.Line([]string{sshAddr}, rsaKey) + "\n" + knownhosts.Line([]string{sshAddr}, key.PublicKey())},
		"an IPv6 address": {"[fd00::7]:22", knownhosts.Line([]string{"fd00::7"}, key.PublicKey())},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, s *sshServer) {
				s.key = key
				client, _ := s.client(t)
				client.site = func() *sshSite { return &sshSite{addr: c[0], known: []byte(c[1] + "\n")} }
				if step, err := login(t, client, "ann", "secret"); err != nil || step.User != "ann" {
					t.Errorf("%+v, %v", step, err)
				}
				free(t, client, s)
			})
		})
	}
}

func TestSSHAuthorityOfHostKeys(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		ca, host := newSigner(t), s.key
		cert := &ssh.Certificate{Key: host.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"gate.example"}, ValidBefore: ssh.CertTimeInfinity}
		if err := cert.SignCert(rand.Reader, ca); err != nil {
			t.Fatal(err)
		}
		var err error
		if s.key, err = ssh.NewCertSigner(cert, host); err != nil {
			t.Fatal(err)
		}
		client, _ := s.client(t)
		client.site = func() *sshSite {
			return &sshSite{addr: sshAddr, known: []byte("@cert-authority " + knownhosts.Line([]string{"*.example"}, ca.PublicKey()) + "\n")}
		}
		if step, err := login(t, client, "ann", "secret"); err != nil || step.User != "ann" {
			t.Errorf("%+v, %v", step, err)
		}
		free(t, client, s)
	})
}

func TestSSHThisMachinesOwnKeys(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), newSigner(t)
	pattern := filepath.Join(dir, "ssh_host_*_key.pub")
	if _, err := ownHostKeys(pattern, "127.0.0.1:2222"); err == nil || !strings.Contains(err.Error(), "install an sshd") {
		t.Errorf("without any: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ssh_host_ed25519_key.pub"), ssh.MarshalAuthorizedKey(key.PublicKey()), 0o644); err != nil {
		t.Fatal(err)
	}
	known, err := ownHostKeys(pattern, "127.0.0.1:2222")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := newHostKeys(known, "own", "127.0.0.1:2222")
	if err != nil || keys.verify(key.PublicKey()) != nil || keys.verify(newSigner(t).PublicKey()) == nil {
		t.Errorf("%s: %v", known, err)
	}
}

// TestSSHFaultsAreNoGuesses goes through what is wrong with an sshd and not with who logs in.
func TestSSHFaultsAreNoGuesses(t *testing.T) {
	for name, c := range map[string]struct {
		make func(*sshServer)
		says string
	}{
		"silence":    {func(s *sshServer) { s.hear = func(c net.Conn) { io.Copy(io.Discard, c) } }, "i/o timeout"},
		"hangs up":   {func(s *sshServer) { s.hear = func(net.Conn) {} }, "EOF"},
		"is no sshd": {func(s *sshServer) { s.hear = func(c net.Conn) { fmt.Fprintf(c, "HTTP/1.1 400 Bad Request\r\n\r\n") } }, "sshd at gate.example:22"},
		"wants keys only": {func(s *sshServer) {
			s.config.PasswordCallback = nil
			s.config.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, errors.New("no") }
		}, "but publickey; sshd_config needs"},
		"asks for ever": {func(s *sshServer) {
			s.asks(func(ask ssh.KeyboardInteractiveChallenge) error {
				for {
					if _, err := ask("", "", nil, nil); err != nil {
						return err
					}
				}
			})
		}, errTalkative.Error()},
		"asks too much at once": {func(s *sshServer) {
			s.asks(func(ask ssh.KeyboardInteractiveChallenge) error {
				_, err := ask("", "", make([]string, maxPrompts+1), make([]bool, maxPrompts+1))
				return err
			})
		}, errTalkative.Error()},
		"says no more": {func(s *sshServer) {
			s.asks(func(ssh.KeyboardInteractiveChallenge) error { time.Sleep(2 * sshSilence); return errors.New("no") })
		}, "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, s *sshServer) {
				c.make(s)
				client, _ := s.client(t)
				if _, err := login(t, client, "ann", "secret"); err == nil || errors.Is(err, ErrWrong) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				free(t, client, s)
			})
		})
	}
}

func TestSSHThatHangsUpWhileAPersonThinks(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		var line net.Conn
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error { return want(ask, "", "Code: ", true, "1") })
		client, _ := s.client(t)
		client.dial = func(ctx context.Context, addr string) (net.Conn, error) {
			var err error
			line, err = s.dial(ctx, addr)
			return line, err
		}
		step, err := login(t, client, "ann", "secret")
		if err != nil {
			t.Fatal(err)
		}
		line.Close() // LoginGraceTime, or the machine's end
		free(t, client, s)
		if _, err := step.Answer(t.Context(), []string{"1"}); !errors.Is(err, errTooLate) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSSHIsHungUpOnWhenNobodyGoesOn(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error { return want(ask, "", "Code: ", true, "1") })
		client, _ := s.client(t)
		step, err := login(t, client, "ann", "secret")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // of the bubble: a person may think for as long as the challenge is good, which is not decided here
		step.Abandon()
		free(t, client, s)

		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error { time.Sleep(sshSilence / 2); return errors.New("no") })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := client.Login(ctx, Attempt{User: "ann", Password: "x"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that has gone: %v", err)
		}
		free(t, client, s)
	})
}

func TestSSHDoesNotBelieveAServerThatAsksForNothing(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.config.NoClientAuth = true
		client, said := s.client(t)
		if _, err := login(t, client, "ann", "whatever"); !errors.Is(err, ErrWrong) || !strings.Contains(said.String(), "PermitEmptyPasswords") {
			t.Errorf("got %v\n%s", err, said)
		}
		free(t, client, s)
	})
}

func TestSSHThatCountsTries(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.config.MaxAuthTries = 1
		client, _ := s.client(t)
		if _, err := login(t, client, "ann", "wrong"); !errors.Is(err, ErrWrong) {
			t.Errorf("got %v", err)
		}
		free(t, client, s)
	})
}

func TestSSHWhomThisNodeDoesNotKnow(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.config.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }
		client, said := s.client(t)
		if _, err := login(t, client, "bob", "secret"); !errors.Is(err, ErrWrong) || !strings.Contains(said.String(), "has no account on this node") {
			t.Errorf("got %v\n%s", err, said)
		}
		free(t, client, s)
	})
}

func TestSSHConversationsAreBounded(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error { return want(ask, "", "Code: ", true, "1") })
		client, _ := s.client(t)
		client.places = make(chan struct{}, 2)
		var open []Step
		for range 2 {
			step, err := login(t, client, "ann", "secret")
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, step)
		}
		if _, err := login(t, client, "ann", "secret"); code(err) != transporter.TooMany {
			t.Errorf("a third one: %v", err)
		}
		for _, step := range open {
			step.Abandon()
			<-s.ended
		}
		synctest.Wait()
		if step, err := login(t, client, "ann", "secret"); err != nil {
			t.Errorf("when there is room again: %v", err)
		} else {
			step.Abandon()
		}
		free(t, client, s)
	})
}

// A telephone that rings for a minute must not hold up those who only have a password.
func TestSSHSlowLoginsHoldUpNobody(t *testing.T) {
	story(t, func(t *testing.T, s *sshServer) {
		s.asks(func(ask ssh.KeyboardInteractiveChallenge) error {
			err := want(ask, "", "Password: ", false, "secret")
			time.Sleep(time.Minute)
			return err
		})
		client, _ := s.client(t)
		done := make(chan error)
		begun := time.Now()
		for range 2 * sshAtOnce {
			go func() { _, err := login(t, client, "ann", "secret"); done <- err }()
		}
		for range 2 * sshAtOnce {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took != time.Minute+sshTurn { // of the bubble's time
			t.Errorf("it took %s", took)
		}
	})
}
