package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Header is the first line of every file that the kit writes.
const Header = "# FastX cluster configuration"

// checkFiles judges every file by what it is called, who may read it and whether it can be read.
func (l *loader) checkFiles() {
	for _, f := range l.in.Set.Files() {
		k, known := KindOf(f.Name)
		switch {
		case l.misplaced(f.Name):
		case f.Err != nil:
			l.unreadable(f, k, known)
		case !known && !path.IsAbs(f.Name):
			l.file(f.Name, diag.Warning, "unknown-file", "is no file of this configuration and is not read", l.fileRemedy(f.Name))
		case k.Security && strings.TrimSpace(string(f.Data)) == "":
			l.file(f.Name, diag.Error, "empty", "is empty, which could be a half-written file",
				"write it whole; to do without it, remove it and name it in removed.ini")
		}
		if k.Secret {
			l.checkSecret(f)
		}
	}
}

// misplaced reports a directory where a file has to be, once, and a file where a directory has to be:
// either hides what is meant to be there.
func (l *loader) misplaced(name string) bool {
	if above := path.Dir(name); above != "." && !path.IsAbs(name) {
		if _, file := KindOf(above); file {
			l.once(above, "is a directory", "put the file in its place")
			return true
		}
	}
	if pattern, ok := kindDirs()[name]; ok {
		l.once(name, "is a file", "make it a directory: it holds "+pattern)
		return true
	}
	return false
}

func (l *loader) once(file, summary, remedy string) {
	if !l.hasErrors(file) {
		l.file(file, diag.Error, "misplaced", summary, remedy)
	}
}

// unreadable reports a file without its content. One that nobody reads anyway is no reason to refuse the rest.
func (l *loader) unreadable(f fileset.File, k Kind, known bool) {
	severity := diag.Error
	if !known && !path.IsAbs(f.Name) || known && k.Dialect == DialectOpaque && !k.Security || l.looksOnly(f.Name) {
		severity = diag.Warning
	}
	remedy := "make it readable to the daemon's user, or remove it"
	switch {
	case errors.Is(f.Err, fileset.ErrTooLarge):
		remedy = "make it smaller, or move it away"
	case errors.Is(f.Err, fileset.ErrNotRegular):
		remedy = "put a plain file in its place, or move it away"
	case errors.Is(f.Err, fileset.ErrLoop), errors.Is(f.Err, fileset.ErrDangling):
		remedy = "mend the link, or remove it"
	}
	l.file(f.Name, severity, "unreadable", "cannot be read: "+f.Err.Error(), remedy)
}

func (l *loader) file(name string, s diag.Severity, code, summary, remedy string) {
	l.at(name, syntax.Line{}, s, code, "", summary, remedy)
}

func (l *loader) fileRemedy(name string) string {
	dir, base := path.Split(name)
	var names []string
	for _, k := range kinds {
		if !strings.Contains(k.Pattern, "*") {
			names = append(names, k.Pattern)
		}
		if path.Dir(k.Pattern)+"/" == dir && strings.HasSuffix(k.Pattern, "*.ini") {
			better := dir + strings.TrimSuffix(base, path.Ext(base)) + ".ini"
			if _, taken := l.in.Set.Lookup(better); taken || strings.Contains(strings.ToLower(base), ".ini") {
				return "move it away"
			}
			return "name it " + better + ", or move it away"
		}
	}
	return didYouMean(name, names, "move it away")
}

// Hollow reports whether a file says nothing: it is empty, or holds comments alone, as the first
// block of a torn copy does.
func Hollow(f fileset.File) bool {
	if len(bytes.TrimSpace(f.Data)) == 0 {
		return true
	}
	k, known := KindOf(f.Name)
	if !known || k.Dialect == DialectOpaque {
		return false
	}
	for line := range bytes.Lines(f.Data) {
		line = bytes.TrimPrefix(bytes.TrimSpace(line), []byte("\xef\xbb\xbf"))
		if len(line) > 0 && line[0] != '#' && line[0] != ';' && !bytes.HasPrefix(line, []byte("//")) {
			return false
		}
	}
	return true
}

// checkSecret refuses a secret that others than root and the daemon can read or change. A group may read it
// when it is the daemon's own, as in a Kubernetes Secret with fsGroup.
func (l *loader) checkSecret(f fileset.File) {
	if how := exposure(f, l.in.DaemonGID); len(how) > 0 {
		l.file(f.Name, diag.Error, "secret-exposed", "holds secrets and can be "+strings.Join(how, " and "),
			fmt.Sprintf("run chmod %04o %s", f.Mode&l.mostMode(f), f.Name))
	}
	if f.UID != 0 && f.UID != l.in.DaemonUID {
		l.file(f.Name, diag.Error, "secret-owner",
			fmt.Sprintf("holds secrets and belongs to user %d, who is neither root nor the daemon's user", f.UID),
			"run chown for root or the daemon's user")
	}
}

// exposure says who too many can do what with a file.
func exposure(f fileset.File, daemonGID int) []string {
	var how []string
	may := func(bits fs.FileMode, text string) bool {
		if f.Mode&bits != 0 {
			how = append(how, text)
		}
		return f.Mode&bits != 0
	}
	if !may(0o004, "read by everyone") && f.GID != daemonGID {
		may(0o040, fmt.Sprintf("read by group %d, which is not the daemon's", f.GID))
	}
	if !may(0o002, "changed by everyone") {
		may(0o020, "changed by its group")
	}
	return how
}

// mostMode is the most that a secret's mode may be.
func (l *loader) mostMode(f fileset.File) fs.FileMode {
	if f.GID == l.in.DaemonGID {
		return 0o640
	}
	return 0o600
}

// keyFile checks a private key, or another secret outside FX_CONFIG_DIR, that a key names.
func (l *loader) keyFile(name string) {
	if f, ok := l.in.Set.Lookup(name); ok && path.IsAbs(name) {
		l.checkSecret(f)
	}
}
