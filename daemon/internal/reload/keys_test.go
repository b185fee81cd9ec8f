package reload

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// told prints keys as one line each.
func told(keys []Key) string {
	var b strings.Builder
	side := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	for _, k := range keys {
		fmt.Fprintf(&b, "%s %s:%s %s>%s", k.Result, k.File, k.Key, side(k.Old), side(k.New))
		if k.Problem != "" {
			b.WriteString(" because " + k.Problem)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestAReloadSaysWhatBecameOfEachKey is the life of two keys: applied, asked again, rejected with the rest, held back.
func TestAReloadSaysWhatBecameOfEachKey(t *testing.T) {
	t.Parallel()
	service := &fake{name: "a"}
	r := newRig(t, t.TempDir(), service)
	step := func(name string, set fileset.Set, outcome Outcome, unchanged bool, want string) {
		t.Helper()
		report := r.look(t.Context(), set)
		if report.Outcome != outcome || report.Unchanged != unchanged || told(report.Keys) != want {
			t.Errorf("%s: %s, unchanged %v\ngot\n%swant\n%s", name, report.Outcome, report.Unchanged, told(report.Keys), want)
		}
	}
	const first, second = "FX_KEEP_ENDED=1h\n", "FX_KEEP_ENDED=2h\n"
	step("the first generation", files("fastx.env", first), Applied, false, "")
	step("an edit", files("fastx.env", second), Applied, false, "applied fastx.env:FX_KEEP_ENDED 1h>2h\n")
	step("the same, asked for when the watcher has it already", files("fastx.env", second), Unchanged, true, "applied fastx.env:FX_KEEP_ENDED 1h>2h\n")
	step("an edit beside a broken file", files("fastx.env", first, "permissions.ini", "bad"), Rejected, false,
		"refused fastx.env:FX_KEEP_ENDED 2h>1h\nrefused permissions.ini: ->(secret) because permissions.ini:1: is bad\n")
	held := files("fastx.env", first, "apps/x.ini", "bad")
	want := "applied fastx.env:FX_KEEP_ENDED 2h>1h\nheld-back apps/x.ini: ->(secret) because apps/x.ini:1: is bad\n"
	step("an edit beside a broken application", held, HeldBack, false, want)
	step("and asked again", held, HeldBack, true, want)
	service.fail = errors.New("the port is taken")
	step("an edit that a service refuses", files("fastx.env", second), Rejected, false, "refused fastx.env:FX_KEEP_ENDED 1h>2h\n")
}

// TestAKeyThatWaitsForARestartShowsWhatRuns also when the key was changed in a file that is not the one the node blames.
func TestAKeyThatWaitsForARestartShowsWhatRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.o.Restart = func(*generation.Generation, *generation.Generation) []Waiting {
		return []Waiting{{diag.Diagnostic{File: "/node", Key: "FX_VAR_DIR", Summary: "waits"}, "/a", "/c"}}
	}
	r.look(t.Context(), files("/defaults", "FX_VAR_DIR=/a\nFX_FORMAT=1\n"))
	for range 2 {
		report := r.look(t.Context(), files("/defaults", "FX_VAR_DIR=/c\nFX_FORMAT=2\n"))
		want := "restart-needed /defaults:FX_VAR_DIR /a>/c because /node: FX_VAR_DIR: waits\napplied /defaults:FX_FORMAT 1>2\n"
		if report.Outcome != RestartNeeded || told(report.Keys) != want {
			t.Errorf("%s\ngot\n%swant\n%s", report.Outcome, told(report.Keys), want)
		}
	}
}

// TestEachGenerationIsToldAndCountedOnce however often somebody asks for it.
func TestEachGenerationIsToldAndCountedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	step := func(text string, accepted, rejected uint64) {
		t.Helper()
		r.keeper.Forget() // as a reload that is asked for does
		report := r.look(t.Context(), files("fastx.env", text))
		s := r.Stats()
		if s.Accepted != accepted || s.Rejected != rejected || s.Success.IsZero() || s.Took < 0 {
			t.Errorf("after %q, which was %s: %+v", text, report.Outcome, s)
		}
		if lines := [2]int{len(r.lines("config accepted")), len(r.lines("config rejected"))}; lines != [2]int{int(accepted), int(rejected)} {
			t.Errorf("after %q: %d lines in the log\n%s", text, lines, r.log.String())
		}
	}
	if s := r.Stats(); s != (Stats{}) {
		t.Errorf("before anything: %+v", s)
	}
	for range 2 {
		step("1", 1, 0)
	}
	good := r.Stats().Success
	for range 3 {
		step("bad", 1, 1)
	}
	if s := r.Stats(); !s.Success.Equal(good) {
		t.Errorf("what is rejected counts as a success: %+v", s)
	}
	step("1", 1, 1)
	step("bad", 1, 2) // others ran in between
	step("2", 2, 2)
}
