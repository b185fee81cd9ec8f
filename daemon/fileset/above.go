package fileset

import (
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir is a directory on the way to a file, and who may change what lies in it.
type Dir struct {
	Name     string      `json:"name"` // absolute
	Mode     fs.FileMode `json:"mode"` // permission bits
	UID      int         `json:"uid"`
	GID      int         `json:"gid"`
	ReadOnly bool        `json:"read_only,omitempty"` // others could write by its mode, and a read-only mount lets nobody
}

// maxLinks is how many symbolic links may lie on one way, as on Linux.
const maxLinks = 40

// above returns every directory on the way to an absolute name, from / on, the ways of all symbolic links
// included: whoever may write to one of them decides what the name leads to.
func above(name string) ([]Dir, error) {
	w := way{seen: map[string]bool{}}
	if err := w.enter("/"); err != nil {
		return nil, err
	}
	for w.left = split(name); len(w.left) > 0; {
		if err := w.step(); err != nil {
			return nil, err
		}
	}
	return w.dirs, nil
}

// way is the state of one walk.
type way struct {
	at    string   // the directory that is reached
	left  []string // the elements that are left to go
	links int
	dirs  []Dir
	seen  map[string]bool
}

func split(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

func (w *way) step() error {
	next := filepath.Join(w.at, w.left[0])
	w.left = w.left[1:]
	info, err := os.Lstat(next)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return w.follow(next)
	case info.IsDir():
		return w.enter(next)
	}
	return nil
}

func (w *way) follow(link string) error {
	if w.links++; w.links > maxLinks {
		return ErrLoop
	}
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) {
		w.at = "/"
	}
	w.left = append(split(target), w.left...)
	return nil
}

func (w *way) enter(dir string) error {
	w.at = dir
	if w.seen[dir] {
		return nil
	}
	w.seen[dir] = true
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	d := Dir{Name: dir, Mode: info.Mode().Perm()}
	d.UID, d.GID = owner(info)
	d.ReadOnly = d.Mode&0o022 != 0 && frozen(dir)
	w.dirs = append(w.dirs, d)
	return nil
}

// aboveText is how the directories stand in a digest. It begins as no file's name does.
func aboveText(dirs []Dir) string {
	var b strings.Builder
	for _, d := range dirs {
		fmt.Fprintf(&b, "\x00%s\x00%o %d %d", d.Name, d.Mode, d.UID, d.GID)
		if d.ReadOnly {
			b.WriteString(" ro")
		}
	}
	return b.String()
}

// frameAbove adds them to a digest where there are any.
func frameAbove(h hash.Hash, dirs []Dir) {
	if len(dirs) > 0 {
		frame(h, []byte(aboveText(dirs)))
	}
}
