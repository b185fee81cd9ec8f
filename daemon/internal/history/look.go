package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// ErrNotRecorded is wrapped by what says that a generation is not in the history.
var ErrNotRecorded = errors.New("is not recorded")

// File is a file of a recorded generation, its secrets masked.
type File struct {
	Name string // relative to FX_CONFIG_DIR, or absolute
	Text string
}

// The ways in which a file differs between two generations.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is how one file differs between two generations.
type Change struct {
	Name string // as File's
	Kind string // Added, Removed or Changed
	Diff string // unified, secrets masked
}

// Page returns up to n entries that were recorded before a generation, newest first, with the
// names of the files that changed; before 0 begins at the newest, n 0 means all. more says
// that there are older ones.
func (h *History) Page(before, n int) (page []Entry, more bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	repo, err := h.repository()
	if err != nil {
		return nil, false, fmt.Errorf("history: %w", err)
	}
	begun := before == 0
	err = h.walk(repo, func(c *object.Commit) error {
		e := entryOf(c)
		switch {
		case !begun:
			begun = e.Generation == before
			return nil
		case n > 0 && len(page) == n:
			more = true
			return io.EOF
		}
		e.Changed, _ = changedBy(repo, c) // a hole in an old one leaves the names out, not the rest
		page = append(page, e)
		return nil
	})
	return page, more, err
}

// changedBy names the files that a commit changed.
func changedBy(repo *git.Repository, c *object.Commit) ([]string, error) {
	var before *object.Commit
	if len(c.ParentHashes) > 0 {
		var err error
		if before, err = repo.CommitObject(c.ParentHashes[0]); err != nil {
			return nil, err
		}
	}
	names, err := changedPaths(repo, before, c.TreeHash)
	for i := range names {
		names[i] = fileName(names[i])
	}
	slices.Sort(names)
	return names, err
}

// Files returns one generation with all its files, sorted by name.
func (h *History) Files(generation int) (Entry, []File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	repo, err := h.repository()
	if err != nil {
		return Entry{}, nil, fmt.Errorf("history: %w", err)
	}
	c, err := find(repo, generation)
	if err != nil {
		return Entry{}, nil, err
	}
	entry := entryOf(c)
	if entry.Changed, err = changedBy(repo, c); err != nil {
		return entry, nil, err
	}
	texts, err := filesOf(c)
	files := []File{}
	for path, text := range texts {
		files = append(files, File{fileName(path), string(text)})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return entry, files, err
}

// Changes returns how two generations differ, file by file, sorted by name.
func (h *History) Changes(ctx context.Context, from, to int) ([]Change, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	repo, err := h.repository()
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	trees := [2]*object.Tree{}
	for i, generation := range []int{from, to} {
		c, err := find(repo, generation)
		if err != nil {
			return nil, err
		}
		if trees[i], err = c.Tree(); err != nil {
			return nil, err
		}
	}
	changes, err := compare(ctx, trees[0], trees[1])
	if err != nil {
		err = fmt.Errorf("history: compare generations %d and %d: %w", from, to, err)
	}
	return changes, err
}

func compare(ctx context.Context, from, to *object.Tree) ([]Change, error) {
	differing, err := object.DiffTreeContext(ctx, from, to)
	if err != nil {
		return nil, err
	}
	out := []Change{}
	for _, d := range differing {
		patch, err := d.PatchContext(ctx)
		if err != nil {
			return nil, err
		}
		c := Change{Name: fileName(d.To.Name), Kind: Changed, Diff: patch.String()}
		switch {
		case d.From.Name == "":
			c.Kind = Added
		case d.To.Name == "":
			c.Name, c.Kind = fileName(d.From.Name), Removed
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// find returns the newest commit of a generation.
func find(repo *git.Repository, generation int) (found *object.Commit, err error) {
	err = walk(repo, func(c *object.Commit) error {
		if entryOf(c).Generation != generation {
			return nil
		}
		found = c
		return io.EOF
	})
	if err == nil && found == nil {
		err = fmt.Errorf("generation %d %w on this node; fastxctl config log lists those that are", generation, ErrNotRecorded)
	}
	return found, err
}
