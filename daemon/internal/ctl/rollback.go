package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/spf13/cobra"
)

func (a *app) configRollbackCmd() *cobra.Command {
	var r admin.RollbackRequest
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "rollback GENERATION",
		Short: "Write the files of a generation back",
		Long: `rollback writes the files of FX_CONFIG_DIR back as a generation had them, which makes a new
generation. It writes all of them or none, keeps modes and owners, and prints and exits as
reload --wait does. --dry-run prints what would change and writes nothing.

The history holds no secrets. One that has not changed since stays; if one has, rollback
names it and writes nothing, unless --keep-secrets leaves the present ones in force.
The files as they were before stay in FX_LOCAL_DIR/rollback/before until the next rollback.`,
		Example: `  fastxctl config rollback 12 --dry-run
  fastxctl config rollback 12
  fastxctl config rollback 12 --keep-secrets --origin ann`,
		RunE: func(c *cobra.Command, args []string) error {
			numbers, err := generations(c, args, 1, "which generation")
			if err != nil {
				return err
			}
			r.Generation, r.Origin = numbers[0], a.origin(r.Origin)
			return a.ask(c, timeout, func(ctx context.Context, client *admin.Client) error {
				report, err := client.Rollback(ctx, r)
				if errors.Is(err, context.DeadlineExceeded) {
					return fmt.Errorf("the rollback has not ended within %s; fastxctl config log says whether it did later", timeout)
				}
				if err != nil {
					return err
				}
				return a.printRollback(report)
			})
		},
	}
	c.ValidArgsFunction = a.completeGenerations(1)
	a.daemonFlags(c)
	c.Flags().BoolVar(&r.DryRun, "dry-run", false, "print what would change and write nothing")
	c.Flags().BoolVar(&r.KeepSecrets, "keep-secrets", false, "leave secrets that have changed since as they are now")
	c.Flags().StringVar(&r.Origin, "origin", "", "the `name` under which the history records it (default: $FX_ORIGIN, else your own)")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait")
	return c
}

func (a *app) printRollback(r admin.RollbackReport) error {
	if a.json {
		if err := a.printJSON(r); err != nil || r.Reload == nil {
			return err
		}
		return exitWith(r.Reload.Outcome.ExitCode())
	}
	for _, f := range r.Files {
		a.printText(f.Diff)
	}
	if len(r.Files) == 0 {
		fmt.Fprintf(a.Stdout, "the files are as generation %d had them\n", r.Generation)
	}
	if len(r.KeptSecrets) > 0 {
		fmt.Fprintf(a.Stderr, "secrets that stay as they are: %s\n", printable(strings.Join(r.KeptSecrets, ", ")))
	}
	if len(r.Left) > 0 {
		fmt.Fprintf(a.Stderr, "files that stay as they are: %s\n", printable(strings.Join(r.Left, ", ")))
	}
	if r.Reload == nil {
		fmt.Fprintln(a.Stderr, "nothing was written")
		return nil
	}
	return a.printReload(*r.Reload)
}
