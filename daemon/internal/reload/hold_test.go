package reload

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	barred = "[permissions]\ndefault = limited\n\n[disabled]\nusers = mallory\n"
	torn   = "[permissions]\ndefault = limited\n"
)

// holding is a rig that knows what files mean, and whose first generation bars a user.
func holding(t *testing.T) (*rig, chan<- fileset.Set) {
	t.Helper()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	keeper, err := generation.NewKeeper(generation.KeeperOptions{Load: spec.Input{}.Load, LocalDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r.keeper, r.o.Keeper = keeper, keeper
	r.disk = []fileset.Set{files("permissions.ini", barred)}
	sets, cancel := running(t, r)
	t.Cleanup(cancel)
	r.show(sets, barred)
	if got := keeper.Status(); got.Generation != 1 {
		t.Fatalf("it does not start: %+v", got)
	}
	return r, sets
}

// show lets the watcher find a permissions.ini.
func (r *rig) show(sets chan<- fileset.Set, text string) {
	set := files("permissions.ini", text)
	r.mu.Lock()
	r.disk = []fileset.Set{set}
	r.mu.Unlock()
	sets <- set
	synctest.Wait()
}

// runs reports whether the running generation bars the user.
func (r *rig) bars() bool {
	return r.keeper.Current().Config.Permissions.LevelOf("mallory", nil) == spec.Disabled
}

func TestWhatAllowsMoreBySayingLessHasToStaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, sets := holding(t)
		r.show(sets, torn)
		if s := r.keeper.Status(); !r.bars() || s.Accepted || !strings.Contains(s.Problems.Text(), "mallory") {
			t.Errorf("half a file runs, or nobody says so: %+v", s)
		}
		time.Sleep(DefaultHold - time.Second)
		r.show(sets, barred+"# the rest has come\n")
		time.Sleep(2 * DefaultHold)
		if s := r.keeper.Status(); !r.bars() || !s.Accepted || s.Generation != 2 {
			t.Errorf("the whole file: %+v", s)
		}
		r.show(sets, torn) // and from here on it is meant
		time.Sleep(DefaultHold - time.Millisecond)
		if !r.bars() {
			t.Error("it is taken too early")
		}
		time.Sleep(time.Second)
		if s := r.keeper.Status(); r.bars() || !s.Accepted || s.Generation != 3 {
			t.Errorf("what stays so is never taken: %+v", s)
		}
		if n := len(r.lines("config rejected")); n != 2 {
			t.Errorf("rejected %d times in the log, want 2:\n%s", n, r.log.String())
		}
	})
}

func TestWhatSomebodyAsksForIsMeant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, sets := holding(t)
		r.show(sets, torn)
		if report, err := r.Reload(t.Context(), "ann"); err != nil || report.Outcome != Applied || r.bars() {
			t.Errorf("%+v, %v", report, err)
		}
		time.Sleep(2 * DefaultHold)
		if r.keeper.Status().Generation != 2 {
			t.Error("what waited is taken once more")
		}
	})
}

func TestAShareThatHangsMeanwhileMakesItWaitOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, sets := holding(t)
		r.show(sets, torn)
		r.mu.Lock()
		looks := r.looks
		r.broken = errors.New("stale file handle")
		r.mu.Unlock()
		time.Sleep(DefaultHold + time.Second)
		r.mu.Lock()
		tried := r.looks - looks
		r.broken = nil
		r.mu.Unlock()
		if tried != 1 || !r.bars() {
			t.Errorf("%d looks at what cannot be read", tried)
		}
		time.Sleep(DefaultHold)
		if r.bars() {
			t.Error("it is never taken")
		}
	})
}

// TestOtherEditsDoNotPutItOff changes another file every second meanwhile.
func TestOtherEditsDoNotPutItOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, sets := holding(t)
		for i := range 12 {
			set := files("permissions.ini", torn, "motd.html", strings.Repeat("x", i))
			r.mu.Lock()
			r.disk = []fileset.Set{set}
			r.mu.Unlock()
			sets <- set
			time.Sleep(time.Second)
		}
		if r.bars() {
			t.Error("it is put off with each edit of another file")
		}
		if got := r.trace; !slices.Contains(got, "commit a") {
			t.Errorf("trace %v", got)
		}
	})
}
