package fileset

import (
	"io/fs"
	"syscall"
	"time"
)

// stamp changes whenever a file does, as far as the clock of its file system can tell.
type stamp struct {
	identity
	size         int64
	mtime, ctime syscall.Timespec
	mode         uint32
	uid, gid     uint32
}

func stampOf(info fs.FileInfo) (stamp, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}, false
	}
	return stamp{identify(info), st.Size, st.Mtim, st.Ctim, st.Mode, st.Uid, st.Gid}, true
}

// changed is when the file last changed; nobody can set it.
func (s stamp) changed() time.Time { return time.Unix(s.ctime.Unix()) }
