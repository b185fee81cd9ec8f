// Package history records each accepted generation as a commit in a git repository of the
// node's own, and lists, shows, compares and restores them.
//
// The repository is bare and lies in FX_LOCAL_DIR/history: N nodes on one share
// would race on one index, and one node's rejection is not another's. Any git can
// read it: git --git-dir=FX_LOCAL_DIR/history log -p.
//
// Secrets never get in. Each secret value is replaced by a short digest keyed with a
// random key that stays on the node (history.key, 0600): equal secrets show as equal, a
// changed one shows as changed, and guessing a weak one from the digest needs the key.
//
// It grows by one commit a generation and by the files that changed in it, of which one
// above 256 KiB counts with its digest alone. When there are 2 × Keep commits the oldest
// are dropped, so it holds between Keep and 2 × Keep generations. A repository that
// cannot be read is moved aside (history.broken, in place of an earlier one) and begun
// anew: history is worth having, but never a reason not to run.
package history

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// DefaultKeep is how many generations are kept at least.
const DefaultKeep = 1000

// branch is where the commits stand.
const branch = plumbing.ReferenceName("refs/heads/main")

// Options are what a history is made of.
type Options struct {
	Dir    string // FX_LOCAL_DIR/history; the key lies beside it
	Redact func(f fileset.File, mask func(secret []byte) string) []byte
	Keep   int // 0 = DefaultKeep
	Log    *slog.Logger
}

// History is the node's repository. It is opened anew for each call, so that an idle
// node holds no descriptors for it.
type History struct {
	o    Options
	key  []byte
	mu   sync.Mutex // one call at a time
	last last
}

// last is the newest commit, as it was made: of the next one only what differs is worked out.
type last struct {
	commit plumbing.Hash
	count  int             // of the commits up to it
	blobs  map[string]blob // by the file's name
}

// blob is a file and where its text, without its secrets, is stored.
type blob struct {
	file fileset.File
	hash plumbing.Hash
}

// Entry is one recorded generation.
type Entry struct {
	Generation int
	Origin     string
	When       time.Time
	Subject    string
	Changed    []string // the files that differ from the entry before, by name; nil from List
}

// Open makes the repository where it is missing, and anew where it cannot be read.
func Open(o Options) (*History, error) {
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	key, err := loadKey(o.Dir + ".key")
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	h := &History{o: o, key: key}
	if _, err := h.repository(); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return h, nil
}

// repository opens the repository and proves that its newest commit can be read.
func (h *History) repository() (*git.Repository, error) {
	if err := h.finishRebuild(); err != nil {
		return nil, err
	}
	repo, err := git.PlainOpen(h.o.Dir)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return h.begin()
	}
	if err == nil {
		err = h.sound(repo)
	}
	switch {
	case err == nil:
		return repo, nil
	case damage(err):
		return h.beginAnew(err)
	}
	return nil, err
}

// sound reports why the newest commit cannot be read.
func (h *History) sound(repo *git.Repository) error {
	commit, err := newest(repo)
	if err != nil || commit != nil {
		return err
	}
	if _, err := os.Stat(h.branchFile()); err == nil {
		return errors.New("the branch is there and names no commit") // go-git takes it for absent
	}
	return nil
}

func (h *History) branchFile() string {
	return filepath.Join(h.o.Dir, filepath.FromSlash(branch.String()))
}

// beginAnew moves a repository that cannot be read aside. What the machine is to blame for, such as a
// full disk, does not cost the history.
func (h *History) beginAnew(broken error) (*git.Repository, error) {
	if errno := syscall.Errno(0); errors.As(broken, &errno) && errno != syscall.ENOENT && errno != syscall.ENOTDIR && errno != syscall.EISDIR {
		return nil, broken
	}
	aside := h.o.Dir + ".broken"
	if err := removeAll(aside); err != nil {
		return nil, errors.Join(broken, err)
	}
	if err := os.Rename(h.o.Dir, aside); err != nil {
		return nil, errors.Join(broken, err)
	}
	h.o.Log.Warn("the configuration history cannot be read; it is moved aside and begun anew", "aside", aside, "err", broken)
	return h.begin()
}

func (h *History) begin() (*git.Repository, error) {
	if err := os.MkdirAll(h.o.Dir, 0o700); err != nil {
		return nil, err
	}
	repo, err := git.PlainInit(h.o.Dir, true)
	if err != nil {
		return nil, err
	}
	return repo, repo.Storer.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, branch))
}

// newest returns the newest commit, nil when there is none yet.
func newest(repo *git.Repository) (*object.Commit, error) {
	ref, err := repo.Storer.Reference(branch)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	commit, err := repo.CommitObject(ref.Hash())
	if err != nil {
		return nil, err
	}
	_, err = commit.Tree()
	return commit, err
}

// Record commits a generation. Recording the same one again, as a node does that
// starts on the files it last ran, commits nothing.
func (h *History) Record(gen *generation.Generation) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.record(gen); err != nil {
		return fmt.Errorf("history: record generation %d: %w", gen.Number, err)
	}
	return nil
}

func (h *History) record(gen *generation.Generation) error {
	repo, err := h.repository()
	if err != nil {
		return err
	}
	err = h.commit(repo, gen)
	if err == nil {
		err = h.trim(repo)
	}
	if err == nil || !damage(err) {
		return err
	}
	if repo, err = h.beginAnew(err); err != nil { // damaged deeper than the newest commit
		return err
	}
	return h.commit(repo, gen)
}

// damage reports whether an error may come from what the repository holds. One of the disk that it
// lies on is no reason to begin anew: it passes, and the history is still there.
func damage(err error) bool {
	for _, passing := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EIO} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return true
}

func (h *History) commit(repo *git.Repository, gen *generation.Generation) error {
	before, err := newest(repo)
	if err != nil {
		return err
	}
	if before == nil || before.Hash != h.last.commit {
		if h.last, err = lastOf(repo, before); err != nil {
			return err
		}
	}
	blobs, tree, err := h.store(repo.Storer, gen.Set)
	if err != nil {
		return err
	}
	who := object.Signature{Name: oneLine(gen.Origin), Email: "fastxd@localhost", When: gen.Accepted}
	next := &object.Commit{Author: who, Committer: who, TreeHash: tree}
	if before != nil {
		if before.TreeHash == tree && entryOf(before).Generation == gen.Number {
			return nil
		}
		next.ParentHashes = []plumbing.Hash{before.Hash}
	}
	changed, err := changedNames(repo, before, tree)
	if err != nil {
		return err
	}
	next.Message = message(gen, changed)
	hash, err := store(repo.Storer, next)
	if err != nil {
		return err
	}
	if err := h.advance(hash); err != nil {
		return err
	}
	h.last = last{hash, h.last.count + 1, blobs}
	return nil
}

// lastOf is what can be told of a commit that somebody else made; nil is none.
func lastOf(repo *git.Repository, commit *object.Commit) (last, error) {
	if commit == nil {
		return last{}, nil
	}
	l := last{commit: commit.Hash}
	return l, walk(repo, func(*object.Commit) error { l.count++; return nil })
}

// advance moves the branch. go-git would write the file in place, and a crash would leave it empty.
func (h *History) advance(to plumbing.Hash) error {
	_, err := fileset.WriteFile(h.branchFile(), []byte(to.String()+"\n"), 0o600)
	return err
}

// message is what git log shows: what changed, and trailers that List reads back.
func message(gen *generation.Generation, changed []string) string {
	what := strings.Join(changed, ", ") + " changed"
	switch {
	case len(changed) == 0:
		what = "no text changed"
	case len(what) > 120:
		what = fmt.Sprintf("%d files changed", len(changed))
	}
	return fmt.Sprintf("generation %d: %s\n\nGeneration: %d\nDigest: %s\nOrigin: %s\n",
		gen.Number, what, gen.Number, gen.Digest, oneLine(gen.Origin))
}

// oneLine keeps an origin from forging trailers or a signature.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == '<' || r == '>' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	return cmp.Or(s, generation.OriginUnknown)
}

// store stores the text of each file that differs from the one of the last commit, and the tree of all.
func (h *History) store(s storer.EncodedObjectStorer, set fileset.Set) (map[string]blob, plumbing.Hash, error) {
	blobs, paths := map[string]blob{}, map[string]plumbing.Hash{}
	for _, f := range set.Files() {
		if f.Err != nil {
			continue
		}
		b, known := h.last.blobs[f.Name]
		if !known || !b.file.Equal(f) {
			hash, err := storeBlob(s, h.text(f))
			if err != nil {
				return nil, hash, err
			}
			b = blob{f, hash}
		}
		blobs[f.Name], paths[treePath(f.Name)] = b, b.hash
	}
	tree, err := writeTree(s, paths)
	return blobs, tree, err
}

// texts are what the history holds of each file, by its path in the repository.
func (h *History) texts(set fileset.Set) map[string][]byte {
	out := map[string][]byte{}
	for _, f := range set.Files() {
		if f.Err == nil {
			out[treePath(f.Name)] = h.text(f)
		}
	}
	return out
}

// text is what the history holds of a file: its secrets are masked.
func (h *History) text(f fileset.File) []byte {
	text := h.o.Redact(f, h.mask)
	if len(text) > maxText {
		text = fmt.Appendf(nil, "%d bytes, %s\n", len(text), h.mask(text))
	}
	return text
}

// maxText is the size from which a file is recorded by its digest.
const maxText = 256 << 10

// treePath places files from outside the configuration directory below "node/".
func treePath(name string) string {
	if filepath.IsAbs(name) {
		return "node" + filepath.ToSlash(name)
	}
	return "config/" + name
}

// fileName is the reverse of treePath.
func fileName(path string) string {
	if rest, ok := strings.CutPrefix(path, "node/"); ok {
		return "/" + rest
	}
	return strings.TrimPrefix(path, "config/")
}

// mask is what stands in the place of a secret.
func (h *History) mask(secret []byte) string {
	mac := hmac.New(sha256.New, h.key)
	mac.Write(secret)
	return "sha256:" + hex.EncodeToString(mac.Sum(nil))[:12]
}

// List returns up to n entries, newest first; n 0 means all.
func (h *History) List(n int) ([]Entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list(n)
}

func (h *History) list(n int) ([]Entry, error) {
	repo, err := h.repository()
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	var out []Entry
	err = h.walk(repo, func(c *object.Commit) error {
		if n > 0 && len(out) == n {
			return io.EOF
		}
		out = append(out, entryOf(c))
		return nil
	})
	return out, err
}

// walk is the function walk. Where it meets damage, the next Record looks at everything, and begins anew.
func (h *History) walk(repo *git.Repository, visit func(*object.Commit) error) error {
	err := walk(repo, visit)
	if err != nil {
		h.last = last{}
	}
	return err
}

// walk visits the commits, newest first, until visit returns io.EOF.
func walk(repo *git.Repository, visit func(*object.Commit) error) error {
	c, err := newest(repo)
	for c != nil && err == nil {
		if err = visit(c); err != nil {
			break
		}
		if len(c.ParentHashes) == 0 {
			break
		}
		c, err = repo.CommitObject(c.ParentHashes[0])
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func entryOf(c *object.Commit) Entry {
	e := Entry{When: c.Author.When, Origin: c.Author.Name}
	e.Subject, _, _ = strings.Cut(c.Message, "\n")
	for line := range strings.Lines(c.Message) {
		if number, ok := strings.CutPrefix(line, "Generation: "); ok {
			_, _ = fmt.Sscanf(number, "%d", &e.Generation)
		}
	}
	return e
}

// loadKey reads the node's key for masking, or makes one.
func loadKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err == nil && len(key) == sha256.Size {
		return key, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key = make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	_, err = fileset.WriteFile(path, bytes.Clone(key), 0o600)
	return key, err
}
