package launchd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

// maxLife is the longest that a ticket may be good, from when it was issued.
const maxLife = time.Hour

// start starts the session that a ticket orders, as the user it names:
//
//  1. verify the ticket, and that it is for this node;
//  2. look at what the caller adds to it;
//  3. judge the account;
//  4. use the ticket up;
//  5. start the supervisor with a record made of what was signed.
//
// Whatever becomes of it is audited.
func (c *call) start(ctx context.Context) (session.Process, error) {
	claims, err := c.s.verify(c.request.Ticket)
	var p session.Process
	if err == nil {
		p, err = c.carryOut(ctx, claims)
	} else if said, _ := ticket.Peek(c.request.Ticket); said.ID != "" { // for the audit log: whoever made it up wrote this
		claims = ticket.Claims{Subject: said.Subject, Session: said.Session, ID: said.ID}
	}
	e := audit.Event{Action: audit.Start, User: claims.Subject, Session: claims.Session, Ticket: claims.ID, Outcome: audit.Done}
	var refusal spawn.Refusal
	switch {
	case errors.As(err, &refusal):
		e.Outcome, e.Detail = audit.Refused, err.Error()
	case err != nil:
		e.Outcome, e.Detail = audit.Failed, err.Error()
		c.s.opts.Log.Error("cannot start a session", "session", claims.Session, "user", claims.Subject, "error", err)
	default:
		e.Detail = "as " + claims.Order.Account
	}
	c.s.record(e)
	return p, err
}

// verify returns what a ticket to start a session says, if a trusted key signed it for this node.
func (s *Server) verify(token string) (ticket.Claims, error) {
	if err := owned(s.opts.KeysDir, s.base, s.root); err != nil {
		return ticket.Claims{}, fmt.Errorf("no key is trusted: %w", err)
	}
	keys, err := ticket.LoadKeys(s.opts.KeysDir)
	if err != nil {
		s.opts.Log.Warn("not every trusted key can be used", "error", err)
	}
	claims, err := keys.Verify(token, s.opts.Now(), ticket.Start)
	if errors.Is(err, ticket.ErrUnknownKey) {
		return claims, refuse("%s; put what fastxctl key show prints on the node with the user component into %s", err, s.opts.KeysDir)
	}
	if err != nil {
		return claims, refuse("%s", err)
	}
	return claims, s.fits(claims)
}

// fits refuses a good ticket that is not for this node, or says what no order says.
func (s *Server) fits(c ticket.Claims) error {
	life := time.Unix(c.Expires, 0).Sub(time.Unix(c.IssuedAt, 0))
	switch {
	case c.Node != s.opts.Node():
		return refuse("the ticket is for node %.80q and this is %s, as FX_NODE_NAME of the node file or the host's name has it", c.Node, s.opts.Node())
	case c.Order == nil, !ticket.IsID(c.Session), c.Order.Session != c.Session, !ticket.IsID(c.ID):
		return refuse("the ticket does not say which session to start")
	case life > maxLife:
		return refuse("the ticket is good for %s, and one to start a session for at most %s", life, maxLife)
	case c.Order.Account == "":
		return errNoAccount(c.Order.User)
	}
	return nil
}

func (c *call) carryOut(ctx context.Context, claims ticket.Claims) (session.Process, error) {
	if err := c.additions(); err != nil {
		return session.Process{}, err
	}
	a, err := c.s.opts.Host.Judge(ctx, claims.Order.Account)
	if err != nil {
		return session.Process{}, err
	}
	err = c.s.spent.spend(claims.ID, time.Unix(claims.Expires, 0), c.s.opts.Now())
	if errors.Is(err, fs.ErrExist) {
		return session.Process{}, refuse("the ticket has been used already; ask for a new one")
	}
	if err != nil {
		return session.Process{}, fmt.Errorf("note that the ticket is used: %w", err)
	}
	return c.spawn(claims.Order, a)
}

// additions refuses what the caller must not add: other than files of its own, a socket of its own, and a directory for
// temporary files that is root's.
func (c *call) additions() error {
	r := c.request
	switch {
	case !isOf(c.lock, c.uid), !isOf(c.log, c.uid):
		return refuse("the session's lock and log have to be files of uid %d, who asks", c.uid)
	case !is(r.Socket, os.ModeSocket, c.uid):
		return refuse("%.200q is not a socket of uid %d, who asks", r.Socket, c.uid)
	case !is(r.TempDir, os.ModeDir, c.s.root):
		return refuse("FX_TEMP_DIR, %.200q, is not a directory of root's, as one for all users has to be", r.TempDir)
	}
	return nil
}

// is reports whether something of this type and owner lies at an absolute path without detours.
func is(path string, kind fs.FileMode, owner int) bool {
	info, err := os.Lstat(path)
	return err == nil && filepath.IsAbs(path) && filepath.Clean(path) == path && info.Mode().Type() == kind &&
		int(info.Sys().(*syscall.Stat_t).Uid) == owner
}

// spawn starts the supervisor of what was ordered.
func (c *call) spawn(o *ticket.Order, a session.Account) (session.Process, error) {
	rec := spawn.Record(o, spawn.Place{Account: a, Dir: session.UserDir(o.Session)}, spawn.Site{
		Node: c.s.opts.Node(), Socket: c.request.Socket, TempDir: c.request.TempDir, BootID: c.s.boot, Now: c.s.opts.Now(),
	})
	record, err := seal(&rec)
	if err != nil {
		return session.Process{}, fmt.Errorf("hand the supervisor its record: %w", err)
	}
	defer record.Close()
	p, _, err := c.s.opts.Starter.Start(spawn.Order{
		ID: o.Session, Program: c.s.opts.Supervisor, Record: record, Lock: c.lock, Log: c.log, Limits: rec.Limits, User: &a,
	})
	return p, err
}

// seal puts a record into memory that nobody can change any more.
func seal(rec *session.Record) (*os.File, error) {
	data, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("fastx-record", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "record")
	_, err = f.Write(data)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
