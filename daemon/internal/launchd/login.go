package launchd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/pam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
)

const (
	// maxLogins is how many may be under way at a time. They do not take places from those who start sessions.
	maxLogins = 64
	// pamLimit is how long PAM may take from one question to the next: somebody may have to confirm on a phone.
	pamLimit = 90 * time.Second
	// answerLimit is how long the person may take, a little longer than the user component waits.
	answerLimit = 150 * time.Second
	// denialPause comes before it is said that a person with the right password is not let in all the same, so that this
	// takes as long as a wrong password does.
	denialPause = 2 * time.Second
	// maxSecret is how long a password or an answer may be, in bytes.
	maxSecret = 1024
)

// denial is why somebody is not let in. It is for launchd's own log: who asks is told that it is so, and no more.
type denial string

func (d denial) Error() string { return string(d) }

// errBusy says that there have been too many logins.
var errBusy = errors.New("too many logins")

// dialPAM starts a conversation as its systemd unit.
func dialPAM() (*net.UnixConn, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: pam.Socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("nobody can log in by PAM: %w; systemctl enable --now fastxd-pam.socket", err)
	}
	return conn, nil
}

// login has PAM judge who wants to log in:
//
//  1. bound how many logins there are, and how fast they come;
//  2. carry what PAM asks and what is answered, until PAM lets the person in or not;
//  3. judge the account that PAM says it is, as for a start.
//
// Whatever becomes of it is audited. The last reply says how it ended.
func (c *call) login(ctx context.Context, link *session.Link) Reply {
	a, notes, err := c.prove(ctx, link)
	e := audit.Event{Action: audit.Login, Method: "pam", User: c.request.User, Address: c.request.Address, Outcome: audit.Done}
	var reply Reply
	switch {
	case err == nil:
		e.Detail = "as " + a.Name
		reply.Login = &pam.Said{Account: a.Name, Notes: notes}
	case errors.Is(err, errBusy):
		if !c.s.guesses.worthNoting() {
			return Reply{Busy: true}
		}
		e.Outcome, e.Detail, reply.Busy = audit.Refused, err.Error(), true
	case errors.As(err, new(denial)):
		e.Outcome, e.Detail = audit.Refused, err.Error()
		reply.Login = &pam.Said{Denied: "not let in"}
	default:
		e.Outcome, e.Detail, reply.Failed = audit.Failed, err.Error(), err.Error()
		c.s.opts.Log.Error("a login could not be judged", "user", c.request.User, "error", err)
	}
	c.s.record(e)
	return reply
}

func (c *call) prove(ctx context.Context, link *session.Link) (session.Account, []string, error) {
	r := c.request
	if err := wellFormed(r); err != nil {
		return session.Account{}, nil, err
	}
	if !c.s.guesses.allow(r.User, c.s.opts.Now()) { // 1
		return session.Account{}, nil, errBusy
	}
	select {
	case c.s.logins <- struct{}{}:
		defer func() { <-c.s.logins }()
	default:
		return session.Account{}, nil, errBusy
	}
	said, err := c.converse(ctx, link) // 2
	switch {
	case err != nil:
		return session.Account{}, nil, err
	case said.Failed != "":
		return session.Account{}, nil, errors.New(said.Failed)
	case said.Denied != "":
		if said.Proved {
			c.s.pause(ctx)
		}
		return session.Account{}, nil, denial(said.Denied)
	}
	a, err := c.s.opts.Host.Judge(ctx, said.Account) // 3
	if refusal := spawn.Refusal(""); errors.As(err, &refusal) {
		c.s.pause(ctx)
		return a, nil, denial("PAM lets in, but " + string(refusal))
	}
	return a, said.Notes, err
}

// wellFormed refuses what nobody typed who wants to log in.
func wellFormed(r Request) error {
	_, err := netip.ParseAddr(r.Address)
	switch {
	case !account.ValidName(r.User):
		return denial("no account can have this name")
	case r.Password == "" || len(r.Password) > maxSecret:
		return denial("no password can be this one: there is none, or it is very long")
	case r.Address != "" && err != nil:
		return denial("the address that the login comes from is none")
	}
	return nil
}

// converse carries a conversation between PAM and who asks, until it ends.
func (c *call) converse(ctx context.Context, link *session.Link) (pam.Said, error) {
	conn, err := c.s.opts.PAM()
	if err != nil {
		return pam.Said{}, err
	}
	judge := session.NewLink(conn)
	defer judge.Close()
	defer context.AfterFunc(ctx, func() { judge.Close(); link.Close() })()
	judge.SetReadDeadline(time.Now().Add(pamLimit))
	r := c.request
	said, err := pam.Begin(judge, pam.Request{Service: r.Service, User: r.User, Password: r.Password, Address: r.Address})
	for err == nil && !said.Ended() {
		var answers []string
		if answers, err = answer(link, said); err != nil {
			return said, fmt.Errorf("the person did not answer: %w", err)
		}
		judge.SetReadDeadline(time.Now().Add(pamLimit))
		said, err = pam.Go(judge, answers)
	}
	if err != nil {
		err = fmt.Errorf("PAM broke off: %w; journalctl -t fastxd-pam and the journal of its modules say more", err)
	}
	return said, err
}

// answer passes PAM's questions on and returns what is answered.
func answer(link *session.Link, said pam.Said) ([]string, error) {
	if err := link.Send(Reply{Login: &said}, nil); err != nil {
		return nil, err
	}
	link.SetReadDeadline(time.Now().Add(answerLimit))
	var r Request
	file, err := link.Receive(&r)
	if file != nil {
		file.Close()
	}
	if err == nil && (r.Type != "answers" || len(r.Answers) != len(said.Prompts)) {
		err = fmt.Errorf("a %.20q with %d answers to %d questions", r.Type, len(r.Answers), len(said.Prompts))
	}
	return r.Answers, err
}

func (s *Server) pause(ctx context.Context) {
	select {
	case <-time.After(s.denialPause):
	case <-ctx.Done():
	}
}
