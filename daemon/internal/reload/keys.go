package reload

import (
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Result says what became of one key that was changed.
type Result string

// The results.
const (
	KeyApplied  Result = "applied"        // it is in force
	KeyWaits    Result = "restart-needed" // a restart of the daemon brings it into force
	KeyHeldBack Result = "held-back"      // its file has an error and counts as it last was good, or not at all
	KeyRefused  Result = "refused"        // the files as a whole were rejected
)

// Key is what became of one key, or with Key "" of a file as a whole. A secret shows as spec.Masked.
type Key struct {
	spec.KeyChange
	Result  Result
	Problem string // what the checks say of it; "" = nothing
}

// Waiting is a key of which another value runs than the files say, until the daemon is restarted.
type Waiting struct {
	diag.Diagnostic
	Runs, Wanted string
}

// keysOf tells what becomes of each key in which set differs from what ran before. The first generation of a
// process differs from nothing.
func (l *Loop) keysOf(before *generation.Generation, set fileset.Set, problems diag.List, result Result) []Key {
	if before == nil {
		return nil
	}
	var out []Key
	for _, c := range spec.Changes(before.Set, set) {
		k := Key{KeyChange: c, Result: result}
		if now := l.o.Keeper.Current(); result == KeyApplied && slices.Contains(now.HeldBack, c.File) {
			k.Result = KeyHeldBack
		}
		k.Problem = problemOf(k, problems)
		out = append(out, k)
	}
	return out
}

// problemOf is what the checks say of a key: of the key itself or, where it is not taken, of its file.
func problemOf(k Key, problems diag.List) string {
	for _, d := range problems {
		if d.File == k.File && d.Key == k.Key && k.Key != "" {
			return d.String()
		}
	}
	for _, d := range problems {
		if k.Result != KeyApplied && d.File == k.File && d.Severity == diag.Error {
			return d.String()
		}
	}
	return ""
}

// standing are the keys that an accepted set comes to: those that brought the running generation about, those
// that it holds back of set, and those that wait for a restart.
func (l *Loop) standing(set fileset.Set) []Key {
	gen := l.o.Keeper.Current()
	out := slices.Clone(l.brought)
	for _, k := range l.keysOf(gen, set, gen.Problems, KeyApplied) {
		if k.Result == KeyHeldBack {
			out = append(out, k)
		}
	}
	for _, w := range l.restart(gen) {
		k := Key{KeyChange: spec.KeyChange{File: w.File, Line: w.Line, Key: w.Key, Old: &w.Runs, New: &w.Wanted}, Result: KeyWaits, Problem: w.String()}
		if i := slices.IndexFunc(out, func(k Key) bool { return k.Key == w.Key }); i >= 0 { // in whichever file it stands
			k.File, k.Line = out[i].File, out[i].Line
			out[i] = k
			continue
		}
		out = append(out, k)
	}
	return out
}

// bringing keeps in mind which keys brought a generation about, now that it runs.
func (l *Loop) bringing(before *generation.Generation, set fileset.Set) {
	keys := l.keysOf(before, set, l.o.Keeper.Current().Problems, KeyApplied)
	l.brought = slices.DeleteFunc(keys, func(k Key) bool { return k.Result != KeyApplied })
}

func diagnostics(waiting []Waiting) diag.List {
	var out diag.List
	for _, w := range waiting {
		out = append(out, w.Diagnostic)
	}
	return out
}
