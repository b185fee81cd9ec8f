package syntax

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

var envKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParseEnv reads a dotenv file: KEY=value lines, optionally with export before
// them; nothing is interpolated.
func ParseEnv(name string, data []byte) (*Doc, diag.List) {
	r := split(name, data)
	for i := range r.doc.Lines {
		r.envLine(&r.doc.Lines[i])
	}
	r.limitEntries()
	r.checkTwice()
	return r.doc, r.problems
}

func (r *reader) envLine(l *Line) {
	if body, _, more := l.open("#;"); more {
		r.envEntry(l, body)
	}
}

func (r *reader) envEntry(l *Line, body string) {
	before, after, found := strings.Cut(body, "=")
	if !found {
		r.fail(l, l.Col, "the line is not KEY=value", "begin a comment with #")
		return
	}
	key := strings.TrimSpace(before)
	if rest, ok := strings.CutPrefix(key, "export"); ok && indent(rest) > 0 {
		key = strings.TrimSpace(rest)
		l.Col = strings.LastIndex(before, key) + 1
	}
	if !envKey.MatchString(key) {
		r.fail(l, l.Col, fmt.Sprintf("%q is not the name of a variable", key), "use letters, digits and _ only")
		return
	}
	l.Kind, l.Key = Entry, key
	r.value(l, len(before)+1, after)
}
