package archtest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// one parses a package out of a single file, to violate a rule with.
func one(t *testing.T, path, text string) []pkg {
	return []pkg{parsePackage(t, path, sources{"a.go": text})}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	t.Parallel()
	report(t, comments(tree(t)))

	two := []pkg{parsePackage(t, "daemon/x", sources{
		"a.go": "// Package x is.\npackage x", "b.go": "// Package x too.\npackage x",
	})}
	bites(t, comments(two), "2 package comments")
	bites(t, comments(one(t, "daemon/x", "package x")), "0 package comments")
	bites(t, comments(one(t, "daemon/x", "// It does x.\npackage x")), `does not begin with "Package x "`)
	bites(t, comments(one(t, "daemon/cmd/x", "// Package main is.\npackage main")), `does not begin with "Command x "`)
}

func TestPackagesImportWhatTheTableAllows(t *testing.T) {
	t.Parallel()
	report(t, imports(tree(t), layers))

	bites(t, imports(one(t, "daemon/new", "package new"), layers), "daemon/new is not in the table")
	for _, i := range []string{module + "daemon/spec", "github.com/spf13/cobra"} {
		text := `package diag; import _ "` + i + `"`
		bites(t, imports(one(t, "daemon/diag", text), layers), "the standard library alone")
	}
	ok := one(t, "daemon/internal/reload", `package reload; import ("fmt"; _ "`+module+`daemon/internal/generation")`)
	report(t, imports(ok, layers))
}

func TestTheTableGivesAReasonForEachImport(t *testing.T) {
	t.Parallel()
	here := make(map[string]bool)
	for _, p := range tree(t) {
		here[p.path] = true
	}
	for path, may := range layers {
		if !here[path] {
			t.Errorf("%s is in the table of allowed imports but not in the tree", path)
		}
		for i, why := range may {
			if why == "" {
				t.Errorf("%s may import %s without a reason", path, i)
			}
		}
	}
}

func TestComponentsNeverImportOneAnother(t *testing.T) {
	t.Parallel()
	report(t, strangers(tree(t), components))

	text := `package x; import _ "` + module + `daemon/internal/launcher"`
	bites(t, strangers(one(t, "daemon/internal/webserver", text), components), "over the transporter only")
	bites(t, strangers(one(t, "daemon/internal/webserver/page", text), components), "over the transporter only")
	report(t, strangers(one(t, "daemon/internal/launcher/part", text), components))
}

func TestTheSupervisorLinksTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	const program = "daemon/cmd/fastxd-session"
	report(t, standardOnly(tree(t), program))

	bad := []pkg{
		parsePackage(t, program, sources{"a.go": `package main; import _ "` + module + `daemon/a"`}),
		parsePackage(t, "daemon/a", sources{"a.go": `package a; import _ "golang.org/x/sys/unix"`}),
	}
	bites(t, standardOnly(bad, program), "links golang.org/x/sys/unix (through daemon/a)")
	bites(t, standardOnly(nil, program), program)
}

// bigOnes are what fastxctl must not link, so that it stays small and starts at once.
var bigOnes = map[string]string{
	"github.com/nats-io/nats-server/v2/server": "it is only for the transporter",
	"github.com/nats-io/nats.go":               "fastxctl asks the daemon, not the cluster",
	"github.com/go-git/go-git/v5":              "only the daemon writes history",
}

func TestFastxctlLinksNoServer(t *testing.T) {
	t.Parallel()
	const program = "daemon/cmd/fastxctl"
	report(t, links(program, depsOf(t, program), bigOnes))

	transporter := "daemon/internal/transporter"
	bites(t, links(transporter, depsOf(t, transporter), bigOnes), "links github.com/nats-io/nats-server/v2/server")
}

// depsOf lists all that a package links, by its import path.
func depsOf(t *testing.T, path string) []string {
	t.Helper()
	list := exec.Command("go", "list", "-deps", "./"+path)
	list.Dir = filepath.FromSlash(root)
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list -deps ./%s: %v", path, err)
	}
	return strings.Fields(string(out))
}

func TestNothingBelowCmdReachesForTheProcess(t *testing.T) {
	t.Parallel()
	report(t, belowCmd(tree(t)))

	tests := map[string]string{
		`import "os"; var x = os.Getenv("A")`:                                           "os.Getenv",
		`import "os"; var x, _ = os.LookupEnv("A")`:                                     "os.LookupEnv",
		`import "os"; var x = os.Environ()`:                                             "os.Environ",
		`import "os"; var f = os.ExpandEnv`:                                             "os.ExpandEnv", // not only when called
		`import sys "os"; var x = sys.Getenv("A")`:                                      "os.Getenv",    // under another name
		`import "syscall"; var x, _ = syscall.Getenv("A")`:                              "syscall.Getenv",
		`import "golang.org/x/sys/unix"; var x = unix.Environ()`:                        "unix.Environ",
		`import "os"; var x, _ = os.MkdirTemp("", "a")`:                                 "TMPDIR",
		`import "os/exec"; var x, _ = exec.LookPath("a")`:                               "os/exec.LookPath",
		`import "log/slog"; func f() { slog.Info("a") }`:                                "log/slog.Info",
		`import "log/slog"; var l = slog.Default()`:                                     "log/slog.Default",
		`import "log"; func f() { log.Printf("a") }`:                                    "log.Printf",
		`import "net/http"; func f() { http.Handle("/", nil) }`:                         "net/http.Handle",
		`import "net/http"; var c = http.DefaultClient`:                                 "net/http.DefaultClient",
		`import "flag"; var f = flag.Bool("a", false, "")`:                              "flag.Bool",
		`import . "os"; var x = Getenv("A")`:                                            "imports with a dot",
		`import "os"; func f() { os.Exit(1) }`:                                          "os.Exit",
		`import "syscall"; func f() { syscall.Umask(0) }`:                               "syscall.Umask",
		`import "os"; func f() { g(func() { os.Getenv("A") }) }`:                        "os.Getenv",
		`import "os"; type t struct{ f func() }; var x = t{f: func() { os.Environ() }}`: "os.Environ",
	}
	for text, want := range tests {
		bites(t, belowCmd(one(t, "daemon/x", "package x; "+text)), want)
		if problems := belowCmd(one(t, "daemon/cmd/x", "package main; "+text)); len(problems) > 0 {
			t.Errorf("cmd may do everything, but: %q", problems)
		}
	}
	report(t, belowCmd(one(t, "daemon/x", `package x; import ("flag"; "log"; "log/slog"; "os")
		var a = slog.New(nil); var b *log.Logger; var c = flag.NewFlagSet; var d, _ = os.MkdirTemp("/run", "a")
		type s struct{}; func (s) Getenv() {}; func f(os s) {}`)))
}

func TestNoProgramInheritsTheEnvironment(t *testing.T) {
	t.Parallel()
	report(t, inherits(tree(t)))

	tests := []struct {
		body string
		bad  bool
	}{
		{`exec.Command("a").Run()`, true},
		{`c := exec.CommandContext(nil, "a"); c.Run()`, true},
		{`c := &exec.Cmd{Path: "a"}; c.Run()`, true},
		{`c := exec.Command("a"); c.Env = e; d := exec.Command("b"); d.Run()`, true},
		{`c := exec.Command("a"); c.Env = e`, false},
		{`c := &exec.Cmd{Path: "a", Env: e}; c.Run()`, false},
	}
	for _, tt := range tests {
		problems := inherits(one(t, "daemon/x", `package x; import "os/exec"; func f(e []string) { `+tt.body+` }`))
		if bad := len(problems) > 0; bad != tt.bad {
			t.Errorf("%s: %q", tt.body, problems)
		}
	}
}

func TestOnlyAWholeProcessMayChangeWhatIsTheProcesss(t *testing.T) {
	t.Parallel()
	for path, ok := range map[string]bool{"daemon/internal/session/supervise": true, "daemon/internal/session": false} {
		problems := belowCmd(one(t, path, `package x; import "syscall"; func f() { syscall.Umask(0) }`))
		if len(problems) == 0 != ok {
			t.Errorf("%s: %q", path, problems)
		}
		bites(t, belowCmd(one(t, path, `package x; import "os"; var x = os.Environ()`)), "os.Environ")
	}
}
