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
	"github.com/fastx-kit/fastx-kit/daemon/internal/machine"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/spf13/cobra"
)

// configDir is where the packages expect the configuration.
const configDir = "/etc/fastx"

// packagesAccount is the account that the packages make for fastxd.
const packagesAccount = "fastx"

// packagesLocal is FX_LOCAL_DIR as the packages set it.
const packagesLocal = "/var/lib/fastx-local"

// The forms in which check prints problems.
const (
	formText   = "text"
	formJSON   = "json"
	formGitHub = "github"
)

// checked is check's JSON form.
type checked struct {
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Problems diag.List `json:"problems"` // files as they can be opened from here
}

type checkOptions struct {
	strict   bool
	checkout bool
	nodeFile string
	account  string
	format   string
	as       string
	dir      string
	nodes    int
}

func (a *app) checkCmd() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check [DIR|FILE]...",
		Short: "Find every problem in a configuration",
		Long: `check reads a configuration as fastxd would and prints every problem it finds, one a line,
in the order of the files:

  file:line:col: key: what is wrong; what to do

It changes nothing and needs no running fastxd. Without an argument it checks
$FX_CONFIG_DIR, else /etc/fastx.

A FILE that lies in such a directory is judged as a part of it, and what is wrong with
it is printed; any other is judged by itself. With --as NAME a file is judged as if it
bore that name, and its mode and owner are not: that is for files under a temporary name,
which Ansible's validate and Puppet's validate_cmd hand over. What it says of other files
is then judged only with --dir, as if it replaced the one in DIR; so is what it does
to them. NAME is relative to the directory, or absolute; /etc/default/fastx4, or what
--node-file names, is the node file.

With --checkout the files are for other machines than this one, as those of a repository
are in a pipeline: their modes and owners, which git does not keep, are not judged, and
neither are certificates, scripts and other files elsewhere that they name.

The directories of a node, such as FX_LOCAL_DIR, are judged with --node-file, by what is
mounted on this machine.

--format github prints annotations for GitHub; it is the default where GITHUB_ACTIONS is
true, as it is in every workflow.

Exit codes: 0 no errors, though maybe warnings; 1 the problems could not be printed; 2
errors, with --strict also warnings, or nothing to judge: wrong usage, a directory or
file that cannot be read, or a directory that holds no configuration.`,
		Example: `  fastxctl check /etc/fastx
  fastxctl check --strict --checkout config
  fastxctl check --node-file /etc/default/fastx4 /etc/fastx
  fastxctl check run/config/apps/xterm.ini
  fastxctl check --as apps/xterm.ini /tmp/ansible.x83k
  fastxctl check --as apps/xterm.ini --dir /etc/fastx /tmp/ansible.x83k
  fastxctl check run/config --json | jq -r '.problems[].summary'`,
		RunE: func(_ *cobra.Command, args []string) error { return a.check(args, o) },
	}
	a.jsonFlag(c)
	f := c.Flags()
	f.BoolVar(&o.strict, "strict", false, "treat warnings as errors")
	f.BoolVar(&o.checkout, "checkout", false, "the files are for other machines: judge no modes, owners and files elsewhere")
	f.StringVar(&o.nodeFile, "node-file", "", "check this node `file` (FX_NODE_FILE) along with DIR")
	f.StringVar(&o.account, "daemon-user", "", "the `account` that fastxd runs as (default: DIR's owner, or fastx if that is root)")
	f.StringVar(&o.format, "format", "", "`form` of the output: text, json or github")
	f.StringVar(&o.as, "as", "", "judge the one FILE as if this were its `name`, such as apps/xterm.ini")
	f.StringVar(&o.dir, "dir", "", "the `directory` that FILE belongs to")
	f.IntVar(&o.nodes, "nodes", 0, "how many nodes the cluster has: what a hash may cost depends on it (default: many)")
	return c
}

// check judges what the arguments name and prints it.
func (a *app) check(args []string, o checkOptions) error {
	form, err := a.form(o)
	if err != nil {
		return err
	}
	label, problems, err := a.judge(args, &o)
	if err != nil {
		return exit{exitUsage, err}
	}
	if err := a.printChecked(form, label, problems); err != nil {
		return err
	}
	if problems.HasErrors() || o.strict && len(problems) > 0 {
		return exit{code: exitUsage}
	}
	return nil
}

// form is how the problems are to be printed.
func (a *app) form(o checkOptions) (string, error) {
	switch {
	case o.nodes < 0:
		return "", usage("--nodes has to be 1 or more")
	case a.json && o.format != "" && o.format != formJSON:
		return "", usage("--json and --format %s exclude each other", o.format)
	case a.json:
		return formJSON, nil
	case o.format == "" && a.Env["GITHUB_ACTIONS"] == "true":
		return formGitHub, nil
	case !slices.Contains([]string{"", formText, formJSON, formGitHub}, o.format):
		return "", usage("there is no format %q; choose text, json or github", o.format)
	}
	return cmp.Or(o.format, formText), nil
}

// judge finds the problems, with files as they can be opened from here, and says in a word what was judged.
func (a *app) judge(args []string, o *checkOptions) (label string, problems diag.List, err error) {
	if o.nodeFile != "" {
		if o.nodeFile, err = filepath.Abs(o.nodeFile); err != nil {
			return "", nil, err
		}
	}
	switch {
	case o.as != "":
		problems, err = a.judgeAs(args, *o)
		return o.as, problems, err
	case len(args) == 0:
		dir := cmp.Or(o.dir, a.Env["FX_CONFIG_DIR"], configDir)
		problems, err = a.judgeTree(dir, *o)
		return dir, problems, err
	}
	for _, arg := range args {
		found, err := a.judgeArg(arg, *o)
		if err != nil {
			return "", nil, err
		}
		for _, d := range found {
			if !slices.Contains(problems, d) { // a file and its tree may both be named
				problems = append(problems, d)
			}
		}
	}
	problems.Sort()
	if len(args) > 1 {
		return fmt.Sprintf("%d arguments", len(args)), problems, nil
	}
	return args[0], problems, nil
}

// judgeTree judges a whole directory.
func (a *app) judgeTree(dir string, o checkOptions) (diag.List, error) {
	in, err := a.input(dir, o, nil)
	if err != nil {
		return nil, err
	}
	if err := holdsFiles(dir, in.Set); err != nil {
		return nil, err
	}
	_, problems := spec.Load(in)
	return openable(dir, problems), nil
}

// judgeArg judges a directory, or a file where it lies.
func (a *app) judgeArg(arg string, o checkOptions) (diag.List, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir() && o.dir != "":
		return nil, usage("--dir is for a FILE, and %s is a directory", arg)
	case info.IsDir():
		return a.judgeTree(arg, o)
	}
	at, err := a.spotOf(arg, o)
	if err != nil {
		return nil, err
	}
	if at.root == "" || o.dir == "" && !slices.Contains(a.roots(), at.root) && !isTree(at.root) {
		f, err := readAlone(arg, at)
		if err != nil {
			return nil, err
		}
		return renamed(alone(f, at, o), at.name, arg), nil
	}
	in, err := a.input(at.root, o, nil)
	if err != nil {
		return nil, err
	}
	_, problems := spec.Load(in)
	return renamed(only(problems, at.name), at.name, arg), nil
}

// spotOf finds where the file of an argument belongs.
func (a *app) spotOf(arg string, o checkOptions) (spot, error) {
	abs, err := filepath.Abs(arg)
	if err != nil {
		return spot{}, err
	}
	at, known := a.locate(abs, o.nodeFile, a.roots(o.dir))
	if !known {
		return spot{}, fmt.Errorf("%s bears no name of a file of a configuration; say with --as what it is, such as --as apps/xterm.ini", arg)
	}
	if o.dir != "" && at.root != a.roots(o.dir)[0] {
		return spot{}, fmt.Errorf("%s does not lie in %s; say with --as what it is there", arg, o.dir)
	}
	return at, nil
}

// judgeAs judges the one file of the arguments under another name.
func (a *app) judgeAs(args []string, o checkOptions) (diag.List, error) {
	if len(args) != 1 {
		return nil, usage("--as is for one file, and %d were given", len(args))
	}
	at, err := a.spotAs(o)
	if err != nil {
		return nil, err
	}
	f, err := readAlone(args[0], at)
	if err != nil {
		return nil, err
	}
	if o.dir == "" {
		return renamed(alone(f, at, o), at.name, o.as), nil
	}
	return a.judgeIn(f, at, o)
}

// spotAs finds out what --as means.
func (a *app) spotAs(o checkOptions) (spot, error) {
	if !filepath.IsAbs(o.as) {
		name := filepath.ToSlash(filepath.Clean(o.as))
		if k, known := spec.KindOf(name); known {
			return spot{name: name, kind: k.Pattern}, nil
		}
		near := ""
		if s := spec.Suggest(name, knownNames()); s != "" {
			near = fmt.Sprintf("; did you mean %q?", s)
		}
		return spot{}, usage("--as %s is no file of a configuration%s", o.as, near)
	}
	at, known := a.locate(filepath.Clean(o.as), o.nodeFile, a.roots(o.dir))
	if !known {
		return spot{}, usage("--as %s is no file of a configuration; give the name that it has in its directory, such as apps/xterm.ini", o.as)
	}
	return at, nil
}

// judgeIn judges a file as if it replaced the one of its name in o.dir: what is wrong with it, and what is wrong
// with others because of it.
func (a *app) judgeIn(f fileset.File, at spot, o checkOptions) (diag.List, error) {
	if at.node {
		o.nodeFile = f.Name
	}
	before, err := a.input(o.dir, o, nil)
	if err != nil {
		return nil, err
	}
	f.UID, f.GID = before.DaemonUID, before.DaemonGID
	after, err := a.input(o.dir, o, &f)
	if err != nil {
		return nil, err
	}
	_, old := spec.Load(before)
	_, now := spec.Load(after)
	var out diag.List
	for _, d := range now {
		if d.File == f.Name || !slices.Contains(old, d) {
			out = append(out, d)
		}
	}
	if filepath.IsAbs(o.as) {
		out = renamed(out, f.Name, o.as)
	}
	return openable(o.dir, out), nil
}

// readAlone reads one file, which gets the name and the mode that it should have.
func readAlone(file string, at spot) (fileset.File, error) {
	data, err := fileset.ReadFile(file)
	if err != nil {
		return fileset.File{}, err
	}
	return fileset.File{Name: at.name, Data: data, Mode: 0o600}, nil
}

// alone judges a file without a tree.
func alone(f fileset.File, at spot, o checkOptions) diag.List {
	in := spec.Input{Set: fileset.New(f), Alone: true, Nodes: o.nodes}
	if at.node {
		in.NodeFile = f.Name
	}
	_, problems := spec.Load(in)
	return problems
}

// only returns the problems of one file.
func only(problems diag.List, name string) diag.List {
	return slices.DeleteFunc(slices.Clone(problems), func(d diag.Diagnostic) bool { return d.File != name })
}

// renamed calls a file by another name.
func renamed(problems diag.List, name, other string) diag.List {
	out := slices.Clone(problems)
	for i, d := range out {
		if d.File == name {
			out[i].File = other
		}
	}
	return out
}

// input is what fastxd would be given, without the environment of the shell at
// hand, which is not the daemon's. with takes the place of the file of its name.
func (a *app) input(dir string, o checkOptions, with *fileset.File) (spec.Input, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return spec.Input{}, err
	}
	in := spec.Input{Dirs: spec.DirsFrom(map[string]string{"FX_CONFIG_DIR": abs}), Nodes: o.nodes}
	if in.DaemonUID, in.DaemonGID, err = daemonAccount(abs, o.account); err != nil {
		return spec.Input{}, err
	}
	var extra []string
	if o.nodeFile != "" {
		in.NodeFile = o.nodeFile
		if _, err := os.Stat(in.NodeFile); err != nil && (with == nil || with.Name != in.NodeFile) && o.as == "" {
			return spec.Input{}, fmt.Errorf("the node file: %w", err)
		}
		extra = []string{in.NodeFile}
	}
	in.Away = o.checkout
	if err := readAll(&in, dir, extra, with); err != nil {
		return spec.Input{}, err
	}
	if o.checkout {
		in.Set = private(in)
	} else if o.nodeFile != "" {
		err = a.machine(&in)
	}
	return in, err
}

// private is the set with the daemon as the owner of every file, and nobody else who can read it.
func private(in spec.Input) fileset.Set {
	files := in.Set.Files()
	for i := range files {
		files[i].Mode, files[i].UID, files[i].GID = 0o600, in.DaemonUID, in.DaemonGID
	}
	return fileset.New(files...)
}

// machine finds the directories of the node whose file is in the set, and where they lie.
func (a *app) machine(in *spec.Input) (err error) {
	layers := []map[string]string{{"FX_CONFIG_DIR": in.Dirs.Config}}
	node, _ := in.Set.Lookup(in.NodeFile)
	values, _ := spec.ParseEnv(in.NodeFile, node.Data)
	layers = append(layers, values)
	if data, err := os.ReadFile(spec.DefaultsFile); err == nil {
		values, _ = spec.ParseEnv(spec.DefaultsFile, data)
		layers = append(layers, values)
	}
	d := spec.DirsFrom(append(layers, map[string]string{"FX_LOCAL_DIR": packagesLocal})...)
	in.Dirs = d
	in.Machine, err = machine.Look(cmp.Or(a.Mounts, machine.MountInfo), d.Var, d.Local, d.Temp, d.Run)
	return err
}

// maxTurns is how often a file may name a file that names a file.
const maxTurns = 5

// readAll reads the directory, the extra files, and those that the files read so far name.
func readAll(in *spec.Input, dir string, extra []string, with *fileset.File) (err error) {
	for range maxTurns {
		if in.Set, err = fileset.Read(dir, extra...); err != nil {
			return err
		}
		if with != nil {
			in.Set = in.Set.With(*with)
		}
		known := len(extra)
		if in.Away {
			break
		}
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

func (a *app) printChecked(form, label string, problems diag.List) error {
	switch form {
	case formJSON:
		return a.printJSON(checked{len(problems.Of(diag.Error)), len(problems.Of(diag.Warning)), append(diag.List{}, problems...)})
	case formGitHub:
		if err := a.printAnnotations(problems); err != nil {
			return err
		}
	default:
		if err := a.printProblems(problems); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.Stderr, "%s: %s\n", label, problems.Counts())
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

// printAnnotations prints one annotation a line. GitHub knows files by their names within the repository.
func (a *app) printAnnotations(problems diag.List) error {
	for _, d := range problems {
		d.File = inWorkspace(a.Env["GITHUB_WORKSPACE"], d.File)
		if _, err := fmt.Fprintln(a.Stdout, printable(d.GitHub())); err != nil {
			return err
		}
	}
	return nil
}

// inWorkspace makes a file's name relative to the workspace, where it lies in it.
func inWorkspace(workspace, file string) string {
	if workspace == "" || file == "" {
		return file
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	rel, err := filepath.Rel(workspace, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return file
	}
	return filepath.ToSlash(rel)
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
