package spec

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Restorer brings files back from the text that Redact made of them. The secrets come from the files at hand.
type Restorer struct {
	Mask   func(secret []byte) string             // the one that the text was made with
	Secret func(mask string) ([]byte, bool)       // what a mask stands for; false = it is not at hand
	Now    func(name string) (fileset.File, bool) // the file at hand
	Keep   bool                                   // a secret that is not at hand is left as it is now
}

// Restored is a file that was brought back.
type Restored struct {
	Data    []byte
	Kept    []string // keys whose secret differs, and stays as it is now; "" is the whole file
	Missing []string // keys whose secret differs, and cannot be brought back; "" is the whole file
}

// unheld stands in the place of a comment that only a file at another time had.
const unheld = "a comment that the history does not hold"

// maskPattern is what a mask looks like, whoever made it.
var maskPattern = regexp.MustCompile(`sha256:[0-9a-f]{12}\b`)

// Restore brings a file back. What it returns is never another file than the text stands for: of each key
// that it does not name as kept or missing, redacting it again gives the text.
func (r Restorer) Restore(name, text string) Restored {
	if r.redacted(name, []byte(text)) == text { // nothing in it was masked
		return Restored{Data: []byte(text)}
	}
	if data, ok := r.Secret(strings.TrimSuffix(text, "\n")); ok && r.redacted(name, data) == text {
		return Restored{Data: data}
	}
	if doc, ok := parseKeys(name, []byte(text)); ok {
		return r.restoreKeys(name, doc)
	}
	if data, ok := r.restoreText(text); ok && r.redacted(name, data) == text {
		return Restored{Data: data}
	}
	return r.whole(name)
}

func (r Restorer) redacted(name string, data []byte) string {
	return string(Redact(fileset.File{Name: name, Data: data}, r.Mask))
}

// whole leaves the file as it is now, if that is allowed and there is one.
func (r Restorer) whole(name string) Restored {
	if now, there := r.Now(name); r.Keep && there && now.Err == nil {
		return Restored{Data: now.Data, Kept: []string{""}}
	}
	return Restored{Missing: []string{""}}
}

// restoreKeys puts a secret behind each key that had one.
func (r Restorer) restoreKeys(name string, doc *syntax.Doc) Restored {
	var out Restored
	now := r.rawValues(name)
	text := doc.Map(func(l syntax.Line) (string, bool) {
		if !maskPattern.MatchString(l.Value) || maskPattern.FindString(l.Value) != l.Value {
			return "", false
		}
		if secret, ok := r.Secret(l.Value); ok {
			if written, err := quoted(name, string(secret)); err == nil {
				return written, true
			}
		}
		if raw, there := now[l.Name()]; r.Keep && there {
			out.Kept = append(out.Kept, l.Name())
			return raw, true
		}
		out.Missing = append(out.Missing, l.Name())
		return "", false
	}, r.comment)
	out.Data = []byte(text)
	if !r.agrees(name, doc, out) {
		return r.whole(name)
	}
	return out
}

// comment is what stood in the place of a masked comment.
func (r Restorer) comment(text string) string {
	if maskPattern.FindString(text) != text {
		return text
	}
	if was, ok := r.Secret(text); ok {
		return string(was)
	}
	return unheld
}

// quoted writes a value as the file's dialect has it.
func quoted(name, value string) (string, error) {
	switch k, _ := KindOf(name); {
	case k.Dialect == DialectHtpasswd:
		return value, nil
	case k.Dialect == DialectEnv, path.IsAbs(name):
		return syntax.Quote(syntax.StyleEnv, value)
	}
	return syntax.Quote(syntax.StyleINI, value)
}

// rawValues are the values of the file at hand as they are written.
func (r Restorer) rawValues(name string) map[string]string {
	f, there := r.Now(name)
	if !there || f.Err != nil {
		return nil
	}
	doc, ok := parseKeys(name, f.Data)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, l := range doc.Entries() {
		out[l.Name()] = l.Raw
	}
	return out
}

// agrees reports whether what was restored stands for the same keys and values as the text, but for those it names.
func (r Restorer) agrees(name string, want *syntax.Doc, got Restored) bool {
	doc, ok := parseKeys(name, []byte(r.redacted(name, got.Data)))
	if !ok {
		return false
	}
	excepted := slices.Concat(got.Kept, got.Missing)
	return slices.EqualFunc(doc.Entries(), want.Entries(), func(a, b syntax.Line) bool {
		return a.Name() == b.Name() && a.Array == b.Array && (a.Value == b.Value || slices.Contains(excepted, a.Name()))
	})
}

// restoreText puts secrets back into a text of another grammar, between quotes where none are there. It returns
// false when one is not at hand.
func (r Restorer) restoreText(text string) (data []byte, ok bool) {
	var b strings.Builder
	last := 0
	for _, at := range maskPattern.FindAllStringIndex(text, -1) {
		secret, held := r.Secret(text[at[0]:at[1]])
		if !held {
			return nil, false
		}
		b.WriteString(text[last:at[0]])
		b.WriteString(inPlace(text[:at[0]], string(secret)))
		last = at[1]
	}
	return []byte(b.String() + text[last:]), last > 0
}

// inPlace writes a secret behind what stands before it: bare within a URL, a string or a comment.
func inPlace(before, secret string) string {
	line := before[strings.LastIndexByte(before, '\n')+1:]
	open := strings.Count(line, `"`)%2 == 1 || strings.Count(line, `'`)%2 == 1
	trimmed := strings.TrimRight(line, " \t")
	if open || strings.HasSuffix(line, "://") || strings.HasSuffix(trimmed, "#") || strings.HasSuffix(trimmed, "//") {
		return secret
	}
	return fmt.Sprintf("%q", secret)
}
