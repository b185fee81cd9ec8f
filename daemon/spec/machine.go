package spec

import (
	"path"
	"slices"
	"strconv"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// Machine is what has a say in the configuration and stands in no file: where the directories
// really lie.
type Machine struct {
	fileset.Mounts
	Links map[string]string // where directories really lie that are reached by links
}

// real is where a directory lies, as far as it is known.
func (m *Machine) real(dir string) string {
	if real, linked := m.Links[path.Clean(dir)]; linked {
		return real
	}
	return path.Clean(dir)
}

// On returns the file system that a directory lies on, wherever links lead.
func (m *Machine) On(dir string) fileset.Mount { return m.Mounts.On(m.real(dir)) }

// Shared reports whether a directory lies where other machines can reach it, wherever links lead.
func (m *Machine) Shared(dir string) bool { return m.Mounts.Shared(m.real(dir)) }

// inside reports whether a directory lies within another one, and is no mount of its own there.
func (m *Machine) inside(dir, parent string) bool {
	at, parent := m.On(dir).Dir, m.real(parent)
	own := at != "" && within(at, parent) && at != parent
	return within(m.real(dir), parent) && !own
}

// checkPlace judges the directories that a start with these files would use.
func (l *loader) checkPlace() {
	if l.in.Machine == nil {
		return
	}
	dirs, at := l.in.Dirs, map[string]origin{}
	for _, s := range SettingsOf(envFile) {
		if s.Scope != ScopeBefore || s.into == nil {
			continue
		}
		for _, file := range []string{l.in.Defaults, l.in.NodeFile} {
			if l.in.Environ[s.Key] != "" || l.docs[file] == nil {
				continue
			}
			if line := find(l.docs[file], "", s.Key); line.Value != "" {
				at[s.Key] = origin{file, line}
				s.into(&dirs, "", path.Clean(line.Value))
			}
		}
	}
	for _, d := range CheckDirs(dirs, l.in.Machine) {
		if from := at[d.Key]; d.Code != "bad-value" { // the line itself has been told so
			l.at(from.file, from.line, d.Severity, d.Code, d.Key, d.Summary, d.Remedy)
		}
	}
}

// checkScripts judges the programs that keys name: who may change one of them acts as the daemon, or as any
// user who starts a session.
func (l *loader) checkScripts() {
	for _, s := range SettingsOf(envFile) {
		at := l.origins[s.Key]
		value := at.line.Value
		if v := l.in.Environ[s.Key]; v != "" {
			at, value = origin{}, v
		}
		if !s.executed || value == "" || s.Check(value) != nil {
			continue
		}
		if f, ok := l.in.Set.Lookup(path.Clean(value)); ok && f.Err == nil {
			l.checkScript(at, s, f)
		}
	}
}

// checkScript names the first thing on the way to a program that is not root's alone.
func (l *loader) checkScript(at origin, s Setting, f fileset.File) {
	for _, d := range append(slices.Clone(f.Above), fileset.Dir{Name: f.Name, Mode: f.Mode, UID: f.UID, GID: f.GID}) {
		if who := l.otherWriter(d); who != "" {
			line := at.line
			line.Col = line.ValueCol
			l.at(at.file, line, diag.Error, "script-not-roots", s.Key, strconv.Quote(f.Name)+" is executed, and "+who,
				"give it and every directory above it to root (chown root, chmod go-w), or move it to such a place as /usr/local/lib/fastx")
			return
		}
	}
}

// otherWriter says who but root can change a file or directory. Where a read-only mount lets nobody write, what the
// mode would allow does not count.
func (l *loader) otherWriter(d fileset.Dir) string {
	switch {
	case d.UID != 0:
		return strconv.Quote(d.Name) + " belongs to user " + strconv.Itoa(d.UID) + " and not to root"
	case d.ReadOnly:
		return ""
	case d.Mode&0o002 != 0:
		return "everyone can change " + strconv.Quote(d.Name)
	case d.Mode&0o020 != 0 && d.GID == l.in.DaemonGID && d.GID != 0:
		return "the daemon's own group can change " + strconv.Quote(d.Name)
	}
	return ""
}
