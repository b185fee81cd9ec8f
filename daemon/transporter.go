package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/internal/watch"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// TransporterOptions are what a transporter node is started with.
type TransporterOptions struct {
	File     string             // its nats-server.conf, which has that name
	Monitor  string             // HOST:PORT where the server can be watched, if the file names none; "" = nowhere
	Environ  map[string]string  // the process environment, flags folded in
	Version  string             // of the build
	Logs     *Logs              // where it logs
	Announce func(where string) // told where clients connect, HOST:PORT; may be nil
	Notify   func(string)       // tells systemd how we are, as sd_notify(3) words it; may be nil
	HangUp   <-chan os.Signal   // each value asks for a look at the file; may be nil

	Rescan time.Duration // between two rescans of the file; 0 = watch.DefaultInterval
}

// RunTransporter runs a transporter node until ctx ends: upstream's server, below the engine that every node has. So
// what is rejected never reaches the server, and what was last good runs over restarts, too.
func RunTransporter(ctx context.Context, o TransporterOptions) error {
	t, err := newTransporterNode(o)
	if err != nil {
		return err
	}
	defer t.claim.Close()

	// The engine: file → meaning → generation → server.
	if err := t.buildEngine(); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() { _ = t.watcher.Run(running) }()

	// The first generation starts the server. It ends after nobody can give it another any more.
	defer t.server.Close()
	if _, err := t.loop.Start(ctx); err != nil {
		return err
	}
	defer follow(running, t.loop, t.watcher.Sets())()

	// From here on the administrator of this machine can ask how it is.
	socket, err := admin.Start(admin.Options{RunDir: t.place.Run, Socket: admin.TransporterSocket, Backend: t, Log: t.log})
	if err != nil {
		return err
	}
	defer socket.Close()
	t.ready()

	err = t.wait(ctx)
	t.notify.stopping()
	return err
}

// transporterNode is one running transporter.
type transporterNode struct {
	o      TransporterOptions
	log    *slog.Logger
	notify *notifier
	since  time.Time
	place  place // Local is the transporter's own part of FX_LOCAL_DIR
	claim  *os.File

	server  *transporter.Server
	waiting []transporter.Waits // what of the running generation a restart brings into force
	watcher *watch.Watcher
	keeper  *generation.Keeper
	loop    *reload.Loop
}

// newTransporterNode finds the node's place and takes it for this process.
func newTransporterNode(o TransporterOptions) (*transporterNode, error) {
	t := &transporterNode{o: o, log: o.Logs.For("transporter"), notify: &notifier{say: o.Notify}, since: time.Now()}
	sayFIPS(t.log)
	file, err := filepath.Abs(o.File)
	if err != nil {
		return nil, err
	}
	if t.o.File = file; filepath.Base(file) != render.NATSFile {
		return nil, fmt.Errorf("%s: the checks know this file by the name %s; rename it, or make a link of that name to it", file, render.NATSFile)
	}
	if t.place, err = placeOf(o.Environ); err != nil {
		return nil, err
	}
	if _, err := t.place.check(); err != nil {
		return nil, err
	}
	shared := t.place.Local // with the fastxd of this machine
	t.place.Local = filepath.Join(shared, "transporter")
	for _, dir := range []string{shared, t.place.Local, t.place.Run} {
		if err := private(dir); err != nil {
			return nil, err
		}
	}
	t.server = transporter.NewServer(transporter.ServerOptions{Monitor: o.Monitor, Log: t.log})
	t.claim, err = t.place.claim()
	return t, err
}

func (t *transporterNode) buildEngine() (err error) {
	t.watcher = watch.New(watch.Options{Dir: filepath.Dir(t.o.File), Only: []string{render.NATSFile}, More: named, Interval: t.o.Rescan, Log: t.o.Logs.For("watch")})
	t.keeper, err = generation.NewKeeper(generation.KeeperOptions{Load: loadNATS, LocalDir: t.place.Local, Log: t.log})
	if err != nil {
		return err
	}
	t.loop = reload.New(reload.Options{Source: t.watcher, Keeper: t.keeper, Changed: func() { t.notify.runs(t.keeper.Status()) }, Restart: t.restart,
		Applier: reload.Applier{Services: []reload.Service{t}}, Log: t.o.Logs.For("config")})
	return nil
}

// named lists the certificates that the file names: a change of one is a change of the configuration.
func named(set fileset.Set) (out []string) {
	f, _ := set.Lookup(render.NATSFile)
	for _, n := range natsconf.Files(f.Data) {
		if path.IsAbs(n.Path) {
			out = append(out, path.Clean(n.Path))
		}
	}
	return out
}

// loadNATS says what the file means, and what keeps it from being run.
func loadNATS(set fileset.Set) (*spec.Config, diag.List) {
	cfg, problems := spec.Load(spec.Input{Set: set, DaemonUID: os.Getuid(), DaemonGID: os.Getgid(), Alone: true})
	if _, there := set.Lookup(render.NATSFile); !there {
		problems = append(problems, diag.Diagnostic{File: render.NATSFile, Severity: diag.Error, Code: "missing",
			Summary: "is not there", Remedy: "bring it back, or make it with fastxctl secret new"})
	}
	for i, d := range problems {
		if d.Code == spec.RelativePath {
			problems[i].Severity = diag.Error
		}
		if strings.Contains(d.Remedy, "removed.ini") { // which a tree of one file does not have
			problems[i].Remedy = "write it whole"
		}
	}
	problems.Sort()
	return cfg, problems
}

// Name is the service's name.
func (t *transporterNode) Name() string { return "transporter" }

// Prepare has the server take a generation:
//
//  1. the bytes that were judged are written where nobody else writes, unless they are there
//  2. the server reads them there, and takes them over or says why not
//  3. they take the place of those before
//
// Upstream cannot be asked beforehand whether it would, so it is done here, where it can still be refused, and
// there is nothing left to commit. No other service comes after this one and could refuse it then.
func (t *transporterNode) Prepare(ctx context.Context, gen *generation.Generation) (reload.Change, error) {
	f, ok := gen.Set.Lookup(render.NATSFile)
	if !ok {
		return nil, errors.New("there is no " + render.NATSFile)
	}
	runs := filepath.Join(t.place.Local, render.NATSFile)
	file, err := staged(runs, f.Data) // (1)
	if err != nil {
		return nil, err
	}
	waiting, err := t.server.Take(ctx, file, f.Name) // (2)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(file, runs); err != nil { // (3)
		t.log.Warn("the copy of what runs has another name now", "file", file, "err", err)
	}
	if t.waiting = waiting; len(waiting) > 0 {
		t.log.Warn("a part of the file waits for a restart", "keys", keysOf(waiting))
	}
	return reload.Steps{OnCommit: func() {}}, nil
}

// staged returns a file that holds data: the one that is there, so that a full disk keeps nobody from starting on what
// ran before, or a new one beside it.
func staged(file string, data []byte) (string, error) {
	if result, err := fileset.CompareFile(file, data, 0o600); err == nil && result == fileset.Unchanged {
		return file, nil
	}
	_, err := fileset.WriteFile(file+".new", data, 0o600)
	return file + ".new", err
}

func keysOf(waiting []transporter.Waits) string {
	var keys []string
	for _, w := range waiting {
		keys = append(keys, w.Key)
	}
	return strings.Join(keys, ", ")
}

// restart names what of the running generation waits for a restart.
func (t *transporterNode) restart(_, _ *generation.Generation) (out []reload.Waiting) {
	for _, w := range t.waiting {
		out = append(out, reload.Waiting{Runs: w.Runs, Wanted: w.Wanted, Diagnostic: diag.Diagnostic{
			File: render.NATSFile, Key: w.Key, Severity: diag.Warning, Code: "restart-needed",
			Summary: fmt.Sprintf("is %s now, and the server that runs has %s", w.Wanted, w.Runs),
			Remedy:  "restart the transporter: systemctl restart fastxd-transporter"}})
	}
	return out
}

// ready tells systemd, and whoever waits for the first line of output.
func (t *transporterNode) ready() {
	t.notify.runs(t.keeper.Status())
	t.notify.ready()
	t.log.Info("the transporter listens", "clients", t.server.Addr(), "monitoring", or(t.server.MonitorAddr(), "off"))
	if t.o.Announce != nil {
		t.o.Announce(t.server.Addr())
	}
}

// wait looks after the node until it is to stop.
func (t *transporterNode) wait(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-t.server.Failed():
			return fmt.Errorf("the transporter gave up: %w", err)
		case <-t.o.HangUp:
			go func() { _, _ = t.Reload(ctx, "hangup") }() // the loop logs what came of it
		}
	}
}

var _ admin.Engine = (*transporterNode)(nil)

// Status says how the transporter is.
func (t *transporterNode) Status(context.Context) (admin.Status, error) {
	name, _ := os.Hostname() // "" where there is none
	return admin.Status{Version: t.o.Version, Node: name, PID: os.Getpid(), Since: t.since, URL: "nats://" + t.server.Addr(),
		Services: []string{t.Name()}, Ready: true, Waiting: []string{}, Config: adminConfig(t.keeper),
		ShareLastOK: t.watcher.LastOK(), LastGood: lastGood(t.keeper)}, nil
}

// Reload looks at the file now and says what came of it.
func (t *transporterNode) Reload(ctx context.Context, origin string) (admin.ReloadReport, error) {
	defer t.notify.begin(monotonic())()
	r, err := t.loop.Reload(ctx, origin)
	return adminReport(r), err
}
