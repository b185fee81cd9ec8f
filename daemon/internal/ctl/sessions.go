package ctl

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/spf13/cobra"
)

// pollEvery is how often start --wait looks; a session takes a fraction of a second to start.
const pollEvery = 100 * time.Millisecond

var sessionID = regexp.MustCompile(`^[0-9a-f]{16}$`)

func (a *app) sessionsCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "sessions",
		Short: "List, start, show, message and end sessions",
		Long: `sessions lists, starts, shows and ends display sessions anywhere in the cluster, and says
something to who looks at them.`,
		Example: `  fastxctl sessions list --all
  id=$(fastxctl sessions start --app xterm --wait)
  fastxctl sessions log $id
  fastxctl sessions terminate $id`,
		Args: noCommand, RunE: showHelp, DisableFlagsInUseLine: true,
	}
	c.AddCommand(a.listCmd(), a.startCmd(), a.showCmd(), a.logCmd(), a.messageCmd(), a.terminateCmd())
	return c
}

func (a *app) listCmd() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List your sessions",
		Long: `list lists your sessions, wherever in the cluster they run; with --all it lists
everyone's, if you may see them.`,
		Example: "  fastxctl sessions list\n  fastxctl sessions list --all\n  fastxctl sessions list --user ada --json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
				sessions, err := client.Sessions(ctx, all)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"sessions": sessions})
				}
				return a.printSessions(sessions)
			})
		},
	}
	a.daemonFlags(c)
	a.userFlag(c)
	c.Flags().BoolVar(&all, "all", false, "everyone's sessions")
	return c
}

func (a *app) printSessions(sessions []admin.Session) error {
	rows := [][]string{{"ID", "USER", "NODE", "STATE", "NAME", "APP", "GEOMETRY", "CLIENTS", "CREATED"}}
	for _, s := range sessions {
		rows = append(rows, []string{
			s.ID, s.User, dash(s.Node), s.State, dash(s.Name), dash(s.App), dash(s.Geometry),
			fmt.Sprint(s.Clients), moment(s.Created),
		})
	}
	return a.table(rows...)
}

func (a *app) startCmd() *cobra.Command {
	var r admin.StartRequest
	var params []string
	var wait bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "start --app APP | --command LINE",
		Short: "Start a session",
		Long: `start starts one of the applications of apps/*.ini, or with --command a command of
your own, if you may. It prints the session's id, and nothing else, on standard output.`,
		Example: `  fastxctl sessions start --app xterm
  fastxctl sessions start --command "xterm -e top" --geometry 1024x768 --name top --wait
  fastxctl sessions start --app matlab --param version=R2026a --user ada`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if (r.App == "") == (r.Command == "") {
				return usage("say what to start: either --app or --command; see fastxctl sessions start --help")
			}
			var err error
			if r.Params, err = parseParams(params); err != nil {
				return err
			}
			return a.ask(c, timeout, func(ctx context.Context, client *admin.Client) error {
				return a.start(ctx, client, r, wait)
			})
		},
	}
	a.daemonFlags(c)
	a.userFlag(c)
	c.Flags().StringVar(&r.App, "app", "", "the `application`: a file's name in apps/ without .ini")
	c.Flags().StringVar(&r.Command, "command", "", "a command `line`, run by the account's shell")
	c.Flags().StringVar(&r.Geometry, "geometry", "", "`WxH`, or rootless for an application without a desktop (default: the application's own)")
	c.Flags().StringVar(&r.Name, "name", "", "a `name` to find the session by")
	c.Flags().StringArrayVar(&params, "param", nil, "a `key=value` that the application's form asks for; may be repeated")
	c.Flags().BoolVar(&wait, "wait", false, "wait until the session runs")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait")
	return c
}

func parseParams(params []string) (map[string]string, error) {
	m := make(map[string]string)
	for _, p := range params {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usage("--param %q is not of the form key=value", p)
		}
		if _, twice := m[k]; twice {
			return nil, usage("--param %s is given twice", k)
		}
		m[k] = v
	}
	return m, nil
}

func (a *app) start(ctx context.Context, client *admin.Client, r admin.StartRequest, wait bool) error {
	s, err := client.Start(ctx, r)
	if err == nil && wait {
		s, err = awaitStart(ctx, client, s)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(s)
	}
	fmt.Fprintf(a.Stderr, "session %s on %s is %s\n", s.ID, dash(printable(s.Node)), s.State)
	_, err = fmt.Fprintln(a.Stdout, s.ID)
	return err
}

// awaitStart asks until the session runs, or has ended before it did.
func awaitStart(ctx context.Context, cluster admin.Cluster, s admin.Session) (admin.Session, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for s.State != "running" {
		if s.State == "ended" {
			return s, fmt.Errorf("session %s has ended: %s; its last output is shown by fastxctl sessions log %s", s.ID, printable(s.Reason), s.ID)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return s, fmt.Errorf("session %s is still %s; see fastxctl sessions show %s", s.ID, s.State, s.ID)
		}
		next, err := cluster.Session(ctx, s.ID)
		if err != nil && ctx.Err() == nil {
			return s, err
		}
		if err == nil {
			s = next
		}
	}
	return s, nil
}

// idCmd is a command that does one thing with one session.
func (a *app) idCmd(c *cobra.Command, do func(context.Context, *admin.Client, string) error) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if err := oneArg("which session: the id that fastxctl sessions list shows")(c, args); err != nil {
			return err
		}
		if !sessionID.MatchString(args[0]) {
			return usage("%q is no session id: one is 16 hex digits, as fastxctl sessions list shows them", args[0])
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
			return do(ctx, client, args[0])
		})
	}
	c.ValidArgsFunction = a.completeIDs
	a.daemonFlags(c)
	a.userFlag(c)
	return c
}

// completeIDs offers the sessions the daemon knows, and nothing when it does not answer.
func (a *app) completeIDs(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	if len(args) == 0 {
		_ = a.ask(c, completionPatience, func(ctx context.Context, client *admin.Client) error {
			sessions, err := client.Sessions(ctx, false)
			for _, s := range sessions {
				ids = append(ids, s.ID+"\t"+printable(s.Name+" "+s.App))
			}
			return err
		})
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) showCmd() *cobra.Command {
	return a.idCmd(&cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of one session",
		Long: `show prints all that is known of one session: whose it is, where and how it runs, or
why it ended.`,
		Example: "  fastxctl sessions show 5f0c9a7d21b34e68",
	}, func(ctx context.Context, client *admin.Client, id string) error {
		s, err := client.Session(ctx, id)
		if err != nil {
			return err
		}
		return a.printSession(s)
	})
}

func (a *app) printSession(s admin.Session) error {
	if a.json {
		return a.printJSON(s)
	}
	geometry := dash(s.Geometry)
	if s.MaxGeometry != "" {
		geometry += ", at most " + s.MaxGeometry
	}
	rows := [][]string{
		{"id", s.ID}, {"name", dash(s.Name)}, {"user", s.User}, {"node", dash(s.Node)}, {"app", dash(s.App)}, {"command", s.Command},
		{"geometry", geometry}, {"state", s.State}, {"reason", dash(s.Reason)},
		{"created", moment(s.Created)}, {"started", moment(s.Started)}, {"clients", fmt.Sprint(s.Clients)},
		{"clipboard", dash(s.Clipboard)},
	}
	if w := s.Warning; w != nil {
		rows = append(rows, []string{"warning", moment(w.At) + ": " + w.Text})
	}
	for _, k := range slices.Sorted(maps.Keys(s.Params)) {
		rows = append(rows, []string{"param " + k, s.Params[k]})
	}
	return a.table(rows...)
}

func (a *app) logCmd() *cobra.Command {
	return a.idCmd(&cobra.Command{
		Use:   "log ID",
		Short: "Print a session's last output",
		Long: `log prints the last lines that a session's X server and programs wrote, the oldest
first. It works after the session's end, too.`,
		Example: "  fastxctl sessions log 5f0c9a7d21b34e68",
	}, func(ctx context.Context, client *admin.Client, id string) error {
		lines, err := client.Log(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]any{"lines": lines})
		}
		for _, line := range lines {
			fmt.Fprintln(a.Stdout, printable(strings.ReplaceAll(line, "\t", "    ")))
		}
		return nil
	})
}

func (a *app) terminateCmd() *cobra.Command {
	return a.idCmd(&cobra.Command{
		Use:   "terminate ID",
		Short: "End a session and all that runs in it",
		Long: `terminate ends a session and all that runs in it; work that was not saved is lost. A
session that has ended already is forgotten.`,
		Example: "  fastxctl sessions terminate 5f0c9a7d21b34e68",
	}, func(ctx context.Context, client *admin.Client, id string) error {
		s, err := client.Terminate(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(s)
		}
		_, err = fmt.Fprintf(a.Stdout, "session %s is %s\n", s.ID, s.State)
		return err
	})
}
