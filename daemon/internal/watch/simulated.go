package watch

import (
	"github.com/fsnotify/fsnotify"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// Reader reads a directory and some files outside it, as fileset.ReadDirs does.
type Reader func(dir string, extra ...string) (fileset.Set, []string, error)

// Simulated returns o for a watcher in virtual time: read stands for the file system, and events for what it
// tells of changes. A nil channel is a file system that tells nothing, such as NFS.
func (o Options) Simulated(read Reader, events <-chan fsnotify.Event) Options {
	o.read, o.Deaf, o.told = read, true, events
	return o
}
