package user

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestConfigurationCountsFromTheNextRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.token("fred")
	for _, step := range []struct {
		name   string
		change func(*spec.Config)
		level  string // "" when the token is refused
	}{
		{"disabled", func(c *spec.Config) { c.Permissions.Users = map[string]spec.Level{"fred": spec.Disabled} }, ""},
		{"raised", func(c *spec.Config) { c.Permissions.Users = map[string]spec.Level{"fred": spec.Admin} }, "admin"},
		{"named no more", func(c *spec.Config) { c.Permissions.Users = nil }, "limited"},
		{"default is disabled", func(c *spec.Config) { c.Permissions.Default = spec.Disabled }, ""},
		{"default is full", func(c *spec.Config) { c.Permissions.Default = spec.Full }, "full"},
		{"removed", func(c *spec.Config) { c.Htpasswd = map[string]string{"lea": hashes()["lea"]} }, ""},
	} {
		r.reconfigure(step.change)
		id, err := r.who(token)
		if id.Level != step.level || (err == nil) != (step.level != "") {
			t.Errorf("%s: level %q, %v; want %q", step.name, id.Level, err, step.level)
		}
		if err != nil {
			wantError(t, err, transporter.Unauthorized, `the user "fred" may no longer log in`)
		}
	}
	_, err := r.try("fred", "fred's", "192.0.2.1")
	wantError(t, err, transporter.Unauthorized)
}

func TestAbortedGenerationChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.token("fred")
	r.config.Htpasswd = nil
	next := r.config
	step, err := r.Prepare(t.Context(), genOf(&next))
	if err != nil {
		t.Fatal(err)
	}
	step.Abort()
	if _, err := r.who(token); err != nil {
		t.Error(err)
	}
}

func TestBeforeTheFirstGenerationNobodyIsJudged(t *testing.T) {
	t.Parallel()
	r := newBareRig(t)
	if r.Ready() {
		t.Error("ready without a configuration")
	}
	_, err := r.try("fred", "fred's", "192.0.2.1")
	wantError(t, err, transporter.Unavailable, "no configuration yet")
	_, err = r.who("fx1.x.y.z")
	wantError(t, err, transporter.Unavailable)
}

// TestWhatATicketAllowedIsAskedAgain ends a login, takes a level away, disables, and changes a password.
func TestWhatATicketAllowedIsAskedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	connect := func(user, owner string) transporter.StandingRequest {
		t.Helper()
		reply, err := r.ask(r.token(user), transporter.AuthorizeRequest{Action: "connect", Session: sid, Owner: owner})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ticket.Peek(reply.Ticket)
		if err != nil || c.Login == "" || c.Stamp == "" {
			t.Fatalf("the ticket says %+v, %v", c, err)
		}
		return transporter.StandingRequest{User: c.Subject, Login: c.Login, Stamp: c.Stamp, Action: transporter.ActConnect, Owner: c.Owner}
	}
	ask := func(req transporter.StandingRequest) error {
		_, err := r.User.standing(t.Context(), req)
		return err
	}
	own, others := connect("lea", "lea"), connect("anna", "lea")
	for _, req := range []transporter.StandingRequest{own, others} {
		if err := ask(req); err != nil {
			t.Errorf("%s may go on: %v", req.User, err)
		}
	}
	r.reconfigure(func(c *spec.Config) { c.Permissions.Users["anna"] = spec.Limited })
	wantError(t, ask(others), transporter.Forbidden)
	r.reconfigure(func(c *spec.Config) { c.Htpasswd["lea"] = c.Htpasswd["anna"] })
	wantError(t, ask(own), transporter.Unauthorized, "the password was changed")
	r.reconfigure(func(c *spec.Config) { delete(c.Htpasswd, "lea") })
	wantError(t, ask(own), transporter.Unauthorized, "may no longer log in")
	r.User.revoked.add(transporter.Revocation{TokenID: others.Login, Expires: r.clock.now().Add(time.Hour)})
	wantError(t, ask(others), transporter.Unauthorized, "the login was ended")
	others.Action = "dance"
	wantError(t, ask(others), transporter.Invalid)
}

// TestAChangedPasswordEndsItsLogins changes a hash as an administrator does.
func TestAChangedPasswordEndsItsLogins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.token("lea")
	if _, err := r.who(token); err != nil {
		t.Fatal(err)
	}
	r.reconfigure(func(c *spec.Config) { c.Htpasswd["lea"] = c.Htpasswd["anna"] })
	_, err := r.who(token)
	wantError(t, err, transporter.Unauthorized, "the password was changed; sign in again")
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	now := r.clock.now()
	good := ticket.Claims{Kind: ticket.Login, Subject: "sue", ID: ticket.NewID(), IssuedAt: now.Unix(), Expires: now.Add(time.Hour).Unix()}
	forged, _ := other.Sign(good)
	start, aged, ahead := good, good, good
	start.Kind = ticket.Start
	aged.Expires = now.Add(-time.Second).Unix()
	ahead.IssuedAt = now.Add(2 * time.Minute).Unix()
	whole := r.mint(good)
	for name, c := range map[string]struct{ token, want string }{
		"empty":              {"", "not valid"},
		"noise":              {"abc", "not valid"},
		"cut":                {whole[:len(whole)-1], "not valid"},
		"another key":        {forged, "not valid"},
		"a ticket":           {r.mint(start), "not valid"},
		"expired by 1 s":     {r.mint(aged), "has expired"},
		"from the future":    {r.mint(ahead), "not valid"},
		"of an unknown user": {r.mint(ticket.Claims{Kind: ticket.Login, Subject: "eve", ID: "1", Expires: good.Expires}), "may no longer log in"},
	} {
		_, verr := r.who(c.token)
		_, aerr := r.apps(t.Context(), transporter.AppsRequest{Token: c.token})
		_, zerr := r.authorize(t.Context(), transporter.AuthorizeRequest{Token: c.token, Action: transporter.ActAll})
		for _, err := range []error{verr, aerr, zerr} {
			wantError(t, err, transporter.Unauthorized, c.want)
			if err != nil && c.token != "" && strings.Contains(err.Error(), c.token) {
				t.Errorf("%s: the error repeats the token", name)
			}
		}
	}
	if _, err := r.who(whole); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestTokenEndsInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.token("fred")
	r.clock.move(spec.TokenLifetime - time.Second)
	if _, err := r.who(token); err != nil {
		t.Error(err)
	}
	r.clock.move(time.Second)
	_, err := r.who(token)
	wantError(t, err, transporter.Unauthorized, "has expired")
	r.end(token) // nothing left to end
}

func TestLocalAdministratorNeedsNoLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token, err := ticket.LocalToken(r.dirs.Local, "root", r.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.who(token)
	if err != nil || id.User != "root" || id.Level != "superadmin" || len(id.May) != len(actions) {
		t.Errorf("got %+v, %v", id, err)
	}
	r.clock.move(ticket.LocalLifetime)
	_, err = r.who(token)
	wantError(t, err, transporter.Unauthorized, "has expired")
	now := r.clock.now()
	_, err = r.who(r.mint(ticket.Claims{Kind: ticket.Login, Subject: "root", ID: "1", Expires: now.Add(time.Hour).Unix()}))
	wantError(t, err, transporter.Unauthorized, "may no longer log in")
}

func TestOnlyKeysOfThisMachineAreTrusted(t *testing.T) {
	t.Parallel()
	here, there := newRig(t), newRig(t)
	token := there.token("fred")
	if err := ticket.InstallPublic(filepath.Join(here.dirs.Var, "public_keys"), there.key); err != nil {
		t.Fatal(err)
	}
	here.keys.reload()
	_, err := here.who(token)
	wantError(t, err, transporter.Unauthorized)

	dir := filepath.Join(here.dirs.Local, ticket.KeysDir)
	if err := ticket.InstallPublic(dir, there.key); err != nil {
		t.Fatal(err)
	}
	here.keys.reload()
	if _, err := here.who(token); err != nil {
		t.Errorf("with the key in %s: %v", dir, err)
	}
	for _, k := range []*ticket.Key{there.key, here.key} {
		if err := os.Remove(filepath.Join(dir, k.ID()+".pem")); err != nil {
			t.Fatal(err)
		}
	}
	here.keys.reload()
	_, err = here.who(token)
	wantError(t, err, transporter.Unauthorized)
	if _, err := here.who(here.token("fred")); err != nil {
		t.Errorf("its own: %v", err)
	}
}

func TestBadKeyIsToldOnceAndHarmsNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.WriteFile(filepath.Join(r.dirs.Local, ticket.KeysDir, "x.pem"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.keys.reload()
	}
	if n := strings.Count(r.said.String(), "x.pem"); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
	r.token("fred")
}

func TestNewKeepsItsKeyAndInstallsItsPublicHalf(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	keys, err := ticket.LoadKeys(filepath.Join(r.dirs.Local, ticket.KeysDir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Verify(r.token("fred"), r.clock.now(), ticket.Login); err != nil {
		t.Errorf("the launcher of this machine would not trust it: %v", err)
	}
	again, err := New(Options{Dirs: r.dirs, Node: "n1", Log: r.log})
	if err != nil || again.key.ID() != r.key.ID() {
		t.Errorf("after a restart: %v", err)
	}
	if err := os.Chmod(filepath.Join(r.dirs.Local, ticket.KeyFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Dirs: r.dirs, Node: "n1", Log: r.log}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("with a key that others can read: %v", err)
	}
	notDir := spec.Dirs{Local: filepath.Join(r.dirs.Local, audit.FileName)}
	if _, err := New(Options{Dirs: notDir, Log: r.log}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder for the key: %v", err)
	}
}
