package launchd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

const (
	// requestLimit is how long a caller may take to say what it wants.
	requestLimit = 10 * time.Second
	// maxCalls is how many are served at a time; more wait for their turn in the socket's queue.
	maxCalls = 32
)

// Options are what a Server is made of.
type Options struct {
	Node       func() string    // this node's name, which tickets are for; it may change
	Caller     int              // the user id of the daemon's account, which may ask beside root
	KeysDir    string           // the trusted keys
	StateDir   string           // used tickets; only root may write there
	Supervisor string           // the path of fastxd-session
	Host       Host             // what the machine says of accounts; zero is this machine
	Starter    Starter          // nil is spawn.Systemd
	PAM        Judge            // nil is fastxd-pam, as systemd starts it
	Log        *slog.Logger     // for administrators
	Audit      *audit.Log       // who wanted what, and what became of it
	Now        func() time.Time // nil is time.Now
}

// Starter starts supervisors as their users, and kills them.
type Starter interface {
	spawn.Starter
	Kill(id string) error
}

// Judge begins a conversation with PAM, as the package pam has it.
type Judge func() (*net.UnixConn, error)

// Server answers launchers.
type Server struct {
	opts  Options
	spent *spent
	boot  string

	guesses     *guesses
	logins      chan struct{} // a place for each that is under way
	denialPause time.Duration

	base string // what belongs to root is looked at from here on down; "/" but in tests
	root int    // 0 but in tests
}

// New makes a server ready.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Starter == nil {
		o.Starter = spawn.Systemd{}
	}
	if o.PAM == nil {
		o.PAM = dialPAM
	}
	if o.Host.Lookup == nil {
		o.Host = Host{Lookup: account.Getent, Root: "/", Now: o.Now}
	}
	boot, err := session.BootID()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, spent: &spent{dir: filepath.Join(o.StateDir, "spent")}, boot: boot, base: "/",
		guesses: newGuesses(), logins: make(chan struct{}, maxLogins), denialPause: denialPause}
	return s, os.MkdirAll(s.spent.dir, 0o700)
}

// Serve answers until ctx is done and what is under way has been answered.
func (s *Server) Serve(ctx context.Context, ln *net.UnixListener) error {
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	var calls sync.WaitGroup
	defer calls.Wait()
	places := make(chan struct{}, maxCalls)
	for {
		places <- struct{}{}
		conn, err := ln.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("accept a launcher: %w", err)
		}
		calls.Go(func() {
			leave := sync.OnceFunc(func() { <-places })
			defer leave()
			defer conn.Close()
			s.attend(ctx, conn, leave)
		})
	}
}

// attend hears one caller and answers. Who logs in may take long over it, and gives up the place before.
func (s *Server) attend(ctx context.Context, conn *net.UnixConn, leave func()) {
	uid, _, pid, err := session.PeerCred(conn)
	if err == nil && uid != 0 && uid != s.opts.Caller {
		err = fmt.Errorf("process %d of uid %d may not ask; only root and uid %d, the daemon's, may", pid, uid, s.opts.Caller)
	}
	if err != nil {
		s.opts.Log.Warn("dropped a connection", "error", err)
		s.record(audit.Event{Action: audit.Approach, Outcome: audit.Refused, Detail: err.Error()})
		return
	}
	link := session.NewLink(conn)
	link.SetReadDeadline(time.Now().Add(requestLimit))
	c := &call{s: s, uid: uid}
	defer c.close()
	if err := c.hear(link); err != nil {
		s.opts.Log.Warn("dropped a connection: this is no request", "pid", pid, "error", err)
		s.record(audit.Event{Action: audit.Approach, Outcome: audit.Refused, Detail: "no request: " + err.Error()})
		return
	}
	if c.request.Type == "login" {
		leave()
	}
	if err := link.Send(c.answer(ctx, link), nil); err != nil {
		s.opts.Log.Warn("an answer could not be given", "pid", pid, "error", err)
	}
}

func (s *Server) record(e audit.Event) {
	e.Time, e.Node = s.opts.Now(), s.opts.Node()
	s.opts.Audit.Record(e)
}

// call is one caller's request.
type call struct {
	s         *Server
	uid       int
	request   Request
	lock, log *os.File
}

func (c *call) close() {
	for _, f := range []*os.File{c.lock, c.log} {
		if f != nil {
			f.Close()
		}
	}
}

// hear takes in what comes before the request, and the request.
func (c *call) hear(link *session.Link) error {
	for {
		var r Request
		file, err := link.Receive(&r)
		if err != nil {
			return err
		}
		var slot **os.File
		switch {
		case r.Type == "lock":
			slot = &c.lock
		case r.Type == "log":
			slot = &c.log
		case file == nil:
			c.request = r
			return nil
		}
		if slot == nil || *slot != nil || file == nil {
			if file != nil {
				file.Close()
			}
			return fmt.Errorf("a %.20q with the wrong descriptor", r.Type)
		}
		*slot = file
	}
}

// answer does what is asked.
func (c *call) answer(ctx context.Context, link *session.Link) Reply {
	var reply Reply
	var err error
	switch {
	case c.request.Version != Version:
		err = refuse("fastxd-launchd speaks version %d of its protocol and was asked in version %d; install fastxd and fastxd-launchd of one version", Version, c.request.Version)
	case c.request.Type == "login":
		return c.login(ctx, link)
	case c.request.Type == "start":
		reply.Process, err = c.start(ctx)
	case c.request.Type == "kill":
		err = c.kill()
	default:
		err = refuse("fastxd-launchd does not know the request %.20q", c.request.Type)
	}
	var refusal spawn.Refusal
	switch {
	case errors.As(err, &refusal):
		reply.Refused = string(refusal)
	case err != nil:
		reply.Failed = err.Error()
	}
	return reply
}

// kill ends all processes of a session. Whoever may speak to supervisors may end their sessions anyway.
func (c *call) kill() error {
	id := c.request.Session
	if !ticket.IsID(id) {
		return refuse("%.40q is not the id of a session", id)
	}
	err := c.s.opts.Starter.Kill(id)
	e := audit.Event{Action: audit.Terminate, Session: id, Outcome: audit.Done}
	if err != nil {
		e.Outcome, e.Detail = audit.Failed, err.Error()
	}
	c.s.record(e)
	return err
}

// isOf reports whether a descriptor is of a regular file of uid's that may be read and written.
func isOf(f *os.File, uid int) bool {
	if f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular() && int(info.Sys().(*syscall.Stat_t).Uid) == uid
}
