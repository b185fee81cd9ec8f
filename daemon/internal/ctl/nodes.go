package ctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/spf13/cobra"
)

func (a *app) nodesCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "nodes",
		Short: "List, drain and undrain the nodes of the cluster",
		Long: `nodes lists the cluster's nodes: what runs on each, how busy it is, and when it was
last heard of. Its commands keep new sessions from one, and let them come again.`,
		Example: "  fastxctl nodes\n  fastxctl nodes --json | jq '.nodes[].node'\n  fastxctl nodes drain n2",
		Args:    noCommand,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
				nodes, err := client.Nodes(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"nodes": nodes})
				}
				return a.printNodes(nodes)
			})
		},
	}
	a.daemonFlags(c)
	a.userFlag(c)
	c.AddCommand(
		a.drainCmd(true, &cobra.Command{
			Use:   "drain NODE",
			Short: "Start nothing more on a node",
			Long: `drain keeps new sessions from a node until nodes undrain, over restarts too. Sessions that
run there go on.`,
			Example: "  fastxctl nodes drain n2",
		}),
		a.drainCmd(false, &cobra.Command{
			Use:     "undrain NODE",
			Short:   "Start sessions on a node again",
			Long:    "undrain lets new sessions come to a node that was drained.",
			Example: "  fastxctl nodes undrain n2",
		}))
	return c
}

func (a *app) printNodes(nodes []admin.Node) error {
	rows := [][]string{{"NODE", "VERSION", "SERVICES", "SESSIONS", "LOAD", "FREE MEMORY", "DRAIN", "HEARD"}}
	for _, n := range nodes {
		rows = append(rows, []string{
			n.Node, n.Version, dash(strings.Join(n.Services, ",")), fmt.Sprint(n.Sessions),
			fmt.Sprintf("%.2f of %d", n.Load.Load1, n.Load.Cores),
			fmt.Sprintf("%s of %s", bytesOf(n.Load.MemFree), bytesOf(n.Load.MemTotal)),
			yesNo(n.Drain), ago(n.Age),
		})
	}
	return a.table(rows...)
}

// drainCmd is the command that drains a node, or undrains it.
func (a *app) drainCmd(drain bool, c *cobra.Command) *cobra.Command {
	c.Args = oneArg("which node: the name that fastxctl nodes shows")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
			if err := client.Drain(ctx, args[0], drain); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"node": args[0], "drain": drain})
			}
			text := "node %s takes new sessions\n"
			if drain {
				text = "node %s takes no new sessions\n"
			}
			_, err := fmt.Fprintf(a.Stdout, text, printable(args[0]))
			return err
		})
	}
	c.ValidArgsFunction = a.completeNodes
	a.daemonFlags(c)
	a.userFlag(c)
	return c
}

// completeNodes offers the nodes the daemon knows, and nothing when it does not answer.
func (a *app) completeNodes(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) == 0 {
		_ = a.ask(c, completionPatience, func(ctx context.Context, client *admin.Client) error {
			nodes, err := client.Nodes(ctx)
			for _, n := range nodes {
				names = append(names, n.Node)
			}
			return err
		})
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
