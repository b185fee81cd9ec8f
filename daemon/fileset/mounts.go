package fileset

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Mount is one mounted file system.
type Mount struct {
	Dir      string // where it is mounted, absolute
	Type     string // as mount(8) names it, such as "ext4", "nfs4" or "fuse.sshfs"
	Device   string // the file system that it shows, as major:minor
	Root     string // the directory of that file system that it shows, absolute within it
	ReadOnly bool   // nobody can write through it
}

// Mounts are file systems in the order in which they were mounted.
type Mounts []Mount

// networkTypes are file systems that other machines can mount too.
var networkTypes = []string{
	"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "afs", "coda",
	"9p", "ocfs2", "gfs2", "gfs", "orangefs", "pvfs2", "moosefs", "panfs", "sshfs", "s3fs", "gcsfuse", "juicefs",
	"cephfs", "ceph-fuse", "rclone", "goofys", "davfs", "mfs", "weka", "wekafs",
}

// ParseMounts reads what the kernel says in /proc/PID/mountinfo, see proc_pid_mountinfo(5).
func ParseMounts(mountinfo []byte) Mounts {
	var out Mounts
	for lines := bufio.NewScanner(bytes.NewReader(mountinfo)); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 6 || len(rest) == 0 {
			continue
		}
		m := Mount{Dir: unescape(fields[4]), Type: rest[0], Device: fields[2], Root: unescape(fields[3])}
		for _, options := range append(fields[5:6:6], rest[len(rest)-1]) { // of the mount, and of the file system
			m.ReadOnly = m.ReadOnly || slices.Contains(strings.Split(options, ","), "ro")
		}
		out = append(out, m)
	}
	return out
}

// unescape reads the octal that stands for white space and backslashes there.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+4 <= len(text) {
			if c, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// On returns the file system that a directory lies on; of two at one place the later hides the other.
func (m Mounts) On(dir string) Mount {
	var found Mount
	for _, mount := range m {
		if _, here := below(dir, mount.Dir); here && len(mount.Dir) >= len(found.Dir) {
			found = mount
		}
	}
	return found
}

// Shared reports whether a directory lies where other machines can reach it.
func (m Mounts) Shared(dir string) bool {
	kind := m.On(dir).Type
	return slices.Contains(networkTypes, kind) || slices.Contains(networkTypes, strings.TrimPrefix(kind, "fuse."))
}

// frozen reports whether nobody here can change what lies in a directory, whatever its mode: its mount is read-only,
// no other one that can be written to shows the same directory, and what is shown is not another machine's or another
// program's to change.
func (m Mounts) frozen(dir string) bool {
	on := m.On(dir)
	if !on.ReadOnly || m.Shared(dir) || strings.HasPrefix(on.Type, "fuse") {
		return false
	}
	rel, _ := below(dir, on.Dir)
	inside := filepath.Join(on.Root, rel)
	return !slices.ContainsFunc(m, func(other Mount) bool {
		_, shown := below(inside, other.Root)
		return shown && other.Device == on.Device && !other.ReadOnly
	})
}

// below reports whether an absolute name lies in dir or is dir, and how it is called there.
func below(name, dir string) (rel string, ok bool) {
	rel, err := filepath.Rel(dir, name)
	return rel, err == nil && filepath.IsLocal(rel)
}

// everyone is the list of what process 1 sees mounted, and with it all of the machine, or all of the container. A
// process of its own mount namespace, such as a unit with ProtectSystem=strict, sees as read-only what others write.
const everyone = "/proc/1/mountinfo"

// own is the list of what this process sees mounted.
const own = "/proc/self/mountinfo"

// frozen reports whether neither this process nor any other can change what lies in a directory, whose name
// is free of links. Where nobody can tell it is not.
func frozen(dir string) bool {
	for _, list := range []string{own, everyone} {
		text, err := os.ReadFile(list)
		if err != nil || !ParseMounts(text).frozen(dir) {
			return false
		}
	}
	return true
}
