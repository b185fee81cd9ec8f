// Package fileset holds a set of files as a value: read a directory, digest it, compare it, write all of it atomically.
//
// A Set is what every stage of the config engine passes on. It is immutable, it
// knows nothing of what the files mean, and two sets are the same exactly when
// their digests are.
package fileset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// ErrDuplicate is why a name that was given to New twice, with different files, cannot be read.
var ErrDuplicate = errors.New("two different files have this name")

// File is one file as it was read.
type File struct {
	Name string      // slash-separated and relative to the root, or absolute for a file outside it
	Data []byte      // nil when Err is set; not to be changed
	Mode fs.FileMode // permission bits
	UID  int         // owner
	GID  int         // owning group
	Err  error       // why the file is there but could not be read; part of the digest by its text

	// Above are the directories on the way to a file outside the root that can be executed, from / on:
	// whoever may write to one of them decides what is run under that name.
	Above []Dir
}

// Equal reports whether both files have the same name, bytes, mode, owner, error text and directories above them.
func (f File) Equal(g File) bool {
	return f.Name == g.Name && f.Mode == g.Mode && f.UID == g.UID && f.GID == g.GID &&
		errorText(f.Err) == errorText(g.Err) && bytes.Equal(f.Data, g.Data) && slices.Equal(f.Above, g.Above)
}

// Set is an immutable set of files, sorted by name. The zero value is empty.
type Set struct {
	files  []File
	digest *digest // of them; shared by the copies of a set
}

// digest is worked out once, when it is first asked for.
type digest struct {
	once sync.Once
	text string
}

// New returns the set of the files. No file wins over another: equal ones of one
// name count once, and different ones of one name become a single file without
// data whose Err is ErrDuplicate.
func New(files ...File) Set {
	sorted := slices.Clone(files)
	slices.SortStableFunc(sorted, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	out := sorted[:0]
	for _, f := range sorted {
		last := len(out) - 1
		switch {
		case last < 0 || out[last].Name != f.Name:
			out = append(out, f)
		case !out[last].Equal(f):
			out[last] = File{Name: f.Name, Err: ErrDuplicate}
		}
	}
	return of(slices.Clip(out))
}

// of returns the set of files that are sorted, each with a name of its own.
func of(files []File) Set { return Set{files, new(digest)} }

// Len returns how many files there are.
func (s Set) Len() int { return len(s.files) }

// Files returns all files, sorted by name, in a slice of the caller's own.
func (s Set) Files() []File { return slices.Clone(s.files) }

// Names returns the names of all files, sorted.
func (s Set) Names() []string {
	names := make([]string, len(s.files))
	for i, f := range s.files {
		names[i] = f.Name
	}
	return names
}

// Lookup returns the file of that name.
func (s Set) Lookup(name string) (File, bool) {
	if i, ok := s.find(name); ok {
		return s.files[i], true
	}
	return File{}, false
}

// Sub returns the files whose names begin with prefix, sorted: Sub("apps/").
func (s Set) Sub(prefix string) []File {
	var out []File
	for _, f := range s.files {
		if strings.HasPrefix(f.Name, prefix) {
			out = append(out, f)
		}
	}
	return out
}

// With returns the set with f in place of the file of that name, or added.
func (s Set) With(f File) Set {
	i, ok := s.find(f.Name)
	if ok {
		files := s.Files()
		files[i] = f
		return of(files)
	}
	return of(slices.Insert(s.Files(), i, f))
}

// Without returns the set without the file of that name.
func (s Set) Without(name string) Set {
	i, ok := s.find(name)
	if !ok {
		return s
	}
	return of(slices.Delete(s.Files(), i, i+1))
}

func (s Set) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.files, name, func(f File, n string) int { return strings.Compare(f.Name, n) })
}

// Equal reports whether both sets hold equal files.
func (s Set) Equal(other Set) bool {
	return slices.EqualFunc(s.files, other.files, File.Equal)
}

// Digest returns "sha256:<hex>" over every file's name, data, mode, owner,
// error text and the directories above it. Each part is preceded by its length, so that no two different
// sets are ever hashed as the same bytes. It is worked out once for a set.
func (s Set) Digest() string {
	if s.digest == nil {
		return sum(nil)
	}
	s.digest.once.Do(func() { s.digest.text = sum(s.files) })
	return s.digest.text
}

func sum(files []File) string {
	h := sha256.New()
	for _, f := range files {
		frame(h, []byte(f.Name))
		frame(h, f.Data)
		for _, n := range []int{int(f.Mode), f.UID, f.GID} {
			number(h, n)
		}
		frame(h, []byte(errorText(f.Err)))
		frameAbove(h, f.Above)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func frame(h hash.Hash, data []byte) {
	number(h, len(data))
	h.Write(data)
}

func number(h hash.Hash, n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
