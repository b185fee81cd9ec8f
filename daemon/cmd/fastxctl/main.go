// Command fastxctl sets up, checks and steers a FastX node.
package main

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ctl"
)

// version is set when the binary is linked.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := ctl.Run(ctx, ctl.System{
		Args: os.Args[1:], Env: environment(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		UID: os.Getuid(), Login: loginName, Version: version,
	})
	stop()
	os.Exit(code)
}

func environment() map[string]string {
	env := make(map[string]string)
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	return env
}

func loginName() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
