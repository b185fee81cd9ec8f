package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/watch"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Options are what a drill is made of.
type Options struct {
	Seed   uint64
	Steps  int
	Events bool   // the disk tells its changes; without it they are found by rescanning
	Local  string // where the engine keeps its last good generation

	plant plant // a fault that the drill has to find; the zero value is none
}

// plant is a fault in the engine.
type plant struct {
	load func(generation.Loader) generation.Loader
	read func(watch.Reader) watch.Reader
}

// Result is what a drill came to.
type Result struct {
	Steps, Generations, HeldBack, Rejections int
}

// settled is how long the engine may take to run good files: a writer is waited for a second at most, what does not
// load is read twice, and without events a rescan comes first.
func (o Options) settled() time.Duration {
	if o.Events {
		return 1500 * time.Millisecond
	}
	return 1500*time.Millisecond + watch.DefaultInterval*6/5
}

// Seed is the seed of a drill: the given one, else one by the clock at full size, and always the same one otherwise.
func Seed(given uint64, full bool) uint64 {
	switch {
	case given != 0:
		return given
	case full:
		return uint64(time.Now().UnixNano())
	}
	return 4
}

// drill is a drill under way.
type drill struct {
	o       Options
	rng     *rand.Rand
	disk    *Disk
	good    fileset.Set
	floor   Floor
	engine  *Engine
	witness *witness
	garbled atomic.Bool
	result  Result

	mu     sync.Mutex
	number int      // of the step
	doing  []string // what it does
	failed error
}

// Run drills an engine: each step damages one file or some, for a while, and mends them. It has to be called in a
// synctest bubble. The error names the step, the files, and what went wrong; the same seed does the same again.
func Run(ctx context.Context, o Options) (Result, error) {
	d := &drill{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0)), good: Tree()}
	var err error
	if d.floor, err = NewFloor(d.good); err != nil {
		return d.result, err
	}
	d.disk = NewDisk(d.good, o.Events)
	d.witness = newWitness(d.judge, d.fail)
	read, load := watch.Reader(d.disk.Read), generation.Loader(Input().Load)
	if o.plant.read != nil {
		read = o.plant.read(read)
	}
	if o.plant.load != nil {
		load = o.plant.load(load)
	}
	d.engine, err = Start(ctx, EngineOptions{Watch: watch.Options{Dir: root}.Simulated(read, d.disk.events), Load: d.guarded(load),
		Local: o.Local, Services: []reload.Service{d.witness}, Guard: d.guard})
	if err != nil {
		return d.result, err
	}
	defer d.engine.Stop()
	for i := range o.Steps {
		if d.step(i); d.failure() != nil {
			break
		}
		d.result.Steps++
	}
	_, d.result.Generations, _ = d.witness.state()
	return d.result, d.failure()
}

// step damages up to three files, leaves them for a while, and mends them.
func (d *drill) step(number int) {
	d.begin(number)
	names := d.good.Names()
	for range 1 + d.rng.IntN(4)/2 {
		f, _ := d.good.Lookup(names[d.rng.IntN(len(names))])
		d.damage(f)
	}
	time.Sleep(upTo(d.rng, d.o.settled()*5/4))
	d.observe()
	for _, f := range d.good.Files() {
		if now, there := d.disk.Now().Lookup(f.Name); !there || !now.Equal(f) {
			d.mend(f)
		}
	}
	time.Sleep(d.o.settled())
	d.converged()
	d.garbled.Store(false)
}

func (d *drill) damage(f fileset.File) {
	kind := Choose(d.rng)
	d.garbled.Store(d.garbled.Load() || kind.Garbles)
	d.say(f.Name + ": " + kind.Kind)
	d.say(kind.Do(d.disk, d.rng, time.Sleep, f))
}

// mend writes a file as it was, or a new version of it.
func (d *drill) mend(f fileset.File) {
	if d.rng.IntN(2) == 0 {
		f = Version(f, d.rng.IntN(1e9))
		d.good = d.good.With(f)
	}
	Mend(d.disk, d.rng, time.Sleep, f)
}

// observe counts what the engine makes of the damage.
func (d *drill) observe() {
	s := d.engine.Keeper.Status()
	if !s.Accepted {
		d.result.Rejections++
	}
	if len(s.HeldBack) > 0 {
		d.result.HeldBack++
	}
}

// converged: the files are good, so they run.
func (d *drill) converged() {
	s := d.engine.Keeper.Status()
	serving, _, open := d.witness.state()
	switch current := d.engine.Keeper.Current(); {
	case !s.Accepted:
		d.fail(fmt.Errorf("the files are good again and still rejected: %v", s.Problems.Err()))
	case len(s.HeldBack) > 0:
		d.fail(fmt.Errorf("the files are good again and still held back: %v", s.HeldBack))
	case current.Set.Digest() != d.good.Digest():
		d.fail(errors.New("the files are good again and others run"))
	case serving != current:
		d.fail(errors.New("the services have another generation than the keeper"))
	case open != 0:
		d.fail(fmt.Errorf("%d generations were prepared and neither committed nor aborted", open))
	}
}

// judge is asked at each commit.
func (d *drill) judge(gen *generation.Generation) error {
	if err := d.floor.Check(gen.Set, gen.Config, d.garbled.Load()); err != nil {
		return fmt.Errorf("generation %d was accepted: %w", gen.Number, err)
	}
	return d.discreet(gen)
}

// discreet: what the history would keep of a generation, and what is said of it, holds no secret.
func (d *drill) discreet(gen *generation.Generation) error {
	texts := []string{gen.Problems.Text()}
	for _, f := range gen.Set.Files() {
		texts = append(texts, string(spec.Redact(f, func([]byte) string { return "masked" })))
	}
	all := strings.Join(texts, "\n")
	for _, s := range secrets {
		if strings.Contains(all, s) {
			return fmt.Errorf("generation %d shows a secret that begins with %.4s", gen.Number, s)
		}
	}
	return nil
}

func (d *drill) begin(number int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.number, d.doing = number, nil
}

func (d *drill) say(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doing = append(d.doing, what)
}

// fail keeps the first failure.
func (d *drill) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = fmt.Errorf("step %d (%s): %w", d.number, strings.Join(d.doing, "; "), err)
	}
}

func (d *drill) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// guard turns a panic into a failure.
func (d *drill) guard(what string, run func()) {
	defer func() {
		if p := recover(); p != nil {
			d.fail(fmt.Errorf("the %s panics: %v\n%s", what, p, debug.Stack()))
		}
	}()
	run()
}

// guarded is a loader whose panics are failures, and refuse the set.
func (d *drill) guarded(load generation.Loader) generation.Loader {
	return func(set fileset.Set) (cfg *spec.Config, problems diag.List) {
		problems = diag.List{{Severity: diag.Error, Code: "panic", Summary: "the loader panics"}}
		d.guard("loader", func() { cfg, problems = load(set) })
		return cfg, problems
	}
}
