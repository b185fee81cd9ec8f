package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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

// directoryFlags gives a command the flags that stand for variables, all or those named. The function it returns
// puts what was given into env.
func directoryFlags(cmd *cobra.Command, env map[string]string, names ...string) (fold func()) {
	values := map[string]*string{}
	for _, d := range directories {
		if len(names) == 0 || slices.Contains(names, d.flag) {
			values[d.variable] = cmd.Flags().String(d.flag, "", d.usage)
		}
	}
	cmd.Flags().SetNormalizeFunc(sameName)
	return func() {
		for _, d := range directories {
			if cmd.Flags().Changed(d.flag) {
				env[d.variable] = *values[d.variable]
			}
		}
	}
}

// sameName lets every flag be written as its variable too: --FX_CONFIG_DIR is --config-dir.
func sameName(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.TrimPrefix(strings.ToLower(name), "fx_")
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}
