package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/spf13/cobra"
)

// Where the packages' units put the sockets.
const (
	systemRunDir      = "/run/fastx"
	systemTransporter = "/run/fastx-transporter"
)

// patience is how long a question to the daemon may take.
const patience = 30 * time.Second

// completionPatience is how long a shell's completion may wait for the daemon.
const completionPatience = 2 * time.Second

// daemonFlags adds what every command that asks the daemon has.
func (a *app) daemonFlags(c *cobra.Command) {
	a.jsonFlag(c)
	a.runDirFlag(c)
}

func (a *app) runDirFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.runDir, "run-dir", "", "the `directory` of the daemon's sockets (default: $FX_RUN_DIR, else /run/fastx)")
}

// transporterFlag adds --transporter to what a transporter node can be asked, too.
func (a *app) transporterFlag(c *cobra.Command) {
	c.Flags().BoolVar(&a.bus, "transporter", false, "ask the fastxd transporter of this machine")
}

// userFlag adds --user to a command that acts in the cluster.
func (a *app) userFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.user, "user", "", "act as this `user` (default: your own login name)")
}

// ask connects to the daemon and runs f, for at most d.
func (a *app) ask(c *cobra.Command, d time.Duration, f func(context.Context, *admin.Client) error) error {
	if a.user != "" {
		if err := spec.CheckUserName(a.user); err != nil {
			return usage("--user: %w", err)
		}
	}
	if d <= 0 {
		return usage("--timeout has to be longer than 0")
	}
	ctx, cancel := context.WithTimeout(c.Context(), d)
	defer cancel()
	client := admin.NewClient(a.socket()).As(a.user)
	defer client.Close()
	return f(ctx, client)
}

// longestSocket is the longest name that stands below FX_RUN_DIR. A directory in which it
// does not fit cannot be a daemon's; make run then takes the one in FX_TEMP_DIR.
const longestSocket = "/s/0123456789abcdef/rfb"

// socket finds the daemon: where it was said to be, else where the unit puts it,
// else where a daemon without one does.
func (a *app) socket() string {
	system, name := systemRunDir, admin.SocketName
	if a.bus {
		system, name = systemTransporter, admin.TransporterSocket
	}
	own := filepath.Join(a.tempDir(), fmt.Sprintf("fx-%d", a.UID), name)
	if dir := a.namedRunDir(); dir != "" {
		if len(dir+longestSocket) > admin.MaxSocketPath {
			return own
		}
		return filepath.Join(dir, name)
	}
	if unit := filepath.Join(system, name); !missing(unit) || missing(own) {
		return unit
	}
	return own
}

func (a *app) namedRunDir() string {
	dir := a.runDir
	if dir == "" {
		dir = a.Env["FX_RUN_DIR"]
	}
	if dir == "" {
		return ""
	}
	if abs, err := filepath.Abs(dir); err == nil {
		return abs // as long as the daemon sees it
	}
	return dir
}

func (a *app) tempDir() string {
	if dir := a.Env["FX_TEMP_DIR"]; dir != "" {
		return dir
	}
	return "/tmp"
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func (a *app) statusCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how fastxd is doing on this machine",
		Long: `status shows how fastxd is doing on this machine: whether it is ready and what it still
waits for, which configuration it runs, and every problem in the files it last saw.`,
		Example: `  fastxctl status
  fastxctl status --run-dir run/run
  fastxctl status --transporter
  fastxctl status --json | jq .config.problems`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.ask(c, patience, func(ctx context.Context, client *admin.Client) error {
				s, err := client.Status(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(s)
				}
				return a.printStatus(s)
			})
		},
	}
	a.daemonFlags(c)
	a.transporterFlag(c)
	return c
}

func (a *app) printStatus(s admin.Status) error {
	ready := "yes"
	if !s.Ready {
		ready = "no, waits for " + strings.Join(s.Waiting, ", ")
	}
	err := a.table(
		[]string{"node", s.Node},
		[]string{"fastxd", fmt.Sprintf("%s, pid %d, since %s", s.Version, s.PID, moment(s.Since))},
		[]string{"services", dash(strings.Join(s.Services, ", "))},
		[]string{"url", dash(s.URL)},
		[]string{"ready", ready},
		[]string{"configuration", fmt.Sprintf("generation %d, since %s", s.Config.Generation, moment(s.Config.Since))},
		[]string{"files", filesState(s)},
		[]string{"problems", s.Config.Problems.Counts()},
	)
	if err != nil {
		return err
	}
	return a.printProblems(s.Config.Problems)
}

// filesState says how the files at hand stand to what runs.
func filesState(s admin.Status) string {
	state := "accepted"
	switch {
	case s.LastGood:
		state = "broken; the node runs on its last good configuration"
	case !s.Config.Accepted:
		state = fmt.Sprintf("rejected; generation %d still runs", s.Config.Generation)
	}
	return fmt.Sprintf("%s, last read %s%s", state, moment(s.ShareLastOK), except(s.Config.HeldBack, s.Config.LeftOut))
}

func (a *app) reloadCmd() *cobra.Command {
	var wait bool
	var timeout time.Duration
	var origin string
	c := &cobra.Command{
		Use:   "reload",
		Short: "Make fastxd read its files now",
		Long: `reload makes fastxd look at its files now instead of at its next round. It is never
needed, but with --wait it says what became of an edit, key by key with the old and the new
value, and exits with:

  0  applied
  2  rejected; the configuration before still runs
  3  accepted, except files with errors: they count as they last were good, or not at all
  4  accepted, but some keys wait for a restart of fastxd

and 1 when fastxd does not answer. Without --wait it exits 0 as soon as fastxd was told.`,
		Example: `  fastxctl reload
  fastxctl reload --wait
  fastxctl reload --wait --timeout 2m --origin puppet
  fastxctl reload --wait --transporter`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.ask(c, timeout, func(ctx context.Context, client *admin.Client) error {
				r, err := client.Reload(ctx, admin.ReloadRequest{Origin: a.origin(origin), Wait: wait})
				if errors.Is(err, context.DeadlineExceeded) {
					return fmt.Errorf("the reload has not ended within %s; fastxd carries on, and fastxctl status says what became of it", timeout)
				}
				if err != nil || !wait {
					return err
				}
				return a.printReload(r)
			})
		},
	}
	a.daemonFlags(c)
	a.transporterFlag(c)
	c.Flags().BoolVar(&wait, "wait", false, "wait for the outcome and exit with its code")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait")
	c.Flags().StringVar(&origin, "origin", "", "the `name` under which the history records the reload (default: $FX_ORIGIN, else unknown)")
	return c
}

// except says what becomes of files with errors.
func except(heldBack, leftOut []string) string {
	good := slices.DeleteFunc(slices.Clone(heldBack), func(name string) bool { return slices.Contains(leftOut, name) })
	text := ""
	if len(good) > 0 {
		text += "; as it last was good: " + strings.Join(good, ", ")
	}
	if len(leftOut) > 0 {
		text += "; left out: " + strings.Join(leftOut, ", ")
	}
	return text
}

// exitWith ends the command with a code and without a further word.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return exit{code: code}
}
