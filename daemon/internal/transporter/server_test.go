package transporter

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// bus is a transporter node and the file it runs by.
type bus struct {
	*Server
	t    *testing.T
	log  *logBuffer
	file string
	conf natsconf.Config
	spec.Transporter
}

// newBus starts a transporter node that knows each role by its key, as fastxctl secret new makes them.
func newBus(t *testing.T) *bus {
	t.Helper()
	b := &bus{t: t, log: &logBuffer{}, file: filepath.Join(t.TempDir(), "nats-server.conf")}
	b.Server = NewServer(ServerOptions{Log: slog.New(slog.NewTextHandler(b.log, nil))})
	b.Seeds = map[spec.Component]spec.Seed{}
	for _, c := range spec.Components() {
		b.Seeds[c] = spec.Seed{Current: newKey(t).seed}
	}
	auth, err := render.Authorization(b.Transporter)
	if err != nil {
		t.Fatal(err)
	}
	b.conf = natsconf.Config{Host: "127.0.0.1", Port: -1, Authorization: auth, Cluster: &natsconf.Cluster{Host: "127.0.0.1", Port: -1}}
	if waits, err := b.take(b.conf); err != nil || len(waits) > 0 {
		t.Fatal(waits, err)
	}
	t.Cleanup(b.Close)
	b.URLs = []string{"nats://" + b.Addr()}
	return b
}

func (b *bus) take(c natsconf.Config) ([]Waits, error) {
	return b.takeText(string(render.NATS(c).Data))
}

func (b *bus) takeText(text string) ([]Waits, error) {
	b.t.Helper()
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return b.Take(b.t.Context(), b.file, "nats-server.conf")
}

func (b *bus) open(role spec.Component) *Conn {
	b.t.Helper()
	c := openWith(b.t, Options{Role: role, Node: "n1", Settings: b.Transporter})
	if err := c.Err(); err != nil {
		b.t.Fatalf("%s: %v", role, err)
	}
	return c
}

// bare is a client that shows a role's key and keeps to no rules. What it is refused comes out of the channel.
func (b *bus) bare(role spec.Component) (*nats.Conn, <-chan error) {
	b.t.Helper()
	key, err := nkey(b.Seeds[role].Current)
	if err != nil {
		b.t.Fatal(err)
	}
	refused := make(chan error, 100)
	nc, err := nats.Connect(b.URLs[0], key, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	return nc, refused
}

// TestNoRoleAnswersForAnother has each role try to answer what is asked of the others: nobody but the user component
// hears a password or signs, nobody but the launcher starts a program.
func TestNoRoleAnswersForAnother(t *testing.T) {
	t.Parallel()
	b := newBus(t)
	subjects := map[spec.Component][]string{
		spec.User:     {UserLogin.Subject, UserAuthorize.Subject, UserLogin.On("n1").Subject, "fx.v1.user.>"},
		spec.Manager:  {ManagerStart.Subject, ManagerSessions.Subject, "fx.v1.manager.*"},
		spec.Launcher: {LauncherStart.On("n1").Subject, LauncherConnect.On("n1").Subject},
	}
	for _, role := range spec.Components() {
		nc, refused := b.bare(role)
		for owner, list := range subjects {
			for _, subject := range append(list, "_INBOX_"+string(owner)+".>") {
				if owner == role {
					continue
				}
				if _, err := nc.QueueSubscribeSync(subject, string(owner)); err != nil {
					t.Fatal(err)
				}
				if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
					t.Errorf("%s hears %s: %v", role, subject, err)
				}
			}
		}
	}
	webserver := b.open(spec.Webserver)
	err := Serve(webserver, UserLogin, func(context.Context, LoginRequest) (LoginReply, error) { return LoginReply{Token: "forged"}, nil })
	wantCode(t, err, Forbidden)
}

// TestNoRoleSpeaksForAnother has each role try to send what only others may.
func TestNoRoleSpeaksForAnother(t *testing.T) {
	t.Parallel()
	b := newBus(t)
	for role, subjects := range map[spec.Component][]string{
		spec.Webserver: {LauncherStart.On("n1").Subject, LauncherTerminate.On("n1").Subject, SessionChanged.Subject, TokenRevoked.Subject, StartReserved.Subject},
		spec.Manager:   {UserLogin.Subject, UserVerify.Subject, SessionList.Subject, TokenRevoked.Subject, "_INBOX_webserver.x.1"},
		spec.User:      {LauncherStart.On("n1").Subject, StartReserved.Subject, SessionChanged.Subject},
		spec.Launcher:  {LauncherStart.On("n2").Subject, UserLogin.Subject, UserAuthorize.Subject, ManagerStart.Subject, ManagerDrain.Subject, TokenRevoked.Subject, WhoIsThere.Subject, "$SYS.REQ.SERVER.PING"},
	} {
		nc, refused := b.bare(role)
		for _, subject := range subjects {
			if err := nc.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
				t.Errorf("%s says %s: %v", role, subject, err)
			}
		}
	}
}

// TestARequestIsAnsweredOnce: who answers needs no right to speak to whoever asked, and gets none by it.
func TestARequestIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	b := newBus(t)
	user, webserver := b.open(spec.User), b.open(spec.Webserver)
	if err := Serve(user, UserVerify, func(_ context.Context, r VerifyRequest) (Identity, error) { return Identity{User: r.Token}, nil }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if id, err := Call(t.Context(), webserver, UserVerify, VerifyRequest{Token: "ann"}); err != nil || id.User != "ann" {
			t.Fatalf("%+v, %v", id, err)
		}
	}
	if strings.Contains(b.log.String(), "iolation") {
		t.Errorf("the server refused something:\n%s", b.log.String())
	}
}

// TestTakeChangesWhatItCan revokes a key and gives a new port at once: the key is gone at once, the port waits.
func TestTakeChangesWhatItCan(t *testing.T) {
	t.Parallel()
	b := newBus(t)
	b.bare(spec.Manager)
	changed := b.conf
	changed.Port, changed.Host = 4999, "127.0.0.2"
	changed.Cluster = &natsconf.Cluster{Host: "127.0.0.1", Port: 4998}
	changed.Authorization.Users = slices.DeleteFunc(slices.Clone(b.conf.Authorization.Users), func(u natsconf.User) bool {
		return u.NKey == spec.PublicKey(b.Seeds[spec.Manager].Current)
	})
	before := b.Addr()
	waits, err := b.take(changed)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, w := range waits {
		keys = append(keys, w.Key+" → "+w.Wanted)
	}
	slices.Sort(keys)
	if want := []string{"cluster.port → 4998", "host → 127.0.0.2", "port → 4999"}; !slices.Equal(keys, want) {
		t.Errorf("it waits for %q, want %q", keys, want)
	}
	if b.Addr() != before {
		t.Errorf("it moved from %s to %s", before, b.Addr())
	}
	key, err := nkey(b.Seeds[spec.Manager].Current)
	if err != nil {
		t.Fatal(err)
	}
	if nc, err := nats.Connect(b.URLs[0], key); !errors.Is(err, nats.ErrAuthorization) {
		nc.Close()
		t.Errorf("the key that was taken away: %v", err)
	}
	if waits, err := b.take(b.conf); err != nil || len(waits) > 0 {
		t.Errorf("and back: %v, %v", waits, err)
	}
	b.bare(spec.Manager)
}

// TestTakeSaysWhyNot: what upstream refuses changes nothing, and is said by the name of the file that people edit.
func TestTakeSaysWhyNot(t *testing.T) {
	t.Parallel()
	b := newBus(t)
	good := string(render.NATS(b.conf).Data)
	for name, tt := range map[string]struct{ add, says string }{
		"an unknown key":           {"frobnicate: 1\n", "nats-server.conf:"},
		"a certificate of nowhere": {"tls { cert_file: /nowhere/a.pem, key_file: /nowhere/a.key }\n", "/nowhere/a.pem"},
		"a contradiction":          {"max_payload: 9000000\nmax_pending: 1000\n", "max_payload"},
	} {
		if _, err := b.takeText(good + tt.add); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), b.file) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.bare(spec.User)
}

// TestAPortThatIsTakenIsSaid: a server that cannot start says why, at once.
func TestAPortThatIsTakenIsSaid(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file := filepath.Join(t.TempDir(), "nats-server.conf")
	c := natsconf.Config{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, Authorization: natsconf.Authorization{Form: natsconf.Token, Token: "long-and-random"}}
	c.Cluster = &natsconf.Cluster{Host: "127.0.0.1", Port: -1}
	if err := os.WriteFile(file, render.NATS(c).Data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServerOptions{Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	if _, err := s.Take(t.Context(), file, "nats-server.conf"); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
}

// TestTwoServersAreOne has requests go through two transporter nodes that know each other by a route, and its components move
// to the other when one is stopped.
func TestTwoServersAreOne(t *testing.T) {
	t.Parallel()
	first := newBus(t)
	route := natsconf.Cluster{Host: "127.0.0.1", Port: -1, User: "route", Password: "long-and-random"}
	second := &bus{Server: NewServer(ServerOptions{Log: slog.New(slog.DiscardHandler)}), t: t, file: filepath.Join(t.TempDir(), "nats-server.conf")}
	second.conf, second.Transporter = first.conf, first.Transporter
	t.Cleanup(second.Close)
	for _, b := range []*bus{first, second} {
		c := route
		if b == second {
			c.Routes = []natsconf.Secret{natsconf.Secret("nats://route:long-and-random@" + first.srv.ClusterAddr().String())}
		}
		b.conf.Cluster = &c
		if _, err := b.take(b.conf); err != nil {
			t.Fatal(err)
		}
	}
	second.URLs = []string{"nats://" + second.Addr()}
	eventually(t, "a route", func() bool { return first.srv.NumRoutes() > 0 && second.srv.NumRoutes() > 0 })

	user, webserver := second.open(spec.User), first.open(spec.Webserver)
	if err := Serve(user, UserVerify, func(_ context.Context, r VerifyRequest) (Identity, error) { return Identity{User: r.Token}, nil }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer over the route", func() bool {
		id, err := Call(t.Context(), webserver, UserVerify, VerifyRequest{Token: "ann"})
		return err == nil && id.User == "ann"
	})
	if strings.Contains(first.log.String(), "iolation") {
		t.Errorf("the server refused something:\n%s", first.log.String())
	}
	mover := second.openAt(first)
	second.Close()
	eventually(t, "it at the server that is left", func() bool { return at(mover) == first.Addr() })
}

// openAt opens a manager's connection that is at b and can go to another server. Which of two it takes first is left to chance.
func (b *bus) openAt(other *bus) *Conn {
	b.t.Helper()
	o := Options{Role: spec.Manager, Node: "n1", Settings: b.Transporter, Log: slog.New(slog.DiscardHandler)}
	o.Settings.URLs = append(slices.Clone(b.URLs), other.URLs...)
	for range 100 {
		c, err := Open(b.t.Context(), o)
		if err != nil {
			b.t.Fatal(err)
		}
		if at(c) == b.Addr() {
			b.t.Cleanup(c.Close)
			return c
		}
		c.Close()
	}
	b.t.Fatalf("nobody connects to %s", b.Addr())
	return nil
}

// at is the server that a connection leads to; "" = none.
func at(c *Conn) string {
	l, _, _ := c.current()
	if l == nil {
		return ""
	}
	return l.nc.ConnectedAddr()
}
