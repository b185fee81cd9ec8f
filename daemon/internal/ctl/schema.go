package ctl

import (
	"path"

	"github.com/fastx-kit/fastx-kit/daemon/internal/manual"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/spf13/cobra"
)

func (a *app) schemaCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "schema [FILE]",
		Short: "Print a JSON Schema of the configuration",
		Long: `schema prints a JSON Schema (2020-12) of a whole configuration, or of one file: a name
(apps/xterm.ini), a pattern (apps/*.ini), or an absolute path for the node file.

A configuration is an object by file name; a file is an object by section and key, "" being
the section before the first; a value is a string, true or false, a whole number or a list
of strings. The schema knows each file's own keys and values. What files say together,
owners and modes are for fastxctl check.`,
		Example: `  fastxctl schema > fastx.schema.json
  fastxctl schema apps/xterm.ini
  fastxctl schema /etc/default/fastx4`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneArg("which file the schema is to be of")(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.schema(args) },
	}
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return fileKinds(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
	return c
}

func (a *app) schema(args []string) error {
	if len(args) == 0 {
		return a.printJSON(manual.Schema())
	}
	topic, err := spec.Find(args[0])
	switch {
	case err != nil:
		return exit{exitUsage, err}
	case topic.Kind == nil:
		return usage("%q is a key; name a file, such as %s", args[0], topic.Settings[0].File)
	case path.IsAbs(args[0]) && topic.Kind.Dialect == spec.DialectEnv && path.Base(args[0]) != topic.Kind.Pattern:
		return a.printJSON(manual.NodeFileSchema())
	}
	return a.printJSON(manual.FileSchema(*topic.Kind))
}
