package natsconf

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// Named is a file that the text names, and where it does.
type Named struct {
	Path      string
	Key       string // dotted: "leafnodes.tls.cert_file"
	Line, Col int
}

// Problem makes a diagnostic of what is wrong with it.
func (n Named) Problem(file string, s diag.Severity, code, summary, remedy string) diag.Diagnostic {
	return diag.Diagnostic{File: file, Line: n.Line, Col: n.Col, Key: n.Key, Severity: s, Code: code, Summary: summary, Remedy: remedy}
}

// fileKeys name files wherever they stand: for clients, routes, leaf nodes, gateways, web sockets.
var fileKeys = []string{"cert_file", "key_file", "ca_file"}

// Files lists the certificates, keys and CA files that any block of the text names, in their order; none of a text that
// cannot be read.
func Files(data []byte) []Named {
	text := string(data)
	p := &parser{resolving: map[string]bool{}}
	if reserved.MatchString(text) {
		return nil
	}
	root, ok := p.syntax(text)
	if !ok {
		return nil
	}
	out := files(root)
	slices.SortStableFunc(out, func(a, b Named) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
	return out
}

func files(value any) (out []Named) {
	switch v := value.(type) {
	case block:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n := v[key]
			if path, ok := n.value.(string); ok && path != "" && slices.Contains(fileKeys, key) {
				out = append(out, Named{path, n.key, n.line, n.col})
			}
			out = append(out, files(n.value)...)
		}
	case []*node:
		for _, n := range v {
			out = append(out, files(n.value)...)
		}
	}
	return out
}
