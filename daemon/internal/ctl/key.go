package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// exitNoKey is what key show exits with on a node without the component user.
const exitNoKey = 6

func (a *app) keyCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Show the key that this node signs tickets with",
		Long: `key is about the key by which the component user of this node vouches for who somebody is.
The private half lies in FX_LOCAL_DIR and never leaves the node. fastxd-launchd, which
starts sessions as their users, trusts the public halves in ` + ticket.MachineKeysDir + `.`,
		Example: "  fastxctl key show\n  fastxctl key show --install",
		Args:    noCommand, RunE: showHelp, DisableFlagsInUseLine: true,
	}
	c.AddCommand(a.keyShowCmd())
	return c
}

func (a *app) keyShowCmd() *cobra.Command {
	var install bool
	var dir string
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the public half and its id, and make the key where there is none",
		Long: `show prints the public half of this node's key and the name that it has among trusted keys.
Put it there, as root and with mode 0644, on every node that is to start sessions for
users who sign in here; --install does so on this machine. A node without a key gets one,
as fastxd itself would make it.

Exit codes: 0 shown, 1 failed, 2 wrong usage, 6 this node signs no tickets, because the
SERVICES of its node file are without user; it has no key then, and gets none.`,
		Example: `  fastxctl key show
  fastxctl key show --install
  fastxctl key show --json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if !install {
				dir = ""
			}
			return a.keyShow(dir)
		},
	}
	a.jsonFlag(c)
	c.Flags().BoolVar(&install, "install", false, "have this machine's fastxd-launchd trust the key")
	c.Flags().StringVar(&dir, "keys-dir", ticket.MachineKeysDir, "the `directory` that --install writes to")
	return c
}

// shownKey is what key show says, and its JSON form.
type shownKey struct {
	ID        string `json:"id"`
	File      string `json:"file"` // its name among trusted keys
	Public    string `json:"public"`
	Installed string `json:"installed,omitempty"` // where, with --install
}

// keyShow shows the key, and lets the machine trust it when there is a directory of trusted keys.
func (a *app) keyShow(install string) error {
	local, err := a.signer()
	if err != nil {
		return err
	}
	key, err := ticket.LoadOrCreateKey(filepath.Join(local, ticket.KeyFile))
	if err != nil {
		return err
	}
	shown := shownKey{ID: key.ID(), File: key.ID() + ".pem", Public: string(key.PublicPEM())}
	if install != "" {
		if err := ticket.InstallPublic(install, key); err != nil {
			return err
		}
		shown.Installed = filepath.Join(install, shown.File)
	}
	if a.json {
		return a.printJSON(shown)
	}
	if shown.Installed != "" {
		fmt.Fprintln(a.Stderr, "trusted now:", shown.Installed)
	} else {
		fmt.Fprintln(a.Stderr, "trusted as:", filepath.Join(ticket.MachineKeysDir, shown.File))
	}
	_, err = fmt.Fprint(a.Stdout, shown.Public)
	return err
}

// signer returns FX_LOCAL_DIR of this node if it signs tickets.
func (a *app) signer() (string, error) {
	nodeFile := cmp.Or(a.Env["FX_NODE_FILE"], spec.NodeFile)
	layers := []map[string]string{a.Env}
	var files []fileset.File
	for _, path := range []string{nodeFile, spec.DefaultsFile} {
		data, err := fileset.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		values, _ := spec.ParseEnv(path, data)
		layers, files = append(layers, values), append(files, fileset.File{Name: path, Data: data, Mode: 0o644})
	}
	// A node file with an error may be that of a gateway, which must not come to vouch for people by it.
	cfg, problems := spec.Load(spec.Input{Set: fileset.New(files...), Environ: a.Env, NodeFile: nodeFile, Defaults: spec.DefaultsFile, Alone: true})
	if problems.HasErrors() {
		return "", problems.Err()
	}
	if !slices.Contains(cfg.Env.Services, spec.User) {
		return "", exit{exitNoKey, fmt.Errorf("the SERVICES of this node are %s, and only a node with user signs tickets: it has no key", services(cfg.Env.Services))}
	}
	local := spec.DirsFrom(layers...).Local
	if info, err := os.Stat(local); err != nil || !info.IsDir() {
		return "", fmt.Errorf("FX_LOCAL_DIR %s is no directory that is there; start fastxd once, or make it: install -d -o %s -g %s -m 0700 %s", local, packagesAccount, packagesAccount, local)
	}
	return local, nil
}

func services(list []spec.Component) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = string(c)
	}
	return strings.Join(names, ",")
}
