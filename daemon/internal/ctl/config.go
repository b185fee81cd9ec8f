package ctl

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/spf13/cobra"
)

func (a *app) configCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Look at the configurations this node has accepted, and go back to one",
		Long: `config lists, shows and compares the configurations that the fastxd on this machine has
accepted, and goes back to one. Each node keeps its own history, in which secrets are
replaced by digests.`,
		Example: `  fastxctl config log
  fastxctl config show 12
  fastxctl config diff 11 12
  fastxctl config rollback 11 --dry-run`,
		Args: noCommand, RunE: showHelp, DisableFlagsInUseLine: true,
	}
	c.AddCommand(a.configLogCmd(), a.configShowCmd(), a.configDiffCmd(), a.configRollbackCmd())
	return c
}

func (a *app) configLogCmd() *cobra.Command {
	var before, limit int
	c := &cobra.Command{
		Use:   "log",
		Short: "List the generations, newest first",
		Long: `log lists the generations, the newest first: when each was accepted, who asked for it, and
which files changed.`,
		Example: "  fastxctl config log\n  fastxctl config log --limit 5 --before 12\n  fastxctl config log --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if before < 0 || limit < 1 {
				return usage("--before and --limit have to be 1 or more")
			}
			return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
				h, err := client.History(ctx, before, limit)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(h)
				}
				return a.printHistory(h)
			})
		},
	}
	a.daemonFlags(c)
	c.Flags().IntVar(&before, "before", 0, "only what was recorded before this `generation`")
	c.Flags().IntVar(&limit, "limit", 20, "at most this `number`")
	return c
}

func (a *app) printHistory(h admin.History) error {
	rows := [][]string{{"GENERATION", "ACCEPTED", "ORIGIN", "CHANGED"}}
	for _, g := range h.Generations {
		rows = append(rows, []string{fmt.Sprint(g.Generation), moment(g.When), g.Origin, dash(strings.Join(g.Changed, ", "))})
	}
	if err := a.table(rows...); err != nil {
		return err
	}
	if n := len(h.Generations); h.More && n > 0 {
		fmt.Fprintf(a.Stderr, "older ones are listed by --before %d\n", h.Generations[n-1].Generation)
	}
	return nil
}

// generations reads a command's arguments, each of which is a generation's number.
func generations(c *cobra.Command, args []string, want int, what string) ([]int, error) {
	if len(args) != want {
		return nil, usage("say %s: the numbers that fastxctl config log shows; see %s --help", what, c.CommandPath())
	}
	var numbers []int
	for _, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return nil, usage("%q is no generation: one is a number from 1, as fastxctl config log shows them", arg)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func (a *app) configShowCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "show GENERATION",
		Short: "Print the files of one generation",
		Long: `show prints every file of one generation under its name. Secrets are replaced by digests:
equal ones stand for equal secrets.`,
		Example: "  fastxctl config show 12\n  fastxctl config show 12 --json | jq '.files[].name'",
		RunE: func(c *cobra.Command, args []string) error {
			numbers, err := generations(c, args, 1, "which generation")
			if err != nil {
				return err
			}
			return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
				g, err := client.Generation(ctx, numbers[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(g)
				}
				return a.printGeneration(g)
			})
		},
	}
	c.ValidArgsFunction = a.completeGenerations(1)
	a.daemonFlags(c)
	return c
}

func (a *app) printGeneration(g admin.GenerationFiles) error {
	fmt.Fprintf(a.Stdout, "generation %d, accepted %s, asked for by %s\n", g.Generation.Generation, moment(g.When), printable(g.Origin))
	for _, f := range g.Files {
		fmt.Fprintf(a.Stdout, "\n==> %s <==\n", printable(f.Name))
		a.printText(f.Text)
	}
	return nil
}

// printText prints what a file holds, line by line.
func (a *app) printText(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintln(a.Stdout, printable(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")))
	}
}

func (a *app) configDiffCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff FROM TO",
		Short: "Show how two generations differ",
		Long: `diff prints how two generations differ as a unified diff, and nothing when they do not.
Secrets are replaced by digests, so a changed one shows as changed.`,
		Example: "  fastxctl config diff 11 12\n  fastxctl config diff 11 12 --json | jq '.files[].name'",
		RunE: func(c *cobra.Command, args []string) error {
			numbers, err := generations(c, args, 2, "which two generations")
			if err != nil {
				return err
			}
			return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
				files, err := client.Diff(ctx, numbers[0], numbers[1])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"files": files})
				}
				for _, f := range files {
					a.printText(f.Diff)
				}
				return nil
			})
		},
	}
	c.ValidArgsFunction = a.completeGenerations(2)
	a.daemonFlags(c)
	return c
}

// completeGenerations offers the newest generations for up to n arguments.
func (a *app) completeGenerations(n int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var out []string
		if len(args) < n {
			_ = a.ask(c, completionPatience, func(ctx context.Context, client *admin.Client) error {
				h, err := client.History(ctx, 0, 50)
				for _, g := range h.Generations {
					out = append(out, fmt.Sprintf("%d\t%s", g.Generation, printable(moment(g.When)+" "+g.Origin)))
				}
				return err
			})
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
