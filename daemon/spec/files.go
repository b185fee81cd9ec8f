package spec

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// checkFiles judges every file by what it is called, who may read it and whether it can be read.
func (l *loader) checkFiles() {
	for _, f := range l.in.Set.Files() {
		k, known := KindOf(f.Name)
		switch {
		case f.Err != nil:
			l.file(f.Name, diag.Error, "unreadable", "cannot be read: "+f.Err.Error(), "make it readable to the daemon's user, or remove it")
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
			return "name it " + dir + strings.TrimSuffix(base, path.Ext(base)) + ".ini, or move it away"
		}
	}
	return didYouMean(name, names, "move it away")
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
