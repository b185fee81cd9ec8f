package generation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// store keeps the last good generation in a directory that only the daemon reads:
//
//	last-good/current → generation-42-9f2c41ab
//	last-good/current/manifest.json     number, digest, names, modes, owners
//	last-good/current/config/…          the files of FX_CONFIG_DIR
//	last-good/current/outside/…         the files with absolute names
//
// The files are 0600 whatever their own modes, which stand in the manifest: a
// copy of a secret must not be wider than the original.
type store struct{ dir string }

const (
	storeName    = "last-good"
	linkName     = "current"
	manifestName = "manifest.json"
	stageName    = ".stage"
	dirPrefix    = "generation-"
)

// manifest is what a stored generation needs beside the bytes of its files.
type manifest struct {
	Number   int            `json:"number"`
	Digest   string         `json:"digest"`
	Origin   string         `json:"origin"`
	Accepted time.Time      `json:"accepted"`
	Files    []manifestFile `json:"files"`
}

type manifestFile struct {
	Name  string        `json:"name"`
	Mode  fs.FileMode   `json:"mode"`
	UID   int           `json:"uid"`
	GID   int           `json:"gid"`
	Error string        `json:"error,omitempty"` // the file was there and could not be read
	Above []fileset.Dir `json:"above,omitempty"`
}

// Stored reports whether a last good generation is kept below FX_LOCAL_DIR.
func Stored(localDir string) bool {
	_, err := os.Readlink(filepath.Join(localDir, storeName, linkName))
	return err == nil
}

// open makes the directory and clears away what an interrupted save left.
func (s store) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o700); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(s.dir, stageName))
}

// save stores gen in the place of the one before. Killed at any point, it leaves
// the old one or the new one whole.
func (s store) save(gen *Generation) error {
	for _, step := range s.steps(gen) {
		if err := step(); err != nil {
			return errors.Join(err, os.RemoveAll(filepath.Join(s.dir, stageName)))
		}
	}
	return nil
}

// steps are what save does, one after the other.
func (s store) steps(gen *Generation) []func() error {
	stage := filepath.Join(s.dir, stageName)
	name := dirName(gen)
	final := filepath.Join(s.dir, name)
	newLink := filepath.Join(s.dir, stageName, linkName)
	return []func() error{
		func() error { return os.RemoveAll(stage) },
		func() error { return os.MkdirAll(filepath.Join(stage, name), 0o700) },
		func() error { return s.copy(gen.Set, filepath.Join(stage, name)) },
		func() error { return writeManifest(filepath.Join(stage, name), gen) },
		func() error { return os.RemoveAll(final) }, // one that was interrupted before the link was set
		func() error { return os.Rename(filepath.Join(stage, name), final) },
		func() error { return os.Symlink(name, newLink) },
		func() error { return os.Rename(newLink, filepath.Join(s.dir, linkName)) }, // from here on it is the new one
		func() error { return fileset.SyncDir(s.dir) },
		func() error { return s.clean(name) },
	}
}

// dirName bears the digest too: an older version of one number is never overwritten while the link names it.
func dirName(gen *Generation) string {
	_, digest, _ := strings.Cut(gen.Digest, ":")
	return fmt.Sprintf("%s%d-%.8s", dirPrefix, gen.Number, digest)
}

// copy writes the files of a set into a new directory. A file that the stored generation has already is linked and not
// written and flushed once more: of hundreds of files mostly one has changed.
func (s store) copy(set fileset.Set, into string) error {
	old, err := os.Readlink(filepath.Join(s.dir, linkName))
	if err != nil {
		return copies(set).Write(into)
	}
	var changed []fileset.File
	linked := map[string]bool{} // directories
	for _, f := range copies(set).Files() {
		from, to := filepath.Join(s.dir, filepath.Base(old), f.Name), filepath.Join(into, f.Name)
		if data, err := os.ReadFile(from); err != nil || !bytes.Equal(data, f.Data) {
			changed = append(changed, f)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.Link(from, to); err != nil { // a file system without links
			changed = append(changed, f)
			continue
		}
		linked[filepath.Dir(to)] = true
	}
	for dir := range linked {
		if err := fileset.SyncDir(dir); err != nil {
			return err
		}
	}
	return fileset.New(changed...).Write(into)
}

// copies are the files of a set as they are stored.
func copies(set fileset.Set) fileset.Set {
	var out []fileset.File
	for _, f := range set.Files() {
		if f.Err == nil {
			out = append(out, fileset.File{Name: storedName(f.Name), Data: f.Data, Mode: 0o600})
		}
	}
	return fileset.New(out...)
}

func storedName(name string) string {
	if outside, ok := strings.CutPrefix(name, "/"); ok {
		return "outside/" + outside
	}
	return "config/" + name
}

func writeManifest(dir string, gen *Generation) error {
	m := manifest{Number: gen.Number, Digest: gen.Digest, Origin: gen.Origin, Accepted: gen.Accepted}
	for _, f := range gen.Set.Files() {
		entry := manifestFile{Name: f.Name, Mode: f.Mode, UID: f.UID, GID: f.GID, Above: f.Above}
		if f.Err != nil {
			entry.Error = f.Err.Error()
		}
		m.Files = append(m.Files, entry)
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	_, err = fileset.WriteFile(filepath.Join(dir, manifestName), append(data, '\n'), 0o600)
	return err
}

// clean removes all but the link and what it names.
func (s store) clean(keep string) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != keep && e.Name() != linkName {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, e.Name())))
		}
	}
	return err
}

// load reads the stored generation, all but its Config, and proves it whole by its digest.
func (s store) load() (*Generation, error) {
	name, err := os.Readlink(filepath.Join(s.dir, linkName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, filepath.Base(name))
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, manifestName), err)
	}
	set, err := m.read(dir)
	if err != nil {
		return nil, err
	}
	if got := set.Digest(); got != m.Digest {
		return nil, fmt.Errorf("%s is damaged: its digest is %s and should be %s", dir, got, m.Digest)
	}
	return &Generation{Number: m.Number, Digest: m.Digest, Origin: m.Origin, Accepted: m.Accepted, Set: set}, nil
}

func (m manifest) read(dir string) (fileset.Set, error) {
	var files []fileset.File
	for _, e := range m.Files {
		f := fileset.File{Name: e.Name, Mode: e.Mode, UID: e.UID, GID: e.GID, Above: e.Above}
		stored := filepath.FromSlash(storedName(e.Name))
		switch {
		case e.Error != "":
			f.Err = errors.New(e.Error)
		case !filepath.IsLocal(stored):
			return fileset.Set{}, fmt.Errorf("%s names a file outside it", filepath.Join(dir, manifestName))
		default:
			data, err := os.ReadFile(filepath.Join(dir, stored))
			if err != nil {
				return fileset.Set{}, err
			}
			f.Data = data
		}
		files = append(files, f)
	}
	return fileset.New(files...), nil
}

// lastNumber is the highest number that a directory here bears, so that numbers
// go on even when the generation itself is damaged.
func (s store) lastNumber() int {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return 0
	}
	last := 0
	for _, e := range entries {
		if number, ok := strings.CutPrefix(e.Name(), dirPrefix); ok {
			number, _, _ = strings.Cut(number, "-")
			n, _ := strconv.Atoi(number)
			last = max(last, n)
		}
	}
	return last
}
