package generation

import (
	"maps"
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// judgement is what the keeper makes of a set.
type judgement struct {
	effective fileset.Set
	config    *spec.Config
	problems  diag.List
	held      map[string]bool // files of objects held back; true = left out
	accepted  bool
}

func (j *judgement) heldBack() []string { return slices.Sorted(maps.Keys(j.held)) }

func (j *judgement) leftOut() []string {
	return slices.DeleteFunc(j.heldBack(), func(name string) bool { return !j.held[name] })
}

// judge loads a set until what is left of it is free of errors:
//
//  1. load; an error outside the independent objects rejects the set
//  2. a security file that vanished, or lost its content, rejects it too
//  3. each object with an error is put back to its last good file
//  4. one that was put back already, or never was good, is left out
//  5. load again, since objects refer to each other
//
// It ends, because every round puts back or leaves out at least one object more.
func (k *Keeper) judge(set fileset.Set) judgement {
	j := judgement{effective: set, held: map[string]bool{}}
	cfg, found := k.o.Load(set)                                              // (1)
	j.problems = append(slices.Clone(found), k.vanished(set, cfg, found)...) // (2)
	for errs := j.problems.Of(diag.Error); len(errs) > 0; errs = found.Of(diag.Error) {
		if !k.holdBack(&j, errs) { // (3) (4)
			j.problems.Sort()
			return j
		}
		cfg, found = k.o.Load(j.effective) // (5)
		j.add(found.Of(diag.Error))
	}
	j.problems.Sort()
	j.config, j.accepted = cfg, true
	return j
}

// add takes over what a further round found.
func (j *judgement) add(found diag.List) {
	for _, d := range found {
		if !slices.Contains(j.problems, d) {
			j.problems = append(j.problems, d)
		}
	}
}

// holdBack replaces the objects that the errors stand in. It returns false when
// an error is none of a single object.
func (k *Keeper) holdBack(j *judgement, errs diag.List) bool {
	faulty := map[string]bool{}
	for _, d := range errs {
		if _, there := j.effective.Lookup(d.File); !there || !spec.Object(d.File) {
			return false
		}
		faulty[d.File] = true
	}
	for name := range faulty {
		_, again := j.held[name]
		good, ok := k.lastGoodFile(name)
		if j.held[name] = again || !ok; j.held[name] {
			j.effective = j.effective.Without(name)
		} else {
			j.effective = j.effective.With(good)
		}
	}
	return true
}

func (k *Keeper) lastGoodFile(name string) (fileset.File, bool) {
	if k.base == nil {
		return fileset.File{}, false
	}
	f, ok := k.base.Set.Lookup(name)
	return f, ok && f.Err == nil
}

// vanished finds security files that the last good set had and this one has not,
// or has without content. A directory that is not mounted, a torn copy or a slip
// of rm must not open the node: only removed.ini takes such a file away.
func (k *Keeper) vanished(set fileset.Set, cfg *spec.Config, found diag.List) diag.List {
	if k.base == nil {
		return nil
	}
	var out diag.List
	for _, old := range k.base.Set.Files() {
		if !security(old.Name) || spec.Hollow(old) || cfg != nil && slices.Contains(cfg.Removed, old.Name) || blamed(found, old.Name) {
			continue
		}
		now, there := set.Lookup(old.Name)
		switch {
		case !there:
			out = append(out, lost(old.Name, "vanished", "is gone, and removed.ini does not say that it should be",
				"put it back, or name it in removed.ini: [removed] files = "+old.Name))
		case now.Err == nil && spec.Hollow(now):
			out = append(out, lost(old.Name, "emptied", "says nothing and did before",
				"write it whole; to do without it, remove it and name it in removed.ini"))
		}
	}
	return out
}

func lost(file, code, summary, remedy string) diag.Diagnostic {
	return diag.Diagnostic{File: file, Severity: diag.Error, Code: code, Summary: summary, Remedy: remedy}
}

// blamed reports whether the loader has found an error in the file as a whole already.
func blamed(found diag.List, file string) bool {
	return slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return d.File == file && d.Line == 0 && d.Severity == diag.Error })
}

// security reports whether a file lowers security by being gone. Files outside
// FX_CONFIG_DIR are not meant: which ones there are is for the keys that name them.
func security(name string) bool {
	k, _ := spec.KindOf(name)
	return k.Security
}
