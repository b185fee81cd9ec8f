package user

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	// sshHello is how long an sshd may take until it has shown its host key.
	sshHello = 10 * time.Second
	// sshSilence is how long it may then take for each step: somebody may have to find their telephone.
	sshSilence = 75 * time.Second

	maxRounds  = 32   // of questions, or of words without any, in one login
	maxPrompts = 16   // in one round
	maxSaid    = 4096 // bytes of what sshd says, its questions aside, that are shown at once
)

// The methods of RFC 4252 that can be carried through a web page, the best first. By "password" sshd answers PAM's first
// question alone, and does not say what PAM says.
const (
	byAnswers  = "keyboard-interactive"
	byPassword = "password"
)

// errOver ends a conversation that nobody goes on with.
var errOver = errors.New("the login was given up")

// conversation is one login at an sshd.
type conversation struct {
	addr string
	keys hostKeys
	log  *slog.Logger
	user string
	// admit makes the name that sshd has let in that of an account of this node.
	admit func(ctx context.Context, user string) (string, error)

	ctx     context.Context // done when it is over, whoever ends it
	end     context.CancelCauseFunc
	begun   bool
	news    chan *news
	answers chan []string

	// What follows belongs to the goroutine that runs it.
	line      net.Conn
	untrusted error  // why its host key is not trusted
	password  string // what was typed beside the name
	spent     bool   // whether it has been sent
	sent      bool   // whether anything has been sent that can be wrong
	rounds    int
	said      []string // and not yet shown
}

// news is what comes next of a conversation: questions, or its end.
type news struct {
	prompts []transporter.Prompt
	err     error
}

func newConversation(addr string, keys hostKeys, a Attempt, admit func(context.Context, string) (string, error), log *slog.Logger) *conversation {
	c := &conversation{addr: addr, keys: keys, admit: admit, log: log, user: a.User, password: a.Password,
		news: make(chan *news, 1), answers: make(chan []string)}
	c.ctx, c.end = context.WithCancelCause(context.Background())
	return c
}

// await waits for what comes next; nil when that takes too long. Whoever does not wait to the end ends the conversation.
func (c *conversation) await(ctx context.Context, limit <-chan time.Time) *news {
	select {
	case n := <-c.news:
		return n
	case <-limit:
		return nil
	case <-ctx.Done():
		c.end(ctx.Err())
		return &news{err: ctx.Err()}
	}
}

// step is how far the login has come.
func (c *conversation) step(ctx context.Context, n *news) (Step, error) {
	switch {
	case n.err != nil:
		return Step{}, n.err
	case n.prompts == nil:
		return c.enter(ctx)
	}
	return Step{Prompts: n.prompts, Answer: c.answer, Abandon: func() { c.end(errOver) }}, nil
}

// enter ends the login of whom sshd lets in. An account that this node does not know could have no session.
func (c *conversation) enter(ctx context.Context) (Step, error) {
	name, err := c.admit(ctx, c.user)
	if errors.Is(err, ErrWrong) {
		c.log.Warn("sshd lets somebody in who has no account on this node; getent passwd should know all that sshd does", "sshd", c.addr, "user", c.user)
	}
	return Step{User: name}, err
}

func (c *conversation) answer(ctx context.Context, answers []string) (Step, error) {
	select {
	case c.answers <- answers:
		return c.step(ctx, c.await(ctx, nil))
	case <-c.ctx.Done(): // sshd did not wait so long (LoginGraceTime)
		return Step{}, errTooLate
	}
}

// run has the conversation, from the call to the last word.
func (c *conversation) run(dial func(context.Context, string) (net.Conn, error)) {
	err := c.judge(c.converse(dial))
	c.end(cmp.Or(err, errOver))
	select {
	case c.news <- &news{err: err}:
	default: // it ended before its last question was taken, and whoever takes that sees it
	}
}

func (c *conversation) converse(dial func(context.Context, string) (net.Conn, error)) error {
	ctx, cancel := context.WithTimeout(c.ctx, sshHello)
	defer cancel()
	conn, err := dial(ctx, c.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(c.ctx, func() { conn.Close() })()
	c.line = conn
	c.wait(sshHello)
	client, channels, requests, err := ssh.NewClientConn(&watchedConn{conn, c.end}, c.addr, &ssh.ClientConfig{
		User: c.user, ClientVersion: "SSH-2.0-fastxd", BannerCallback: c.hear, AuthCallback: c.method,
		HostKeyCallback: c.recognise, HostKeyAlgorithms: c.keys.algorithms,
	})
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(requests)
	go func() {
		for range channels { // a client that asks for nothing is offered none
		}
	}()
	return client.Close()
}

// wait gives sshd so long; 0 is for ever.
func (c *conversation) wait(limit time.Duration) {
	var until time.Time
	if limit > 0 {
		until = time.Now().Add(limit)
	}
	c.line.SetDeadline(until)
}

// watchedConn tells at once when the line is lost, also while nobody reads because a person is asked.
type watchedConn struct {
	net.Conn
	lost context.CancelCauseFunc
}

func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.lost(err)
	}
	return n, err
}

// recognise is the ssh.HostKeyCallback. Before it nothing that is secret is sent, and without its consent nothing at all.
func (c *conversation) recognise(_ string, _ net.Addr, key ssh.PublicKey) error {
	c.untrusted = c.keys.verify(key)
	c.wait(sshSilence)
	return c.untrusted
}

var (
	// errRefused is how a login ends that sshd does not let in.
	errRefused = errors.New("refused")
	// errTalkative ends one that asks for more than any person would answer.
	errTalkative = errors.New("it asks too many questions")
)

// method is the ssh.ClientAuthCallback: it chooses how to go on. Where the answers that sshd asked for were not good, the
// same password is not tried again another way: it would count as a second wrong one.
func (c *conversation) method(m *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if err := context.Cause(c.ctx); err != nil {
		return nil, err
	}
	may := func(method string) bool {
		return slices.Contains(m.AllowedMethods, method) && !slices.Contains(m.TriedMethods, method)
	}
	switch {
	case may(byAnswers):
		return ssh.KeyboardInteractive(c.ask), nil
	case may(byPassword) && !(c.spent && slices.Contains(m.TriedMethods, byAnswers)):
		return ssh.PasswordCallback(c.tell), nil
	case slices.Contains(m.AllowedMethods, byAnswers), slices.Contains(m.AllowedMethods, byPassword):
		return nil, errRefused
	}
	err := fmt.Errorf("it takes neither %s nor %s, but %s; sshd_config needs KbdInteractiveAuthentication yes or PasswordAuthentication yes",
		byAnswers, byPassword, cmp.Or(strings.Join(m.AllowedMethods, ", "), "nothing"))
	if c.sent { // which must not show outside, since then the password was right
		c.log.Error("sshd asks for more than a web page can give", "sshd", c.addr, "user", c.user, "error", err)
		return nil, errRefused
	}
	return nil, err
}

// tell gives the password, for the method of that name.
func (c *conversation) tell() (string, error) {
	c.spent, c.sent = true, true
	return c.password, nil
}

// ask is the ssh.KeyboardInteractiveChallenge. What was typed beside the name answers the first hidden question that
// asks for a password; a person answers all others.
func (c *conversation) ask(name, instruction string, questions []string, echos []bool) ([]string, error) {
	_, _ = c.hear(name), c.hear(instruction)
	if c.rounds++; c.rounds > maxRounds || len(questions) > maxPrompts {
		c.end(errTalkative)
		return nil, errTalkative
	}
	answers := make([]string, len(questions))
	var prompts []transporter.Prompt
	var open []int
	for i, q := range questions {
		if !echos[i] && !c.spent && asksPassword(q) {
			answers[i], c.spent = c.password, true
			continue
		}
		prompts, open = append(prompts, transporter.Prompt{Text: plain(q), Echo: echos[i]}), append(open, i)
	}
	if len(prompts) > 0 {
		given, err := c.put(prompts)
		if err != nil {
			return nil, err
		}
		for n, i := range open {
			answers[i] = given[n]
		}
	}
	c.sent = c.sent || len(questions) > 0
	return answers, nil
}

// put puts questions to the person, below what sshd has said since the last ones.
func (c *conversation) put(prompts []transporter.Prompt) ([]string, error) {
	prompts[0].Text = strings.Join(append(c.said, prompts[0].Text), "\n")
	c.said = nil
	c.wait(0)
	defer c.wait(sshSilence)
	select {
	case c.news <- &news{prompts: prompts}:
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	}
	select {
	case answers := <-c.answers:
		return answers, nil
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	}
}

// hear keeps what sshd says until there is a question to show it with.
func (c *conversation) hear(text string) error {
	if text = strings.TrimSpace(plain(text)); text != "" && len(strings.Join(c.said, "\n"))+len(text) < maxSaid {
		c.said = append(c.said, text)
	}
	return nil
}

// plain leaves out of what a server says whatever is no text.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ReplaceAll(s, "\t", " "))
	return strings.ToValidUTF8(s[:min(len(s), maxSaid)], "")
}

// asksPassword reports whether a question is for the password, and not for one out of a list or of a device. In doubt it is not: then the
// person is asked once more, while a password in the place of a code ends the login.
func asksPassword(question string) bool {
	q := strings.ToLower(question)
	says := func(word string) bool { return strings.Contains(q, word) }
	return slices.ContainsFunc([]string{"passw", "passphrase", "first factor", "kennwort", "mot de passe", "contraseña"}, says) &&
		!slices.ContainsFunc([]string{"one-time", "one time", "otp", "token", "code", "new ", "second"}, says)
}

// judge makes out of how the conversation ended what an Authenticator says: nil when the person is let in.
func (c *conversation) judge(err error) error {
	switch {
	case c.untrusted != nil:
		return fmt.Errorf("sshd at %s: %w", c.addr, c.untrusted)
	case err == nil && !c.sent:
		c.log.Error("sshd lets somebody in whom it has asked for nothing; see PermitEmptyPasswords in sshd_config", "sshd", c.addr, "user", c.user)
		return ErrWrong
	case err == nil:
		return nil
	case errors.Is(err, errRefused), c.sent && isDisconnect(err): // it hangs up after MaxAuthTries
		c.log.Debug("sshd lets somebody not in", "sshd", c.addr, "user", c.user, "said", c.said)
		return ErrWrong
	}
	return fmt.Errorf("sshd at %s: %w", c.addr, err)
}

// isDisconnect reports whether the error is that sshd has hung up in good order. Its type is not exported.
func isDisconnect(err error) bool { return strings.Contains(err.Error(), "ssh: disconnect, reason ") }
