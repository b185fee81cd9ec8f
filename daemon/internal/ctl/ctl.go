// Package ctl is what fastxctl does: it writes a first configuration, checks one,
// and asks the daemon on this machine through its admin socket.
//
// It must not link the NATS server, so that the command stays small and starts at
// once. Everything it takes from the process is handed in as a System.
//
// # Exit codes
//
//	0  done
//	1  it failed: the daemon does not answer, refused, or could not do it
//	2  wrong usage, or the configuration is rejected
//	3  reload --wait: accepted, except files with errors: they count as they last were good, or not at all
//	4  reload --wait: accepted, but some keys wait for a restart of fastxd
//	5  secret new: there is a secret already, or another run made it in the same moment
//	6  key show: this node signs no tickets and has no key
package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/manpages"
	"github.com/spf13/cobra"
)

// System is all that fastxctl takes from the process it runs in.
type System struct {
	Args    []string // without the program's name
	Env     map[string]string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	UID     int
	Login   func() (string, error) // the login name of the person who typed the command
	Version string
	Mounts  string // the list of what is mounted; "" = the kernel's
}

// Run does what the arguments say and returns the exit code.
func Run(ctx context.Context, sys System) int {
	err := newRoot(sys).ExecuteContext(ctx)
	code, text := explain(err)
	if text != "" {
		fmt.Fprintln(sys.Stderr, "fastxctl: "+text)
	}
	return code
}

const (
	exitFailure = 1
	exitUsage   = 2
)

// exit is an error that knows its exit code. With err nil everything has been said already.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

func usage(format string, a ...any) error {
	return exit{exitUsage, fmt.Errorf(format, a...)}
}

// explain turns an error into the exit code and the sentence for the person at the terminal.
func explain(err error) (code int, text string) {
	if err == nil {
		return 0, ""
	}
	code = exitFailure
	if e, ok := errors.AsType[exit](err); ok {
		if code, err = e.code, e.err; err == nil {
			return code, ""
		}
	}
	if e, ok := errors.AsType[*admin.Error](err); ok {
		return code, withDetail(e)
	}
	if e, ok := errors.AsType[*admin.UnreachableError](err); ok {
		return code, unreachable(e)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return code, "fastxd did not answer in time; see what it is doing with fastxctl status and in its log"
	case errors.Is(err, context.Canceled):
		return code, "interrupted"
	}
	return code, err.Error()
}

func withDetail(e *admin.Error) string {
	text := printable(e.Message)
	if e.Detail == "" {
		return text
	}
	for line := range strings.Lines(e.Detail) {
		text += "\n  " + printable(strings.TrimRight(line, "\n"))
	}
	return text
}

func unreachable(e *admin.UnreachableError) string {
	if errors.Is(e, fs.ErrPermission) {
		return fmt.Sprintf("%s is for root and the account fastxd runs as; try again with sudo", e.Socket)
	}
	program, unit := "fastxd", "fastxd"
	if filepath.Base(e.Socket) == admin.TransporterSocket {
		program, unit = "fastxd transporter", "fastxd-transporter"
	}
	return fmt.Sprintf("%s does not answer at %s; start it with systemctl start %s, or point --run-dir at its FX_RUN_DIR", program, e.Socket, unit)
}

// app is one run of fastxctl: the system and the flags that several commands share.
type app struct {
	System
	runDir string // --run-dir
	user   string // --user
	json   bool   // --json
	bus    bool   // --transporter
}

func newRoot(sys System) *cobra.Command {
	a := &app{System: sys}
	root := &cobra.Command{
		Use:   "fastxctl",
		Short: "Set up, check and steer a FastX node",
		Long: `fastxctl writes a first configuration, checks one, and asks the fastxd on this
machine about itself, its configurations, the cluster's nodes and its sessions.

Exit codes: 0 done, 1 failed, 2 wrong usage or a rejected configuration; reload --wait,
secret new and key show have more.`,
		Example: `  fastxctl init run/config                    write a configuration to try things out
  fastxctl check /etc/fastx                   find every problem in one
  fastxctl fmt /etc/fastx                     write its files in one form
  fastxctl reload --wait                      apply what was edited, and say how it went
  fastxctl explain geometry                   say what a key means
  fastxctl sessions start --app xterm --wait  start a session`,
		Args: noCommand, RunE: showHelp, DisableFlagsInUseLine: true,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetArgs(sys.Args)
	root.SetIn(sys.Stdin)
	root.SetOut(sys.Stdout)
	root.SetErr(sys.Stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(a.initCmd(), a.checkCmd(), a.fmtCmd(), a.statusCmd(), a.reloadCmd(), a.configCmd(), a.nodesCmd(),
		a.sessionsCmd(), a.versionCmd(), a.completionCmd())
	root.AddCommand(a.explainCmd(), a.schemaCmd(), a.secretCmd(), a.keyCmd(), manpages.Command("fastxctl", "1", a.Version))
	return root
}

func showHelp(c *cobra.Command, _ []string) error { return c.Help() }

// noCommand refuses a word where a command was expected, and says what may have been meant.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	c.SuggestionsMinimumDistance = 2
	if s := c.SuggestionsFor(args[0]); len(s) > 0 {
		near = fmt.Sprintf("; did you mean %s?", strings.Join(s, " or "))
	}
	return usage("there is no command %q%s; see %s --help", c.CommandPath()+" "+args[0], near, c.CommandPath())
}

// noArgs and oneArg count a command's arguments in words instead of cobra's.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument, but %q was given", c.CommandPath(), args[0])
	}
	return nil
}

func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usage("say %s; see %s --help", what, c.CommandPath())
		case 1:
			return nil
		}
		return usage("%s takes one argument, but %q was given as well", c.CommandPath(), args[1])
	}
}

func (a *app) jsonFlag(c *cobra.Command) {
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
}

func (a *app) versionCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version of fastxctl",
		Long: `version prints the version of fastxctl itself; fastxctl status prints that of the
fastxd that runs.`,
		Example: "  fastxctl version\n  fastxctl version --json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": a.Version})
			}
			_, err := fmt.Fprintln(a.Stdout, "fastxctl", a.Version)
			return err
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) completionCmd() *cobra.Command {
	shells := map[string]func(*cobra.Command) error{
		"bash": func(c *cobra.Command) error { return c.GenBashCompletionV2(a.Stdout, true) },
		"zsh":  func(c *cobra.Command) error { return c.GenZshCompletion(a.Stdout) },
		"fish": func(c *cobra.Command) error { return c.GenFishCompletion(a.Stdout, true) },
	}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that completes commands in your shell",
		Long: `completion prints a script for your shell to load. It completes commands, flags, the ids
of your sessions, nodes and generations, and the keys and files of the configuration.`,
		Example: `  source <(fastxctl completion bash)
  fastxctl completion bash > /etc/bash_completion.d/fastxctl
  fastxctl completion zsh > "${fpath[1]}/_fastxctl"
  fastxctl completion fish > ~/.config/fish/completions/fastxctl.fish`,
		Args:      oneArg("which shell: bash, zsh or fish"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(c *cobra.Command, args []string) error {
			script, ok := shells[args[0]]
			if !ok {
				return usage("there is no completion for %q; choose bash, zsh or fish", args[0])
			}
			return script(c.Root())
		},
	}
}
