package daemon_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// TestANodeJoinsAConfiguredTransporter gives each component a key of its own, runs a session over a
// transporter that listens, and restarts that transporter under the running node.
func TestANodeJoinsAConfiguredTransporter(t *testing.T) {
	t.Parallel()
	seeds, users := roleKeys(t)
	nats := startNATS(t, users, steadyPort(t))
	port := nats.Addr().String()
	n := newNode(t)
	n.Write("transporter-secret.ini", "[transporter]\nurls = nats://"+port+"\n"+seeds, 0o600)
	n.Start()
	if got := nats.NumClients(); got < len(users) {
		t.Errorf("%d connections, want one for each of %d components", got, len(users))
	}
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)

	nats.Shutdown()
	nats.WaitForShutdown()
	if status, body := n.Get("/healthz"); status != 200 {
		t.Errorf("without its transporter the node does not even live: %d %s", status, body)
	}
	_, number, _ := strings.Cut(port, ":")
	var again int
	if _, err := fmt.Sscan(number, &again); err != nil {
		t.Fatal(err)
	}
	startNATS(t, users, again)
	n.AwaitReady()
	n.AwaitState(s.ID, transporter.Running)
	n.reconnect(t, s.ID)
}

// TestANodeMovesToAnotherTransporter starts alone and is then told of a transporter: no restart,
// and the session stays.
func TestANodeMovesToAnotherTransporter(t *testing.T) {
	t.Parallel()
	seeds, users := roleKeys(t)
	nats := startNATS(t, users, server.RANDOM_PORT)
	n := startNode(t)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	n.Write("transporter-secret.ini", "[transporter]\nurls = nats://"+nats.Addr().String()+"\n"+seeds, 0o600)
	n.Await("all connections to move", func() error {
		if got, want := nats.NumClients(), len(users)+1; got != want { // the node has one of its own
			return fmt.Errorf("%d of %d are there", got, want)
		}
		return nil
	})
	n.AwaitState(s.ID, transporter.Running)
	n.reconnect(t, s.ID)
	n.Await("the node to be heard by its new way", func() error {
		if out, _, code := n.Ctl("nodes"); code != 0 || !strings.Contains(out, "webserver") {
			return fmt.Errorf("exit %d, %s", code, out)
		}
		return nil
	})
}

// roleKeys makes one nkey for each component: the sections of transporter-secret.ini, and what
// the server is told.
func roleKeys(t *testing.T) (seeds string, users []*server.NkeyUser) {
	t.Helper()
	for _, role := range spec.Components() {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		seed, err1 := pair.Seed()
		public, err2 := pair.PublicKey()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		seeds += fmt.Sprintf("[%s]\nseed = %s\n", role, seed)
		users = append(users, &server.NkeyUser{Nkey: public})
	}
	return seeds, users
}

func startNATS(t *testing.T, users []*server.NkeyUser, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, Nkeys: users, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the transporter does not listen")
	}
	return s
}
