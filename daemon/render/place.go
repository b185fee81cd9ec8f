package render

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// place finds out what kind of file it is, and refuses a path that leads elsewhere than it seems to or that
// nobody would read.
func (w *writer) place() bool {
	p := w.file.Path
	if !w.checkPath() {
		return false
	}
	kind, known := spec.KindOf(w.file.kind())
	w.kind = kind
	own, _ := spec.KindOf(p)
	switch {
	case !known && path.IsAbs(p) && w.file.Kind == "":
		w.fail("", "unknown-file", "is an absolute path, which does not say what kind of file it is", "give its kind, such as fastx.env for the node file")
	case !known && w.file.Kind != "":
		w.fail("", "unknown-file", fmt.Sprintf("is said to be of the kind %q, which there is not", w.file.Kind), "give the pattern of a file, such as fastx.env")
	case !known:
		w.fail("", "unknown-file", "is no file of the configuration", suggestFile(p))
	case !path.IsAbs(p) && kind.Pattern != own.Pattern:
		w.fail("", "unknown-file", fmt.Sprintf("is said to be of the kind %q, and is not by its path", w.file.Kind), "leave the kind out; only an absolute path needs one")
	default:
		return true
	}
	return false
}

// checkPath refuses a path that is not written in the one way, and names that readers pass over.
func (w *writer) checkPath() bool {
	p := w.file.Path
	relative := strings.TrimPrefix(p, "/")
	switch {
	case !fs.ValidPath(relative) || relative == "." || strings.ContainsFunc(p, func(r rune) bool { return r == '\n' || isControl(r) }):
		w.fail("", "bad-path", "is not a plain path", "write it from FX_CONFIG_DIR or from / on, without .., . and empty parts")
	case slices.ContainsFunc(strings.Split(relative, "/"), fileset.Ignored):
		w.fail("", "bad-path", "has a name that is passed over when files are read", "begin no name with a dot, and end none with ~")
	default:
		return true
	}
	return false
}

func suggestFile(name string) string {
	var names []string
	for _, k := range spec.Kinds() {
		names = append(names, k.Pattern)
	}
	return didYouMean(name, names, "name it as the table of files has it, such as apps/NAME.ini")
}

// hasItsForm wants what the kind of file is made of, and nothing else.
func (w *writer) hasItsForm() bool {
	f := w.file
	settings, nats, content := len(f.Settings) > 0, f.NATS != nil, f.Content != nil
	switch d := w.kind.Dialect; {
	case d == spec.DialectOpaque && (!content || settings || nats || f.Comment != ""):
		w.fail("", "wrong-form", "is taken as it is", "give its content, and no settings or comment")
	case d == spec.DialectNATS && (!nats || settings || content):
		w.fail("", "wrong-form", "is written from what stands under nats", "give that, and no settings or content")
	case d != spec.DialectOpaque && d != spec.DialectNATS && (nats || content):
		w.fail("", "wrong-form", "is made of settings", "give those alone")
	default:
		return true
	}
	return false
}

// What a mode may not let others do: with a file that holds secrets, and with a nats-server.conf that does. The
// group of the latter may be that of the account that nats-server runs as.
const (
	exposesSecret = 0o027
	exposesNATS   = 0o007
)

func (w *writer) mode() fs.FileMode {
	switch {
	case w.file.Mode != 0:
		return w.file.Mode
	case w.kind.Secret:
		return 0o600
	case w.kind.Dialect == spec.DialectNATS:
		return 0o640
	default:
		return 0o644
	}
}

// checkMode refuses a mode that would be refused when the file is read.
func (w *writer) checkMode() bool {
	mode := w.mode()
	clear := w.file.NATS != nil && w.file.NATS.ClearSecret()
	var summary string
	switch {
	case mode&^0o777 != 0:
		summary = "has more than permission bits"
	case mode&0o400 == 0:
		summary = "does not let the owner read the file"
	case w.kind.Secret && mode&exposesSecret != 0, clear && mode&exposesNATS != 0:
		summary = "lets others at secrets"
	default:
		return true
	}
	w.fail("", "bad-mode", fmt.Sprintf("the mode %04o %s", w.file.Mode, summary), "leave it out, or give one such as 0640")
	return false
}
