// Package daemon builds one node out of the parts.
//
// Run is the start-up story, to be read from top to bottom; stopping is the same
// story backwards. RunTransporter tells that of a transporter node. The other files of
// the package are the parts that belong to a node as a whole: its directories, its
// heartbeat, its log levels, the group of its components, and what its admin socket can ask.
package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/internal/watch"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Options are what a node is started with. Nothing below reads the process environment.
type Options struct {
	Environ  map[string]string // the process environment, flags folded in
	Version  string            // of the build
	Logs     *Logs             // where every component logs
	Announce func(url string)  // told the webserver's URL when it can be used, and again when it changes; may be nil
	Notify   func(string)      // tells systemd how we are, as sd_notify(3) words it; may be nil
	HangUp   <-chan os.Signal  // each value asks for a look at the files; may be nil
	Launchd  bool              // fastxd-launchd starts the sessions; where it is missing, nobody does

	Supervisor string        // path of fastxd-session; "" = beside the executable, or where packages put it
	Rescan     time.Duration // between two rescans of the files; 0 = watch.DefaultInterval
	Deaf       bool          // hears no file events, as on a network mount
}

// Run runs a node until ctx ends or a component fails. Sessions live on.
func Run(ctx context.Context, o Options) error {
	n, err := newNode(ctx, o)
	if err != nil {
		return err
	}
	defer n.release()

	// The transporter inside this process comes first: it costs nothing where
	// transporter-secret.ini names another one, and every component needs one or the other.
	if n.hub, err = transporter.NewHub(n.log); err != nil {
		return err
	}
	defer n.hub.Close()

	// The audit log is opened before anybody can do anything that belongs in it.
	if n.audit, err = audit.Open(audit.Options{Path: filepath.Join(n.place.Local, "audit.log"), Log: n.log}); err != nil {
		return err
	}
	defer n.audit.Close()

	// What a crash left half-done is made whole before anybody reads it.
	n.finishRollback(ctx)

	// The engine: files → meaning → generation → services. From here on the
	// watcher reads, and nobody else does.
	if err := n.buildEngine(); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() { _ = n.watcher.Run(running) }()

	// The first generation starts the components. They stop before what they stand on does.
	n.group.ctx = running
	defer n.group.Stop()
	defer n.exporter.Stop()
	if _, err := n.loop.Start(ctx); err != nil {
		return err
	}
	defer follow(running, n.loop, n.watcher.Sets())()

	// Only a node that runs has something to tell: its heartbeat to the
	// cluster, its state to the administrator of this machine.
	if err := n.speak(ctx); err != nil {
		return err
	}
	defer n.hush()
	server, err := admin.Start(admin.Options{RunDir: n.place.Run, Backend: backend{n}, Metrics: n, Log: n.log})
	if err != nil {
		return err
	}
	defer server.Close()

	err = n.wait(ctx)
	n.notify.stopping()
	return err
}

// newNode finds the node's place and takes it for this process.
func newNode(ctx context.Context, o Options) (*Node, error) {
	n := &Node{opts: o, starter: chooseStarter(o.Launchd), log: o.Logs.For("node"), notify: &notifier{say: o.Notify}, writing: make(chan struct{}, 1), since: time.Now()}
	sayFIPS(n.log)
	var err error
	if n.place, err = placeOf(o.Environ); err != nil {
		return nil, err
	}
	if n.machine, err = n.place.check(); err != nil {
		return nil, err
	}
	if err := n.place.make(); err != nil {
		return nil, err
	}
	n.account, err = account.Lookup(account.Getent).ByUID(ctx, os.Getuid())
	if err != nil && !errors.Is(err, account.ErrUnknown) { // only the launcher needs one
		return nil, err
	}
	if home := o.Environ["HOME"]; filepath.IsAbs(home) { // as everywhere, the environment says where one is at home
		n.account.Home = home
	}
	n.claim, err = n.place.claim()
	return n, err
}

// buildEngine connects watcher, keeper, history and services.
func (n *Node) buildEngine() error {
	host, _ := os.Hostname() // without one, FX_NODE_NAME has to be set
	in := spec.Input{Environ: n.opts.Environ, Dirs: n.place.Dirs, NodeFile: n.place.nodeFile, Defaults: defaultsFile,
		Hostname: host, DaemonUID: os.Getuid(), DaemonGID: os.Getgid(), Machine: n.machine, Memo: spec.NewMemo()}
	n.references = in.ReferencesOf
	n.watcher = watch.New(watch.Options{Dir: n.place.Config, Extra: []string{n.place.nodeFile, defaultsFile},
		More: in.ReferencesOf, Interval: n.opts.Rescan, Deaf: n.opts.Deaf, Log: n.opts.Logs.For("watch")})
	var err error
	n.keeper, err = generation.NewKeeper(generation.KeeperOptions{Load: in.Load, LocalDir: n.place.Local, Log: n.log})
	if err != nil {
		return err
	}
	n.exporter = &metricsListener{handler: n, log: n.log}
	n.group, n.past, n.nudge = newGroup(n), newPast(n), newNudge(n)
	n.loop = reload.New(reload.Options{Source: n.watcher, Keeper: n.keeper, Recorder: n.past, Changed: n.changed, Seen: n.sawFiles, Restart: n.restart,
		Applier: reload.Applier{Services: []reload.Service{n.opts.Logs, n.exporter, n.group}}, Log: n.opts.Logs.For("config")})
	return nil
}

// follow brings to the services what the files say. The function it returns stops that, before the services that a new
// generation would be given to, and waits until what is under way is written: whoever starts next here has it alone.
func follow(ctx context.Context, loop *reload.Loop, sets <-chan fileset.Set) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = loop.Run(ctx, sets)
	}()
	return func() {
		cancel()
		select {
		case <-done:
		case <-time.After(stopPatience): // a share hangs; the process ends without it
		}
	}
}

// stopPatience is how long a stop waits for a generation that is being taken over.
const stopPatience = 5 * time.Second

// wait announces the node when it is ready, and looks after it until it is to stop.
func (n *Node) wait(ctx context.Context) error {
	for ticker := time.NewTicker(readyPoll); ; {
		if ready, _ := n.ready(); ready {
			ticker.Stop()
			n.announceReady()
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-n.group.failed:
			return err
		case <-n.opts.HangUp:
			go func() { _, _ = n.reload(ctx, "hangup") }() // the loop logs what came of it
		case <-ticker.C:
		}
	}
}
