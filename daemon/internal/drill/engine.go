package drill

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/history"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/watch"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Input is what a tree is judged for: a node whose daemon is neither root nor in its group.
func Input() spec.Input {
	return spec.Input{Hostname: "drill", DaemonUID: 900, DaemonGID: 900, Memo: spec.NewMemo(), Dirs: spec.Dirs{Config: "/etc/fastx", Var: "/var/fastx", Local: "/var/lib/fastx-local", Temp: "/tmp", Run: "/run/fastx"}}
}

// EngineOptions are what an Engine is made of.
type EngineOptions struct {
	Watch    watch.Options
	Load     generation.Loader // nil = of Input
	Local    string            // where the last good generation and the history are kept
	History  bool
	Services []reload.Service
	Guard    func(what string, run func()) // runs each goroutine of the engine; nil = as it is
}

// Engine is the whole config engine, as a node has it.
type Engine struct {
	Watcher *watch.Watcher
	Keeper  *generation.Keeper
	Loop    *reload.Loop

	stop context.CancelFunc
	done sync.WaitGroup
}

// Start runs an engine on the files as they are.
func Start(ctx context.Context, o EngineOptions) (*Engine, error) {
	if o.Load == nil {
		in := Input()
		o.Load, o.Watch.More = in.Load, in.ReferencesOf
	}
	if o.Guard == nil {
		o.Guard = func(_ string, run func()) { run() }
	}
	log := slog.New(slog.DiscardHandler)
	o.Watch.Log = log
	keeper, err := generation.NewKeeper(generation.KeeperOptions{Load: o.Load, LocalDir: o.Local, Log: log})
	if err != nil {
		return nil, err
	}
	e := &Engine{Watcher: watch.New(o.Watch), Keeper: keeper}
	options := reload.Options{Keeper: keeper, Source: e.Watcher, Applier: reload.Applier{Services: o.Services}, Log: log}
	if o.History {
		past, err := history.Open(history.Options{Dir: filepath.Join(o.Local, "history"), Redact: spec.Redact, Log: log})
		if err != nil {
			return nil, err
		}
		options.Recorder = past
	}
	e.Loop = reload.New(options)
	ctx, e.stop = context.WithCancel(ctx)
	e.done.Go(func() { o.Guard("watcher", func() { _ = e.Watcher.Run(ctx) }) })
	if _, err := e.Loop.Start(ctx); err != nil {
		e.Stop()
		return nil, err
	}
	e.done.Go(func() { o.Guard("loop", func() { _ = e.Loop.Run(ctx, e.Watcher.Sets()) }) })
	return e, nil
}

// Stop ends the engine and waits for it.
func (e *Engine) Stop() {
	e.stop()
	e.done.Wait()
}

// witness is the service that every generation has to pass.
type witness struct {
	judge func(*generation.Generation) error // what is wrong with a generation; nil = nothing
	fail  func(error)

	mu      sync.Mutex
	serving *generation.Generation
	open    int // prepared and neither committed nor aborted
	commits int
	changed chan struct{} // closed at the next commit
}

var _ reload.Service = (*witness)(nil)

func newWitness(judge func(*generation.Generation) error, fail func(error)) *witness {
	return &witness{judge: judge, fail: fail, changed: make(chan struct{})}
}

// Name is the witness's name in messages.
func (w *witness) Name() string { return "witness" }

// Prepare makes ready for a generation.
func (w *witness) Prepare(_ context.Context, gen *generation.Generation) (reload.Change, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	return reload.Steps{OnCommit: func() { w.commit(gen) }, OnAbort: w.close}, nil
}

func (w *witness) commit(gen *generation.Generation) {
	if err := w.judge(gen); err != nil {
		w.fail(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	w.commits++
	w.serving = gen
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *witness) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
}

// state returns what serves, how many generations were committed, and how many hang between prepare and commit.
func (w *witness) state() (serving *generation.Generation, commits, open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.serving, w.commits, w.open
}

// await waits until a generation serves that satisfies ok, and returns how long ago it was committed at most.
func (w *witness) await(timeout time.Duration, ok func(*generation.Generation) bool) bool {
	deadline := time.After(timeout)
	for {
		w.mu.Lock()
		serving, changed := w.serving, w.changed
		w.mu.Unlock()
		if serving != nil && ok(serving) {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

// holds reports whether a generation has a file as it is in f.
func holds(f fileset.File) func(*generation.Generation) bool {
	return func(gen *generation.Generation) bool {
		got, there := gen.Set.Lookup(f.Name)
		return there && string(got.Data) == string(f.Data)
	}
}
