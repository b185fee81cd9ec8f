package spec

import (
	"fmt"
	"strings"
)

// Explain says what a key means, where it may be set and what it takes. The key may be given with
// its section, as diagnostics name it; a file's name or pattern explains all of its keys.
func Explain(key string) string {
	var b strings.Builder
	k, isFile := KindOf(key)
	if isFile {
		fmt.Fprintf(&b, "%s: %s.\n", k.Pattern, k.Doc)
	}
	for _, s := range table {
		_, match := s.rest(key)
		match = match && s.Key != "*" // a key that can be anything explains nothing
		if match || s.Name() == key || isFile && s.File == k.Pattern || s.Key == key {
			b.WriteString(s.explain())
		}
	}
	if b.Len() == 0 {
		return fmt.Sprintf("%s is not a known key or file; %s\n", show(key), didYouMean(key, allNames(), "name a file, such as apps/xterm.ini, to see its keys"))
	}
	return b.String()
}

// allNames lists every key, with and without its section, and every file.
func allNames() []string {
	var out []string
	for _, s := range table {
		out = append(out, s.Key, s.Name())
	}
	for _, k := range kinds {
		out = append(out, k.Pattern)
	}
	return out
}

// explain prints one setting in a few lines.
func (s Setting) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n  %s\n  type: %s\n", s.File, s.Name(), s.Doc, s.Type)
	if s.Default != "" {
		fmt.Fprintf(&b, "  default: %s\n", s.Default)
	}
	if len(s.Allowed) > 0 {
		fmt.Fprintf(&b, "  one of: %s\n", strings.Join(s.Allowed, ", "))
	}
	if s.Secret {
		b.WriteString("  a secret: it is never shown\n")
	}
	if s.Scope != ScopeAny {
		b.WriteString("  set it for each node, not in the shared fastx.env\n")
	}
	fmt.Fprintf(&b, "  a change is taken over: %s\n", s.Reload.words())
	if !s.Acted {
		b.WriteString("  not acted on by this version yet\n")
	}
	return b.String()
}

// words says the class in words.
func (c Class) words() string {
	switch c {
	case RestartService:
		return "by a restart of the service, which happens by itself"
	case RestartProcess:
		return "by a restart of fastxd"
	default:
		return "at once"
	}
}
