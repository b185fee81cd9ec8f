package render

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
)

// content writes a file that is taken as it is. Nothing is no content of one that guards something.
func (w *writer) content() ([]byte, bool) {
	if w.kind.Security && len(bytes.TrimSpace(w.file.Content)) == 0 {
		w.fail("", "empty", "is empty, which could be a half-written file", "give its content; to do without it, name it in removed.ini")
		return nil, false
	}
	return slices.Clone(w.file.Content), true
}

// nats writes nats-server.conf. It has to be one that a node accepts, and to be read back as what it was made of.
func (w *writer) nats() ([]byte, bool) {
	text := w.head() + "\n" + string(natsconf.Render(*w.file.NATS))
	if strings.ContainsFunc(text, isControl) || !utf8.ValidString(text) { // upstream ends lines at some of them
		w.fail("", "unwritable", "holds something that is not UTF-8, or a control character", "leave it out")
		return nil, false
	}
	got, problems := natsconf.Parse(w.file.Path, []byte(text))
	for _, p := range problems.Of(diag.Error) {
		w.fail(p.Key, p.Code, p.Summary, p.Remedy) // where it stands in a text that nobody sees is of no use
	}
	if len(w.problems) == 0 && !reflect.DeepEqual(*got, w.file.NATS.Complete()) {
		w.fail("", "unwritable", "holds something that has no form here", "give one form of authorization, and no leafnodes or lists that are empty")
	}
	return []byte(text), len(w.problems) == 0
}
