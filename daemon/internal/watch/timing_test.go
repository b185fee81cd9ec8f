package watch

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deaf runs a Watcher without events on a memory, inside a synctest bubble.
func deaf(t *testing.T, disk *memory) *Watcher {
	t.Helper()
	return start(t, Options{Dir: "/fastx", Interval: DefaultInterval, read: disk.read, Deaf: true})
}

func TestRescansComeEveryFiveSecondsMoreOrLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk memory
		disk.set("same")
		w := deaf(t, &disk)
		look(t, w)
		last := w.LastOK()
		shortest, longest := time.Hour, time.Duration(0)
		for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(10 * time.Millisecond) {
			if now := w.LastOK(); !now.Equal(last) {
				shortest, longest = min(shortest, now.Sub(last)), max(longest, now.Sub(last))
				last = now
			}
		}
		if shortest < 4*time.Second || longest > 6*time.Second || longest-shortest < 500*time.Millisecond {
			t.Errorf("rescans lie between %v and %v apart", shortest, longest)
		}
	})
}

func TestWhatOnlyARescanFindsMustLookTheSameTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk memory
		disk.set("old")
		w := deaf(t, &disk)
		look(t, w)
		known := w.LastOK()
		disk.set("half")
		for w.LastOK().Equal(known) { // until a rescan has seen the half
			time.Sleep(time.Millisecond)
		}
		disk.set("whole")
		set := <-w.Sets()
		if !holds("a.ini", "whole")(set) {
			t.Error("half a file was handed on")
		}
	})
}

func TestAWriterWithoutEventsThatNeverStopsIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk memory
		disk.set("old")
		w := deaf(t, &disk)
		look(t, w)
		began := time.Now()
		for i := 0; len(w.out) == 0; i++ {
			disk.set(strings.Repeat("x", i))
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took > 6*time.Second+writeLimit+2*writeQuiet {
			t.Errorf("handed on after %v", took)
		}
	})
}

func TestRunEndsAlsoWhenTheShareHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memory{content: "old", hang: make(chan struct{})}
		w := New(Options{Dir: "/fastx", read: disk.read, Deaf: true, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = w.Run(ctx) }()
		synctest.Wait() // the look hangs now
		cancel()
		<-done
		close(disk.hang)
	})
}

func TestARescanDoesNotCutAWriteShort(t *testing.T) {
	t.Parallel()
	l := loop{rescan: at(50)}
	if got := l.next(); !got.Equal(at(50)) {
		t.Errorf("with nothing to see, the next look is at %v", got)
	}
	if l.state.written(at(0)); !l.next().Equal(at(100)) {
		t.Errorf("with a write under way, the next look is at %v", l.next())
	}
}
