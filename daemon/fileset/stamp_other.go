//go:build !linux

package fileset

import (
	"io/fs"
	"time"
)

// stamp is not known on systems that run no node.
type stamp struct{}

func stampOf(fs.FileInfo) (stamp, bool) { return stamp{}, false }

func (stamp) changed() time.Time { return time.Time{} }
