package watch

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// dataLink is what the kubelet renames to swap a whole volume.
const dataLink = "..data"

// hints tells settle what file events mean. A file that was renamed into place is
// whole; one that was made, written or taken away may be half of an edit: editors
// move the old file away before they write the new one.
type hints struct {
	scope scope
	moved bool // the event before was the first half of a rename
}

// scope is which events concern the set that was read last.
type scope struct {
	root  string          // the directory's real path
	names map[string]bool // base names of the files outside it
}

// concerns reports whether an event on this path can change the set. Editors'
// and our own staging files cannot, nor can the neighbours of a file outside.
func (s scope) concerns(path string) bool {
	name := filepath.Base(path)
	switch {
	case name == dataLink:
		return true
	case fileset.Ignored(name):
		return false
	}
	return s.root == "" || path == s.root || strings.HasPrefix(path, s.root+"/") || s.names[name]
}

// take hands one event on to s.
func (h *hints) take(e fsnotify.Event, now time.Time, s *settle) {
	arrived := h.moved && e.Has(fsnotify.Create) // inotify tells both halves one after the other
	h.moved = e.Has(fsnotify.Rename)
	if !h.scope.concerns(e.Name) {
		return
	}
	s.touch(e.Name)
	switch {
	case arrived, e.Op == fsnotify.Chmod: // a secret's mode counts too
		s.renamed(now)
	default:
		s.written(now)
	}
}
