// Command fastxd-session supervises one session. The launcher starts it with the
// descriptors that the package session lists and with the session's id as its argument, which
// only serves whoever looks at a list of processes; it takes nothing from the environment but
// where systemd waits to hear that it runs.
//
// With the argument autopsy before the id it tells what a supervisor that was killed could not:
// systemd runs that after each that it started.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session/supervise"
)

// gcPercent trades a little time of a process that idles for less memory.
const gcPercent = 20

func main() {
	args := os.Args[1:]
	autopsy := len(args) == 2 && args[0] == "autopsy"
	if autopsy {
		args = args[1:]
	}
	if len(args) > 1 || len(args) == 1 && !session.ValidID(args[0]) {
		fmt.Fprintln(os.Stderr, "fastxd-session takes no options; fastxd starts it, one for each session.")
		os.Exit(2)
	}
	debug.SetGCPercent(gcPercent)
	if autopsy {
		supervise.Autopsy()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	in, err := supervise.Inherit()
	if err == nil {
		err = supervise.SayReady(os.Getenv("NOTIFY_SOCKET"))
	}
	if err == nil {
		err = supervise.Run(ctx, in)
	}
	if err != nil { // standard error is the log, and this its last line
		fmt.Fprintln(os.Stderr, session.EndPrefix+err.Error())
		os.Exit(1)
	}
}
