package drill

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// Place is where files lie: a Disk of the memory, or a Dir. Its methods are what writers do to one file, by its
// name in the set. What is not there is made, and what cannot be done is not done: the writers of a drill get into
// one another's way.
type Place interface {
	Rename(f fileset.File)                  // written beside it and renamed into place
	Truncate(name string, size int)         // in place
	Write(name string, at int, data []byte) // in place
	Chmod(name string, mode fs.FileMode)
	Remove(name string)
}

// Disk is a directory in the memory that tells its changes as inotify does, or not at all.
type Disk struct {
	events chan fsnotify.Event // nil = it tells nothing

	mu  sync.Mutex
	set fileset.Set
}

var _ Place = (*Disk)(nil)

// root is where the files of a Disk seem to lie.
const root = "/etc/fastx"

// NewDisk returns a disk that holds a set.
func NewDisk(set fileset.Set, events bool) *Disk {
	d := &Disk{set: set}
	if events {
		d.events = make(chan fsnotify.Event, 1<<16)
	}
	return d
}

// Read is the disk's watch.Reader.
func (d *Disk) Read(string, ...string) (fileset.Set, []string, error) {
	return d.Now(), []string{root}, nil
}

// Now returns what the disk holds.
func (d *Disk) Now() fileset.Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set
}

// change puts what edit makes of a file in its place. A file that is not there is one without data.
func (d *Disk) change(name string, edit func(fileset.File) fileset.File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, there := d.set.Lookup(name)
	if !there {
		f = fileset.File{Name: name, Mode: Mode(name)}
	}
	f.Data = append([]byte{}, f.Data...)
	d.set = d.set.With(edit(f))
}

func (d *Disk) tell(name string, ops ...fsnotify.Op) {
	for _, op := range ops {
		if d.events != nil {
			d.events <- fsnotify.Event{Name: root + "/" + name, Op: op}
		}
	}
}

// Rename replaces a file whole.
func (d *Disk) Rename(f fileset.File) {
	stage := filepath.Dir(f.Name) + "/.stage"
	d.tell(stage, fsnotify.Create, fsnotify.Write, fsnotify.Rename)
	d.change(f.Name, func(fileset.File) fileset.File { return f })
	d.tell(f.Name, fsnotify.Create)
}

// Truncate cuts a file, or makes it longer.
func (d *Disk) Truncate(name string, size int) {
	d.change(name, func(f fileset.File) fileset.File { f.Data = sized(f.Data, size); return f })
	d.tell(name, fsnotify.Write)
}

// Write writes into a file.
func (d *Disk) Write(name string, at int, data []byte) {
	d.change(name, func(f fileset.File) fileset.File {
		f.Data = sized(f.Data, max(len(f.Data), at+len(data)))
		copy(f.Data[at:], data)
		return f
	})
	d.tell(name, fsnotify.Write)
}

// sized cuts data, or fills it up with the zeros of a file with a hole.
func sized(data []byte, size int) []byte {
	if size <= len(data) {
		return data[:size]
	}
	return append(data, make([]byte, size-len(data))...)
}

// Chmod changes a file's mode.
func (d *Disk) Chmod(name string, mode fs.FileMode) {
	d.change(name, func(f fileset.File) fileset.File { f.Mode = mode; return f })
	d.tell(name, fsnotify.Chmod)
}

// Remove takes a file away.
func (d *Disk) Remove(name string) {
	d.mu.Lock()
	d.set = d.set.Without(name)
	d.mu.Unlock()
	d.tell(name, fsnotify.Remove)
}

// Dir is a real directory.
type Dir string

var _ Place = Dir("")

func (d Dir) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

// Rename replaces a file whole.
func (d Dir) Rename(f fileset.File) {
	path := d.path(f.Name)
	stage := filepath.Join(filepath.Dir(path), ".stage-"+strings.ReplaceAll(f.Name, "/", "-"))
	_ = os.MkdirAll(filepath.Dir(path), 0o755)
	if os.WriteFile(stage, f.Data, f.Mode) == nil && os.Chmod(stage, f.Mode) == nil {
		_ = os.Rename(stage, path)
	}
}

// Truncate cuts a file, or makes it longer.
func (d Dir) Truncate(name string, size int) {
	d.edit(name, func(f *os.File) { _ = f.Truncate(int64(size)) })
}

// Write writes into a file.
func (d Dir) Write(name string, at int, data []byte) {
	d.edit(name, func(f *os.File) { _, _ = f.WriteAt(data, int64(at)) })
}

func (d Dir) edit(name string, do func(*os.File)) {
	f, err := os.OpenFile(d.path(name), os.O_WRONLY|os.O_CREATE, Mode(name))
	if err == nil {
		do(f)
		_ = f.Close()
	}
}

// Chmod changes a file's mode.
func (d Dir) Chmod(name string, mode fs.FileMode) { _ = os.Chmod(d.path(name), mode) }

// Remove takes a file away.
func (d Dir) Remove(name string) { _ = os.Remove(d.path(name)) }
