package transporter

import (
	"context"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestReconfigureGoesOverWithEverything(t *testing.T) {
	t.Parallel()
	old, fresh := newRemote(t, server.Options{}), newRemote(t, server.Options{})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: old.settings(spec.Seed{})})
	running, release := make(chan struct{}, 8), make(chan struct{})
	serve(t, c, echo, func(_ context.Context, p ping) (pong, error) {
		if p.N == 1 {
			running <- struct{}{}
			<-release
		}
		return pong(p), nil
	})
	heard := make(chan int, 8)
	if err := Subscribe(c, tidings, func(p ping) { heard <- p.N }); err != nil {
		t.Fatal(err)
	}
	synced := make(chan struct{}, 1)
	c.OnReconnect(func() { synced <- struct{}{} })
	there := openWith(t, Options{Role: "webserver", Node: "n1", Settings: old.settings(spec.Seed{})})
	result := make(chan error, 1)
	go func() {
		_, err := Call(t.Context(), there, echo, ping{N: 1})
		result <- err
	}()
	<-running
	if err := c.Reconfigure(t.Context(), "n1", fresh.settings(spec.Seed{})); err != nil {
		t.Fatal(err)
	}
	<-synced
	close(release) // the request that came by the old connection is answered there
	if err := <-result; err != nil {
		t.Error(err)
	}
	here := openWith(t, Options{Role: "webserver", Node: "n1", Settings: fresh.settings(spec.Seed{})})
	if _, err := Call(t.Context(), here, echo, ping{}); err != nil {
		t.Error(err)
	}
	if err := Publish(here, tidings, ping{N: 9}); err != nil || <-heard != 9 {
		t.Errorf("the subscription did not move along: %v", err)
	}
	eventually(t, "the old connection is closed", func() bool { return old.srv.NumClients() == 1 })
}

func TestReconfigureThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	k, restricted := newKey(t), newKey(t)
	r := newRemote(t, server.Options{Nkeys: []*server.NkeyUser{{Nkey: k.public}, user(restricted, "webserver")}})
	away := newRemote(t, server.Options{})
	gone := away.settings(spec.Seed{})
	away.stop()
	good := r.settings(spec.Seed{Current: k.seed})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: good})
	serve(t, c, echo, echoBack)
	tests := []struct {
		name     string
		settings spec.Transporter
		want     string
	}{
		{"a server that is away", gone, "does not answer"},
		{"a key that is refused", r.settings(spec.Seed{Current: newKey(t).seed}), "refused"},
		{"a seed that is none", r.settings(spec.Seed{Current: "SUNKEN"}), "not an nkey seed"},
		{"a key that may not do the work", r.settings(spec.Seed{Current: restricted.seed}), "does not permit"},
		{"no transporter at all", spec.Transporter{}, "no transporter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, _, _ := c.current()
			err := c.Reconfigure(t.Context(), "n1", tt.settings)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "SUNKEN") {
				t.Fatalf("got %v", err)
			}
			if now, _, _ := c.current(); now != before {
				t.Error("the connection was changed")
			}
			if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
				t.Errorf("the old connection does not work any more: %v", err)
			}
		})
	}
	eventually(t, "no connection left over", func() bool { return r.srv.NumClients() == 1 })
}

func TestPreparedSwitchCanBeAborted(t *testing.T) {
	t.Parallel()
	old, fresh := newRemote(t, server.Options{}), newRemote(t, server.Options{})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: old.settings(spec.Seed{})})
	sw, err := c.Prepare(t.Context(), "n1", fresh.settings(spec.Seed{}))
	if err != nil {
		t.Fatal(err)
	}
	sw.Abort()
	eventually(t, "the new connection is closed", func() bool { return fresh.srv.NumClients() == 0 })
	if !c.Connected() || old.srv.NumClients() != 1 {
		t.Error("the old connection is gone")
	}
}

func TestEqualSettingsKeepTheConnection(t *testing.T) {
	t.Parallel()
	r := newRemote(t, server.Options{})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: r.settings(spec.Seed{})})
	before, _, _ := c.current()
	if err := c.Reconfigure(t.Context(), "n1", r.settings(spec.Seed{})); err != nil {
		t.Fatal(err)
	}
	if now, _, _ := c.current(); now != before {
		t.Error("a connection was made for nothing")
	}
}

// The transporter's own lists of connections are where an administrator looks for a node.
func TestAConnectionGoesByTheNodesNewName(t *testing.T) {
	t.Parallel()
	r := newRemote(t, server.Options{})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: r.settings(spec.Seed{})})
	serve(t, c, echo, echoBack)
	if err := c.Reconfigure(t.Context(), "n2", r.settings(spec.Seed{})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one connection, by the new name", func() bool {
		list, err := r.srv.Connz(nil)
		return err == nil && len(list.Conns) == 1 && list.Conns[0].Name == "n2/manager"
	})
	if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
		t.Errorf("what was served did not move along: %v", err)
	}
}

// What is registered while a new connection is being prepared is served there too.
func TestRegistrationDuringASwitch(t *testing.T) {
	t.Parallel()
	away, there := newRemote(t, server.Options{}), newRemote(t, server.Options{})
	s := away.settings(spec.Seed{})
	away.stop()
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: s})
	sw, err := c.Prepare(t.Context(), "n1", there.settings(spec.Seed{}))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, c, echo, echoBack)
	sw.Commit()
	if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
		t.Error(err)
	}
}

// Better settings mend a connection that could not be made.
func TestReconfigureEndsAnAbsence(t *testing.T) {
	t.Parallel()
	away, there := newRemote(t, server.Options{}), newRemote(t, server.Options{})
	s := away.settings(spec.Seed{})
	away.stop()
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: s})
	serve(t, c, echo, echoBack)
	if err := c.Reconfigure(t.Context(), "n1", there.settings(spec.Seed{})); err != nil {
		t.Fatal(err)
	}
	if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
		t.Error(err)
	}
}
