package reload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

func TestANodeStartsOnWhatTheFilesSay(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.disk = []fileset.Set{files("fastx.env", "1")}
	if report, err := r.Start(t.Context()); err != nil || report.Outcome != Applied {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestANodeStartsOnItsLastGoodGenerationAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, disk := range map[string]*rig{
		"broken files":      {disk: []fileset.Set{files("fastx.env", "bad")}},
		"unreadable folder": {broken: errors.New("stale file handle")},
	} {
		local := t.TempDir()
		newRig(t, local, &fake{name: "a"}).look(t.Context(), files("fastx.env", "1"))
		r := newRig(t, local, &fake{name: "a"})
		r.disk, r.broken = disk.disk, disk.broken
		report, err := r.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if report.Outcome != Rejected || report.Generation != 1 || len(report.Problems) != 1 {
			t.Errorf("%s: report = %+v", name, report)
		}
		if gen := r.keeper.Current(); gen == nil || gen.Number != 1 || r.keeper.Status().Accepted {
			t.Errorf("%s: running %+v, status %+v", name, gen, r.keeper.Status())
		}
		if want := []string{"prepare a", "commit a"}; !slices.Equal(r.trace, want) {
			t.Errorf("%s: trace = %v", name, r.trace)
		}
		if got := r.lines("started on the last good configuration: generation 1 (sha256:"); len(got) != 1 {
			t.Errorf("%s: log:\n%s", name, r.log.String())
		}
		r.broken = nil
		if report := r.look(t.Context(), files("fastx.env", "2")); report.Outcome != Applied || report.Generation != 2 {
			t.Errorf("%s: mended: %+v", name, report)
		}
	}
}

func TestAHungShareDelaysTheStartButDoesNotPreventIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := t.TempDir()
		newRig(t, local, &fake{name: "a"}).look(t.Context(), files("fastx.env", "1"))
		r := newRig(t, local, &fake{name: "a"})
		r.hang = true
		if report, err := r.Start(t.Context()); err != nil || report.Generation != 1 || report.Problems[0].Code != "unreadable" {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

func TestANodeWithNothingToStartOnSaysEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.disk = []fileset.Set{files("fastx.env", "bad", "permissions.ini", "bad")}
	_, err := r.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "fastx.env:1: is bad") || !strings.Contains(err.Error(), "permissions.ini:1: is bad") {
		t.Errorf("err = %v", err)
	}
}

func TestALastGoodGenerationThatNoServiceTakesEndsTheStart(t *testing.T) {
	t.Parallel()
	local := t.TempDir()
	newRig(t, local, &fake{name: "a"}).look(t.Context(), files("fastx.env", "1"))
	r := newRig(t, local, &fake{name: "a", fail: errors.New("no such user")})
	r.disk = []fileset.Set{files("fastx.env", "bad")}
	if _, err := r.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "no such user") || !strings.Contains(err.Error(), "is bad") {
		t.Errorf("err = %v", err)
	}
}

// running starts Run in the background.
func running(t *testing.T, r *rig) (chan<- fileset.Set, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sets := make(chan fileset.Set)
	go func() { _ = r.Run(ctx, sets) }()
	return sets, cancel
}

func TestRunAppliesWhatComesAndAnswersReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), &fake{name: "a"})
		sets, cancel := running(t, r)
		defer cancel()
		sets <- files("fastx.env", "1")
		synctest.Wait()
		if s := r.keeper.Status(); s.Generation != 1 {
			t.Errorf("status = %+v", s)
		}
		r.disk = []fileset.Set{files("fastx.env", "2")}
		report, err := r.Reload(t.Context(), "ann")
		if err != nil || report.Outcome != Applied || report.Generation != 2 || r.keeper.Current().Origin != "ann" {
			t.Errorf("%+v, %v", report, err)
		}
		if report, err := r.Reload(t.Context(), "ann"); err != nil || report.Outcome != Unchanged || report.Generation != 2 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

func TestReloadOfAHungShareEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.TempDir(), &fake{name: "a"})
		sets, cancel := running(t, r)
		defer cancel()
		r.hang = true
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		began := time.Now()
		if _, err := r.Reload(ctx, "ann"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		synctest.Wait()
		sets <- files("fastx.env", "1") // and Run goes on
		synctest.Wait()
		if r.keeper.Status().Generation != 1 {
			t.Error("Run is stuck")
		}
	})
}

func TestAnAskerWhoLeavesDoesNotSpoilTheReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &fake{name: "slow", wait: func(context.Context) error { time.Sleep(5 * time.Second); return nil }}
		r := newRig(t, t.TempDir(), slow)
		_, cancel := running(t, r)
		defer cancel()
		r.disk = []fileset.Set{files("fastx.env", "1")}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := r.Reload(ctx, "ann"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := r.keeper.Status(); !s.Accepted || s.Generation != 1 {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestReloadWithoutRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Reload(ctx, "ann"); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
