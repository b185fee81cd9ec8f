package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fastx-kit/fastx-kit/daemon"
	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

// inProcess runs a node of a cluster inside the test, on n's FX_CONFIG_DIR, which it hears no events from and
// rescans after an hour. It returns a client of the node's admin socket.
func (n *node) inProcess(t *testing.T, name string) *admin.Client {
	t.Helper()
	env := map[string]string{"FX_NODE_NAME": name, "FX_LOCAL_DIR": n.path(name, "local"), "FX_RUN_DIR": n.path(name, "run"), "FX_VAR_DIR": n.path(name, "var")}
	for key, value := range n.Env {
		if env[key] == "" {
			env[key] = value
		}
	}
	if err := os.Mkdir(n.path(name), 0o700); err != nil {
		t.Fatal(err)
	}
	up := make(chan string, 10)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{Environ: env, Version: "test", Logs: daemon.NewLogs(&lockedWriter{&n.mu, &n.log}),
			Announce: func(url string) { up <- url }, Supervisor: filepath.Join(binaries.dir, "fastxd-session"), Rescan: time.Hour, Deaf: true})
	}()
	client := admin.NewClient(admin.SocketPath(env["FX_RUN_DIR"]))
	t.Cleanup(func() {
		stop()
		client.Close()
		if err := <-ended; err != nil {
			t.Errorf("%s ended: %v", name, err)
		}
	})
	select {
	case <-up:
	case err := <-ended:
		ended <- err
		t.Fatalf("%s did not start: %v\n%s", name, err, n.Log())
	case <-time.After(patience):
		t.Fatalf("%s is not ready\n%s", name, n.Log())
	}
	return client
}

// TestNodesSeeAChangeThatAnotherAnnounces runs three nodes in one process on one directory without file events and
// with a rescan an hour away. Only one of them is told to look.
func TestNodesSeeAChangeThatAnotherAnnounces(t *testing.T) {
	t.Parallel()
	seeds, users := roleKeys(t)
	nats := startNATS(t, users, server.RANDOM_PORT)
	n := newNode(t)
	n.Write("transporter-secret.ini", "[transporter]\nurls = nats://"+nats.Addr().String()+"\n"+seeds, 0o600)
	first := n.inProcess(t, "a")
	others := []*admin.Client{n.inProcess(t, "b"), n.inProcess(t, "c")}
	runs := func(c *admin.Client, want int) error {
		s, err := c.Status(t.Context())
		if err != nil || s.Config.Generation != want || !s.Config.Accepted {
			return fmt.Errorf("generation %d, want %d: %w", s.Config.Generation, want, errors.Join(err))
		}
		return nil
	}
	for generation := 2; generation <= 3; generation++ {
		n.Write("apps/clock.ini", fmt.Sprintf("name = Clock %d\ncommand = xclock\n", generation), 0o644)
		if r, err := first.Reload(t.Context(), admin.ReloadRequest{Wait: true, Origin: "ann"}); err != nil || r.Outcome != admin.Applied || r.Generation != generation {
			t.Fatalf("the first node: %+v, %v", r, err)
		}
		for _, c := range others {
			n.Await("another node to see it", func() error { return runs(c, generation) })
		}
	}
	for _, c := range others {
		if h, err := c.History(t.Context(), 0, 1); err != nil || len(h.Generations) != 1 || h.Generations[0].Origin != "cluster" {
			t.Errorf("the history of another node says %+v, %v", h, err)
		}
	}
}
