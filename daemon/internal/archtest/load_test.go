package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	module = "github.com/fastx-kit/fastx-kit/"
	root   = "../../.." // of the repository, from here
)

// pkg is one package without its test files.
type pkg struct {
	path  string // without the module's: "daemon/diag"
	files []*ast.File
	fset  *token.FileSet
}

// sources are the texts of one package's files by their names.
type sources map[string]string

func parsePackage(t testing.TB, path string, src sources) pkg {
	t.Helper()
	p := pkg{path: path, fset: token.NewFileSet()}
	for name, text := range src {
		f, err := parser.ParseFile(p.fset, path+"/"+name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, f)
	}
	slices.SortFunc(p.files, func(a, b *ast.File) int { return strings.Compare(p.file(a), p.file(b)) })
	return p
}

func (p pkg) file(n ast.Node) string { return p.fset.Position(n.Pos()).Filename }

func (p pkg) at(n ast.Node) string {
	pos := p.fset.Position(n.Pos())
	return pos.Filename + ":" + strconv.Itoa(pos.Line)
}

// imports returns what the package imports, sorted, our own packages without the module's path.
func (p pkg) imports() []string {
	seen := make(map[string]bool)
	for _, f := range p.files {
		for _, spec := range f.Imports {
			seen[strings.TrimPrefix(importPath(spec), module)] = true
		}
	}
	var all []string
	for i := range seen {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser has checked it
	}
	return p
}

func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".") && !isOurs(importPath)
}

func isOurs(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return slices.Contains([]string{"daemon", "terraform-provider", "testenv"}, first)
}

// tree parses every package of the repository, whatever its build tags, once.
func tree(t *testing.T) []pkg {
	t.Helper()
	return load(t)
}

var read = sync.OnceValues(func() (map[string]sources, error) {
	found := make(map[string]sources)
	for _, top := range []string{"daemon", "terraform-provider", "testenv"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			dir, base := path.Split(filepath.ToSlash(rel))
			dir = strings.TrimSuffix(dir, "/")
			if found[dir] == nil {
				found[dir] = make(sources)
			}
			found[dir][base] = string(data)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
})

func load(t *testing.T) []pkg {
	t.Helper()
	found, err := read()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dir, src := range found {
		all = append(all, parsePackage(t, dir, src))
	}
	slices.SortFunc(all, func(a, b pkg) int { return strings.Compare(a.path, b.path) })
	return all
}

// report fails the test with every problem found.
func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// bites fails the test unless the rule finds a problem that contains want.
func bites(t *testing.T, problems []string, want string) {
	t.Helper()
	if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
		t.Errorf("the rule does not bite: want a problem with %q, got %q", want, problems)
	}
}
