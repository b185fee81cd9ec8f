package ctl

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// spot is where a file belongs.
type spot struct {
	root string // the tree; "" = the file is the node's own, or its tree is not known
	name string // relative to FX_CONFIG_DIR; of the node file absolute
	kind string // the pattern of its spec.Kind
	node bool   // it is the node file
}

// roots are the directories that are trees whatever they hold.
func (a *app) roots(more ...string) []string {
	var out []string
	for _, dir := range append(more, a.Env["FX_CONFIG_DIR"], configDir) {
		if dir == "" {
			continue
		}
		if abs, err := filepath.Abs(dir); err == nil {
			out = append(out, abs)
		}
	}
	return out
}

// locate finds out by an absolute name what a file is:
//
//  1. the node file, by its name
//  2. what lies in one of the roots, by its name there
//  3. what is called as the files of a tree are, in any directory
func (a *app) locate(file, nodeFile string, roots []string) (spot, bool) {
	if slices.Contains([]string{nodeFile, a.Env["FX_NODE_FILE"], spec.NodeFile}, file) { // (1)
		return spot{name: file, kind: "fastx.env", node: true}, true
	}
	for _, root := range roots { // (2)
		rel, err := filepath.Rel(root, file)
		if err == nil && filepath.IsLocal(rel) {
			k, known := spec.KindOf(filepath.ToSlash(rel))
			return spot{root: root, name: filepath.ToSlash(rel), kind: k.Pattern}, known
		}
	}
	parts := strings.Split(filepath.ToSlash(file), "/") // (3)
	for n := 1; n <= 3 && n < len(parts); n++ {
		name := path.Join(parts[len(parts)-n:]...)
		if k, known := spec.KindOf(name); known && !slices.Contains(parts[len(parts)-n:], "") {
			return spot{root: cmp.Or(strings.Join(parts[:len(parts)-n], "/"), "/"), name: name, kind: k.Pattern}, true
		}
	}
	return spot{}, false
}

// isTree reports whether a directory that nobody named is one of a configuration: at least half
// of what lies in it is known. A file that happens to lie in /tmp is not judged beside everything there.
func isTree(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	folders := map[string]bool{}
	for _, k := range spec.Kinds() {
		if top, _, below := strings.Cut(k.Pattern, "/"); below {
			folders[top] = true
		}
	}
	known, all := 0, 0
	for _, e := range entries {
		if fileset.Ignored(e.Name()) {
			continue
		}
		all++
		if _, ok := spec.KindOf(e.Name()); ok || folders[e.Name()] {
			known++
		}
	}
	return 2*known >= all
}

// holdsFiles refuses a directory that no file of a configuration was found in: it is the wrong one, or a share that is not
// mounted, and whatever is said of it would sound like praise.
func holdsFiles(dir string, set fileset.Set) error {
	if slices.ContainsFunc(set.Names(), func(name string) bool { _, known := spec.KindOf(name); return known }) {
		return nil
	}
	return fmt.Errorf("%s holds no file of a configuration; name the directory that fastx.env, apps and the others lie in, and look whether it is mounted", dir)
}

// knownNames are what a file of a tree can be called, for a message.
func knownNames() []string {
	var out []string
	for _, k := range spec.Kinds() {
		out = append(out, k.Pattern)
	}
	return out
}
