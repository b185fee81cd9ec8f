package main

import (
	"github.com/spf13/cobra"

	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
	"github.com/fastx-kit/fastx-kit/daemon/internal/manpages"
)

// flags are what the command line can say.
type flags struct {
	account, node, nodeFile string
	options                 launchd.Options
}

func command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "fastxd-launchd",
		Short: "Start display sessions as the users whose they are",
		Long: `fastxd-launchd is the part of a node that runs as root. It starts each session as its
user, when fastxd shows a ticket that the component user of a trusted node has signed.

It trusts the public keys in ` + launchd.KeysDir + ` alone, which fastxctl key show
prints, and starts no session of root, of an account of the system, or of one that may not
log in. What it was asked, and what came of it, stands in the audit log below its state
directory.

systemd starts it when fastxd asks for it, and passes its socket: fastxd-launchd.socket.`,
		Example: `  systemctl enable --now fastxd-launchd.socket
  fastxctl key show --install`,
		Version: version, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f) },
	}
	set := cmd.Flags()
	set.StringVar(&f.account, "account", "fastx", "the `account` that fastxd runs as")
	set.StringVar(&f.node, "node", "", "this node's `name`, as fastxd knows it; what the node file says, else the host's name")
	set.StringVar(&f.nodeFile, "node-file", "/etc/default/fastx4", "the node `file`, which may name the node")
	set.StringVar(&f.options.KeysDir, "keys-dir", launchd.KeysDir, "the `directory` of the keys whose tickets are good, which root alone may write")
	set.StringVar(&f.options.StateDir, "state-dir", launchd.StateDir, "the `directory` of used tickets and the audit log")
	set.StringVar(&f.options.Supervisor, "supervisor", "/usr/libexec/fastxd/fastxd-session", "the `program` that runs a session")
	cmd.AddCommand(manpages.Command("fastxd-launchd", "8", version))
	return cmd
}
