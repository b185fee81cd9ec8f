package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fastx-kit/fastx-kit/daemon"
)

// natsFile is what a transporter node runs by, in FX_CONFIG_DIR.
const natsFile = "nats-server.conf"

func transporterCommand(env map[string]string, stdout, stderr io.Writer) *cobra.Command {
	o := daemon.TransporterOptions{Environ: env, Version: version}
	cmd := &cobra.Command{
		Use:   "transporter",
		Short: "Run a transporter node, over which all others talk",
		Long: `fastxd transporter runs the NATS server, over which the nodes of a cluster talk, from a
nats-server.conf. The file stays one that nats-server itself would take; include and the
keys of logging are not followed.

The file is watched as fastxd watches its own. One that is empty, half-written, or asks
clients for no secret is rejected, said so in one line of the log, and never reaches the
server: what was last good runs on, over restarts too. A file that allows more only by
saying less has to stay so for ten seconds. The server reads a copy in
FX_LOCAL_DIR/transporter, so paths of certificates have to be absolute. Certificates and
keys are watched as well. What the server can take over only at its start, such as a port,
waits for a restart, and fastxctl reload --wait --transporter names it.

When the server listens, its address, and nothing else, is printed to standard output; the
log goes to standard error. SIGHUP looks at the file at once. SIGTERM sends clients to the
other transporter nodes, one after the other, where there are any, and ends. With
--monitor http://HOST:PORT/varz shows, among other things, the digest of what runs.`,
		Example: `  fastxctl secret new
  fastxd transporter -c /etc/fastx/nats-server.conf
  fastxctl reload --wait --transporter`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&o.File, "config", "c", "", "the `FILE` (default: nats-server.conf in FX_CONFIG_DIR)")
	cmd.Flags().StringVar(&o.Monitor, "monitor", "127.0.0.1:8222", "where the server can be watched, `HOST:PORT`, if FILE does not say; empty = nowhere")
	fold := directoryFlags(cmd, env, "config-dir", "var-dir", "local-dir", "temp-dir", "run-dir", "node-file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		fold()
		if o.File == "" {
			dir := env["FX_CONFIG_DIR"]
			if dir == "" {
				dir = "/etc/fastx"
			}
			o.File = filepath.Join(dir, natsFile)
		}
		return runTransporter(cmd.Context(), o, stdout, stderr)
	}
	return cmd
}

func runTransporter(ctx context.Context, o daemon.TransporterOptions, stdout, stderr io.Writer) error {
	o.Logs, o.Notify, o.HangUp = daemon.NewLogs(stderr), notify, hangUps()
	o.Announce = func(where string) { fmt.Fprintln(stdout, where) }
	return daemon.RunTransporter(ctx, o)
}
