package spec

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Masked stands where a change would show a secret.
const Masked = "(secret)"

// KeyChange is one key that differs between two sets of files, or with Key "" a file as a whole:
// one that has no keys, or of which only mode or owner differ.
type KeyChange struct {
	File string
	Line int     // in the later set; 0 where the key is gone
	Key  string  // with its section, as diagnostics name it
	Old  *string // nil = it was not set, or the file was not there
	New  *string // nil = it is not set any more
}

// Changes lists what differs between two sets, key by key, sorted by file and in the order of its lines. A
// secret shows as Masked on both sides: that it changed, and never what it is.
func Changes(before, after fileset.Set) []KeyChange {
	m := newMasker()
	var out []KeyChange
	for _, d := range before.Diff(after) {
		was, _ := before.Lookup(d.Name)
		is, _ := after.Lookup(d.Name)
		out = append(out, m.file(d, was, is)...)
	}
	return out
}

// masker replaces secrets by digests that are good for one comparison: nobody has the key afterwards.
type masker struct {
	key  []byte
	made map[string]bool
}

func newMasker() *masker {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return &masker{key, map[string]bool{}}
}

func (m *masker) mask(secret []byte) string {
	mac := hmac.New(sha256.New, m.key)
	mac.Write(secret)
	text := "masked-" + hex.EncodeToString(mac.Sum(nil))
	m.made[text] = true
	return text
}

// shown is a value as people see it. A mask within a longer text hides all of it.
func (m *masker) shown(value string) *string {
	for made := range m.made {
		if strings.Contains(value, made) {
			value = Masked
			break
		}
	}
	return &value
}

func (m *masker) file(d fileset.Change, was, is fileset.File) []KeyChange {
	from, fromOK := m.keys(was)
	to, toOK := m.keys(is)
	if fromOK && toOK {
		if out := m.compare(d.Name, from, to); len(out) > 0 {
			return out
		}
	}
	whole := KeyChange{File: d.Name}
	if d.Op != fileset.Added {
		whole.Old = m.whole(was, is)
	}
	if d.Op != fileset.Removed {
		whole.New = m.whole(is, was)
	}
	return []KeyChange{whole}
}

// whole describes a file of which no single keys can be told, by what differs from the other.
func (m *masker) whole(f, other fileset.File) *string {
	text, secret := "", Masked
	switch {
	case f.Err != nil:
		text = "unreadable: " + f.Err.Error()
	case other.Name != "" && other.Err == nil && bytes.Equal(f.Data, other.Data):
		text = fmt.Sprintf("mode %04o, owner %d:%d", f.Mode.Perm(), f.UID, f.GID)
	case m.hides(f):
		return &secret
	default:
		sum := sha256.Sum256(f.Data)
		text = fmt.Sprintf("%d bytes, sha256:%s", len(f.Data), hex.EncodeToString(sum[:6]))
	}
	return &text
}

// hides reports whether a file holds a secret, so that not even its digest is shown: it could be guessed from.
func (m *masker) hides(f fileset.File) bool {
	return string(Redact(f, m.mask)) != string(f.Data)
}

// value is what a key is set to, and on which line.
type value struct {
	line int
	text string
}

// keys are the keys of a file with their values, secrets masked. It returns false for one that has none to
// tell apart. A file that is not there has no keys.
func (m *masker) keys(f fileset.File) (map[string]value, bool) {
	if f.Name == "" {
		return nil, true
	}
	if f.Err != nil {
		return nil, false
	}
	doc, ok := parseKeys(f.Name, Redact(f, m.mask))
	if !ok {
		return nil, false
	}
	out := map[string]value{}
	for _, l := range doc.Entries() {
		v := value{l.Num, l.Value}
		if before, there := out[l.Name()]; there { // the lines of an array
			v = value{before.line, before.text + ", " + l.Value}
		}
		out[l.Name()] = v
	}
	return out, true
}

// parseKeys reads a file that consists of keys.
func parseKeys(name string, text []byte) (*syntax.Doc, bool) {
	k, known := KindOf(name)
	switch {
	case k.Dialect == DialectINI:
		doc, problems := syntax.ParseINI(name, text)
		return doc, readable(problems)
	case k.Dialect == DialectEnv, !known && path.IsAbs(name):
		doc, problems := syntax.ParseEnv(name, text)
		return doc, readable(problems)
	case k.Dialect == DialectHtpasswd:
		doc, problems := syntax.ParseHtpasswd(name, text)
		return doc, readable(problems)
	}
	return nil, false
}

func (m *masker) compare(file string, from, to map[string]value) []KeyChange {
	var out []KeyChange
	for key, is := range to {
		was, there := from[key]
		if there && was.text == is.text {
			continue
		}
		c := KeyChange{File: file, Line: is.line, Key: key, New: m.shown(is.text)}
		if there {
			c.Old = m.shown(was.text)
		}
		out = append(out, c)
	}
	for key, was := range from {
		if _, there := to[key]; !there {
			out = append(out, KeyChange{File: file, Key: key, Old: m.shown(was.text)})
		}
	}
	slices.SortFunc(out, func(a, b KeyChange) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Key, b.Key)
	})
	return out
}
