// Command fastxd-launchd is the part of a node that runs as root: it starts sessions as the users whose they are, when
// fastxd shows a ticket that the user component has signed. See the package launchd for whom it trusts with what.
//
// systemd passes it its socket (fastxd-launchd.socket).
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/launchd"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fastxd-launchd:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	o := f.options
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	o.Node = func() string { return cmp.Or(f.node, os.Getenv("FX_NODE_NAME"), launchd.NodeName(f.nodeFile)) }
	a, err := account.Lookup(account.Getent).ByName(ctx, f.account)
	if err != nil {
		return fmt.Errorf("the account that fastxd runs as: %w", err)
	}
	o.Caller = a.UID
	ln, err := listener()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return err
	}
	o.Audit, err = audit.Open(audit.Options{Path: filepath.Join(o.StateDir, audit.FileName), Log: o.Log})
	if err != nil {
		return err
	}
	defer o.Audit.Close()
	s, err := launchd.New(o)
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}

// listener is the socket that systemd passes.
func listener() (*net.UnixListener, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, err
	}
	if len(passed) == 1 {
		if ln, ok := passed[0].(*net.UnixListener); ok {
			return ln, nil
		}
	}
	return nil, fmt.Errorf("systemd has to pass one Unix socket and passed %d; start fastxd-launchd.socket instead", len(passed))
}
