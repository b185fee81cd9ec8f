package user

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func genOf(c *spec.Config) *generation.Generation { return &generation.Generation{Config: c} }

// testConn is a connection that nobody listens to.
func testConn(t *testing.T) *transporter.Conn {
	t.Helper()
	o := Options{Node: "n1"}
	on(newHub(t))(&o)
	t.Cleanup(o.Conn.Close)
	return o.Conn
}

// The other tests call the handlers; this one goes the whole way, as the webserver does.
func TestOverTheTransporter(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	r := newRig(t, on(hub))
	asker := Options{Node: "web"}
	on(hub)(&asker)
	t.Cleanup(asker.Conn.Close)
	if r.Ready() {
		t.Error("ready before it runs")
	}
	stop := r.start()
	ctx := t.Context()

	login, err := transporter.Call(ctx, asker.Conn, transporter.UserLogin, transporter.LoginRequest{User: "fred", Password: "fred's", Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = transporter.Call(ctx, asker.Conn, transporter.UserLogin, transporter.LoginRequest{User: "fred", Password: "x", Address: "192.0.2.1"})
	wantError(t, err, transporter.Unauthorized, "wrong user name or password")
	id, err := transporter.Call(ctx, asker.Conn, transporter.UserVerify, transporter.VerifyRequest{Token: login.Token})
	if err != nil || id.User != "fred" || !id.Expires.Equal(login.Expires) {
		t.Errorf("verify: %+v, %v", id, err)
	}
	apps, err := transporter.Call(ctx, asker.Conn, transporter.UserApps, transporter.AppsRequest{Token: login.Token})
	if err != nil || ids(apps.Apps) != "editor xterm" {
		t.Errorf("apps: %+v, %v", apps, err)
	}
	auth, err := transporter.Call(ctx, asker.Conn, transporter.UserAuthorize, transporter.AuthorizeRequest{
		Token: login.Token, Action: transporter.ActStart, Start: &transporter.StartRequest{ID: sid, App: "xterm"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.checkTicket(t, auth, transporter.AuthorizeRequest{Start: &transporter.StartRequest{ID: sid}}, ticket.Place, ticketTime)
	if _, err := transporter.Call(ctx, asker.Conn, transporter.UserLogout, transporter.LogoutRequest{Token: login.Token}); err != nil {
		t.Error(err)
	}
	_, err = transporter.Call(ctx, asker.Conn, transporter.UserVerify, transporter.VerifyRequest{Token: login.Token})
	wantError(t, err, transporter.Unauthorized)
	stop()
	if r.Ready() {
		t.Error("ready after it has stopped")
	}
}

func TestRunThatIsStoppedAtOnceEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, on(newHub(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Error(err)
	}
	if r.Name() != "user" {
		t.Errorf("its name is %q", r.Name())
	}
}
