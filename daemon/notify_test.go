package daemon

import (
	"slices"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// TestSystemdHearsOfEachReload is a node's life as systemd sees it.
func TestSystemdHearsOfEachReload(t *testing.T) {
	t.Parallel()
	var heard []string
	n := &notifier{say: func(s string) { heard = append(heard, s) }}
	step := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(heard, want) {
			t.Errorf("%s: systemd heard %q, want %q", what, heard, want)
		}
		heard = nil
	}
	end := n.begin(time.Second)
	n.runs(generation.Status{})
	step("a reload of a node that starts", "STATUS=starting")
	one := generation.Status{Generation: 1, Accepted: true}
	n.runs(one)
	end()
	step("it is over", "STATUS=generation 1 runs")
	if !n.ready() || n.ready() || !n.isUp() {
		t.Error("a node is ready for the first time once")
	}
	step("it is up", "READY=1\nSTATUS=generation 1 runs")
	n.runs(one)
	step("nothing new")

	end = n.begin(1500 * time.Microsecond)
	second := n.begin(2 * time.Second)
	step("two reloads at once", "RELOADING=1\nMONOTONIC_USEC=1500")
	end()
	step("one is over")
	n.runs(generation.Status{Generation: 2, Accepted: true, HeldBack: []string{"apps/x.ini"}})
	second()
	const held = "STATUS=generation 2 runs; held back for their errors: 1 files"
	step("both are over", held, "READY=1\n"+held)
	n.runs(generation.Status{Generation: 2, Problems: diag.List{{Severity: diag.Error}, {Severity: diag.Error}}})
	n.stopping()
	step("broken files, and the end", "STATUS=generation 2 runs; the files at hand are rejected: 2 errors", "STOPPING=1")
	(&notifier{}).stopping() // nobody listens
	if a, b := monotonic(), monotonic(); a <= 0 || b < a {
		t.Errorf("the clock went from %v to %v", a, b)
	}
}
