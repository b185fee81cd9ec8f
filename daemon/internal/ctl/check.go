package ctl

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/spf13/cobra"
)

// configDir is where the packages expect the configuration.
const configDir = "/etc/fastx"

// packagesAccount is the account that the packages make for fastxd.
const packagesAccount = "fastx"

// checked is check's JSON form.
type checked struct {
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Problems diag.List `json:"problems"` // files as they can be opened from here
}

func (a *app) checkCmd() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Find every problem in a configuration",
		Long: `check reads the configuration in DIR as fastxd would and prints every problem it finds,
one a line, in the order of the files:

  file:line:col: key: what is wrong; what to do

Without DIR it checks $FX_CONFIG_DIR, else /etc/fastx. It changes nothing and needs no
running fastxd. Exit codes: 0, with warnings too; 2 with errors, and with --strict also
with warnings.`,
		Example: `  fastxctl check /etc/fastx
  fastxctl check --strict run/config
  fastxctl check --node-file /etc/default/fastx4 /etc/fastx
  fastxctl check run/config --json | jq -r '.problems[].summary'`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneArg("which directory to check")(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return a.check(a.dirToCheck(args), o)
		},
	}
	a.jsonFlag(c)
	c.Flags().BoolVar(&o.strict, "strict", false, "treat warnings as errors")
	c.Flags().StringVar(&o.nodeFile, "node-file", "", "check this node `file` (FX_NODE_FILE) along with DIR")
	c.Flags().StringVar(&o.account, "daemon-user", "", "the `account` that fastxd runs as (default: DIR's owner, or fastx if that is root)")
	return c
}

type checkOptions struct {
	strict   bool
	nodeFile string
	account  string
}

func (a *app) dirToCheck(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	if dir := a.Env["FX_CONFIG_DIR"]; dir != "" {
		return dir
	}
	return configDir
}

func (a *app) check(dir string, o checkOptions) error {
	in, err := a.input(dir, o)
	if err != nil {
		return exit{exitUsage, err}
	}
	_, problems := spec.Load(in)
	problems = openable(dir, problems)
	if err := a.printChecked(dir, problems); err != nil {
		return err
	}
	if problems.HasErrors() || o.strict && len(problems) > 0 {
		return exit{code: exitUsage}
	}
	return nil
}

// input is what fastxd would be given, without the environment of the shell at
// hand, which is not the daemon's.
func (a *app) input(dir string, o checkOptions) (spec.Input, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return spec.Input{}, err
	}
	in := spec.Input{Dirs: spec.DirsFrom(map[string]string{"FX_CONFIG_DIR": abs})}
	if in.DaemonUID, in.DaemonGID, err = daemonAccount(abs, o.account); err != nil {
		return spec.Input{}, err
	}
	var extra []string
	if o.nodeFile != "" {
		if in.NodeFile, err = filepath.Abs(o.nodeFile); err != nil {
			return spec.Input{}, err
		}
		if _, err := os.Stat(in.NodeFile); err != nil {
			return spec.Input{}, fmt.Errorf("the node file: %w", err)
		}
		extra = []string{in.NodeFile}
	}
	return in, readAll(&in, dir, extra)
}

// maxTurns is how often a file may name a file that names a file.
const maxTurns = 5

// readAll reads the directory, the extra files, and those that the files read so far name.
func readAll(in *spec.Input, dir string, extra []string) (err error) {
	for range maxTurns {
		if in.Set, err = fileset.Read(dir, extra...); err != nil {
			return err
		}
		known := len(extra)
		for _, name := range in.References() {
			if !slices.Contains(extra, name) {
				extra = append(extra, name)
			}
		}
		if len(extra) == known {
			break
		}
	}
	return nil
}

// daemonAccount says as whom fastxd runs: the account named, or else the owner of the
// directory, which is the daemon's unless it is root's; then it is the packages' account.
func daemonAccount(dir, name string) (uid, gid int, err error) {
	if name == "" {
		info, err := os.Stat(dir)
		if err != nil {
			return 0, 0, err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return int(st.Uid), int(st.Gid), nil
		}
	}
	u, err := user.Lookup(cmp.Or(name, packagesAccount))
	if err != nil && name == "" {
		return 0, 0, nil // no package is installed here: root's own
	}
	if err != nil {
		return 0, 0, fmt.Errorf("--daemon-user: %w", err)
	}
	return number(u.Uid), number(u.Gid), nil
}

// number reads an id of the account database, where all are numbers on Unix.
func number(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil {
		return -1
	}
	return n
}

func (a *app) printChecked(dir string, problems diag.List) error {
	if a.json {
		return a.printJSON(checked{len(problems.Of(diag.Error)), len(problems.Of(diag.Warning)), append(diag.List{}, problems...)})
	}
	if err := a.printProblems(problems); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Stderr, "%s: %s\n", dir, problems.Counts())
	return err
}

// printProblems prints one problem a line.
func (a *app) printProblems(problems diag.List) error {
	for _, d := range problems {
		if _, err := fmt.Fprintln(a.Stdout, printable(d.String())); err != nil {
			return err
		}
	}
	return nil
}

// openable turns the names of files inside dir into paths that an editor can open from here.
func openable(dir string, problems diag.List) diag.List {
	out := append(diag.List(nil), problems...)
	for i, d := range out {
		if d.File != "" && !filepath.IsAbs(d.File) {
			out[i].File = filepath.Join(dir, filepath.FromSlash(d.File))
		}
	}
	return out
}
