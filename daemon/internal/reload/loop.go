package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// Source reads the files now; it is the watcher's face to the Loop.
type Source interface {
	Look(context.Context) (fileset.Set, error)
}

// Recorder keeps accepted generations; it is the history's face to the Loop.
type Recorder interface {
	Record(*generation.Generation) error
}

// Options are what a Loop is made of.
type Options struct {
	Keeper   *generation.Keeper
	Applier  Applier
	Source   Source
	Recorder Recorder // nil = no history
	Log      *slog.Logger

	// Restart names the keys that differ between the generation the process
	// started with and the one that runs now, and that only a restart brings into
	// force. nil = there are none.
	Restart func(started, now *generation.Generation) []Waiting

	// Changed is told that the keeper's Status says something new: a generation
	// was accepted or rejected, or the files are again what runs. nil = nobody cares.
	Changed func()

	// Seen is told every set that was judged, be it accepted or rejected. nil = nobody cares.
	Seen func(fileset.Set)

	Quiet    time.Duration    // before what fails to load is read once more; 0 = DefaultQuiet
	Patience time.Duration    // with a look that nobody else bounds; 0 = DefaultPatience
	Retry    time.Duration    // between two tries to keep what could not be kept; 0 = DefaultRetry
	Hold     time.Duration    // of what allows more by saying less; 0 = DefaultHold
	Now      func() time.Time // nil = time.Now
}

// What Options stand for when they are 0.
const (
	DefaultQuiet    = 100 * time.Millisecond
	DefaultPatience = 10 * time.Second
	DefaultRetry    = 15 * time.Second
)

// Loop brings what the files say to the services, one set at a time:
//
//  1. the keeper judges the set; what it rejects, or accepts only in part, is
//     read once more after a pause, since somebody may still be writing; what
//     allows more only by saying less has to stay so for a while
//  2. all services prepare, then all commit; or all abort, and the keeper refuses it
//  3. the keeper adopts the generation, and others are told
//  4. it is stored as the last good one, and the history records it
//  5. one line in the log tells of it
//
// Start comes first, then Run does all the work in its own goroutine. Reload asks
// Run for a look and may be called by anyone.
type Loop struct {
	o        Options
	requests chan request
	started  *generation.Generation // what the process started with
	recorded *generation.Generation // what the history holds
	brought  []Key                  // what was changed to get from the generation before to the running one
	told     generation.Status      // what others were told last
	said     string                 // what the log last said of rejected files, until others run
	unkept   diag.List              // why the running generation is not kept on the disk; it is tried again
	held     held                   // the set that has to wait
	asked    bool                   // somebody asked for the look under way
	mu       sync.Mutex
	stats    Stats
}

// request is a Reload on its way to Run.
type request struct {
	ctx    context.Context
	origin string
	change func(context.Context) error // what to do to the files first; nil = nothing
	glance bool                        // what was rejected is not tried again
	reply  chan reply
}

// New makes a Loop.
func New(o Options) *Loop {
	if o.Quiet == 0 {
		o.Quiet = DefaultQuiet
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.Retry == 0 {
		o.Retry = DefaultRetry
	}
	if o.Hold == 0 {
		o.Hold = DefaultHold
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Seen == nil {
		o.Seen = func(fileset.Set) {}
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return &Loop{o: o, requests: make(chan request)}
}

// Start brings up the first generation: what the files say or, when that is
// rejected or the files cannot be read, the node's last good generation. It fails
// when there is neither; the error then lists all problems.
func (l *Loop) Start(ctx context.Context) (Report, error) {
	report := l.look(ctx, ctx, "start")
	if l.o.Keeper.Current() != nil {
		return report, nil
	}
	gen, err := l.o.Keeper.LastGood()
	if errors.Is(err, generation.ErrNone) {
		return report, fmt.Errorf("cannot start, and there is no earlier good configuration to fall back to: %w", report.Problems.Err())
	}
	if err != nil {
		return report, errors.Join(report.Problems.Err(), err)
	}
	if err := l.fallBack(ctx, gen); err != nil {
		return report, errors.Join(report.Problems.Err(), err)
	}
	report.Generation = gen.Number
	return report, nil
}

// fallBack starts the node on its last good generation and says so.
func (l *Loop) fallBack(ctx context.Context, gen *generation.Generation) error {
	if _, err := l.o.Applier.Apply(ctx, gen); err != nil {
		return fmt.Errorf("start on the last good configuration, generation %d: %w", gen.Number, err)
	}
	l.adopt(gen)
	l.o.Log.Warn(fmt.Sprintf("started on the last good configuration: generation %d (%s), accepted %s ago", gen.Number, short(gen.Digest), l.age(gen)))
	return nil
}

// Run applies the sets that come until ctx ends, and answers Reload.
func (l *Loop) Run(ctx context.Context, sets <-chan fileset.Set) error {
	retry := time.NewTicker(l.o.Retry)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case set := <-sets:
			l.take(ctx, set, "watch")
		case r := <-l.requests:
			r.reply <- l.serve(ctx, r)
		case <-l.matured():
			l.release(func() Report { return l.look(ctx, ctx, "watch") })
		case <-retry.C:
			if len(l.unkept) > 0 {
				l.keep(l.o.Keeper.Current())
			}
		}
	}
}

// answer does what Reload asks for. The asker's context bounds the look alone:
// what has been read is applied also when nobody waits for it any more.
func (l *Loop) answer(ctx context.Context, r request) Report {
	looking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })
	defer stop()
	if !r.glance {
		l.o.Keeper.Forget()
		l.asked = true
		defer func() { l.asked = false }()
	}
	return l.look(looking, ctx, r.origin)
}

// Reload looks at the files now, also when nothing seems to have changed, and
// returns what came of it. A set that was rejected before is tried again. The
// error is the context's: then nobody waited for the outcome, and the log tells it.
func (l *Loop) Reload(ctx context.Context, origin string) (Report, error) {
	return l.Change(ctx, origin, nil)
}

// look reads the files, for as long as looking lasts, and takes what they say.
func (l *Loop) look(looking, ctx context.Context, origin string) Report {
	set, err := l.read(looking)
	if err != nil {
		return l.unreadable(err)
	}
	return l.take(ctx, set, origin)
}

// read does not wait forever for a share that hangs.
func (l *Loop) read(ctx context.Context) (fileset.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.Patience)
	defer cancel()
	set, err := l.o.Source.Look(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return set, fmt.Errorf("it did not answer: %w", context.Cause(ctx))
	}
	return set, err
}

func (l *Loop) unreadable(err error) Report {
	problem := diag.Diagnostic{
		Severity: diag.Error, Code: "unreadable", Summary: fmt.Sprintf("the configuration cannot be read: %v", err),
		Remedy: "see that the directory is there, mounted and readable to the daemon's user",
	}
	if errors.Is(err, fileset.ErrTooMuch) {
		problem.Remedy = "move what does not belong there away"
	}
	l.o.Keeper.Unreadable(problem)
	return l.report(Rejected, "", diag.List{problem})
}

// take judges a set, applies it, and tells when that changed anything.
func (l *Loop) take(ctx context.Context, set fileset.Set, origin string) Report {
	began := l.o.Now()
	report := l.bring(ctx, set, origin, l.o.Keeper.Status().Accepted)
	l.count(func(s *Stats) {
		end := l.o.Now()
		if s.Took = end.Sub(began); report.Outcome != Rejected {
			s.Success = end
		}
	})
	l.tell()
	return report
}

func (l *Loop) bring(ctx context.Context, set fileset.Set, origin string, good bool) Report {
	outcome, set := l.judge(ctx, set, origin) // (1)
	l.o.Seen(set)
	switch out := l.hold(outcome).(type) {
	case generation.Accepted:
		return l.apply(ctx, out.Candidate, set)
	case generation.Rejected:
		if !out.Again {
			l.logRejected(out.Problems, set.Digest())
		}
		return l.rejected(set, out.Problems)
	}
	if !good {
		l.logRestored(set.Digest())
	}
	return l.settled(Unchanged, set)
}

// rejected reports on a set that does not run.
func (l *Loop) rejected(set fileset.Set, problems diag.List) Report {
	r := l.report(Rejected, set.Digest(), problems)
	r.Keys = l.keysOf(l.o.Keeper.Current(), set, problems, KeyRefused)
	return r
}

// judge offers the set; what is not wholly good is read and offered once more. It
// also returns what was offered last.
func (l *Loop) judge(ctx context.Context, set fileset.Set, origin string) (generation.Outcome, fileset.Set) {
	outcome := l.o.Keeper.Offer(set, origin)
	if whole(outcome) || l.pause(ctx) != nil {
		return outcome, set
	}
	again, err := l.read(ctx)
	if err != nil || again.Digest() == set.Digest() {
		return outcome, set
	}
	return l.o.Keeper.Offer(again, origin), again
}

// whole reports whether there is nothing in an outcome that a second look might mend.
func whole(outcome generation.Outcome) bool {
	switch out := outcome.(type) {
	case generation.Accepted:
		return len(out.Candidate.HeldBack) == 0
	case generation.Rejected:
		return out.Again
	}
	return true
}

func (l *Loop) pause(ctx context.Context) error {
	t := time.NewTimer(l.o.Quiet)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// apply takes a candidate through the services.
func (l *Loop) apply(ctx context.Context, gen *generation.Generation, set fileset.Set) Report {
	began, before := l.o.Now(), l.o.Keeper.Current()
	changed, err := l.o.Applier.Apply(ctx, gen) // (2)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		problems := append(diag.List{refused.Diagnostic()}, gen.Problems...)
		problems.Sort()
		l.o.Keeper.Refuse(gen, problems)
		l.logRejected(problems, set.Digest())
		return l.rejected(set, problems)
	}
	took := l.o.Now().Sub(began)
	l.adopt(gen) // (3) (4)
	l.bringing(before, set)
	l.logAccepted(gen, changed, took) // (5)
	return l.settled(Applied, set)
}

// adopt makes gen the running generation. What cannot be kept of it is said and does not stop it.
func (l *Loop) adopt(gen *generation.Generation) {
	if l.started == nil {
		l.started = gen
	}
	l.o.Keeper.Adopt(gen)
	l.tell()
	l.keep(gen)
}

// tell has those who care know that the status says something new.
func (l *Loop) tell() {
	now := l.o.Keeper.Status()
	if now.Generation != l.told.Generation || now.Accepted != l.told.Accepted || now.Digest != l.told.Digest {
		l.told = now
		l.o.Changed()
	}
}

// keep stores the running generation as the last good one and records it. What fails is tried again
// until it succeeds: a full disk that nobody looks at must not decide what a restart finds.
func (l *Loop) keep(gen *generation.Generation) {
	const remedy = "make room in FX_LOCAL_DIR and see that it can be written; it is tried again until it works"
	var failed diag.List
	if err := l.o.Keeper.Store(); err != nil {
		failed = append(failed, diag.Diagnostic{Severity: diag.Warning, Code: "not-stored",
			Summary: "the configuration runs, but a restart could not fall back to it: " + err.Error(), Remedy: remedy})
	}
	if err := l.record(gen); err != nil {
		failed = append(failed, diag.Diagnostic{Severity: diag.Warning, Code: "not-recorded",
			Summary: "the configuration runs, but the history does not hold it: " + err.Error(), Remedy: remedy})
	}
	switch {
	case len(failed) > 0 && len(l.unkept) == 0:
		l.o.Log.Warn("what runs could not be kept on the disk", attributes(failed)...)
	case len(failed) == 0 && len(l.unkept) > 0:
		l.o.Log.Info(fmt.Sprintf("generation %d is kept on the disk now", gen.Number))
	}
	l.unkept = failed
	l.o.Keeper.Note(l.notes(gen))
}

func (l *Loop) record(gen *generation.Generation) error {
	if l.o.Recorder == nil || l.recorded == gen {
		return nil
	}
	err := l.o.Recorder.Record(gen)
	if err == nil {
		l.recorded = gen
	}
	return err
}

// notes are what is to be said of the running generation beside the problems of its files.
func (l *Loop) notes(gen *generation.Generation) diag.List {
	return append(slices.Clone(l.unkept), diagnostics(l.restart(gen))...)
}

// settled reports on the running generation: outcome, unless there is something left to be said.
func (l *Loop) settled(outcome Outcome, set fileset.Set) Report {
	gen := l.o.Keeper.Current()
	unchanged := outcome == Unchanged
	if len(l.restart(gen)) > 0 {
		outcome = RestartNeeded
	}
	notes := l.notes(gen)
	l.o.Keeper.Note(notes)
	problems := append(slices.Clone(gen.Problems), notes...)
	problems.Sort()
	if len(gen.HeldBack) > 0 {
		outcome = HeldBack // an error in the files comes before a restart that is due
	}
	r := l.report(outcome, set.Digest(), problems)
	r.Unchanged, r.Keys = unchanged, l.standing(set)
	return r
}

func (l *Loop) restart(gen *generation.Generation) []Waiting {
	if l.o.Restart == nil || l.started == nil || l.started == gen {
		return nil
	}
	return l.o.Restart(l.started, gen)
}

func (l *Loop) report(outcome Outcome, digest string, problems diag.List) Report {
	r := Report{Outcome: outcome, Digest: digest, Problems: append(diag.List{}, problems...)}
	if gen := l.o.Keeper.Current(); gen != nil {
		r.Generation, r.HeldBack, r.LeftOut = gen.Number, gen.HeldBack, gen.LeftOut
		r.Origin, r.Accepted = gen.Origin, gen.Accepted
	}
	return r
}
