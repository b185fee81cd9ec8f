package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/fastx-kit/fastx-kit/daemon"
)

func healthCommand(env map[string]string) *cobra.Command {
	var bus bool
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Exit with 0 where fastxd runs and is ready",
		Long: `fastxd health asks the fastxd of this machine how it is, over its admin socket, and exits
with 0 if it is ready. Otherwise it says what is in the way and exits with 1. It is what the
container images have for a health check.`,
		Example: "  fastxd health\n  fastxd health --transporter",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&bus, "transporter", false, "ask the fastxd transporter")
	cmd.Flags().DurationVar(&patience, "timeout", 4*time.Second, "how long it may take to answer")
	fold := directoryFlags(cmd, env, "temp-dir", "run-dir", "node-file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		fold()
		return daemon.Health(cmd.Context(), env, bus, patience)
	}
	return cmd
}
