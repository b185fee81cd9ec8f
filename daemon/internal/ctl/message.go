package ctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/spf13/cobra"
)

func (a *app) messageCmd() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "message ID TEXT... | --all TEXT...",
		Short: "Say something to who looks at a session",
		Long: `message shows a text to whoever looks at a session, or with --all at any, and to
who comes within ten minutes: one line of at most 500 characters.
Nobody can tell whether it was read.`,
		Example: `  fastxctl sessions message 5f0c9a7d21b34e68 "Please save: this licence ends at noon."
  fastxctl sessions message --all "The cluster is restarted at 18:00."`,
		Args: func(_ *cobra.Command, args []string) error { return checkMessage(all, args) },
		RunE: func(c *cobra.Command, args []string) error {
			id := ""
			if !all {
				id, args = args[0], args[1:]
			}
			return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
				return a.say(ctx, client, id, strings.Join(args, " "))
			})
		},
	}
	c.ValidArgsFunction = a.completeIDs
	a.daemonFlags(c)
	a.userFlag(c)
	c.Flags().BoolVar(&all, "all", false, "to who looks at any session")
	return c
}

func checkMessage(all bool, args []string) error {
	switch {
	case !all && len(args) == 0:
		return usage("say to which session: the id that fastxctl sessions list shows, or --all")
	case !all && !sessionID.MatchString(args[0]):
		return usage("%q is no session id: one is 16 hex digits, as fastxctl sessions list shows them; --all is to everyone", args[0])
	case len(args) == 0 || !all && len(args) == 1:
		return usage("say what to show")
	}
	return nil
}

func (a *app) say(ctx context.Context, client *admin.Client, id, text string) error {
	m, err := client.Message(ctx, id, text)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(m)
	}
	whom := "everyone who looks at a session"
	if id != "" {
		whom = "who looks at session " + id
	}
	_, err = fmt.Fprintln(a.Stdout, "sent to", whom)
	return err
}
