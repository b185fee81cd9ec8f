// Command fastxd is the node daemon: it watches the flat files, runs the components
// that SERVICES names, and starts and serves display sessions.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	sdnotify "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/fastx-kit/fastx-kit/daemon"
	"github.com/fastx-kit/fastx-kit/daemon/internal/manpages"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	cmd := command(environ(os.Environ()), os.Stdout, os.Stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fastxd:", err)
		stop()
		os.Exit(1)
	}
}

func command(env map[string]string, stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fastxd",
		Short: "Run a node of a display cluster",
		Long: `fastxd runs one node of a display cluster from flat files.

Everything else is said in those files: see fastxctl init for a working start and
fastxctl check for their problems. Each flag says the same as the environment variable
of its name (--config-dir is FX_CONFIG_DIR) and wins over it.

When the webserver is up, fastxd prints its URL, and nothing else, to standard output;
the log goes to standard error. SIGHUP looks at the files at once. Sessions live on
when fastxd ends, however it ends, and are found again when it starts.

fastxd transporter runs a transporter node instead, over which the nodes of a cluster talk.`,
		Example: `  fastxctl init ./config
  fastxd --config-dir ./config --var-dir ./var --local-dir ./local --run-dir /tmp/fx
  fastxd transporter -c /etc/fastx/nats-server.conf`,
		Version: version, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	fold := directoryFlags(cmd, env)
	launchd := cmd.Flags().Bool("launchd", false, "leave the start of sessions to fastxd-launchd, and start none where it is missing")
	cmd.SetOut(stdout)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		fold()
		return run(cmd.Context(), env, *launchd, stdout, stderr)
	}
	cmd.AddCommand(transporterCommand(env, stdout, stderr), healthCommand(env), manpages.Command("fastxd", "8", version))
	return cmd
}

func run(ctx context.Context, env map[string]string, launchd bool, stdout, stderr io.Writer) error {
	return daemon.Run(ctx, daemon.Options{
		Environ:  env,
		Launchd:  launchd,
		Version:  version,
		Logs:     daemon.NewLogs(stderr),
		Announce: func(url string) { fmt.Fprintln(stdout, url) },
		Notify:   notify,
		HangUp:   hangUps(),
	})
}

// notify tells systemd, where that has started us.
func notify(state string) { _, _ = sdnotify.SdNotify(false, state) }

// hangUps are the SIGHUPs that come.
func hangUps() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}

func environ(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		key, value, _ := strings.Cut(entry, "=")
		env[key] = value
	}
	return env
}
