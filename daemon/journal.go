package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// journal changes many files of FX_CONFIG_DIR as one: killed at any point, the next start finds all of them old,
// or makes all of them new. It lies in FX_LOCAL_DIR, which nobody else reads:
//
//	rollback/before/…   the files as they were; they stay until the next change
//	rollback/after/…    the files as they are to be
//	rollback/plan.json  their modes, and which are to go
//	rollback/pending    while it is not done
//
// The steps are: stage all of it in rollback.new; rename that to rollback, from where on the change is going to
// happen; write and remove the files; remove pending. Others who read the directory meanwhile may
// see some files old and some new, for as long as the writing takes.
type journal struct {
	local, config string
	step          func() error // called between two files; nil = nothing. For tests
}

const (
	journalName = "rollback"
	planName    = "plan.json"
	pendingName = "pending"
)

// plannedFile is a file of the plan.
type plannedFile struct {
	Name   string      `json:"name"`
	Mode   fs.FileMode `json:"mode"`
	Before bool        `json:"before"` // it is there before
	After  bool        `json:"after"`  // and afterwards
}

func (j journal) dir() string { return filepath.Join(j.local, journalName) }

// run takes the files from one set to another. What fails is undone, and the error says so.
func (j journal) run(before, after fileset.Set) error {
	plan := planOf(before, after)
	if err := j.check(plan, after); err != nil {
		return err
	}
	if err := j.stage(plan, before, after); err != nil {
		return err
	}
	if err := j.write(plan, after); err != nil {
		if errors.Is(err, errKilled) {
			return err
		}
		return errors.Join(err, j.undo(plan, before), j.done())
	}
	return j.done()
}

// errKilled is what a test's step fails with: as after kill -9, nothing is undone.
var errKilled = errors.New("killed")

func planOf(before, after fileset.Set) []plannedFile {
	var plan []plannedFile
	for _, d := range before.Diff(after) {
		old, was := before.Lookup(d.Name)
		next, is := after.Lookup(d.Name)
		p := plannedFile{Name: d.Name, Mode: old.Mode, Before: was, After: is}
		if is {
			p.Mode = next.Mode
		}
		plan = append(plan, p)
	}
	return plan
}

// check finds out before anything is written whether it can be.
func (j journal) check(plan []plannedFile, after fileset.Set) error {
	for _, p := range plan {
		path := j.path(p)
		if f, _ := after.Lookup(p.Name); p.After {
			if _, err := fileset.CompareFile(path, f.Data, f.Mode); err != nil {
				return err
			}
		}
		if err := fileset.Writable(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

func (j journal) path(p plannedFile) string {
	return filepath.Join(j.config, filepath.FromSlash(p.Name))
}

// stage writes down what is going to happen; with its rename it is.
func (j journal) stage(plan []plannedFile, before, after fileset.Set) error {
	stage := j.dir() + ".new"
	if err := os.RemoveAll(stage); err != nil {
		return err
	}
	if err := os.Mkdir(stage, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}
	files := []fileset.File{{Name: planName, Data: append(text, '\n'), Mode: 0o600}, {Name: pendingName, Mode: 0o600}}
	for _, p := range plan {
		for side, set := range map[string]fileset.Set{"before/": before, "after/": after} {
			if f, there := set.Lookup(p.Name); there && f.Err == nil {
				files = append(files, fileset.File{Name: side + p.Name, Data: f.Data, Mode: 0o600})
			}
		}
	}
	if err := fileset.New(files...).Write(stage); err != nil {
		return err
	}
	if err := os.RemoveAll(j.dir()); err != nil {
		return err
	}
	if err := os.Rename(stage, j.dir()); err != nil {
		return err
	}
	return fileset.SyncDir(j.local)
}

// write makes the files what after says. A file that is so already is left alone.
func (j journal) write(plan []plannedFile, after fileset.Set) error {
	for _, p := range plan {
		if j.step != nil {
			if err := j.step(); err != nil {
				return err
			}
		}
		if err := j.put(p, after); err != nil {
			return err
		}
	}
	return nil
}

func (j journal) put(p plannedFile, set fileset.Set) error {
	path := j.path(p)
	f, there := set.Lookup(p.Name)
	if !there {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return fileset.SyncDir(filepath.Dir(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	_, err := fileset.WriteFile(path, f.Data, p.Mode)
	return err
}

// undo puts back what was there before.
func (j journal) undo(plan []plannedFile, before fileset.Set) error {
	var errs []error
	for _, p := range slices.Backward(plan) {
		if same, err := j.holds(p, before); err == nil && same {
			continue
		}
		if old, was := before.Lookup(p.Name); was && old.Err == nil {
			p.Mode = old.Mode
		}
		errs = append(errs, j.put(p, before))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("and what was written could not be taken back; the files as they were are in %s: %w", filepath.Join(j.dir(), "before"), err)
	}
	return nil
}

// done says that nothing is pending.
func (j journal) done() error {
	if err := os.Remove(filepath.Join(j.dir(), pendingName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fileset.SyncDir(j.dir())
}

// finish goes on where a change was killed. It reports the names of the files that it made new, and of those
// that somebody has edited meanwhile, which stay as they are.
func (j journal) finish() (made, edited []string, err error) {
	if _, err := os.Stat(filepath.Join(j.dir(), pendingName)); err != nil {
		return nil, nil, ignoreMissing(err)
	}
	plan, err := j.read()
	if err != nil {
		return nil, nil, err
	}
	before, err1 := j.side(plan, "before", func(p plannedFile) bool { return p.Before })
	after, err2 := j.side(plan, "after", func(p plannedFile) bool { return p.After })
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	for _, p := range plan {
		isNew, err := j.holds(p, after)
		if err != nil {
			return made, edited, err
		}
		isOld, err := j.holds(p, before)
		switch {
		case err != nil:
			return made, edited, err
		case isNew:
		case !isOld:
			edited = append(edited, p.Name)
		default:
			if err := j.put(p, after); err != nil {
				return made, edited, err
			}
			made = append(made, p.Name)
		}
	}
	return made, edited, j.done()
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (j journal) read() (plan []plannedFile, err error) {
	data, err := os.ReadFile(filepath.Join(j.dir(), planName))
	if err == nil {
		err = json.Unmarshal(data, &plan)
	}
	for _, p := range plan {
		if !filepath.IsLocal(filepath.FromSlash(p.Name)) || strings.HasPrefix(p.Name, "/") {
			return nil, fmt.Errorf("%s names %q, which lies outside of FX_CONFIG_DIR", filepath.Join(j.dir(), planName), p.Name)
		}
	}
	return plan, err
}

// side reads one side of a change. A file that could not be read before it is not there either.
func (j journal) side(plan []plannedFile, side string, has func(plannedFile) bool) (fileset.Set, error) {
	var files []fileset.File
	for _, p := range plan {
		if !has(p) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(j.dir(), side, filepath.FromSlash(p.Name)))
		if err := ignoreMissing(err); err != nil {
			return fileset.Set{}, err
		}
		if err == nil {
			files = append(files, fileset.File{Name: p.Name, Data: data, Mode: p.Mode})
		}
	}
	return fileset.New(files...), nil
}

// holds reports whether a file is what a set says, be it that it is not there.
func (j journal) holds(p plannedFile, set fileset.Set) (bool, error) {
	data, err := os.ReadFile(j.path(p))
	f, wanted := set.Lookup(p.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return !wanted, nil
	}
	return wanted && bytes.Equal(data, f.Data), err
}
