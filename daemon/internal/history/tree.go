package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// encoder is a git object that can be stored.
type encoder interface {
	Encode(plumbing.EncodedObject) error
}

func store(s storer.EncodedObjectStorer, o encoder) (plumbing.Hash, error) {
	encoded := s.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		return plumbing.ZeroHash, err
	}
	return storeNew(s, encoded)
}

// storeNew stores an object unless it is there already.
func storeNew(s storer.EncodedObjectStorer, o plumbing.EncodedObject) (plumbing.Hash, error) {
	if s.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil
	}
	return s.SetEncodedObject(o)
}

// writeFiles stores files, given by their slash-separated paths, as blobs and trees.
func writeFiles(s storer.EncodedObjectStorer, files map[string][]byte) (plumbing.Hash, error) {
	blobs := map[string]plumbing.Hash{}
	for path, data := range files {
		hash, err := storeBlob(s, data)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		blobs[path] = hash
	}
	return writeTree(s, blobs)
}

// writeTree stores the trees of blobs that are given by their slash-separated paths.
func writeTree(s storer.EncodedObjectStorer, blobs map[string]plumbing.Hash) (plumbing.Hash, error) {
	tree, below := &object.Tree{}, map[string]map[string]plumbing.Hash{}
	for path, hash := range blobs {
		dir, rest, nested := strings.Cut(path, "/")
		if nested {
			if below[dir] == nil {
				below[dir] = map[string]plumbing.Hash{}
			}
			below[dir][rest] = hash
			continue
		}
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: path, Mode: filemode.Regular, Hash: hash})
	}
	for dir, inside := range below {
		hash, err := writeTree(s, inside)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: hash})
	}
	slices.SortFunc(tree.Entries, byGitOrder)
	return store(s, tree)
}

// byGitOrder sorts as git does: a directory's name counts as if it ended in a slash.
func byGitOrder(a, b object.TreeEntry) int {
	key := func(e object.TreeEntry) string {
		if e.Mode == filemode.Dir {
			return e.Name + "/"
		}
		return e.Name
	}
	return strings.Compare(key(a), key(b))
}

func storeBlob(s storer.EncodedObjectStorer, data []byte) (plumbing.Hash, error) {
	o := s.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	w, err := o.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := w.Write(data); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := w.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	return storeNew(s, o)
}

// changedNames lists the names in which a tree differs from a commit's as a commit's subject has them, sorted.
func changedNames(repo *git.Repository, before *object.Commit, tree plumbing.Hash) ([]string, error) {
	names, err := changedPaths(repo, before, tree)
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "config/")
	}
	slices.Sort(names)
	return names, err
}

// changedPaths lists the paths in which a tree differs from a commit's, each once.
func changedPaths(repo *git.Repository, before *object.Commit, tree plumbing.Hash) ([]string, error) {
	var from *object.Tree
	if before != nil {
		var err error
		if from, err = before.Tree(); err != nil {
			return nil, err
		}
	}
	to, err := repo.TreeObject(tree)
	if err != nil {
		return nil, err
	}
	changes, err := object.DiffTree(from, to)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range changes {
		name := c.To.Name
		if name == "" {
			name = c.From.Name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// trim drops the oldest commits when there are twice as many as are kept: the newest Keep
// are written into a new repository, which then takes the old one's place.
func (h *History) trim(repo *git.Repository) error {
	if h.last.count < 2*h.o.Keep {
		return nil
	}
	var commits []*object.Commit
	if err := walk(repo, func(c *object.Commit) error { commits = append(commits, c); return nil }); err != nil {
		return err
	}
	if err := h.rebuild(commits[:h.o.Keep]); err != nil {
		return fmt.Errorf("history: drop old generations: %w", err)
	}
	return nil
}

// finishRebuild goes on where a crash interrupted rebuild: between its two renames
// there is no repository, and the stage is complete.
func (h *History) finishRebuild() error {
	_, err := os.Lstat(h.o.Dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(h.stage(), h.o.Dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (h *History) stage() string { return h.o.Dir + ".new" }

func (h *History) rebuild(newestFirst []*object.Commit) error {
	stage, old := h.stage(), h.o.Dir+".old"
	if err := removeAll(stage, old); err != nil {
		return err
	}
	defer removeAll(stage, old)
	fresh := &History{o: Options{Dir: stage}}
	repo, err := fresh.begin()
	if err != nil {
		return err
	}
	if err := copyCommits(repo, newestFirst); err != nil {
		return err
	}
	if err := os.Rename(h.o.Dir, old); err != nil {
		return err
	}
	return os.Rename(stage, h.o.Dir)
}

func copyCommits(repo *git.Repository, newestFirst []*object.Commit) error {
	var parent []plumbing.Hash
	for _, c := range slices.Backward(newestFirst) {
		files, err := filesOf(c)
		if err != nil {
			return err
		}
		tree, err := writeFiles(repo.Storer, files)
		if err != nil {
			return err
		}
		hash, err := store(repo.Storer, &object.Commit{Author: c.Author, Committer: c.Committer,
			Message: c.Message, TreeHash: tree, ParentHashes: parent})
		if err != nil {
			return err
		}
		parent = []plumbing.Hash{hash}
	}
	return repo.Storer.SetReference(plumbing.NewHashReference(branch, parent[0]))
}

func filesOf(c *object.Commit) (map[string][]byte, error) {
	iter, err := c.Files()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err = iter.ForEach(func(f *object.File) error {
		text, err := f.Contents()
		files[f.Name] = []byte(text)
		return err
	})
	return files, err
}

func removeAll(paths ...string) error {
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}
