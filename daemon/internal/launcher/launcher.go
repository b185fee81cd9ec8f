package launcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Options are what a launcher is made of.
type Options struct {
	Conn       *transporter.Conn
	Dirs       spec.Dirs
	Node       string          // this node's name
	Instance   string          // new at every start of the process
	Supervisor string          // the path of fastxd-session
	Account    session.Account // the daemon's own, which sessions run as unless the Starter is a spawn.Lodger
	Starter    spawn.Starter   // starts supervisors; nil is spawn.Fork
	Log        *slog.Logger
	Audit      *audit.Log       // nil keeps nothing
	Now        func() time.Time // nil is time.Now
	Interval   time.Duration    // between two whole lists of sessions; 0 is 5 s
}

// pace is how long things may take. Tests shorten it.
type pace struct {
	sweep   time.Duration // between two looks at sessions without a connection, and at children
	silence time.Duration // without a connection until a live session is unknown
	obey    time.Duration // from the order to terminate until the supervisor is killed
	display time.Duration // a viewer waits for a display that is being started
	viewer  time.Duration // a supervisor takes to open an RFB connection
	hello   time.Duration // a new connection takes to say whose it is
	adopt   time.Duration // after the start until a supervisor that has not reported keeps the node unready no longer
}

var usual = pace{
	sweep: 500 * time.Millisecond, silence: 3 * time.Second, obey: 15 * time.Second,
	display: 20 * time.Second, viewer: 10 * time.Second, hello: 5 * time.Second, adopt: 15 * time.Second,
}

// Launcher is the component that starts sessions on this node.
type Launcher struct {
	opts   Options
	lodger spawn.Lodger // the Starter where it runs sessions as their users, else nil
	pace   pace
	boot   string // this boot of the machine
	since  time.Time
	keys   *keyring
	spent  ticket.Spent
	forks  chan struct{} // holds one for each supervisor that is being started
	step   func(string)  // told after each step of a start; nil but in tests
	outbox *outbox
	guests sync.WaitGroup // one for each viewer

	config atomic.Pointer[spec.Env]
	drains sync.Mutex // held while the file that says drained changes; taken before mu

	mu       sync.Mutex
	sessions map[string]*entry
	seq      uint64 // of what was last published
	draining bool
	adopted  bool // every record has been read
	stopped  bool
	deaf     bool            // launcher.sock is not where supervisors look for it
	orphans  []*entry        // forgotten, but their supervisors are children that have not been reaped
	lamented map[string]bool // what was said about limits that are not held
}

var _ reload.Service = (*Launcher)(nil)

// New prepares a launcher. It reads whether the node is drained and touches nothing else.
func New(o Options) (*Launcher, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Interval == 0 {
		o.Interval = 5 * time.Second
	}
	if o.Starter == nil {
		o.Starter = spawn.Fork{}
	}
	boot, err := session.BootID()
	if err != nil {
		return nil, err
	}
	l := &Launcher{
		opts: o, pace: usual, boot: boot, since: o.Now(),
		keys:     newKeyring(filepath.Join(o.Dirs.Local, ticket.KeysDir), o.Log),
		forks:    make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		sessions: make(map[string]*entry), outbox: newOutbox(), lamented: make(map[string]bool),
	}
	l.lodger, _ = o.Starter.(spawn.Lodger)
	l.config.Store(&spec.Env{})
	l.draining, err = fileExists(l.drainFile())
	return l, err
}

// Name is the component's name.
func (l *Launcher) Name() string { return string(spec.Launcher) }

// Prepare takes the limits of a new generation; sessions that run are never ended by one.
func (l *Launcher) Prepare(_ context.Context, gen *generation.Generation) (reload.Change, error) {
	env := gen.Config.Env
	return reload.Steps{OnCommit: func() { l.config.Store(&env); l.forgive() }}, nil
}

// Drained reports whether the node takes no new sessions.
func (l *Launcher) Drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// MaxSessions is FX_MAX_SESSIONS, 0 = unlimited.
func (l *Launcher) MaxSessions() int { return l.config.Load().MaxSessions }

// Ready reports whether every record was re-adopted or closed. A supervisor that
// lives but does not report, for instance because it is stopped, holds this up for 15 s only.
func (l *Launcher) Ready() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.adopted || l.stopped || l.deaf {
		return false
	}
	if l.opts.Now().Sub(l.since) > l.pace.adopt {
		return true
	}
	for _, e := range l.sessions {
		if e.awaited {
			return false
		}
	}
	return true
}

// Run works until ctx is done.
//
//  1. It listens on launcher.sock, which no other daemon with these folders can then do.
//  2. It reads all records and closes those whose supervisor is dead.
//  3. It hears supervisors and answers requests.
//  4. When ctx is done it lets go of the supervisors, which live on.
func (l *Launcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ln, err := l.listen()
	if err != nil {
		cancel()
		return fmt.Errorf("launcher: %w", err)
	}
	var wg sync.WaitGroup
	defer l.guests.Wait() // what they write is the next launcher's to read
	defer wg.Wait()
	defer l.leave(ln)
	defer cancel()
	if err := l.adopt(); err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	wg.Go(func() { l.accept(ctx, ln) })
	wg.Go(func() { l.outbox.run(ctx) })
	if err := l.serve(); err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	l.work(ctx)
	return nil
}

func (l *Launcher) listen() (*net.UnixListener, error) {
	for _, dir := range []string{filepath.Join(l.opts.Dirs.Local, "sessions"), filepath.Join(l.opts.Dirs.Run, "s")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the sessions' folder: %w", err)
		}
	}
	ln, err := display.Listen(session.LauncherSocket(l.opts.Dirs.Run))
	if err == nil && l.lodger != nil {
		err = l.letIn()
	}
	if err != nil && ln != nil {
		ln.Close()
	}
	return ln, err
}

// letIn lets supervisors that run as others reach launcher.sock, and no other name in its directory be
// read: who connects is judged by the kernel's word (greet, belongs).
func (l *Launcher) letIn() error {
	return errors.Join(os.Chmod(session.LauncherSocket(l.opts.Dirs.Run), 0o666), os.Chmod(l.opts.Dirs.Run, 0o711))
}

// serve answers requests and the call who is there.
func (l *Launcher) serve() error {
	c, node := l.opts.Conn, l.opts.Node
	return errors.Join(
		transporter.Serve(c, transporter.LauncherStart.On(node), l.start),
		transporter.Serve(c, transporter.LauncherTerminate.On(node), l.terminate),
		transporter.Serve(c, transporter.LauncherConnect.On(node), l.connect),
		transporter.Serve(c, transporter.LauncherLog.On(node), l.readLog),
		transporter.Serve(c, transporter.LauncherDrain.On(node), l.drain),
		transporter.Serve(c, transporter.LauncherMessage.On(node), l.message),
		transporter.Subscribe(c, transporter.WhoIsThere, func(transporter.Empty) { l.publishList() }),
	)
}

// work does what has to be done again and again, until ctx is done.
func (l *Launcher) work(ctx context.Context) {
	sweep, list := time.NewTicker(l.pace.sweep), time.NewTicker(l.opts.Interval)
	defer sweep.Stop()
	defer list.Stop()
	l.publishList()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			l.sweep()
			l.reapForgotten()
			l.listens()
		case <-list.C:
			l.keys.refresh()
			l.forgetOld()
			l.publishList()
		}
	}
}

// stopping is what viewers are told then; they may come again.
const stopping = "the launcher is stopping"

// leave stops listening and sends the viewers away; the sessions live on.
func (l *Launcher) leave(ln *net.UnixListener) {
	l.mu.Lock()
	l.stopped = true
	ln.Close()
	var viewers []*display.Delivery
	for _, e := range l.sessions {
		viewers = slices.AppendSeq(viewers, maps.Keys(e.viewers))
	}
	l.mu.Unlock()
	for _, v := range viewers {
		v.Close(stopping)
	}
	os.Remove(session.LauncherSocket(l.opts.Dirs.Run))
}

func fileExists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
