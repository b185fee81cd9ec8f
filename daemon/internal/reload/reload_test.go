package reload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

func TestAllPrepareThenAllCommit(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"}, &fake{name: "b", none: true}, &fake{name: "c"})
	report := r.look(t.Context(), files("fastx.env", "1"))
	if want := []string{"prepare a", "prepare b", "prepare c", "commit a", "commit c"}; !slices.Equal(r.trace, want) {
		t.Errorf("trace = %v", r.trace)
	}
	if report.Outcome != Applied || report.Generation != 1 || report.Digest != files("fastx.env", "1").Digest() || report.Problems == nil {
		t.Errorf("report = %+v", report)
	}
	if !slices.Equal(r.records, []int{1}) {
		t.Errorf("recorded %v", r.records)
	}
	if got := r.lines("config accepted"); len(got) != 1 || !strings.Contains(got[0], "generation 1 (sha256:") || !strings.Contains(got[0], "…): a, c changed; applied in ") {
		t.Errorf("log = %q", got)
	}
}

func TestOneThatCannotPrepareAbortsAllInReverse(t *testing.T) {
	t.Parallel()
	c := &fake{name: "c", fail: errors.New("the port 3300 is taken")}
	r := newRig(t, t.TempDir(), &fake{name: "a"}, &fake{name: "b"}, c, &fake{name: "d"})
	report := r.look(t.Context(), files("fastx.env", "warn"))
	if want := []string{"prepare a", "prepare b", "prepare c", "abort b", "abort a"}; !slices.Equal(r.trace, want) {
		t.Errorf("trace = %v", r.trace)
	}
	if report.Outcome != Rejected || report.Generation != 0 || len(report.Problems) != 2 || !strings.Contains(report.Problems.Text(), "the c cannot take this configuration: the port 3300 is taken") {
		t.Errorf("report = %+v", report)
	}
	if r.keeper.Current() != nil || r.keeper.Status().Accepted || len(r.records) != 0 {
		t.Errorf("it runs all the same: %+v", r.keeper.Status())
	}
	if got := r.lines("config rejected"); len(got) != 1 || !strings.Contains(got[0], "1 error, 1 warning in sha256:") {
		t.Errorf("log = %q", got)
	}
	c.fail = nil
	if report := r.look(t.Context(), files("fastx.env", "warn")); report.Outcome != Rejected {
		t.Errorf("tried again by itself: %+v", report)
	}
	if report := r.Loop.answer(t.Context(), request{ctx: t.Context(), origin: "reload"}); report.Outcome != Applied {
		t.Errorf("asked for: %+v", report)
	}
}

func TestARejectedSetIsSaidOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.look(t.Context(), files("fastx.env", "1"))
	bad := files("fastx.env", "bad", "permissions.ini", "bad", "loglevel.ini", "warn")
	for range 3 {
		report := r.look(t.Context(), bad)
		if report.Outcome != Rejected || report.Generation != 1 || report.Digest != bad.Digest() || len(report.Problems) != 3 {
			t.Errorf("report = %+v", report)
		}
	}
	got := r.lines("config rejected")
	if len(got) != 1 {
		t.Fatalf("log = %q", got)
	}
	for _, part := range []string{"2 errors, 1 warning in " + bad.Digest()[:15] + "; still running generation 1 (sha256:", "…, 0s ago)", "fastx.env:1: is bad", "level=ERROR"} {
		if !strings.Contains(got[0], part) {
			t.Errorf("the line lacks %q: %s", part, got[0])
		}
	}
	if report := r.look(t.Context(), files("fastx.env", "1")); report.Outcome != Unchanged {
		t.Errorf("back again: %+v", report)
	}
	if got := r.lines("config restored"); len(got) != 1 {
		t.Errorf("log = %q", r.log.String())
	}
	r.look(t.Context(), files("fastx.env", "1"))
	if n := strings.Count(r.log.String(), "msg="); n != 3 {
		t.Errorf("%d lines in all:\n%s", n, r.log.String())
	}
}

func TestWhatFailsIsReadOnceMoreAfterAPause(t *testing.T) {
	for name, torn := range map[string]fileset.Set{
		"rejected":  files("fastx.env", "bad"),
		"held back": files("fastx.env", "1", "apps/a.ini", "bad"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				whole := files("fastx.env", "1", "apps/a.ini", "2")
				r := newRig(t, t.TempDir(), &fake{name: "a"})
				began := time.Now()
				report := r.look(t.Context(), torn, whole)
				if report.Outcome != Applied || report.Digest != whole.Digest() || time.Since(began) < DefaultQuiet {
					t.Errorf("after %v: %+v", time.Since(began), report)
				}
				if strings.Contains(r.log.String(), "rejected") || r.keeper.Status().HeldBack != nil {
					t.Errorf("the torn set left a trace:\n%s", r.log.String())
				}
			})
		})
	}
}

func TestAGoodSetIsNotReadTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.look(t.Context(), files("fastx.env", "1"))
	r.look(t.Context(), files("fastx.env", "1"))
	if r.looks != 2 {
		t.Errorf("%d looks", r.looks)
	}
}

func TestObjectsHeldBackAreReported(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.look(t.Context(), files("fastx.env", "1", "apps/a.ini", "1"))
	set := files("fastx.env", "2", "apps/a.ini", "bad")
	for range 2 { // also when asked again
		report := r.look(t.Context(), set)
		if report.Outcome != HeldBack || report.Outcome.ExitCode() != 3 || report.Generation != 2 || !slices.Equal(report.HeldBack, []string{"apps/a.ini"}) || len(report.Problems) != 1 {
			t.Errorf("report = %+v", report)
		}
	}
	if got := r.lines("config accepted"); len(got) != 2 || !strings.Contains(got[1], "; held back: apps/a.ini") || !strings.Contains(got[1], "level=WARN") {
		t.Errorf("log = %q", got)
	}
}

func TestAKeyThatNeedsARestartIsReportedUntilThen(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.o.Restart = func(started, now *generation.Generation) []Waiting {
		if started.Digest == now.Digest {
			return nil
		}
		return []Waiting{{diag.Diagnostic{File: "fastx.env", Key: "FX_VAR_DIR", Severity: diag.Warning, Code: "restart", Summary: "needs a restart"}, "/a", "/b"}}
	}
	r.look(t.Context(), files("fastx.env", "1"))
	for range 2 {
		report := r.look(t.Context(), files("fastx.env", "2"))
		if report.Outcome != RestartNeeded || report.Outcome.ExitCode() != 4 || report.Generation != 2 || len(report.Problems) != 1 {
			t.Errorf("report = %+v", report)
		}
	}
	if report := r.look(t.Context(), files("fastx.env", "2", "apps/a.ini", "bad")); report.Outcome != HeldBack || len(report.Problems) != 2 {
		t.Errorf("with a fault besides: %+v", report)
	}
	if report := r.look(t.Context(), files("fastx.env", "1")); report.Outcome != Applied {
		t.Errorf("back to what it started with: %+v", report)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for o, want := range map[Outcome]int{Applied: 0, Unchanged: 0, Rejected: 2, HeldBack: 3, RestartNeeded: 4, "": 1, "unheard-of": 1} {
		if got := o.ExitCode(); got != want {
			t.Errorf("%q: %d, want %d", o, got, want)
		}
	}
}

func TestAServiceThatHangsIsLeftBehindAndItsLateChangeAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := &fake{name: "slow", wait: func(context.Context) error { <-release; return nil }}
		r := newRig(t, t.TempDir(), &fake{name: "a"}, slow)
		report := r.look(t.Context(), files("fastx.env", "1"))
		if report.Outcome != Rejected || !strings.Contains(report.Problems.Text(), "the slow cannot take this configuration: it did not get ready in time") {
			t.Errorf("report = %+v", report)
		}
		if want := []string{"prepare a", "abort a"}; !slices.Equal(r.trace, want) {
			t.Errorf("trace = %v", r.trace)
		}
		close(release)
		synctest.Wait()
		if want := []string{"prepare a", "abort a", "prepare slow", "abort slow"}; !slices.Equal(r.trace, want) {
			t.Errorf("trace = %v", r.trace)
		}
	})
}

func TestAServiceThatHeedsItsContextSaysWhatItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting := &fake{name: "user", wait: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("sshd did not answer")
		}}
		r := newRig(t, t.TempDir(), waiting, &fake{name: "b"})
		if report := r.look(t.Context(), files("fastx.env", "1")); !strings.Contains(report.Problems.Text(), "sshd did not answer") {
			t.Errorf("report = %+v", report)
		}
		if len(r.trace) != 0 {
			t.Errorf("trace = %v; no further service is asked", r.trace)
		}
	})
}

func TestOthersAreToldWhenTheStatusChanges(t *testing.T) {
	t.Parallel()
	told := 0
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.o.Changed = func() { told++ }
	for i, step := range []struct {
		set  fileset.Set
		want int
	}{
		{files("fastx.env", "1"), 1}, {files("fastx.env", "1"), 1}, {files("fastx.env", "bad"), 2}, {files("fastx.env", "bad"), 2},
		{files("fastx.env", "1"), 3}, {files("fastx.env", "2"), 4},
	} {
		if r.look(t.Context(), step.set); told != step.want {
			t.Errorf("step %d: told %d times, want %d", i, told, step.want)
		}
	}
}

// TestNobodyWaitsForTheDisk sees who is told first of a new generation: the cluster, or the disk.
func TestNobodyWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	told := 0
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.o.Changed = func() { told++ }
	r.o.Recorder = recorder(func(gen *generation.Generation) error {
		if told != gen.Number {
			t.Errorf("generation %d is recorded, and others were told %d times", gen.Number, told)
		}
		return nil
	})
	r.look(t.Context(), files("fastx.env", "1"))
	r.look(t.Context(), files("fastx.env", "2"))
	if told != 2 {
		t.Errorf("told %d times of 2 generations", told)
	}
}

type recorder func(*generation.Generation) error

func (r recorder) Record(gen *generation.Generation) error { return r(gen) }

func TestAGenerationRunsAlsoWhenItCannotBeKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.o.Recorder = failing{}
	if report := r.look(t.Context(), files("fastx.env", "1")); report.Outcome != Applied {
		t.Errorf("report = %+v", report)
	}
	if !strings.Contains(r.log.String(), "the history does not hold it") {
		t.Errorf("log = %s", r.log.String())
	}
}

type failing struct{}

func (failing) Record(*generation.Generation) error { return errors.New("no space left on device") }

// TestWhatCouldNotBeKeptIsTriedUntilItIs fills the disk for a while.
func TestWhatCouldNotBeKeptIsTriedUntilItIs(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	full := &fillable{}
	full.full.Store(true)
	r.o.Recorder, r.o.Retry = full, 5*time.Millisecond
	report := r.look(t.Context(), files("fastx.env", "1"))
	if len(report.Problems) != 1 || report.Problems[0].Code != "not-recorded" || !strings.Contains(report.Problems[0].Remedy, "FX_LOCAL_DIR") {
		t.Errorf("the report says %s", report.Problems.Text())
	}
	if s := r.keeper.Status(); len(s.Problems) != 1 || !s.Accepted {
		t.Errorf("the status is %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, nil) }()
	full.full.Store(false)
	for deadline := time.Now().Add(time.Minute); len(r.keeper.Status().Problems) > 0 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	cancel()
	<-done
	if s := r.keeper.Status(); len(s.Problems) > 0 || full.records != 1 {
		t.Errorf("the disk has room again: %+v, %d records", s, full.records)
	}
}

// fillable is a history on a disk that may be full.
type fillable struct {
	full    atomic.Bool
	records int
}

func (f *fillable) Record(*generation.Generation) error {
	if f.full.Load() {
		return syscall.ENOSPC
	}
	f.records++
	return nil
}

// TestAnUnreadableDirectoryShowsInTheStatus until it can be read again.
func TestAnUnreadableDirectoryShowsInTheStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir(), &fake{name: "a"})
	r.look(t.Context(), files("fastx.env", "1"))
	r.broken = errors.New("stale file handle")
	r.look(t.Context(), files("fastx.env", "1"))
	if s := r.keeper.Status(); s.Accepted || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Summary, "stale file handle") {
		t.Errorf("the status is %+v", s)
	}
	r.broken = nil
	r.look(t.Context(), files("fastx.env", "1"))
	if s := r.keeper.Status(); !s.Accepted || len(s.Problems) != 0 {
		t.Errorf("the status is %+v", s)
	}
}

func TestAgesArePrintedInTheirLargestUnit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := New(Options{Now: func() time.Time { return now }})
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 90 * time.Second: "1m", 3*time.Hour + 59*time.Minute: "3h", 47 * time.Hour: "47h", 50 * time.Hour: "2d",
	} {
		if got := l.age(&generation.Generation{Accepted: now.Add(-d)}); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
