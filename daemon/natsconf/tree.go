package natsconf

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/nats-io/nats-server/v2/conf"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// node is one value of the file and where its key stands. The value is a string,
// int64, float64, bool, time.Time, block, []*node, or unknown.
type node struct {
	key   string // "cluster.port", "cluster.routes[0]"
	value any
	line  int
	col   int
}

// block is a map of the file; the keys are in lower case, as upstream compares them.
type block map[string]*node

// unknown stands for a variable that the file does not define.
type unknown struct{}

// located is what upstream's parser wraps every value in.
type located interface {
	Value() any
	Line() int
	Position() int
}

// syntax reads the text into a tree.
func (p *parser) syntax(text string) (root block, ok bool) {
	defer func() {
		if recover() != nil { // upstream's parser panics on some unbalanced input
			root, ok = nil, false
			p.errorAt(&node{}, "syntax", "brackets or quotation marks do not match", "look for one that is missing or left over")
		}
	}()
	raw, err := conf.ParseWithChecks(mask(text))
	if err != nil {
		p.syntaxError(text, err)
		return nil, false
	}
	return p.block("", raw, nil), true
}

var (
	errorLine  = regexp.MustCompile(`on line (\d+)|:(\d+):\d+\)$`)
	quotedText = regexp.MustCompile(`(?s)'.*?'|".*?"`)
)

// syntaxError reports upstream's error without what it quotes: that may be part of a secret.
func (p *parser) syntaxError(text string, err error) {
	at := &node{}
	if m := errorLine.FindStringSubmatch(err.Error()); m != nil {
		at.line, _ = strconv.Atoi(m[1] + m[2])
	}
	if lines := strings.Split(text, "\n"); at.line > 0 && at.line <= len(lines) {
		if first, _, _ := strings.Cut(strings.TrimSpace(lines[at.line-1]), " "); isInclude(first) {
			p.include(at)
			return
		}
	}
	what := "the text ends or continues where it should not"
	if _, msg, ok := strings.Cut(err.Error(), "'"); ok && strings.HasPrefix(err.Error(), "Parse error") {
		what = lowerFirst(strings.TrimRight(quotedText.ReplaceAllStringFunc(strings.TrimSuffix(msg, "'"), hideWords), ". "))
	}
	p.errorAt(at, "syntax", what, "compare with the configuration chapter of the nats-server manual; a half-written file looks like this too")
}

// hideWords keeps a quoted punctuation mark and hides everything longer.
func hideWords(quoted string) string {
	if strings.Contains(quoted, "\x00") { // so upstream calls it
		return "the end of the text"
	}
	if len(quoted) <= 3 && !strings.ContainsFunc(quoted, isWord) && !strings.ContainsFunc(quoted, unicode.IsControl) {
		return unmask(quoted)
	}
	return "something else"
}

func isWord(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r > 127
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// block turns a raw map into a block. scopes are the maps around it, outermost first.
func (p *parser) block(prefix string, raw map[string]any, scopes []map[string]any) block {
	scopes = append(slices.Clip(scopes), raw)
	out := block{}
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		n := p.node(prefix, unmask(key), raw[key], scopes)
		if isInclude(key) {
			p.include(n)
			continue
		}
		name := strings.ToLower(unmask(key))
		if _, twice := out[name]; twice {
			p.errorAt(n, "duplicate-key", "the key is set twice, in different case", "keep one of them: nats-server would take either")
		}
		out[name] = n
	}
	return out
}

func (p *parser) include(at *node) {
	p.errorAt(at, "include", "include is not followed: the included file would not be watched", "put its text into this file")
}

func (p *parser) node(prefix, key string, raw any, scopes []map[string]any) *node {
	n := &node{key: join(prefix, key)}
	if t, ok := raw.(located); ok {
		n.line, n.col = t.Line(), t.Position()
		if n.line == 1 {
			n.col++ // upstream counts the first line's columns from 0 and all others from 1
		}
		raw = t.Value()
	}
	n.value = p.value(n, raw, scopes)
	return n
}

// toFirstKey moves a block within a list to its first key: upstream places it at its end.
func (n *node) toFirstKey() {
	b, _ := n.value.(block)
	for i, key := range slices.Collect(maps.Values(b)) {
		if i == 0 || key.line < n.line || key.line == n.line && key.col < n.col {
			n.line, n.col = key.line, key.col
		}
	}
}

func join(prefix, key string) string {
	if prefix == "" || key == "" {
		return prefix + key
	}
	return prefix + "." + key
}

// What a file may come to. Variables within variables can blow a small file up,
// and nesting without bound would overflow the stack.
const (
	maxValues = 1 << 18
	maxDepth  = 32
)

func (p *parser) value(n *node, raw any, scopes []map[string]any) any {
	p.values++
	p.depth++
	defer func() { p.depth-- }()
	if p.values > maxValues || p.depth > maxDepth {
		if !p.tooLarge {
			p.errorAt(n, "too-large", "the file holds too many values, or blocks too deep within each other", "make it smaller; variables within variables multiply")
		}
		p.tooLarge = true
		return unknown{}
	}
	switch v := raw.(type) {
	case map[string]any:
		return p.block(n.key, v, scopes)
	case []any:
		list := make([]*node, len(v))
		for i, e := range v {
			list[i] = p.node(fmt.Sprintf("%s[%d]", n.key, i), "", e, scopes)
			list[i].toFirstKey()
		}
		return list
	case string:
		if name, ok := strings.CutPrefix(v, maskVariable); ok {
			return p.variable(n, unmask(name), scopes)
		}
		return unmask(v)
	}
	return raw
}

// variable resolves $name among the keys around it. A bcrypt hash of the form
// $2a$ needs no quotation marks upstream; it only looks like a variable.
func (p *parser) variable(n *node, name string, scopes []map[string]any) any {
	if strings.HasPrefix(name, "2a$") {
		return "$" + name
	}
	if bcryptHash.MatchString("$" + name) {
		p.errorAt(n, "unquoted-hash", "nats-server takes this hash for a variable", "put it into quotation marks")
		return unknown{}
	}
	if p.resolving[name] {
		return p.undefined(n) // upstream knows a name only after its value has ended
	}
	p.resolving[name] = true
	defer delete(p.resolving, name)
	for _, scope := range slices.Backward(scopes) {
		if raw, ok := scope[name]; ok {
			if t, isToken := raw.(located); isToken {
				raw = t.Value()
			}
			return p.value(n, raw, scopes)
		}
	}
	return p.undefined(n)
}

// undefined does not name the variable: it may be a secret that begins with a dollar sign.
func (p *parser) undefined(n *node) any {
	p.warnAt(n, "variable", "the variable is not defined in this file, so its value cannot be checked",
		"write the value, or define the variable above it; a text that begins with $ needs quotation marks")
	return unknown{}
}

func (p *parser) at(n *node, sev diag.Severity, code, summary, remedy string) {
	p.diags = append(p.diags, diag.Diagnostic{
		File: p.file, Line: n.line, Col: n.col, Key: n.key, Severity: sev, Code: code, Summary: summary, Remedy: remedy,
	})
}

func (p *parser) errorAt(n *node, code, summary, remedy string) {
	p.at(n, diag.Error, code, summary, remedy)
}

func (p *parser) warnAt(n *node, code, summary, remedy string) {
	p.at(n, diag.Warning, code, summary, remedy)
}
