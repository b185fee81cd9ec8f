package spec

import (
	"maps"
	"path"
	"slices"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// References lists the absolute names of the files that keys name: certificates, private keys, CA
// files, scripts. A change of one of them is a change of the configuration. What
// lies behind a name is found once that file is itself in the set, so that a reader calls References
// until nothing new comes.
func References(set fileset.Set) []string { return Input{Set: set}.References() }

// References lists what the set's files and the process environment name.
func (in Input) References() []string {
	set, names := in.Set, map[string]bool{}
	for key, value := range in.Environ {
		addReference(set, "", syntax.Line{Key: key, Value: value}, envFile, names)
	}
	for _, f := range set.Files() {
		k, known := KindOf(f.Name)
		switch {
		case f.Err != nil:
		case path.IsAbs(f.Name):
			envReferences(set, f, names)
		case !known:
		case k.Dialect == DialectEnv:
			envReferences(set, f, names)
		case k.Dialect == DialectINI:
			doc, _ := in.Memo.parse(f.Name, f.Data, syntax.ParseINI)
			iniReferences(doc, k.Pattern, names)
		case k.Dialect == DialectNATS:
			for _, n := range in.nats(f).files {
				if path.IsAbs(n.Path) {
					names[path.Clean(n.Path)] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// envReferences looks into a dotenv file, or one that may be: the node file goes by any absolute name.
func envReferences(set fileset.Set, f fileset.File, names map[string]bool) {
	doc, problems := syntax.ParseEnv(f.Name, f.Data)
	if problems.HasErrors() && path.IsAbs(f.Name) {
		return
	}
	for _, line := range doc.Entries() {
		addReference(set, "", line, envFile, names)
	}
}

func iniReferences(doc *syntax.Doc, pattern string, names map[string]bool) {
	for _, line := range doc.Lines {
		if line.Kind == syntax.Entry && pathKeys()[pattern][line.Key] {
			addReference(fileset.Set{}, line.Section, line, pattern, names)
		}
	}
}

// pathKeys are the keys of each kind of file that may name another one.
var pathKeys = sync.OnceValue(func() map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, s := range table {
		if s.Type == TypePath {
			if out[s.File] == nil {
				out[s.File] = map[string]bool{}
			}
			out[s.File][s.Key] = true
		}
	}
	return out
})

// addReference adds what a line names, and for the node's own transporter secret what that file names.
func addReference(set fileset.Set, section string, line syntax.Line, pattern string, names map[string]bool) {
	s, ok := Lookup(pattern, section, line.Key)
	if !ok || s.Type != TypePath || s.Scope == ScopeBefore || s.Scope == ScopeProcess || line.Value == "" || s.Check(line.Value) != nil {
		return
	}
	name := path.Clean(line.Value)
	names[name] = true
	if f, there := set.Lookup(name); there && f.Err == nil && s.Key == "FX_TRANSPORTER_SECRET" {
		doc, _ := syntax.ParseINI(name, f.Data)
		iniReferences(doc, transporterFile, names)
	}
}
