package fileset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What Read accepts before it gives up. A configuration is a few hundred small
// files; the bounds keep a stray link to a big tree from filling the memory.
const (
	MaxFileSize = 4 << 20  // bytes of one file; a larger one stands with Err
	MaxSize     = 64 << 20 // bytes of all files together; more fails the read
	MaxFiles    = 10_000   // files and directories; more fail the read
	MaxDepth    = 16       // directories within each other; a deeper one stands with Err
)

// Why a file or directory can stand in a set with Err.
var (
	ErrNotRegular = errors.New("this is not a regular file")
	ErrTooLarge   = fmt.Errorf("the file is larger than %d bytes", MaxFileSize)
	ErrTooMuch    = errors.New("the directory holds too much")
	ErrDangling   = errors.New("the symbolic link leads nowhere")
	ErrLoop       = errors.New("the symbolic links lead in a circle")
	ErrTooDeep    = fmt.Errorf("directories lie more than %d deep", MaxDepth)
	ErrUnstable   = errors.New("the file kept changing while it was read")
)

// dataLink is the link that Kubernetes swaps to change a whole volume at once.
const dataLink = "..data"

// attempts is how often something that changes under the reader is read again.
const attempts = 4

// errMoved says that a directory was swapped while it was read.
var errMoved = errors.New("the directory was swapped while it was read")

// unfinished is how Puppet, and all that uses Ruby's Tempfile, names what becomes x when it is complete and
// validate_cmd has let it pass: x, the date, the process and a random number in base 36.
var unfinished = regexp.MustCompile(`.\d{8}-\d+-[0-9a-z]{1,7}(-\d+)?$`)

// Ignored reports whether Read passes over a directory entry of that name: what
// begins with a dot (.git, .x.swp, .#x, staging files of ours and others,
// Kubernetes' ..data and its timestamped directories), editors' x~ and #x#, and
// Puppet's x20261125-4711-1x9k2v.
func Ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		len(name) > 1 && strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") ||
		strings.Count(name, "-") > 1 && unfinished.MatchString(name) // the count is there for its speed
}

// Read returns the files below dir and the extra ones, which are absolute names.
//
//   - Symbolic links to files and directories are followed; a circle stands with Err.
//   - A directory with a ..data link is read through the one directory that the
//     link names at that moment, so that a swap is seen whole or not at all.
//   - A file that is there and cannot be read stands with Err; so does a
//     directory, under its own name. An extra file that is absent is simply absent.
//   - An extra file that can be executed stands with the directories on the way to it.
//   - Nothing but regular files is ever opened, so a FIFO or a device cannot block.
//   - Entries that Ignored names are passed over.
//
// It fails when dir itself cannot be read, or when there is more than the Max
// constants allow.
func Read(dir string, extra ...string) (Set, error) {
	set, _, err := ReadDirs(dir, extra...)
	return set, err
}

// ReadDirs is Read that also returns, sorted, the real path of every directory
// whose entries had a say in the result: the ones to watch for changes.
func ReadDirs(dir string, extra ...string) (Set, []string, error) {
	return new(Known).ReadDirs(dir, extra...)
}

// all reads everything once.
func (r *reader) all(dir string, extra []string) (Set, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return Set{}, fmt.Errorf("read the directory: %w", err)
	}
	if filepath.Clean(dir) != root {
		r.watch(filepath.Dir(filepath.Clean(dir)))
	}
	if err := r.dir(root, "", nil); err != nil {
		return Set{}, fmt.Errorf("read the directory %s: %w", dir, err)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(extra))) {
		if err := r.extra(name); err != nil {
			return Set{}, err
		}
	}
	if now, err := filepath.EvalSymlinks(dir); err != nil || now != root {
		return Set{}, fmt.Errorf("read the directory %s: %w", dir, errMoved)
	}
	return New(r.files...), nil
}

// reader is one walk.
type reader struct {
	only    []string          // the entries of the root that count; nil = all
	trust   trust             // files that need not be read
	seen    map[string]memory // files as this walk found them
	files   []File
	dirs    map[string]bool
	entries int
	size    int64
}

func (r *reader) watch(dir string) { r.dirs[dir] = true }

func (r *reader) watched() []string {
	var out []string
	for d := range r.dirs {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

// fail lets name stand with an error in place of its data.
func (r *reader) fail(name string, info fs.FileInfo, err error) {
	f := File{Name: name, Err: plain(err)}
	if info != nil {
		f.Mode = info.Mode().Perm()
		f.UID, f.GID = owner(info)
	}
	r.files = append(r.files, f)
}

// plain drops the path from an error: the file's name says it already, and a
// real path may differ from node to node where the set does not.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// dir reads one directory. real is its path without links, name its name in the
// set ("" for the root), above the directories it lies in.
func (r *reader) dir(real, name string, above []identity) error {
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	id := identify(info)
	if id != (identity{}) && slices.Contains(above, id) {
		return ErrLoop
	}
	if len(above) >= MaxDepth {
		return ErrTooDeep
	}
	r.watch(real)
	pinned, err := pin(real)
	if err != nil {
		return err
	}
	entries, err := list(real, pinned)
	if err != nil {
		return err
	}
	above = append(above[:len(above):len(above)], id)
	for _, e := range entries {
		if name == "" && r.only != nil && !slices.Contains(r.only, filepath.Base(e)) {
			continue
		}
		if r.entries++; r.entries > MaxFiles {
			return errTooMany
		}
		if err := r.entry(e, path.Join(name, filepath.Base(e)), above, pinned == ""); err != nil {
			return err
		}
	}
	if now, err := pin(real); err != nil || now != pinned {
		return errMoved
	}
	return nil
}

var (
	errTooMany = fmt.Errorf("%w: there are more than %d files", ErrTooMuch, MaxFiles)
	errTooBig  = fmt.Errorf("%w: the files hold more than %d bytes together", ErrTooMuch, MaxSize)
)

// pin returns the directory that the ..data link of dir names now, "" where there is none.
func pin(dir string) (string, error) {
	target, err := os.Readlink(filepath.Join(dir, dataLink))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EINVAL): // absent, or not a link
		return "", nil
	case err != nil || filepath.IsAbs(target):
		return target, err
	}
	return filepath.Join(dir, target), nil
}

// list returns the paths of the entries to read. With a ..data link what it
// names is the truth, and links that lead through ..data are only the way
// there: they may lag behind the swap.
func list(dir, pinned string) ([]string, error) {
	var out []string
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if file := filepath.Join(dir, n); pinned == "" || !throughData(file) {
			out = append(out, file)
		}
	}
	if pinned == "" {
		return out, nil
	}
	inside, err := readNames(pinned)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMoved
	}
	for _, n := range inside {
		out = append(out, filepath.Join(pinned, n))
	}
	return out, err
}

func throughData(file string) bool {
	target, _ := os.Readlink(file)
	return strings.HasPrefix(target, dataLink+"/")
}

// readNames lists a directory without what is ignored, never more than one entry beyond MaxFiles.
func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(MaxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > MaxFiles {
		return nil, errTooMany
	}
	slices.Sort(names) // a set is sorted in no time when its files come in order
	return slices.DeleteFunc(names, Ignored), nil
}

// entry reads one file, or the directory that stands there. watched says that whoever watches the directories hears of
// changes to it.
func (r *reader) entry(file, name string, above []identity, watched bool) error {
	if f, ok := r.untouched(file); ok {
		return r.add(f, name)
	}
	info, linked, err := r.look(file)
	switch {
	case err == nil && info.IsDir():
		return r.below(file, name, info, above)
	case err == nil:
		err := r.file(file, name, info)
		r.markPlain(file, watched && !linked)
		return err
	case errors.Is(err, fs.ErrNotExist):
		return r.absent(file, name)
	case errors.Is(err, syscall.ELOOP):
		err = ErrLoop
	}
	r.fail(name, nil, err)
	return nil
}

// absent tells a link that leads nowhere, and a directory that was taken away
// under our feet, from a file that was simply deleted while we read.
func (r *reader) absent(file, name string) error {
	if info, err := os.Lstat(file); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		r.fail(name, nil, ErrDangling)
		return nil
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return errMoved
	}
	return nil
}

// below reads a directory within the tree. What is wrong with it alone stands
// with Err; what concerns the whole read is returned.
func (r *reader) below(file, name string, info fs.FileInfo, above []identity) error {
	real, err := filepath.EvalSymlinks(file)
	if err == nil {
		err = r.dir(real, name, above)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errMoved
	case err == nil, errors.Is(err, errMoved), errors.Is(err, errTooMany), errors.Is(err, errTooBig):
		return err
	}
	r.fail(name, info, err)
	return nil
}

// look says what is found at a path, and whether by way of a link. It watches the directory in which a linked file really lies.
func (r *reader) look(file string) (info fs.FileInfo, linked bool, err error) {
	info, err = os.Lstat(file)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return info, false, err
	}
	if info, err = os.Stat(file); err != nil || info.IsDir() {
		return info, true, err
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		r.watch(filepath.Dir(real))
	}
	return info, true, nil
}

// extra reads a file outside the tree.
func (r *reader) extra(name string) error {
	if !filepath.IsAbs(name) {
		return fmt.Errorf("read %q: a file outside the directory needs an absolute name", name)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		dir = filepath.Dir(name)
	}
	r.watch(dir)
	clean := filepath.Clean(name)
	info, _, err := r.look(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		r.fail(filepath.ToSlash(clean), nil, err)
		return nil
	}
	if err := r.file(name, filepath.ToSlash(clean), info); err != nil {
		return err
	}
	return r.above(clean)
}

// above notes the directories on the way to the file that was read last, when that can be executed.
func (r *reader) above(name string) (err error) {
	last := len(r.files) - 1
	if last < 0 || r.files[last].Name != filepath.ToSlash(name) || r.files[last].Mode&0o111 == 0 {
		return nil
	}
	f := &r.files[last]
	if f.Above, err = above(name); err != nil { // it moves under our feet
		*f = File{Name: f.Name, Mode: f.Mode, UID: f.UID, GID: f.GID, Err: plain(err)}
	}
	return nil
}

// file reads one file. A file whose size or time moves while it is read is read
// again, so that no mixture of two versions is ever returned.
func (r *reader) file(file, name string, info fs.FileInfo) error {
	if f, ok := r.recall(file, info); ok {
		return r.add(f, name)
	}
	for range attempts {
		began := time.Now()
		f, now, err := readFile(file, info)
		switch {
		case errors.Is(err, ErrUnstable):
			continue
		case errors.Is(err, fs.ErrNotExist):
			return r.absent(file, name)
		case err != nil:
			r.fail(name, now, err)
			return nil
		}
		r.remember(file, f, now, began)
		return r.add(f, name)
	}
	r.fail(name, nil, ErrUnstable)
	return nil
}

func (r *reader) add(f File, name string) error {
	f.Name = name
	r.files = append(r.files, f)
	if r.size += int64(len(f.Data)); r.size > MaxSize {
		return errTooBig
	}
	return nil
}

// ReadFile returns what one regular file holds, within the bounds of Read; nothing else is opened.
func ReadFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, named(file, err)
	}
	for range attempts - 1 {
		if f, _, err := readFile(file, info); !errors.Is(err, ErrUnstable) {
			return f.Data, named(file, err)
		}
	}
	f, _, err := readFile(file, info)
	return f.Data, named(file, err)
}

func named(file string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "read", Path: file, Err: plain(err)}
}

// readFile reads a file that looked like info a moment ago.
func readFile(file string, info fs.FileInfo) (File, fs.FileInfo, error) {
	if !info.Mode().IsRegular() {
		return File{}, info, ErrNotRegular // not even opened: opening a device may act on it
	}
	// O_NONBLOCK: the file may have become a FIFO since.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return File{}, info, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return File{}, nil, err
	}
	return drain(f, info)
}

func drain(f *os.File, before fs.FileInfo) (File, fs.FileInfo, error) {
	if !before.Mode().IsRegular() {
		return File{}, before, ErrNotRegular
	}
	data, err := readUpTo(f, before.Size())
	if err != nil {
		return File{}, before, err
	}
	if len(data) > MaxFileSize {
		return File{}, before, ErrTooLarge
	}
	after, err := f.Stat()
	if err != nil {
		return File{}, before, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return File{}, before, ErrUnstable
	}
	uid, gid := owner(after)
	return File{Data: data, Mode: after.Mode().Perm(), UID: uid, GID: gid}, after, nil
}

// readUpTo reads all of a file that is said to be of this size, and of one that is larger than MaxFileSize a byte more.
func readUpTo(f io.Reader, size int64) ([]byte, error) {
	data := make([]byte, min(size, MaxFileSize)+1)
	n, err := io.ReadFull(f, data)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return data[:n:n], nil
	case err != nil:
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1-int64(n))) // it has grown, or its file system tells no sizes
	return append(data, rest...), err
}
