package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestANodeIsRenamedWhileASessionRuns gives a running node other names, forth and back, and one more while it is
// down. Each time the session is the same, its display goes on, and the cluster knows the node by its new name alone.
func TestANodeIsRenamedWhileASessionRuns(t *testing.T) {
	t.Parallel()
	seeds, users := roleKeys(t)
	nats := startNATS(t, users, server.RANDOM_PORT)
	n := newNode(t)
	n.Write("transporter-secret.ini", "[transporter]\nurls = nats://"+nats.Addr().String()+"\n"+seeds, 0o600)
	n.nodeFile("FX_NODE_NAME=first\n")
	n.Start()
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	before := n.awaitRecord(s.ID, "its start", func(r *session.Record) bool { return !r.Started.IsZero() })
	token, url := n.Token(), n.URL
	v := n.view(s.ID)
	v.awaitColours(t, 2)

	last := "first"
	for _, name := range []string{"second.example", "first"} {
		n.nodeFile("FX_NODE_NAME=" + name + "\n")
		said, stderr, code := n.Ctl("reload", "--wait")
		if want := "FX_NODE_NAME  " + last + " → " + name + "\n"; code != 0 || !strings.Contains(said, "applied  ") || !strings.Contains(said, want) {
			t.Fatalf("reload: exit %d\n%s%s", code, said, stderr)
		}
		n.awaitKnownAs(t, name, last, s.ID)
		if n.URL = url; n.Call(token, "GET", "/api/v1/me", nil, nil) != 200 {
			t.Error("who was signed in is not any more")
		}
		n.Await("all connections to go by the name "+name, func() error { return goBy(nats, name, len(users)+1) })
		n.reconnect(t, s.ID)
		last = name
	}

	n.Stop()
	n.nodeFile("FX_NODE_NAME=third\n")
	n.Start()
	n.awaitKnownAs(t, "third", last, s.ID)
	n.reconnect(t, s.ID)
	if after := n.awaitRecord(s.ID, "its supervisor", func(r *session.Record) bool { return r.Supervisor.PID > 0 }); after.Supervisor != before.Supervisor || !after.Started.Equal(before.Started) {
		t.Errorf("the session is another:\n%+v\n%+v", before, after)
	}
}

// nodeFile writes the node's own file.
func (n *node) nodeFile(text string) {
	n.t.Helper()
	stage := n.path("node.env~")
	if err := errors.Join(os.WriteFile(stage, []byte(text), 0o644), os.Rename(stage, n.path("node.env"))); err != nil {
		n.t.Fatal(err)
	}
}

// awaitKnownAs waits until the cluster has one node, by this name, with a session that runs on it.
func (n *node) awaitKnownAs(t *testing.T, name, old, id string) {
	t.Helper()
	n.AwaitReady()
	n.Await("the cluster to know the node as "+name, func() error {
		var list struct{ Nodes []struct{ Node string } }
		n.Call(n.Token(), "GET", "/api/v1/nodes", nil, &list)
		var s transporter.Session
		n.Call(n.Token(), "GET", "/api/v1/sessions/"+id, nil, &s)
		if len(list.Nodes) != 1 || list.Nodes[0].Node != name || s.Node != name || s.State != transporter.Running {
			return fmt.Errorf("nodes %+v; the session is %s on %q", list.Nodes, s.State, s.Node)
		}
		return nil
	})
	if all := n.Sessions(); len(all) != 1 {
		t.Errorf("the session is listed %d times", len(all))
	}
	if out, _, _ := n.Ctl("status"); !strings.Contains(out, " "+name+"\n") {
		t.Errorf("fastxctl status says %s", out)
	}
	for asked, want := range map[string]int{name: 200, old: 404} {
		if status := n.Call(n.Token(), "GET", "/api/v1/nodes/"+asked+"/config/history", nil, nil); status != want {
			t.Errorf("node %s is asked for its history: status %d, want %d", asked, status, want)
		}
	}
}

// goBy says which connections of a transporter do not go by a node's name, or are too many or too few.
func goBy(nats *server.Server, node string, want int) error {
	list, err := nats.Connz(nil)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range list.Conns {
		names = append(names, c.Name)
	}
	if len(names) != want || slices.ContainsFunc(names, func(s string) bool { return !strings.HasPrefix(s, node+"/") }) {
		return fmt.Errorf("they are %v", names)
	}
	return nil
}
