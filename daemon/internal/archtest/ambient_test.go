package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"strings"
)

// ambient are the functions and variables that reach for what the process as a whole
// has. The environment is a value here, so that hundreds of nodes fit in one process.
var ambient = map[string]reasons{
	"os": because(env, "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv",
		"TempDir", "UserHomeDir", "UserCacheDir", "UserConfigDir").
		and(process, "Args", "Exit", "Chdir"),
	"syscall": because(env, "Getenv", "Environ", "Setenv", "Unsetenv", "Clearenv").
		and(process, "Umask", "Chdir", "Exit"),
	"golang.org/x/sys/unix": because(env, "Getenv", "Environ", "Setenv", "Unsetenv", "Clearenv").
		and(process, "Umask", "Chdir", "Exit"),
	"os/exec": because(env, "LookPath"),
	"log": because(logger, "Default", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln",
		"Print", "Printf", "Println", "SetFlags", "SetOutput", "SetPrefix", "Writer"),
	"log/slog": because(logger, "Default", "SetDefault", "Debug", "Info", "Warn", "Error",
		"DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "LogAttrs", "With"),
	"net/http": because(registry, "DefaultServeMux", "Handle", "HandleFunc", "DefaultClient", "DefaultTransport",
		"Get", "Head", "Post", "PostForm").
		and(env, "ProxyFromEnvironment"),
	"flag": because(registry, "Parse", "CommandLine", "String", "Bool", "Int", "Duration", "Func", "Var",
		"StringVar", "BoolVar", "IntVar", "DurationVar", "Args", "Arg", "NArg"),
	"expvar": because(registry, "NewInt", "NewFloat", "NewMap", "NewString", "Publish", "Get", "Handler", "Do"),
	"github.com/prometheus/client_golang/prometheus": because(registry, "MustRegister", "Register",
		"DefaultRegisterer", "DefaultGatherer"),
}

// because gives several names one reason.
func because(reason string, names ...string) reasons { return reasons{}.and(reason, names...) }

func (r reasons) and(reason string, names ...string) reasons {
	for _, n := range names {
		r[n] = reason
	}
	return r
}

const (
	env      = "it reads or changes the process environment; take what is needed as a value"
	process  = "it is the whole process's; leave it to main"
	logger   = "it is a global logger; take a *slog.Logger"
	registry = "it is global state; make one and hand it on"
)

// allowed are packages that may do what others may not: by the reason why others may not.
var allowed = map[string]map[string]string{
	process: {
		"daemon/internal/session/supervise": "it is fastxd-session, a process that does nothing else",
		"daemon/internal/browsertest":       "a test's process becomes a browser there",
	},
	env: {
		"daemon/internal/browsertest": "the browser has that of the test",
	},
}

// belowCmd: nothing below cmd reaches for what the process as a whole has.
func belowCmd(all []pkg) (problems []string) {
	for _, p := range all {
		if strings.HasPrefix(p.path, "daemon/cmd/") {
			continue
		}
		for _, f := range p.files {
			names, dots := importNames(f)
			for _, d := range dots {
				problems = append(problems, fmt.Sprintf("%s imports with a dot; name what is used", p.at(d)))
			}
			ast.Inspect(f, func(n ast.Node) bool {
				problems = append(problems, p.reaches(n, names)...)
				return true
			})
		}
	}
	return problems
}

// importNames returns the paths of a file's imports by the names they have there.
func importNames(f *ast.File) (names map[string]string, dots []ast.Node) {
	names = make(map[string]string)
	for _, spec := range f.Imports {
		p := importPath(spec)
		switch {
		case spec.Name == nil:
			names[path.Base(p)] = p
		case spec.Name.Name == ".":
			dots = append(dots, spec)
		default:
			names[spec.Name.Name] = p
		}
	}
	return names, dots
}

// qualified returns the import path and the name of pkg.Name.
func qualified(n ast.Node, names map[string]string) (from, name string) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return names[id.Name], sel.Sel.Name
}

func (p pkg) reaches(n ast.Node, names map[string]string) []string {
	from, name := qualified(n, names)
	if why, bad := ambient[from][name]; bad && allowed[why][p.path] == "" {
		return []string{fmt.Sprintf("%s uses %s.%s: %s", p.at(n), from, name, why)}
	}
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return nil
	}
	from, name = qualified(call.Fun, names)
	dir, literal := call.Args[0].(*ast.BasicLit)
	if from == "os" && (name == "MkdirTemp" || name == "CreateTemp") && literal && dir.Value == `""` {
		return []string{fmt.Sprintf("%s uses os.%s with the environment's TMPDIR; name the directory", p.at(n), name)}
	}
	return nil
}

// inherits: a program is never started with the process environment. A function
// that makes an exec.Cmd sets its Env.
func inherits(all []pkg) (problems []string) {
	for _, p := range all {
		for _, f := range p.files {
			names, _ := importNames(f)
			for _, d := range f.Decls {
				made, set := commands(d, names)
				if made > set {
					problems = append(problems, fmt.Sprintf("%s makes %d commands and sets Env %d times; a nil Env is the process environment", p.at(d), made, set))
				}
			}
		}
	}
	return problems
}

// commands counts the exec.Cmds that a declaration makes and the Env fields it sets.
func commands(d ast.Decl, names map[string]string) (made, set int) {
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if from, name := qualified(n.Fun, names); from == "os/exec" && (name == "Command" || name == "CommandContext") {
				made++
			}
		case *ast.CompositeLit:
			if from, name := qualified(n.Type, names); from == "os/exec" && name == "Cmd" {
				made++
			}
		case *ast.AssignStmt:
			for _, l := range n.Lhs {
				if sel, ok := l.(*ast.SelectorExpr); ok && sel.Sel.Name == "Env" {
					set++
				}
			}
		case *ast.KeyValueExpr:
			if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Env" {
				set++
			}
		}
		return true
	})
	return made, set
}
