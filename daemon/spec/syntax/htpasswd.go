package syntax

import (
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// ParseHtpasswd reads user:hash lines. The user is the entry's key, the hash its value.
func ParseHtpasswd(name string, data []byte) (*Doc, diag.List) {
	r := split(name, data)
	for i := range r.doc.Lines {
		r.htpasswdLine(&r.doc.Lines[i])
	}
	r.limitEntries()
	return r.doc, r.problems
}

func (r *reader) htpasswdLine(l *Line) {
	_, text, more := l.open("#")
	if !more {
		return
	}
	user, hash, found := strings.Cut(text, ":")
	if !found || user == "" {
		r.fail(l, l.Col, "the line is not user:hash", "write it with htpasswd -B")
		return
	}
	l.Kind, l.Key = Entry, user
	l.Raw, l.Value = hash, hash
	l.ValueCol = l.Col + len(user) + 1
}
