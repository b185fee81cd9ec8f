package history

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Restoration is how the files of FX_CONFIG_DIR are brought back to what they were.
type Restoration struct {
	Entry
	Set     fileset.Set // the files of FX_CONFIG_DIR as they are to be
	Changes []Change    // from what they are now, secrets masked
	Kept    []string    // secrets that differ and stay as they are now: "transporter-secret.ini: user.seed"
	Missing []string    // secrets that differ and cannot be brought back
	Left    []string    // files that differ and are none of the history's: outside FX_CONFIG_DIR, or of a kind that is not known
}

// Restore says how to bring now, which was read from FX_CONFIG_DIR, back to a generation. The history holds no
// secrets: one that is the same now as then is taken from now; one that differs is Missing, or with
// keep stays as it is. Neither does it hold modes and owners: those of now stay, and a file that comes back
// is the daemon's own, 0600 where it may hold secrets and else 0644.
func (h *History) Restore(ctx context.Context, generation int, now fileset.Set, keep bool) (Restoration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	repo, err := h.repository()
	if err != nil {
		return Restoration{}, fmt.Errorf("history: %w", err)
	}
	c, err := find(repo, generation)
	if err != nil {
		return Restoration{}, err
	}
	then, err := filesOf(c)
	if err != nil {
		return Restoration{}, fmt.Errorf("history: read generation %d: %w", generation, err)
	}
	r := &restoring{h: h, now: now, out: Restoration{Entry: entryOf(c)}, present: h.texts(now), secrets: map[string][]byte{}}
	r.restorer = spec.Restorer{Mask: h.mask, Secret: r.secret, Now: now.Lookup, Keep: keep}
	for _, f := range now.Files() {
		h.o.Redact(f, r.learn)
	}
	r.files(then)
	r.leave(then)
	r.out.Changes, err = r.diff(ctx)
	return r.out, err
}

// restoring is a Restore under way.
type restoring struct {
	h        *History
	now      fileset.Set
	present  map[string][]byte // the masked texts of now, by their paths
	secrets  map[string][]byte // those of now, by their masks
	restorer spec.Restorer
	out      Restoration
}

func (r *restoring) learn(secret []byte) string {
	mask := r.h.mask(secret)
	r.secrets[mask] = bytes.Clone(secret)
	return mask
}

func (r *restoring) secret(mask string) ([]byte, bool) {
	secret, ok := r.secrets[mask]
	return secret, ok
}

// files brings back what the generation had.
func (r *restoring) files(then map[string][]byte) {
	var set []fileset.File
	for path, text := range then {
		name := fileName(path)
		now, there := r.now.Lookup(name)
		switch masked, read := r.present[path]; {
		case !strings.HasPrefix(path, "config/"):
		case read && bytes.Equal(masked, text):
			set = append(set, now)
		default:
			set = append(set, r.file(name, string(text), now, there))
		}
	}
	r.out.Set = fileset.New(set...)
	slices.Sort(r.out.Kept)
	slices.Sort(r.out.Missing)
}

func (r *restoring) file(name, text string, now fileset.File, there bool) fileset.File {
	got := r.restorer.Restore(name, text)
	for _, key := range got.Kept {
		r.out.Kept = append(r.out.Kept, secretName(name, key))
	}
	for _, key := range got.Missing {
		r.out.Missing = append(r.out.Missing, secretName(name, key))
	}
	f := fileset.File{Name: name, Data: got.Data, Mode: 0o644, UID: os.Getuid(), GID: os.Getgid()}
	if k, known := spec.KindOf(name); k.Secret || !known || k.Dialect == spec.DialectNATS {
		f.Mode = 0o600
	}
	if there {
		f.Mode, f.UID, f.GID = now.Mode, now.UID, now.GID
	}
	return f
}

func secretName(file, key string) string {
	if key == "" {
		return file
	}
	return file + ": " + key
}

// leave keeps what the history could not give back, and names what differs outside FX_CONFIG_DIR.
func (r *restoring) leave(then map[string][]byte) {
	for _, f := range r.now.Files() {
		path := treePath(f.Name)
		text, was := then[path]
		_, known := spec.KindOf(f.Name)
		switch inside := strings.HasPrefix(path, "config/"); {
		case inside && !was && (!known || f.Err != nil):
			r.out.Set = r.out.Set.With(f)
			r.out.Left = append(r.out.Left, f.Name)
		case !inside && f.Err == nil && !bytes.Equal(text, r.present[path]):
			r.out.Left = append(r.out.Left, f.Name)
		}
	}
	for path := range then {
		if name := fileName(path); strings.HasPrefix(path, "node/") {
			if _, there := r.now.Lookup(name); !there {
				r.out.Left = append(r.out.Left, name)
			}
		}
	}
	slices.Sort(r.out.Left)
}

// diff compares now with what is to be, both masked.
func (r *restoring) diff(ctx context.Context) ([]Change, error) {
	var inside []fileset.File
	for _, f := range r.now.Files() {
		if strings.HasPrefix(treePath(f.Name), "config/") {
			inside = append(inside, f)
		}
	}
	store := memory.NewStorage()
	var trees [2]*object.Tree
	for i, set := range []fileset.Set{fileset.New(inside...), r.out.Set} {
		hash, err := writeFiles(store, r.h.texts(set))
		if err != nil {
			return nil, err
		}
		if trees[i], err = object.GetTree(store, hash); err != nil {
			return nil, err
		}
	}
	return compare(ctx, trees[0], trees[1])
}
