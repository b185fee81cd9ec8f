package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"fastxctl": main}) }

// TestScripts runs the scripts in testdata/script, each of them a story of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("FX_TEMP_DIR", e.Getenv("TMPDIR"))
			e.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's second at every exit
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"fastxd": startFake, "exits": exits},
	})
}

// exits is the script command "exits CODE PROGRAM ARGUMENT...", an exec that wants that very exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// startFake is the script command "fastxd FILE [DIR]": it answers at DIR/admin.sock (run/admin.sock)
// with what FILE holds, until the script ends.
func startFake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: fastxd FILE [DIR]")
	}
	var b fake
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &b); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	dir := ts.MkAbs(append(args, "run")[1])
	ts.Check(os.MkdirAll(dir, 0o700))
	s, err := admin.Start(admin.Options{
		RunDir: dir, Backend: b, Log: slog.New(slog.DiscardHandler),
		LoginName: func(uint32) (string, error) { return "ada", nil },
	})
	ts.Check(err)
	ts.Defer(func() { _ = s.Close() })
}

// fake is a node that answers with what a script's file says.
type fake struct {
	Node   admin.Status
	Report admin.ReloadReport
	Hang   bool // Reload never ends
	List   []admin.Node
	All    []admin.Session
	Lines  []string
	Past   admin.History
	Gen    admin.GenerationFiles
	Rolled admin.RollbackReport
	Diffs  []admin.FileDiff
	Fail   *admin.Error
}

func (f fake) failure() error {
	if f.Fail == nil {
		return nil
	}
	return f.Fail
}

func (f fake) Status(context.Context) (admin.Status, error) { return f.Node, f.failure() }

func (f fake) Reload(ctx context.Context, _ string) (admin.ReloadReport, error) {
	if f.Hang {
		<-ctx.Done()
	}
	return f.Report, f.failure()
}

func (f fake) History(_ context.Context, before, limit int) (admin.History, error) {
	var page admin.History
	for _, g := range f.Past.Generations {
		switch {
		case before > 0 && g.Generation >= before:
		case len(page.Generations) == limit:
			page.More = true
		default:
			page.Generations = append(page.Generations, g)
		}
	}
	return page, f.failure()
}

func (f fake) Generation(_ context.Context, n int) (admin.GenerationFiles, error) {
	if n != f.Gen.Generation.Generation {
		return f.Gen, &admin.Error{Code: "not_found", Message: "generation " + strconv.Itoa(n) + " is not recorded"}
	}
	return f.Gen, f.failure()
}

func (f fake) Rollback(_ context.Context, r admin.RollbackRequest) (admin.RollbackReport, error) {
	out := f.Rolled
	if out.Generation = r.Generation; r.DryRun {
		out.Reload = nil
	}
	return out, f.failure()
}

func (f fake) Diff(context.Context, int, int) ([]admin.FileDiff, error) { return f.Diffs, f.failure() }

func (f fake) As(user string) admin.Cluster { return &fakeCluster{fake: f, user: user} }

// fakeCluster is the cluster as one user sees it.
type fakeCluster struct {
	fake
	user string
}

func (c *fakeCluster) Nodes(context.Context) ([]admin.Node, error) { return c.List, c.failure() }

func (c *fakeCluster) Sessions(_ context.Context, all bool) ([]admin.Session, error) {
	mine := slices.DeleteFunc(slices.Clone(c.All), func(s admin.Session) bool { return !all && s.User != c.user })
	return mine, c.failure()
}

// Start returns what was ordered, as a session that the file may list with what becomes of it.
func (c *fakeCluster) Start(_ context.Context, r admin.StartRequest) (admin.Session, error) {
	return admin.Session{
		ID: "0000000000000000", User: c.user, Node: "n1", App: r.App, Command: r.Command,
		Geometry: r.Geometry, Name: r.Name, Params: r.Params, State: "pending",
	}, c.failure()
}

func (c *fakeCluster) Session(_ context.Context, id string) (admin.Session, error) {
	for _, s := range c.All {
		if s.ID == id {
			return s, c.failure()
		}
	}
	return admin.Session{}, &admin.Error{Code: "not_found", Message: "there is no session " + id}
}

func (c *fakeCluster) Log(context.Context, string) ([]string, error) { return c.Lines, c.failure() }

func (c *fakeCluster) Message(_ context.Context, id, text string) (admin.Message, error) {
	return admin.Message{Session: id, Text: text, From: c.user}, c.failure()
}

func (c *fakeCluster) Drain(_ context.Context, node string, _ bool) error {
	for _, n := range c.List {
		if n.Node == node {
			return c.failure()
		}
	}
	return &admin.Error{Code: "not_found", Message: "there is no node " + node}
}

func (c *fakeCluster) Terminate(ctx context.Context, id string) (admin.Session, error) {
	s, err := c.Session(ctx, id)
	s.State = "ended"
	return s, err
}
