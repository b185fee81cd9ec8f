// Package watch says when to look again and hands over a settled fileset.
//
// Truth is a rescan: every Interval the whole set is read again and its digest compared, so
// changes are found on NFS, FUSE, bind mounts and ConfigMap volumes too, where no event
// tells of them. fsnotify on the directories is only a hint that makes it faster.
//
//   - A rename is read at once.
//   - A write in place waits until nobody has written for 100 ms, at most 1 s.
//   - What a rescan finds without an event must look the same twice, 100 ms apart.
//   - A look that an event brought about opens only the files that do not look as they did;
//     every other look reads them all.
//
// One goroutine does all the reading. When the share hangs, that goroutine hangs with it
// and nothing else does: Look returns when its context ends, Run ends when its context
// does, and LastOK tells since when nothing was read.
package watch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// DefaultInterval is the time between two rescans; each is up to 20 % shorter or longer.
const DefaultInterval = 5 * time.Second

// Options are what a Watcher watches.
type Options struct {
	Dir      string                     // FX_CONFIG_DIR
	Only     []string                   // the entries of Dir that count; nil = all
	Extra    []string                   // files outside it, absolute
	More     func(fileset.Set) []string // further files outside it, which those of a set name; nil = none
	Interval time.Duration              // 0 = DefaultInterval
	Deaf     bool                       // to file events: changes are found by rescanning only
	Log      *slog.Logger

	read Reader                // nil = the file system's
	told <-chan fsnotify.Event // the events of one who is deaf to the system's; nil = none
}

// Watcher watches a directory tree, or a part of it, and some files outside it.
type Watcher struct {
	o      Options
	out    chan fileset.Set
	looks  chan *asker
	lastOK atomic.Int64 // Unix nanoseconds
	broken bool         // the last look failed; said once
}

// result is the outcome of one look.
type result struct {
	set   fileset.Set
	err   error
	scope scope
}

// asker waits for the result of a look. Exactly one of two things happens to it: it is answered,
// or it leaves, and what was read then has to find another way.
type asker struct {
	settled atomic.Bool // answered, or gone
	reply   chan result
}

// answer reports whether the asker was still there.
func (a *asker) answer(r result) bool {
	there := a.settled.CompareAndSwap(false, true)
	if there {
		a.reply <- r
	}
	return there
}

// New makes a Watcher; Run makes it work.
func New(o Options) *Watcher {
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.More == nil {
		o.More = func(fileset.Set) []string { return nil }
	}
	return &Watcher{o: o, out: make(chan fileset.Set, 1), looks: make(chan *asker)}
}

// Sets yields each settled set that differs from the one before. Only the newest waits
// to be taken: a slow taker misses what was replaced meanwhile.
func (w *Watcher) Sets() <-chan fileset.Set { return w.out }

// LastOK is when the files were last read; zero when they never were.
func (w *Watcher) LastOK() time.Time {
	ns := w.lastOK.Load()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Look reads the set now, after a write in progress has settled. The caller has it then: it
// does not come through Sets again. When ctx ends first, it does.
func (w *Watcher) Look(ctx context.Context) (fileset.Set, error) {
	a := &asker{reply: make(chan result, 1)}
	select {
	case w.looks <- a:
	case <-ctx.Done():
		return fileset.Set{}, ctx.Err()
	}
	select {
	case r := <-a.reply:
		return r.set, r.err
	case <-ctx.Done():
	}
	if a.settled.CompareAndSwap(false, true) {
		return fileset.Set{}, ctx.Err()
	}
	r := <-a.reply // it came in the same moment
	return r.set, r.err
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	r := newReader(w.o)
	go r.run()
	defer close(r.jobs)
	l := loop{w: w, reader: r, rescan: time.Now()}
	for l.step(ctx) {
	}
	return nil
}

// loop is the state of Run.
type loop struct {
	w       *Watcher
	reader  *reader
	last    string    // digest of what was handed on last
	rescan  time.Time // when the next rescan is due
	hints   hints
	state   settle // what has happened since the look under way, or the last one, began
	asking  []*asker
	reading bool     // a look is under way
	before  settle   // what led to it
	waiting []*asker // who is to be told its result
}

// step waits for one thing to happen and reacts; false means that ctx has ended.
func (l *loop) step(ctx context.Context) bool {
	var timer <-chan time.Time
	if !l.reading {
		timer = time.After(time.Until(l.next()))
	}
	select {
	case <-ctx.Done():
		return false
	case e := <-l.reader.events:
		l.hints.take(e, time.Now(), &l.state)
	case a := <-l.w.looks:
		l.asking = append(l.asking, a)
		l.state.asked(time.Now())
	case res := <-l.reader.results:
		l.looked(res)
	case <-timer:
		l.look()
	}
	return true
}

// next is when to look next. A rescan that is due waits for files to settle, which takes a second at most.
func (l *loop) next() time.Time {
	if l.state.due.IsZero() {
		return l.rescan
	}
	return l.state.due
}

func (l *loop) look() {
	l.reading = true
	l.before, l.state = l.state, settle{}
	l.waiting, l.asking = l.asking, nil
	l.rescan = time.Now().Add(spread(l.w.o.Interval))
	l.reader.jobs <- l.before.job()
}

// spread varies an interval by ± 20 % so that many nodes do not read a share in step.
func spread(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5+1) }

func (l *loop) looked(res result) {
	l.reading = false
	l.hints.scope = res.scope
	if res.err != nil {
		l.fail(res)
		return
	}
	l.w.lastOK.Store(time.Now().UnixNano())
	l.w.recovered()
	now, digest := time.Now(), res.set.Digest()
	switch {
	case l.answer(res):
		l.last = digest
		l.w.take() // older than what was answered now
	case digest == l.last:
	case l.before.hasty(now, digest):
		l.state.confirm(now, digest, l.before)
	default:
		l.last = digest
		l.w.take()
		l.w.out <- res.set
	}
}

// answer tells everyone who waits, and reports whether anybody still did.
func (l *loop) answer(res result) bool {
	waiting := l.waiting
	l.waiting = nil
	there := slices.DeleteFunc(waiting, func(a *asker) bool { return !a.answer(res) })
	return len(there) > 0
}

// fail tells who asked, says it once, and leaves the rest to the next rescan.
func (l *loop) fail(res result) {
	l.answer(res)
	if !l.w.broken {
		l.w.o.Log.Warn("the configuration cannot be read; the last good generation stays", "dir", l.w.o.Dir, "err", res.err)
	}
	l.w.broken = true
}

func (w *Watcher) recovered() {
	if w.broken {
		w.o.Log.Info("the configuration can be read again", "dir", w.o.Dir)
	}
	w.broken = false
}

// take empties the place where Sets finds what nobody has taken yet.
func (w *Watcher) take() {
	select {
	case <-w.out:
	default:
	}
}
