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
	"github.com/spf13/pflag"

	"github.com/fastx-kit/fastx-kit/daemon"
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

// directories are the flags; each says the same as the variable of its name.
var directories = []struct{ flag, variable, usage string }{
	{"config-dir", "FX_CONFIG_DIR", "the shared configuration (default /etc/fastx)"},
	{"var-dir", "FX_VAR_DIR", "shared data that the cluster writes (default /var/fastx)"},
	{"local-dir", "FX_LOCAL_DIR", "this node's own data, never shared (default /var/fastx/local)"},
	{"temp-dir", "FX_TEMP_DIR", "temporary files, never on a network mount (default /tmp)"},
	{"run-dir", "FX_RUN_DIR", "sockets, never on a network mount (default /run/fastx, else FX_TEMP_DIR/fx-UID)"},
	{"node-file", "FX_NODE_FILE", "this node's own settings (default /etc/default/fastx4)"},
	{"listen", "FX_LISTEN", "where the webserver listens, HOST:PORT (default :3300)"},
	{"novnc-dir", "FX_NOVNC_DIR", "the distribution's noVNC (default /usr/share/novnc)"},
}

func command(env map[string]string, stdout, stderr io.Writer) *cobra.Command {
	values := make([]string, len(directories))
	cmd := &cobra.Command{
		Use:   "fastxd",
		Short: "Run a node of a display cluster",
		Long: `fastxd runs one node of a display cluster from flat files.

Everything else is said in those files: see fastxctl init for a working start and
fastxctl check for their problems. Each flag says the same as the environment variable
of its name (--config-dir is FX_CONFIG_DIR) and wins over it.

When the webserver is up, fastxd prints its URL, and nothing else, to standard output;
the log goes to standard error. SIGHUP looks at the files at once. Sessions live on
when fastxd ends, however it ends, and are found again when it starts.`,
		Example: `  fastxctl init ./config
  fastxd --config-dir ./config --var-dir ./var --local-dir ./local --run-dir /tmp/fx`,
		Version: version, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
	}
	for i, d := range directories {
		cmd.Flags().StringVar(&values[i], d.flag, "", d.usage)
	}
	cmd.Flags().SetNormalizeFunc(sameName)
	cmd.SetOut(stdout)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for i, d := range directories {
			if cmd.Flags().Changed(d.flag) {
				env[d.variable] = values[i]
			}
		}
		return run(cmd.Context(), env, stdout, stderr)
	}
	return cmd
}

// sameName lets every flag be written as its variable too: --FX_CONFIG_DIR is --config-dir.
func sameName(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.TrimPrefix(strings.ToLower(name), "fx_")
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}

func run(ctx context.Context, env map[string]string, stdout, stderr io.Writer) error {
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	return daemon.Run(ctx, daemon.Options{
		Environ:  env,
		Version:  version,
		Logs:     daemon.NewLogs(stderr),
		Announce: func(url string) { fmt.Fprintln(stdout, url) },
		Notify:   func(state string) { _, _ = sdnotify.SdNotify(false, state) },
		HangUp:   hangUp,
	})
}

func environ(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		key, value, _ := strings.Cut(entry, "=")
		env[key] = value
	}
	return env
}
