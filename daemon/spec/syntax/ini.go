package syntax

import (
	"fmt"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"gopkg.in/ini.v1"
)

// ParseINI reads an ini file. The tree is complete even when there are problems: lines
// that cannot be read are Bad, and of two equal keys both are there.
func ParseINI(name string, data []byte) (*Doc, diag.List) {
	r := split(name, data)
	section := ""
	for i := range r.doc.Lines {
		l := &r.doc.Lines[i]
		l.Section = section
		r.iniLine(l)
		if l.Kind == Section {
			section = l.Section
		}
	}
	r.limitEntries()
	r.checkTwice()
	r.takeValues()
	return r.doc, r.problems
}

// iniLine classifies one line.
func (r *reader) iniLine(l *Line) {
	body, text, more := l.open("#;")
	switch {
	case !more:
	case text[0] == '[':
		r.sectionLine(l, text)
	default:
		r.keyLine(l, body)
	}
}

func (r *reader) sectionLine(l *Line, text string) {
	name, rest, closed := strings.Cut(text[1:], "]")
	switch {
	case !closed:
		r.fail(l, l.Col, "the section's closing ] is missing", "write [section]")
	case rest != "":
		r.fail(l, l.Col+len(name)+2, "text follows the section's name", "put a comment on a line of its own")
	case name == "" || name != strings.TrimSpace(name) || strings.Contains(name, "["):
		r.fail(l, l.Col, "the section has no name, or one with spaces or brackets", "write [section]")
	case name == ini.DefaultSection:
		r.fail(l, l.Col, "a section cannot be named "+name, "put its keys before the first section")
	default:
		l.Kind, l.Section = Section, name
		l.Col++
	}
}

func (r *reader) keyLine(l *Line, body string) {
	before, after, found := strings.Cut(body, "=")
	key := strings.TrimSpace(before)
	switch {
	case !found:
		r.fail(l, l.Col, "the line is neither a [section] nor key = value", "begin a comment with #")
		return
	case key == "" || key == "[]":
		r.fail(l, l.Col, "the key is missing before =", "write key = value")
		return
	case key == "-" || strings.ContainsAny(key[:1], "\"`"):
		r.fail(l, l.Col, "a key cannot be - or begin with a quote", "write the key without quotes")
		return
	}
	l.Kind = Entry
	l.Key, l.Array = strings.CutSuffix(key, "[]")
	r.value(l, len(before)+1, after)
}

// value reads what follows the delimiter; at is the number of bytes before it.
func (r *reader) value(l *Line, at int, after string) {
	l.Raw = strings.TrimSpace(after)
	l.ValueCol = at + 1
	if l.Raw != "" {
		l.ValueCol += indent(after)
	}
	v, f := unquote(l.Raw)
	if f != nil {
		r.fail(l, l.ValueCol+f.at, f.summary, f.remedy)
		return
	}
	l.Value = v
	r.warnComment(l)
}

// warnComment warns of what looks like a comment behind a bare value and is part of it.
func (r *reader) warnComment(l *Line) {
	i := max(strings.Index(l.Raw, " #"), strings.Index(l.Raw, "\t#"))
	if i < 0 || l.Raw[0] == '"' || l.Raw[0] == '\'' {
		return
	}
	r.report(diag.Warning, "inline-comment", l.Num, l.ValueCol+i+1, l.Name(),
		"what follows # is part of the value", "put a comment on a line of its own, or the value between double quotes")
}

// Name is the entry's key with its section, as a diagnostic names it.
func (l Line) Name() string {
	if l.Section == "" {
		return l.Key
	}
	return l.Section + "." + l.Key
}

// limitEntries keeps a file with too many keys from going further.
func (r *reader) limitEntries() {
	entries := 0
	for i := range r.doc.Lines {
		if r.doc.Lines[i].Kind != Entry {
			continue
		}
		if entries++; entries == MaxEntries+1 {
			r.fail(&r.doc.Lines[i], 0, fmt.Sprintf("the file has more than %d keys", MaxEntries), "check that this is the right file")
		} else if entries > MaxEntries {
			r.doc.Lines[i].Kind = Bad
		}
	}
}

// checkTwice finds keys that are set twice and sections that are opened twice. The lines of an
// array belong together.
func (r *reader) checkTwice() {
	first := map[[2]string]Line{}
	for _, l := range r.doc.Lines {
		if l.Kind != Entry && l.Kind != Section {
			continue
		}
		id := [2]string{l.Section, l.Key}
		before, twice := first[id]
		switch {
		case !twice:
			first[id] = l
		case l.Kind == Section:
			r.report(diag.Warning, "section-twice", l.Num, l.Col, l.Section,
				fmt.Sprintf("the section was already opened on line %d", before.Num), "join the two")
		case !l.Array || !before.Array:
			r.twice(l, before)
		}
	}
}

func (r *reader) twice(l, before Line) {
	r.report(diag.Error, "set-twice", l.Num, l.Col, l.Name(),
		fmt.Sprintf("is set twice, here and on line %d, column %d", before.Num, before.Col), "keep one of the two")
}
