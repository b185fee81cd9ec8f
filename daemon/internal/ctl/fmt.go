package ctl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

type fmtOptions struct {
	check, diff bool
	nodeFile    string
}

func (a *app) fmtCmd() *cobra.Command {
	var o fmtOptions
	c := &cobra.Command{
		Use:   "fmt FILE|DIR...",
		Short: "Write configuration files in one form",
		Long: `fmt rewrites files in the one form that fastxctl, Terraform, Ansible and Puppet write:
spaces, quotes, comment signs, lists and empty lines. It keeps what they mean, every
comment and the order; sections that are opened twice are joined. It prints the name of
each file that it rewrites. Of a DIR it takes every file that has such a form; pages and
pictures have none, and nats-server.conf, which is in nats-server's own syntax, is left
as it is.

A file is replaced whole and keeps its mode and owner; a link stays a link. A file with
errors is left as it is, and what is wrong with it is printed.

--check writes nothing and names the files that would be rewritten. --diff writes nothing
and shows how they would change, with [secret] in the place of secrets.

Exit codes: 0 all files are in form now, or with --diff would be; 1 with --check: some
would be rewritten; or one could not be written; 2 some have errors, or wrong usage.`,
		Example: `  fastxctl fmt run/config
  fastxctl fmt --check --diff /etc/fastx
  fastxctl fmt run/config/apps/xterm.ini /etc/default/fastx4`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("say which files or directories to format; see %s --help", c.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.format(args, o) },
	}
	c.Flags().BoolVar(&o.check, "check", false, "write nothing, and fail when a file would be rewritten")
	c.Flags().BoolVar(&o.diff, "diff", false, "write nothing, and show how files would change")
	c.Flags().StringVar(&o.nodeFile, "node-file", "", "this `file` is a node file (FX_NODE_FILE), wherever it lies")
	return c
}

// leaf is one file to format.
type leaf struct {
	path string // as the user would write it
	at   spot
}

// format formats what the arguments name. All files are looked at, whatever comes of one.
func (a *app) format(args []string, o fmtOptions) (err error) {
	if o.nodeFile != "" {
		if o.nodeFile, err = filepath.Abs(o.nodeFile); err != nil {
			return err
		}
	}
	var leaves []leaf
	for _, arg := range args {
		found, err := a.leaves(arg, o)
		if err != nil {
			return exit{exitUsage, err}
		}
		leaves = append(leaves, found...)
	}
	code := 0
	for _, l := range leaves {
		got, err := a.formatFile(l, o)
		if err != nil {
			fmt.Fprintf(a.Stderr, "fastxctl: %s\n", printable(err.Error()))
		}
		code = max(code, got)
	}
	if code != 0 {
		return exit{code: code}
	}
	return nil
}

// leaves are the files of an argument that have a form.
func (a *app) leaves(arg string, o fmtOptions) ([]leaf, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(arg)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		at, known := a.locate(abs, o.nodeFile, a.roots())
		k, _ := spec.KindOf(at.kind)
		switch {
		case known && k.Dialect == spec.DialectNATS:
			return nil, fmt.Errorf("%s is in nats-server's own syntax, which fmt does not rewrite; leave it as it is", arg)
		case !known || !render.Formats(k):
			return nil, fmt.Errorf("%s is no file that has a form; name an ini file of a configuration, fastx.env, htpasswd or a node file", arg)
		}
		return []leaf{{arg, at}}, nil
	}
	set, err := fileset.Read(arg)
	if err != nil {
		return nil, err
	}
	if err := holdsFiles(arg, set); err != nil {
		return nil, err
	}
	var out []leaf
	for _, f := range set.Files() {
		if k, known := spec.KindOf(f.Name); known && render.Formats(k) {
			out = append(out, leaf{filepath.Join(arg, filepath.FromSlash(f.Name)), spot{root: abs, name: f.Name, kind: k.Pattern}})
		}
	}
	return out, nil
}

// formatFile formats one file and returns the exit code that it calls for.
func (a *app) formatFile(l leaf, o fmtOptions) (code int, err error) {
	real, err := filepath.EvalSymlinks(l.path) // the link stays
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %w", l.path, pe.Err)
	}
	if err != nil {
		return exitFailure, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return exitFailure, err
	}
	text, err := fileset.ReadFile(real)
	if err != nil {
		return exitFailure, err
	}
	out, problems := formatted(l.at, text)
	problems = renamed(problems, l.at.name, l.path)
	for _, d := range problems {
		fmt.Fprintln(a.Stderr, printable(d.String()))
	}
	switch {
	case out == nil:
		fmt.Fprintf(a.Stderr, "%s: left as it is\n", printable(l.path))
		return exitUsage, nil
	case bytes.Equal(out, text):
		return 0, nil
	case o.check || o.diff:
		a.printFormatted(l, text, out, o)
		if o.check {
			code = exitFailure
		}
		return code, nil
	}
	if _, err := fileset.WriteFile(real, out, info.Mode()); err != nil {
		return exitFailure, err
	}
	_, err = fmt.Fprintln(a.Stdout, printable(l.path))
	return 0, err
}

// formatted is what a file becomes, or nil and what is wrong with it. What fastxd refuses is not touched: whoever mends
// it should find it as it was. Of the warnings only those about its form are told.
func formatted(at spot, text []byte) ([]byte, diag.List) {
	if path.IsAbs(at.name) { // the node file, which Load knows by its name
		at.node = true
	}
	found := alone(fileset.File{Name: at.name, Data: text, Mode: 0o600}, at, checkOptions{})
	found = slices.DeleteFunc(found, func(d diag.Diagnostic) bool { return d.Severity != diag.Error || d.Code == "missing" })
	if len(found) > 0 {
		return nil, found
	}
	out, problems := render.Format(render.File{Path: at.name, Kind: at.kind}, text)
	return out, slices.DeleteFunc(problems, func(d diag.Diagnostic) bool { return d.Severity != diag.Error && d.Code != "inline-comment" })
}

// printFormatted names a file that is out of form, or shows how it would change, without its secrets.
func (a *app) printFormatted(l leaf, before, after []byte, o fmtOptions) {
	if !o.diff {
		fmt.Fprintln(a.Stdout, printable(l.path))
		return
	}
	masked := func(data []byte) []byte {
		return spec.Redact(fileset.File{Name: l.at.name, Data: data}, func([]byte) string { return "[secret]" })
	}
	a.printText(string(diff.Diff(l.path, masked(before), l.path, masked(after))))
}
