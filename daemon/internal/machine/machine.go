// Package machine finds out what of a machine has a say in its configuration and stands in no file of it.
//
// It asks the kernel and never the file systems themselves, but for links on the way to a directory, so
// that a share which hangs delays nobody.
package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// MountInfo is where Linux lists what is mounted.
const MountInfo = "/proc/self/mountinfo"

// Look reads what is mounted, and where dirs really lie; mountinfo is MountInfo, or a file of that form; "" is no
// directory. On a system that has no such list nothing is known to be mounted.
func Look(mountinfo string, dirs ...string) (*spec.Machine, error) {
	text, err := os.ReadFile(mountinfo)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	m := &spec.Machine{Mounts: fileset.ParseMounts(text), Links: map[string]string{}}
	for _, dir := range dirs {
		if real := resolve(dir); dir != "" && real != dir {
			m.Links[dir] = real
		}
	}
	return m, nil
}

// resolve follows the links of a directory that need not be there yet.
func resolve(dir string) string {
	real, err := filepath.EvalSymlinks(dir)
	switch parent := filepath.Dir(dir); {
	case err == nil:
		return real
	case parent == dir || !errors.Is(err, fs.ErrNotExist):
		return dir
	default:
		return filepath.Join(resolve(parent), filepath.Base(dir))
	}
}
