package transporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// key is a fresh nkey: what goes into transporter-secret.ini, and into nats-server.conf.
type key struct{ seed, public string }

func newKey(t *testing.T) key {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := pair.Seed()
	public, _ := pair.PublicKey()
	return key{string(seed), public}
}

// remote is a transporter node: a listening server that can go away and come back.
type remote struct {
	t    *testing.T
	opts server.Options
	srv  *server.Server
}

func newRemote(t *testing.T, opts server.Options) *remote {
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	r := &remote{t: t, opts: opts}
	r.start()
	r.opts.Port = r.srv.Addr().(*net.TCPAddr).Port
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *remote) start() {
	r.t.Helper()
	opts := r.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		r.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		r.t.Fatal("the server did not start")
	}
	r.srv = srv
}

func (r *remote) stop() {
	r.srv.Shutdown()
	r.srv.WaitForShutdown()
}

func (r *remote) settings(seed spec.Seed) spec.Transporter {
	return spec.Transporter{URLs: []string{r.srv.ClientURL()}, Default: seed}
}

// user permits what a role of the tests may do.
func user(k key, role string) *server.NkeyUser {
	return &server.NkeyUser{Nkey: k.public, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"fx.v1.>"}, Deny: []string{"fx.v1.launcher.>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"fx.v1." + role + ".>", "fx.v1.event.>", "_INBOX_" + role + ".>"}},
		Response:  &server.ResponsePermission{MaxMsgs: 1000, Expires: time.Minute},
	}}
}

func TestEachRoleConnectsWithItsOwnSeed(t *testing.T) {
	t.Parallel()
	manager, webserver := newKey(t), newKey(t)
	r := newRemote(t, server.Options{Nkeys: []*server.NkeyUser{user(manager, "manager"), user(webserver, "webserver")}})
	settings := spec.Transporter{URLs: []string{r.srv.ClientURL()}, Seeds: map[spec.Component]spec.Seed{
		spec.Manager: {Current: manager.seed}, spec.Webserver: {Current: webserver.seed},
	}}
	serve(t, openWith(t, Options{Role: spec.Manager, Node: "n1", Settings: settings}), echo, echoBack)
	got, err := Call(t.Context(), openWith(t, Options{Role: spec.Webserver, Node: "n2", Settings: settings}), echo, ping{N: 1})
	if err != nil || got.N != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	conns, err := r.srv.Connz(&server.ConnzOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range conns.Conns {
		names[c.Name] = true
	}
	if len(names) != 2 || !names["n1/manager"] || !names["n2/webserver"] {
		t.Errorf("the connections are named %v", names)
	}
}

func TestCredentialsInTheirOrder(t *testing.T) {
	t.Parallel()
	good, other := newKey(t), newKey(t)
	tests := []struct {
		name string
		opts server.Options
		form string
		seed spec.Seed
		ok   bool
	}{
		{"the current seed", server.Options{Nkeys: []*server.NkeyUser{{Nkey: good.public}}}, "nkey", spec.Seed{Current: good.seed}, true},
		{"the previous seed, where the current is not known yet", server.Options{Nkeys: []*server.NkeyUser{{Nkey: good.public}}}, "nkey", spec.Seed{Current: other.seed, Previous: good.seed}, true},
		{"neither", server.Options{Nkeys: []*server.NkeyUser{{Nkey: good.public}}}, "nkey", spec.Seed{Current: other.seed}, false},
		{"none", server.Options{Nkeys: []*server.NkeyUser{{Nkey: good.public}}}, "nkey", spec.Seed{}, false},
		{"a token", server.Options{Authorization: "one"}, "token", spec.Seed{Current: "one"}, true},
		{"the previous token", server.Options{Authorization: "one"}, "token", spec.Seed{Current: "two", Previous: "one"}, true},
		{"a wrong token", server.Options{Authorization: "one"}, "token", spec.Seed{Current: "two"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t, tt.opts)
			s := r.settings(tt.seed)
			s.Form = tt.form
			var log logBuffer
			c := openWith(t, Options{Role: "manager", Node: "n1", Settings: s, Log: log.logger()})
			if c.Connected() != tt.ok {
				t.Fatalf("connected = %v, %v", c.Connected(), c.Err())
			}
			if !tt.ok && (!errors.Is(c.Err(), nats.ErrAuthorization) || !strings.Contains(c.Err().Error(), "transporter-secret.ini")) {
				t.Errorf("Err is %v", c.Err())
			}
			for _, secret := range []string{good.seed, other.seed, "one", "two"} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("a secret is in the log: %s", log.String())
				}
			}
		})
	}
}

// A node whose key is refused keeps trying, and needs no restart once the key is let in.
func TestRefusedNodeConnectsWhenItsKeyIsLetIn(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	r := newRemote(t, server.Options{Nkeys: []*server.NkeyUser{{Nkey: newKey(t).public}}})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: r.settings(spec.Seed{Current: k.seed})})
	serve(t, c, echo, echoBack)
	synced := make(chan struct{}, 1)
	c.OnReconnect(func() { synced <- struct{}{} })
	if c.Connected() {
		t.Fatal("a foreign key was let in")
	}
	r.stop()
	r.opts.Nkeys = []*server.NkeyUser{{Nkey: k.public}}
	r.start()
	<-synced
	if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
		t.Error(err)
	}
}

// When the current key is withdrawn while connected, the previous one takes over.
func TestRevokedKeyFallsBackToThePrevious(t *testing.T) {
	t.Parallel()
	now, before := newKey(t), newKey(t)
	r := newRemote(t, server.Options{Nkeys: []*server.NkeyUser{{Nkey: now.public}}})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: r.settings(spec.Seed{Current: now.seed, Previous: before.seed})})
	synced := make(chan struct{}, 1)
	c.OnReconnect(func() { synced <- struct{}{} })
	opts := r.opts
	opts.Nkeys = []*server.NkeyUser{{Nkey: before.public}}
	if err := r.srv.ReloadOptions(&opts); err != nil {
		t.Fatal(err)
	}
	<-synced
	if !c.Connected() {
		t.Error(c.Err())
	}
}

func TestRestartOfTheTransporterIsOutlived(t *testing.T) {
	t.Parallel()
	r := newRemote(t, server.Options{})
	s := r.settings(spec.Seed{})
	responder := openWith(t, Options{Role: "manager", Node: "n1", Settings: s})
	caller := openWith(t, Options{Role: "webserver", Node: "n1", Settings: s})
	serve(t, responder, echo, echoBack)
	var synced atomic.Int32
	heard := make(chan int, 1)
	if err := Subscribe(responder, tidings, func(p ping) { heard <- p.N }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Conn{responder, caller} {
		c.OnReconnect(func() { synced.Add(1) })
	}
	r.stop()
	eventually(t, "the loss is noticed", func() bool { return !caller.Connected() && !responder.Connected() })
	if err := Publish(caller, tidings, ping{}); err == nil {
		t.Error("news was sent to nowhere")
	} else {
		wantCode(t, err, Unavailable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := Call(ctx, caller, echo, ping{})
	if wantCode(t, err, Unavailable); !Undelivered(err) {
		t.Error("a call that was never sent does not count as undelivered")
	}
	r.start()
	eventually(t, "both are back", func() bool { return synced.Load() == 2 })
	if _, err := Call(t.Context(), caller, echo, ping{}); err != nil {
		t.Error(err)
	}
	if err := Publish(caller, tidings, ping{N: 5}); err != nil {
		t.Error(err)
	}
	if n := <-heard; n != 5 {
		t.Errorf("heard %d", n)
	}
}

// A call that loses its connection is sent again under the same id; the server, which
// had been reached, does not carry it out twice.
func TestCallOutlivesTheLossOfItsConnection(t *testing.T) {
	t.Parallel()
	r := newRemote(t, server.Options{})
	s := r.settings(spec.Seed{})
	responder := openWith(t, Options{Role: "manager", Node: "n1", Settings: s})
	caller := openWith(t, Options{Role: "webserver", Node: "n1", Settings: s})
	var runs atomic.Int32
	running, release := make(chan struct{}, 8), make(chan struct{})
	serve(t, responder, echo, func(context.Context, ping) (pong, error) {
		runs.Add(1)
		running <- struct{}{}
		<-release
		return pong{N: 3}, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		got, err := Call(ctx, caller, echo, ping{})
		if err == nil && got.N != 3 {
			err = errors.New("another answer")
		}
		result <- err
	}()
	<-running
	l, _, _ := caller.current()
	l.nc.Close() // the caller's connection alone breaks
	eventually(t, "the caller is back", func() bool { now, _, _ := caller.current(); return now != nil && now != l })
	close(release)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("the request was carried out %d times", n)
	}
}

func TestTransporterThatIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	r := newRemote(t, server.Options{})
	s := r.settings(spec.Seed{})
	r.stop()
	var log logBuffer
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: s, Log: log.logger()})
	serve(t, c, echo, echoBack)
	if c.Connected() || !strings.Contains(c.Err().Error(), "does not answer") {
		t.Fatalf("Err is %v", c.Err())
	}
	r.start()
	eventually(t, "the connection", c.Connected)
	if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings for one absence:\n%s", n, log.String())
	}
}

func TestViolationsOfPermissionsAreForbiddenAtOnce(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	r := newRemote(t, server.Options{Nkeys: []*server.NkeyUser{user(k, "manager")}})
	c := openWith(t, Options{Role: "manager", Node: "n1", Settings: r.settings(spec.Seed{Current: k.seed})})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it must not come to that
	defer cancel()
	_, err := Call(ctx, c, echoNode.On("n2"), ping{})
	if e := wantCode(t, err, Forbidden); !strings.Contains(e.Message, "send to fx.v1.launcher.echo.n2") {
		t.Errorf("calling: %v", e)
	}
	err = Serve(c, echoNode.On("n1"), echoBack)
	if e := wantCode(t, err, Forbidden); !strings.Contains(e.Message, "hear fx.v1.launcher.echo.n1") {
		t.Errorf("serving: %v", e)
	}
	if err := Serve(c, echo, echoBack); err != nil {
		t.Errorf("what is permitted is refused too: %v", err)
	}
}

// TestOnlyARoleThatMayAnnouncesNewFiles keeps a gateway's key from telling the cluster to look at its files. It
// still hears the others.
func TestOnlyARoleThatMayAnnouncesNewFiles(t *testing.T) {
	t.Parallel()
	k, gatewayKey := newKey(t), newKey(t)
	gatewayUser := user(gatewayKey, "webserver")
	gatewayUser.Permissions.Publish.Deny = append(gatewayUser.Permissions.Publish.Deny, ConfigAccepted.Subject)
	r := newRemote(t, server.Options{Nkeys: []*server.NkeyUser{user(k, "manager"), gatewayUser}})
	var log logBuffer
	inside := openWith(t, Options{Role: "manager", Node: "n1", Settings: r.settings(spec.Seed{Current: k.seed})})
	gateway := openWith(t, Options{Role: "webserver", Node: "n2", Settings: r.settings(spec.Seed{Current: gatewayKey.seed}), Log: log.logger()})
	heard := make(chan string, 10)
	for _, c := range []*Conn{inside, gateway} {
		if err := Subscribe(c, ConfigAccepted, func(a Announcement) { heard <- a.Node }); err != nil {
			t.Fatal(err)
		}
	}
	if err := Publish(gateway, ConfigAccepted, Announcement{Node: "gateway"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway to be refused", func() bool {
		return strings.Contains(log.String(), "does not permit this node to send to "+ConfigAccepted.Subject)
	})
	if err := Publish(inside, ConfigAccepted, Announcement{Node: "inside"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // each of the two hears one, and that is the other's
		if who := <-heard; who != "inside" {
			t.Errorf("%s was heard", who)
		}
	}
}

// TestASlowAnswerIsHeard: whoever takes so long that it is asked twice may answer each time, by a transporter that permits one
// answer to each request, as fastxctl secret new has it.
func TestASlowAnswerIsHeard(t *testing.T) {
	t.Parallel()
	manager, webserver := newKey(t), newKey(t)
	once := user(manager, "manager")
	once.Permissions.Publish.Allow = []string{"fx.v1.event.>"}
	once.Permissions.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: 2 * time.Minute}
	r := newRemote(t, server.Options{Nkeys: []*server.NkeyUser{once, user(webserver, "webserver")}})
	pair, err := nkeys.FromSeed([]byte(manager.seed))
	if err != nil {
		t.Fatal(err)
	}
	slow, err := nats.Connect(r.srv.ClientURL(), nats.Nkey(manager.public, pair.Sign))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(slow.Close)
	var asked []*nats.Msg
	_, err = slow.Subscribe(echo.Subject, func(m *nats.Msg) {
		if asked = append(asked, m); len(asked) < 2 {
			return
		}
		for _, m := range asked {
			var e envelope[ping]
			_ = json.Unmarshal(m.Data, &e)
			_ = m.Respond(fmt.Appendf(nil, `{"v":1,"id":%q,"body":{"n":2}}`, e.ID))
		}
	})
	if err != nil || slow.Flush() != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // and asked again after two
	defer cancel()
	got, err := Call(ctx, openWith(t, Options{Role: spec.Webserver, Node: "n2", Settings: r.settings(spec.Seed{Current: webserver.seed})}), echo, ping{N: 1})
	if err != nil || got.N != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
}
