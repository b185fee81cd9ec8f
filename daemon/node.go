package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/history"
	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
	"github.com/fastx-kit/fastx-kit/daemon/internal/launcher"
	"github.com/fastx-kit/fastx-kit/daemon/internal/manager"
	"github.com/fastx-kit/fastx-kit/daemon/internal/nudge"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/internal/user"
	"github.com/fastx-kit/fastx-kit/daemon/internal/watch"
	"github.com/fastx-kit/fastx-kit/daemon/internal/webserver"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// readyPoll is how often a node that starts looks whether it is ready.
const readyPoll = 5 * time.Millisecond

// Node is one running node: its place on the machine and the parts that work there.
type Node struct {
	opts   Options
	log    *slog.Logger
	notify *notifier
	since  time.Time

	place   place
	machine *spec.Machine // as it was at the start
	account session.Account
	starter spawn.Starter
	claim   *os.File // the lock on FX_LOCAL_DIR

	hub     *transporter.Hub
	audit   *audit.Log
	watcher *watch.Watcher
	keeper  *generation.Keeper
	group   *group
	loop    *reload.Loop
	past    *pastRecorder
	nudge   *nudge.Nudge

	exporter *metricsListener
	writing  chan struct{} // holds one while FX_CONFIG_DIR is written to

	references func(fileset.Set) []string // the files outside of FX_CONFIG_DIR that those of a set name

	speaking sync.Mutex // held while the voice changes; taken before mu

	mu        sync.Mutex
	voice     *voice // nil before the node speaks, and after
	webURL    string // where the webserver is
	announced string // what Announce was told last
	seen      string // the digest of the shared files as they were last read
}

func (n *Node) release() { n.claim.Close() }

// newGroup says how each component is built.
func newGroup(n *Node) *group {
	return &group{
		log: n.log, failed: make(chan error, 1), running: map[spec.Component]*member{}, ending: map[spec.Component]<-chan struct{}{}, connect: n.connect, moved: n.moved,
		build: map[spec.Component]func(identity, *transporter.Conn) (component, error){
			spec.User:      n.buildUser,
			spec.Manager:   n.buildManager,
			spec.Launcher:  n.buildLauncher,
			spec.Webserver: n.buildWebserver,
		},
	}
}

func (n *Node) connect(ctx context.Context, role spec.Component, who identity, link spec.Transporter) (*transporter.Conn, error) {
	return transporter.Open(ctx, transporter.Options{Role: role, Node: who.node, Hub: n.hub, Settings: link, Log: n.opts.Logs.For("transporter")})
}

func (n *Node) buildUser(who identity, c *transporter.Conn) (component, error) {
	o := user.Options{Conn: c, Dirs: n.place.Dirs, Node: who.node, Log: n.opts.Logs.For("user"), Audit: n.audit}
	if root, there := n.starter.(launchd.Client); there {
		o.PAM = root.Login
	}
	return user.New(o)
}

func (n *Node) buildManager(who identity, c *transporter.Conn) (component, error) {
	return manager.New(manager.Options{Conn: c, Instance: who.instance, Log: n.opts.Logs.For("manager")}), nil
}

// buildLauncher finds first what a node that runs no sessions does not need: an account, which a container's number may have
// none of, and fastxd-session.
func (n *Node) buildLauncher(who identity, c *transporter.Conn) (component, error) {
	if n.account.Name == "" {
		return nil, fmt.Errorf("sessions need an account, and uid %d has none: %w; run fastxd as another, or take launcher out of SERVICES", os.Getuid(), account.ErrUnknown)
	}
	supervisor := n.opts.Supervisor
	if supervisor == "" {
		var err error
		if supervisor, err = findSupervisor(); err != nil {
			return nil, err
		}
	}
	return launcher.New(launcher.Options{Conn: c, Dirs: n.place.Dirs, Node: who.node, Instance: who.instance,
		Supervisor: supervisor, Account: n.account, Starter: n.starter, Log: n.opts.Logs.For("launcher"), Audit: n.audit})
}

func (n *Node) buildWebserver(_ identity, c *transporter.Conn) (component, error) {
	return webserver.New(webserver.Options{Conn: c, Dirs: n.place.Dirs, Version: n.opts.Version,
		Log: n.opts.Logs.For("webserver"), Announce: n.listening, Ready: n.ready, NoVNC: os.DirFS(n.place.noVNC), Account: n.everyones()})
}

// chooseStarter says who starts this node's sessions, for as long as it runs: a node never comes to run sessions as
// another user than before because fastxd-launchd is away for a moment. A node that must not start any by itself,
// since they would be in its sandbox, leaves them to fastxd-launchd even when that is not there.
func chooseStarter(only bool) spawn.Starter {
	if only || launchd.Here(launchd.Socket) {
		return launchd.Client{Path: launchd.Socket}
	}
	return spawn.Best()
}

// everyones is the account that all sessions of this node run as, "" where each runs as its user.
func (n *Node) everyones() string {
	if _, each := n.starter.(spawn.Lodger); each {
		return ""
	}
	return n.account.Name
}

// pastRecorder is the node's history. It is opened when it is needed first, and again until that succeeds:
// what is wrong with it is told as a warning and never keeps the node from running.
type pastRecorder struct {
	options history.Options

	mu     sync.Mutex
	opened *history.History
}

var _ reload.Recorder = (*pastRecorder)(nil)

func newPast(n *Node) *pastRecorder {
	return &pastRecorder{options: history.Options{Dir: filepath.Join(n.place.Local, "history"), Redact: spec.Redact, Log: n.log}}
}

func (r *pastRecorder) open() (_ *history.History, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened == nil {
		r.opened, err = history.Open(r.options)
	}
	return r.opened, err
}

// Record records a generation.
func (r *pastRecorder) Record(gen *generation.Generation) error {
	h, err := r.open()
	if err != nil {
		return err
	}
	return h.Record(gen)
}

// Page is History.Page.
func (r *pastRecorder) Page(before, size int) ([]history.Entry, bool, error) {
	h, err := r.open()
	if err != nil {
		return nil, false, err
	}
	return h.Page(before, size)
}

// Files is History.Files.
func (r *pastRecorder) Files(generation int) (history.Entry, []history.File, error) {
	h, err := r.open()
	if err != nil {
		return history.Entry{}, nil, err
	}
	return h.Files(generation)
}

// Changes is History.Changes.
func (r *pastRecorder) Changes(ctx context.Context, from, to int) ([]history.Change, error) {
	h, err := r.open()
	if err != nil {
		return nil, err
	}
	return h.Changes(ctx, from, to)
}

// Restore is History.Restore.
func (r *pastRecorder) Restore(ctx context.Context, generation int, now fileset.Set, keep bool) (history.Restoration, error) {
	h, err := r.open()
	if err != nil {
		return history.Restoration{}, err
	}
	return h.Restore(ctx, generation, now, keep)
}

// beat is what the heartbeat says.
func (n *Node) beat(who identity) transporter.Beat {
	env := n.keeper.Current().Config.Env
	b := transporter.Beat{Node: who.node, Instance: who.instance, Version: n.opts.Version, Services: n.services(),
		Metadata: metadata(env.Metadata, n.opts.Version), Load: load(), Max: env.MaxSessions, Config: n.configState(), Levels: n.opts.Logs.Levels()}
	for _, m := range n.group.Members() {
		if l, ok := m.component.(*launcher.Launcher); ok {
			b.Drain = l.Drained()
		}
	}
	return b
}

// configState is what the heartbeat says of the configuration.
func (n *Node) configState() transporter.ConfigState {
	s := n.keeper.Status()
	state := transporter.ConfigState{Generation: s.Generation, Digest: s.Digest, Accepted: s.Accepted, Problems: s.Problems,
		Since: s.Since, Shared: sharedDigest(n.keeper.Current().Set)}
	if !s.Accepted {
		state.Since = s.Rejected
	}
	return state
}

// sharedDigest is the digest of the files that all nodes of a cluster may share: what lies outside
// of FX_CONFIG_DIR is each node's own, and so are owners and modes, which a share may show differently.
func sharedDigest(set fileset.Set) string {
	var shared []fileset.File
	for _, f := range set.Files() {
		if !filepath.IsAbs(f.Name) {
			shared = append(shared, fileset.File{Name: f.Name, Data: f.Data})
		}
	}
	return fileset.New(shared...).Digest()
}

// name is what the node is called now.
func (n *Node) name() string {
	who, _ := n.group.standing()
	return who.node
}

// services names what runs, in the order of the data flow.
func (n *Node) services() []string {
	running := map[string]bool{}
	for _, m := range n.group.Members() {
		running[m.Name()] = true
	}
	out := []string{}
	for _, c := range spec.Components() {
		if running[string(c)] {
			out = append(out, string(c))
		}
	}
	return out
}

// ready reports whether the node does its whole job, and what it waits for.
func (n *Node) ready() (bool, []string) {
	if n.keeper.Current() == nil {
		return false, []string{"configuration"}
	}
	waiting := n.group.Waiting()
	return len(waiting) == 0, waiting
}

// changed hears that the configuration's state has changed, and says so at once.
func (n *Node) changed() {
	n.notify.runs(n.keeper.Status())
	n.acceptedFiles()
	if v := n.speaker(); v != nil {
		v.heart.Kick()
	}
}

// restart names what of a generation waits for a restart.
func (n *Node) restart(_, now *generation.Generation) []reload.Waiting {
	return n.place.waits(n.opts.Environ, now.Set)
}

// listening hears where the webserver is. It is announced when the node can serve whoever comes.
func (n *Node) listening(url string) {
	n.mu.Lock()
	n.webURL = url
	n.mu.Unlock()
	if n.notify.isUp() {
		n.announce()
	}
}

func (n *Node) url() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.webURL
}

// announceReady says once that the node is ready, and where.
func (n *Node) announceReady() {
	n.notify.runs(n.keeper.Status())
	if n.notify.ready() {
		n.announce()
	}
}

func (n *Node) announce() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.webURL != n.announced && n.opts.Announce != nil {
		n.opts.Announce(n.webURL)
	}
	n.announced = n.webURL
}
