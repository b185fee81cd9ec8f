package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fastx-kit/fastx-kit/daemon"
	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/nudge"
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

// runs reports why a node does not run a generation.
func runs(t *testing.T, c *admin.Client, want int) error {
	t.Helper()
	s, err := c.Status(t.Context())
	if err != nil || s.Config.Generation != want || !s.Config.Accepted {
		return fmt.Errorf("generation %d, want %d: %w", s.Config.Generation, want, errors.Join(err))
	}
	return nil
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
	for generation := 2; generation <= 3; generation++ {
		n.Write("apps/clock.ini", fmt.Sprintf("name = Clock %d\ncommand = xclock\n", generation), 0o644)
		if r, err := first.Reload(t.Context(), admin.ReloadRequest{Wait: true, Origin: "ann"}); err != nil || r.Outcome != admin.Applied || r.Generation != generation {
			t.Fatalf("the first node: %+v, %v", r, err)
		}
		for _, c := range others {
			n.Await("another node to see it", func() error { return runs(t, c, generation) })
		}
	}
	for _, c := range others {
		if h, err := c.History(t.Context(), 0, 1); err != nil || len(h.Generations) != 1 || h.Generations[0].Origin != "cluster" {
			t.Errorf("the history of another node says %+v, %v", h, err)
		}
	}
}

// TestReportConfigNudge measures on five nodes without file events, with 500 applications, from the moment in which one of
// them is told to look to that in which another runs what it found.
func TestReportConfigNudge(t *testing.T) {
	seeds, users := roleKeys(t)
	nats := startNATS(t, users, server.RANDOM_PORT)
	n := newNode(t)
	n.Write("transporter-secret.ini", "[transporter]\nurls = nats://"+nats.Addr().String()+"\n"+seeds, 0o600)
	for i := range 500 {
		n.Write(fmt.Sprintf("apps/app-%03d.ini", i), fmt.Sprintf("name = Application %d\ncommand = exec app-%d\n", i, i), 0o644)
	}
	first := n.inProcess(t, "a")
	var others []*admin.Client
	for _, name := range []string{"b", "c", "d", "e"} {
		others = append(others, n.inProcess(t, name))
	}
	var took []time.Duration
	for generation := 2; generation < 2+rounds(50); generation++ {
		if generation > 2 {
			time.Sleep(nudge.Every) // so often may a node be told
		}
		n.Write("apps/clock.ini", fmt.Sprintf("name = Clock %d\ncommand = xclock\n", generation), 0o644)
		took = append(took, n.spread(t, first, others, generation)...)
	}
	slices.Sort(took)
	centile := func(part int) float64 { return ms(took[len(took)*part/100]) }
	line("config_nudge_to_live_p50_ms", centile(50), 250, "nodes=5 files=500 peer-is=the-promise")
	line("config_nudge_to_live_p99_ms", centile(99), 250, "nodes=5 files=500 target<=250 peer-is=the-promise")
}

// spread has one node look and returns how long each of the others took to run the generation that comes of it.
func (n *node) spread(t *testing.T, first *admin.Client, others []*admin.Client, generation int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, len(others))
	begin := time.Now()
	var waiting sync.WaitGroup
	for i, c := range others {
		waiting.Go(func() {
			err := errors.New("not asked yet")
			for err != nil && time.Since(begin) < patience {
				time.Sleep(2 * time.Millisecond) // between two questions
				err = runs(t, c, generation)
			}
			if took[i] = time.Since(begin); err != nil {
				t.Error(err)
			}
		})
	}
	_, err := first.Reload(t.Context(), admin.ReloadRequest{Wait: true, Origin: "ann"})
	waiting.Wait()
	if err != nil || t.Failed() {
		t.Fatalf("generation %d does not get about: %v\n%s", generation, err, n.Log())
	}
	return took
}
