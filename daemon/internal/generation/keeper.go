package generation

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// ErrNone is returned by LastGood when this node never adopted a generation.
var ErrNone = errors.New("this node has no last good configuration")

// Loader says what a set of files means and everything that is wrong with it.
type Loader func(fileset.Set) (*spec.Config, diag.List)

// KeeperOptions are what a Keeper is made of.
type KeeperOptions struct {
	Load     Loader
	LocalDir string // FX_LOCAL_DIR; the last good generation is kept in last-good/ below it
	Log      *slog.Logger
	Now      func() time.Time // nil = time.Now
}

// Keeper decides which configuration the node runs.
//
// Every set of files is offered to it. It accepts or rejects the set as a whole,
// but for independent objects (one file of apps/ or performance/): a faulty one
// is held back, that is served as it last was good, or left out when it never
// was, and the rest of the set is accepted. An accepted candidate becomes the
// running generation when it is adopted, and the last good one when it is stored,
// or is refused when a service cannot take it.
//
// Current and Status may be called by anyone at any time. The other methods
// belong to the one goroutine that applies generations.
type Keeper struct {
	o     KeeperOptions
	store store

	last      int                  // the highest number in use
	base      *Generation          // whose files count as last good: Current, else the stored one without Config
	rejected  map[string]diag.List // digests that were tried in vain since the last Adopt
	candidate *Generation          // the accepted one that is neither adopted nor refused yet
	offered   string               // digest of the set the candidate was made of
	unstored  bool                 // Current could not be stored as the last good one

	mu      sync.Mutex
	current *Generation
	running string // digest of the set that Current was made of; differs from its own when objects are held back
	seen    sight
	broken  time.Time // since when seen is not accepted; zero while it is
	notes   diag.List // what else Status is to say
}

// sight is what Status says of the set that was last offered.
type sight struct {
	digest   string
	accepted bool
	problems diag.List
}

// maxRejected bounds the memory of rejected sets; when it is full it is emptied, and they are judged anew.
const maxRejected = 64

// NewKeeper returns a Keeper that knows the generation this node last adopted,
// from an earlier run. A stored one that is damaged is reported and done without.
func NewKeeper(o KeeperOptions) (*Keeper, error) {
	if o.Load == nil || o.LocalDir == "" || o.Log == nil {
		return nil, errors.New("a keeper needs Load, LocalDir and Log")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keeper{o: o, store: store{filepath.Join(o.LocalDir, storeName)}, rejected: map[string]diag.List{}}
	if err := k.store.open(); err != nil {
		return nil, fmt.Errorf("prepare %s: %w; it has to belong to the account that fastxd runs as", k.store.dir, err)
	}
	k.last = k.store.lastNumber()
	gen, err := k.store.load()
	switch {
	case err == nil:
		k.base, k.last = gen, max(k.last, gen.Number)
	case !errors.Is(err, ErrNone):
		o.Log.Warn("the last good configuration cannot be read; until the next one is adopted there is none to fall back to", "error", err)
	}
	return k, nil
}

// Outcome is what an offer comes to: exactly one of Unchanged, Rejected and Accepted.
type Outcome interface{ outcome() }

// Unchanged says that the set is the one that runs.
type Unchanged struct{}

// Rejected says that the set is not accepted and why.
type Rejected struct {
	Problems diag.List
	Again    bool // the same set was rejected before and was not tried again
}

// Accepted carries the generation to take through the services. It is over with Adopt or Refuse.
type Accepted struct{ Candidate *Generation }

func (Unchanged) outcome() {}
func (Rejected) outcome()  {}
func (Accepted) outcome()  {}

// Offer judges a set. origin names who asked; "" is OriginUnknown.
func (k *Keeper) Offer(set fileset.Set, origin string) Outcome {
	digest := set.Digest()
	k.candidate, k.offered = nil, ""
	if cur := k.Current(); cur != nil && digest == k.running {
		k.see(sight{digest, true, cur.Problems})
		return Unchanged{}
	}
	if problems, ok := k.rejected[digest]; ok {
		k.see(sight{digest, false, problems})
		return Rejected{problems, true}
	}
	j := k.judge(set)
	if !j.accepted {
		k.reject(digest, j.problems)
		return Rejected{Problems: j.problems}
	}
	k.candidate, k.offered = k.number(j, origin), digest
	return Accepted{k.candidate}
}

// number makes a generation of a judgement. A node that starts on the files it
// last ran goes on with that generation and its number.
func (k *Keeper) number(j judgement, origin string) *Generation {
	gen := &Generation{
		Number: k.last + 1, Digest: j.effective.Digest(), Origin: cmp.Or(origin, OriginUnknown), Accepted: k.o.Now(),
		Config: j.config, Set: j.effective, Problems: j.problems, HeldBack: j.heldBack(), LeftOut: j.leftOut(),
	}
	if k.base != nil && k.base.Config == nil && k.base.Digest == gen.Digest {
		gen.Number, gen.Origin, gen.Accepted = k.base.Number, k.base.Origin, k.base.Accepted
	}
	return gen
}

// Adopt makes gen, the candidate or LastGood, the running generation. Store is to follow.
func (k *Keeper) Adopt(gen *Generation) {
	stored := k.base != nil && k.base.Number == gen.Number && k.base.Digest == gen.Digest
	k.base, k.last = gen, max(k.last, gen.Number)
	clear(k.rejected) // what is acceptable depends on what runs
	k.install(gen)
	k.unstored = k.unstored || !stored
}

// Store stores the running generation as the last good one, unless it is. What cannot be stored runs all the same; the
// error says that a restart on a broken directory would find an older one, which may allow what is forbidden by now.
func (k *Keeper) Store() error {
	if !k.unstored {
		return nil
	}
	if err := k.store.save(k.base); err != nil {
		return fmt.Errorf("store generation %d as the last good one: %w", k.base.Number, err)
	}
	k.unstored = false
	return nil
}

// Note has Status say something beside the problems of the files, until it is given something else.
func (k *Keeper) Note(notes diag.List) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes = notes
}

// Unreadable takes note that the files could not be read, until they can be.
func (k *Keeper) Unreadable(problem diag.Diagnostic) { k.see(sight{problems: diag.List{problem}}) }

func (k *Keeper) install(gen *Generation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current, k.running = gen, gen.Digest
	if gen == k.candidate {
		k.running = k.offered
		k.seen, k.broken = sight{k.offered, true, gen.Problems}, time.Time{}
	}
	k.candidate, k.offered = nil, ""
}

// Refuse ends a candidate that a service could not take. The running generation stays.
func (k *Keeper) Refuse(candidate *Generation, problems diag.List) {
	if candidate == nil || candidate != k.candidate {
		return // LastGood is not a candidate: there is no set to remember
	}
	k.reject(k.offered, problems)
	k.candidate, k.offered = nil, ""
}

// Forget lets sets that were rejected be tried again. What an administrator asks
// for is tried even when nothing in the files has changed: a port may be free by now.
func (k *Keeper) Forget() { clear(k.rejected) }

func (k *Keeper) reject(digest string, problems diag.List) {
	if len(k.rejected) >= maxRejected {
		clear(k.rejected)
	}
	k.rejected[digest] = problems
	k.see(sight{digest, false, problems})
}

func (k *Keeper) see(s sight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case s.accepted:
		k.broken = time.Time{}
	case k.broken.IsZero():
		k.broken = k.o.Now()
	}
	k.seen = s
}

// Current returns the running generation, nil before the first Adopt.
func (k *Keeper) Current() *Generation {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Status says what runs and what is to be said of the files as they are now.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Status{Digest: k.seen.digest, Accepted: k.seen.accepted, Rejected: k.broken, Problems: append(append(diag.List{}, k.seen.problems...), k.notes...)}
	s.Problems.Sort()
	if k.current != nil {
		s.Generation, s.Since, s.HeldBack, s.LeftOut = k.current.Number, k.current.Accepted, k.current.HeldBack, k.current.LeftOut
	}
	return s
}

// LastGood returns the generation that this node adopted last in an earlier run,
// for a start on a broken directory. It fails with ErrNone when there is none, and
// otherwise when this version cannot run it any more.
func (k *Keeper) LastGood() (*Generation, error) {
	if k.base == nil {
		return nil, ErrNone
	}
	j := k.judge(k.base.Set)
	if !j.accepted {
		return nil, fmt.Errorf("the last good configuration, generation %d, does not load any more: %w", k.base.Number, j.problems.Err())
	}
	gen := k.number(j, OriginLastGood)
	gen.Number, gen.Accepted, gen.Origin = k.base.Number, k.base.Accepted, OriginLastGood
	return gen, nil
}
