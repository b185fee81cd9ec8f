package archtest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// comments: every package has exactly one package comment, and it begins as go doc wants it.
func comments(all []pkg) (problems []string) {
	for _, p := range all {
		var docs []string
		for _, f := range p.files {
			if f.Doc != nil {
				docs = append(docs, f.Doc.Text())
			}
		}
		name := p.files[0].Name.Name
		start := "Package " + name + " "
		if name == "main" {
			start = "Command " + path.Base(p.path) + " "
		}
		switch {
		case len(docs) != 1:
			problems = append(problems, fmt.Sprintf("%s has %d package comments; write exactly one", p.path, len(docs)))
		case !strings.HasPrefix(docs[0], start):
			problems = append(problems, fmt.Sprintf("%s: the package comment does not begin with %q", p.path, start))
		}
	}
	return problems
}

// imports: a package imports the standard library and what the table allows it.
func imports(all []pkg, allowed map[string]reasons) (problems []string) {
	for _, p := range all {
		may, known := allowed[p.path]
		if !known {
			problems = append(problems, fmt.Sprintf("%s is not in the table of allowed imports; enter it with reasons", p.path))
			continue
		}
		for _, i := range p.imports() {
			if _, ok := may[i]; !ok && !isStandard(i) {
				problems = append(problems, fmt.Sprintf("%s must not import %s; it may import %s", p.path, i, orNothing(slices.Sorted(maps.Keys(may)))))
			}
		}
	}
	return problems
}

func orNothing(l []string) string {
	if len(l) == 0 {
		return "the standard library alone"
	}
	return strings.Join(l, ", ")
}

// strangers: the components talk over the transporter and never import one another.
func strangers(all []pkg, components []string) (problems []string) {
	for _, p := range all {
		for _, i := range p.imports() {
			a, b := componentOf(p.path, components), componentOf(i, components)
			if a != "" && b != "" && a != b {
				problems = append(problems, fmt.Sprintf("%s imports %s; components talk over the transporter only", p.path, i))
			}
		}
	}
	return problems
}

func componentOf(pkgPath string, components []string) string {
	for _, c := range components {
		if pkgPath == c || strings.HasPrefix(pkgPath, c+"/") {
			return c
		}
	}
	return ""
}

// standardOnly: a program links the standard library and our packages that do the same.
func standardOnly(all []pkg, program string) (problems []string) {
	byPath := make(map[string]pkg)
	for _, p := range all {
		byPath[p.path] = p
	}
	seen := make(map[string]bool)
	var visit func(from, at string)
	visit = func(from, at string) {
		p, ours := byPath[at]
		if !ours {
			problems = append(problems, fmt.Sprintf("%s links %s (through %s); it may link the standard library only", program, at, from))
			return
		}
		for _, i := range p.imports() {
			if !isStandard(i) && !seen[i] {
				seen[i] = true
				visit(at, i)
			}
		}
	}
	visit("its name", program)
	return problems
}

// links: of all that a program links, none is forbidden.
func links(program string, deps []string, forbidden map[string]string) (problems []string) {
	for _, d := range deps {
		if why, bad := forbidden[d]; bad {
			problems = append(problems, fmt.Sprintf("%s links %s; %s", program, d, why))
		}
	}
	return problems
}

// replaces: go.mod replaces no module, or go install of our programs would not work.
func replaces(gomod string) (problems []string) {
	for i, line := range strings.Split(gomod, "\n") {
		if f := strings.Fields(line); len(f) > 0 && (f[0] == "replace" || f[0] == "replace(") {
			problems = append(problems, fmt.Sprintf("go.mod:%d: there is a replace directive", i+1))
		}
	}
	return problems
}
