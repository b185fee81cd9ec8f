package launchd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/pam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// What Login and Answer return when nobody is let in; any other error says that it could not be found out.
var (
	ErrDenied = errors.New("not let in")
	ErrBusy   = errors.New("too many logins; try again in a minute")
)

// Login is what somebody types who wants to log in with an account of the machine.
type Login struct {
	Service        string // of PAM; empty is pam.Service
	User, Password string
	Address        string // the client's
}

// Turn is how far a login has come: either Account is set and it is done, or the Prompts have to be answered.
type Turn struct {
	Account string   // as the machine spells it
	Notes   []string // what PAM has to say to the person
	Prompts []pam.Prompt
	// Answer goes on with one answer to each prompt. Either it or Abandon is called, once.
	Answer  func(ctx context.Context, answers []string) (Turn, error)
	Abandon func()
}

// Login has PAM judge a login.
func (c Client) Login(ctx context.Context, l Login) (Turn, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: c.Path, Net: "unix"})
	if err != nil {
		return Turn{}, fmt.Errorf("ask fastxd-launchd: %w; systemctl status fastxd-launchd.socket says more", err)
	}
	if l.Service == "" {
		l.Service = pam.Service
	}
	return turn(ctx, session.NewLink(conn), Request{Version: Version, Type: "login",
		Service: l.Service, User: l.User, Password: l.Password, Address: l.Address})
}

// turn says something and returns what comes of it. The link is closed unless there are prompts to answer.
func turn(ctx context.Context, link *session.Link, r Request) (Turn, error) {
	deadline, limited := ctx.Deadline()
	if !limited {
		deadline = time.Now().Add(pamLimit + requestLimit)
	}
	link.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { link.Close() })
	sent := link.Send(r, nil)
	var reply Reply
	file, err := link.Receive(&reply)
	if file != nil {
		file.Close()
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil && reply.Login != nil && len(reply.Login.Prompts) > 0 {
		said := reply.Login
		return Turn{Notes: said.Notes, Prompts: said.Prompts, Abandon: func() { link.Close() },
			Answer: func(ctx context.Context, answers []string) (Turn, error) {
				return turn(ctx, link, Request{Version: Version, Type: "answers", Answers: answers})
			}}, nil
	}
	link.Close()
	switch {
	case err != nil:
		return Turn{}, fmt.Errorf("fastxd-launchd does not answer: %w; journalctl -u fastxd-launchd says more", errors.Join(sent, err))
	case reply.Busy:
		return Turn{}, ErrBusy
	case reply.Login != nil && reply.Login.Account != "":
		return Turn{Account: reply.Login.Account, Notes: reply.Login.Notes}, nil
	case reply.Login != nil:
		return Turn{}, ErrDenied
	}
	return Turn{}, fmt.Errorf("fastxd-launchd cannot have the login judged: %s%s", reply.Failed, reply.Refused)
}
