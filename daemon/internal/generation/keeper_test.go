package generation

import (
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// files makes a set out of name, content pairs.
func files(pairs ...string) fileset.Set {
	var list []fileset.File
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fileset.File{Name: pairs[i], Data: []byte(pairs[i+1]), Mode: 0o640, UID: 7, GID: 8})
	}
	return fileset.New(list...)
}

// load is a small language: "bad" is an error, "warn" a warning, "needs NAME" an
// error unless that file is there, and removed.ini lists names.
func load(set fileset.Set) (*spec.Config, diag.List) {
	cfg := &spec.Config{}
	var found diag.List
	for _, f := range set.Files() {
		d := diag.Diagnostic{File: f.Name, Line: 1, Severity: diag.Error, Code: "bad", Summary: "is bad"}
		word, rest, _ := strings.Cut(string(f.Data), " ")
		_, there := set.Lookup(rest)
		switch {
		case f.Name == "removed.ini":
			cfg.Removed = strings.Fields(string(f.Data))
		case f.Err != nil, word == "bad", word == "needs" && !there:
			found = append(found, d)
		case word == "warn":
			d.Severity = diag.Warning
			found = append(found, d)
		case spec.Object(f.Name):
			cfg.Apps = append(cfg.Apps, spec.App{ID: f.Name, Name: string(f.Data)})
		}
	}
	return cfg, found
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func keeper(t *testing.T, dir string) *Keeper {
	t.Helper()
	k, err := NewKeeper(KeeperOptions{Load: load, LocalDir: dir, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func accept(t *testing.T, k *Keeper, set fileset.Set) *Generation {
	t.Helper()
	out := k.Offer(set, "test")
	a, ok := out.(Accepted)
	if !ok {
		t.Fatalf("outcome %#v, want Accepted", out)
	}
	return a.Candidate
}

// adopt offers a set and takes it through.
func adopt(t *testing.T, k *Keeper, set fileset.Set) *Generation {
	t.Helper()
	gen := accept(t, k, set)
	take(t, k, gen)
	return gen
}

// take makes a generation the running and the last good one.
func take(t *testing.T, k *Keeper, gen *Generation) {
	t.Helper()
	k.Adopt(gen)
	must(t, k.Store())
}

func reject(t *testing.T, k *Keeper, set fileset.Set) Rejected {
	t.Helper()
	out := k.Offer(set, "test")
	r, ok := out.(Rejected)
	if !ok {
		t.Fatalf("outcome %#v, want Rejected", out)
	}
	return r
}

func apps(gen *Generation) string {
	var out []string
	for _, a := range gen.Config.Apps {
		out = append(out, a.ID+"="+a.Name)
	}
	return strings.Join(out, " ")
}

func TestAnAcceptedSetBecomesTheRunningGeneration(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	if s := k.Status(); k.Current() != nil || s.Accepted || s.Generation != 0 || s.Problems == nil {
		t.Errorf("before anything: %+v", s)
	}
	set := files("fastx.env", "warn", "apps/a.ini", "1")
	gen := accept(t, k, set)
	if k.Current() != nil {
		t.Error("a candidate runs before it was adopted")
	}
	if gen.Number != 1 || gen.Digest != set.Digest() || gen.Origin != "test" || !gen.Accepted.Equal(noon) || apps(gen) != "apps/a.ini=1" {
		t.Errorf("candidate = %+v", gen)
	}
	take(t, k, gen)
	s := k.Status()
	if k.Current() != gen || s.Generation != 1 || s.Digest != set.Digest() || !s.Accepted || len(s.Problems) != 1 || !s.Since.Equal(noon) {
		t.Errorf("status = %+v", s)
	}
	if out := k.Offer(set, "test"); out != (Unchanged{}) {
		t.Errorf("the same set again: %#v", out)
	}
	if gen := adopt(t, k, files("fastx.env", "2")); gen.Number != 2 {
		t.Errorf("number = %d", gen.Number)
	}
}

func TestAGenerationThatNobodyPutANameToSaysSo(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	for origin, want := range map[string]string{"": OriginUnknown, "ann": "ann"} {
		accepted, ok := k.Offer(files("fastx.env", origin), origin).(Accepted)
		if !ok || accepted.Candidate.Origin != want {
			t.Errorf("asked for by %q: %+v", origin, accepted.Candidate)
		}
	}
}

func TestARejectedSetChangesNothingAndIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	loads := 0
	k := keeper(t, t.TempDir())
	k.o.Load = func(s fileset.Set) (*spec.Config, diag.List) { loads++; return load(s) }
	good := adopt(t, k, files("fastx.env", "1"))
	bad := files("fastx.env", "bad")
	if r := reject(t, k, bad); r.Again || len(r.Problems) != 1 {
		t.Errorf("first: %+v", r)
	}
	before := loads
	if r := reject(t, k, bad); !r.Again || len(r.Problems) != 1 || loads != before {
		t.Errorf("second: %+v after %d loads", r, loads-before)
	}
	s := k.Status()
	if k.Current() != good || s.Generation != 1 || s.Digest != bad.Digest() || s.Accepted || len(s.Problems) != 1 {
		t.Errorf("status = %+v", s)
	}
	k.Forget()
	if r := reject(t, k, bad); r.Again || loads == before {
		t.Errorf("after Forget: %+v", r)
	}
	if out := k.Offer(files("fastx.env", "1"), "test"); out != (Unchanged{}) {
		t.Errorf("back to the running set: %#v", out)
	}
	if s := k.Status(); !s.Accepted || len(s.Problems) != 0 || s.Digest != good.Digest {
		t.Errorf("status after going back = %+v", s)
	}
}

func TestTheMemoryOfRejectedSetsIsBounded(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	for i := range 3 * maxRejected {
		reject(t, k, files("fastx.env", "bad "+strings.Repeat("x", i)))
	}
	if len(k.rejected) > maxRejected {
		t.Errorf("%d sets are remembered", len(k.rejected))
	}
}

func TestARefusedCandidateIsRejected(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	good := adopt(t, k, files("fastx.env", "1"))
	set := files("fastx.env", "2")
	problems := diag.List{{Severity: diag.Error, Summary: "the port is taken"}}
	k.Refuse(accept(t, k, set), problems)
	if s := k.Status(); k.Current() != good || s.Accepted || len(s.Problems) != 1 || s.Generation != 1 {
		t.Errorf("status = %+v", s)
	}
	if r := reject(t, k, set); !r.Again {
		t.Error("it was tried again")
	}
	k.Forget()
	if gen := accept(t, k, set); gen.Number != 2 {
		t.Errorf("a refused candidate used up its number: the next is %d", gen.Number)
	}
}

func TestWhatWasRejectedIsJudgedAnewAfterAnAdoption(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	adopt(t, k, files("htpasswd", "1"))
	without := files("fastx.env", "1")
	reject(t, k, without)
	adopt(t, k, files("fastx.env", "1", "removed.ini", "htpasswd"))
	accept(t, k, without)
}

func TestOneBadObjectDoesNotTakeTheOthersDown(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	adopt(t, k, files("apps/a.ini", "a1", "apps/b.ini", "b1", "performance/p.ini", "p1"))
	set := files("apps/a.ini", "a2", "apps/b.ini", "bad", "apps/new.ini", "bad", "performance/p.ini", "bad")
	gen := adopt(t, k, set)
	if got, want := apps(gen), "apps/a.ini=a2 apps/b.ini=b1 performance/p.ini=p1"; got != want {
		t.Errorf("served: %s, want %s", got, want)
	}
	if want := []string{"apps/b.ini", "apps/new.ini", "performance/p.ini"}; !slices.Equal(gen.HeldBack, want) || !slices.Equal(k.Status().HeldBack, want) {
		t.Errorf("held back: %v, %v", gen.HeldBack, k.Status().HeldBack)
	}
	if s := k.Status(); !s.Accepted || len(s.Problems.Of(diag.Error)) != 3 || s.Digest != set.Digest() || s.Digest == gen.Digest {
		t.Errorf("status = %+v", s)
	}
	if out := k.Offer(set, "test"); out != (Unchanged{}) {
		t.Errorf("the same set again: %#v", out)
	}
	gen = adopt(t, k, files("apps/b.ini", "b2", "performance/p.ini", "bad"))
	if got, want := apps(gen), "apps/b.ini=b2 performance/p.ini=p1"; got != want {
		t.Errorf("two edits later: %s, want %s", got, want)
	}
	if !slices.Equal(gen.HeldBack, []string{"performance/p.ini"}) {
		t.Errorf("held back: %v", gen.HeldBack)
	}
}

func TestAnObjectThatDependsOnOneLeftOutIsHeldBackToo(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	gen := accept(t, k, files("apps/a.ini", "needs performance/p.ini", "apps/b.ini", "needs apps/a.ini", "apps/c.ini", "1", "performance/p.ini", "bad"))
	if got := apps(gen); got != "apps/c.ini=1" {
		t.Errorf("served: %s", got)
	}
	if want := []string{"apps/a.ini", "apps/b.ini", "performance/p.ini"}; !slices.Equal(gen.HeldBack, want) || len(gen.Problems) != 3 {
		t.Errorf("held back %v: %s", gen.HeldBack, gen.Problems.Text())
	}
}

func TestALastGoodObjectThatIsBadByNowIsLeftOut(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	adopt(t, k, files("apps/a.ini", "needs performance/p.ini", "performance/p.ini", "1"))
	gen := accept(t, k, files("apps/a.ini", "bad"))
	if apps(gen) != "" || !slices.Equal(gen.HeldBack, []string{"apps/a.ini"}) {
		t.Errorf("served %q, held back %v", apps(gen), gen.HeldBack)
	}
}

func TestOnlyObjectsAreHeldBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fastx.env", "apps/default.ini", "apps", "apps/x/y.ini", "nats-server.conf", "/etc/default/fastx4"} {
		k := keeper(t, t.TempDir())
		adopt(t, k, files("apps/a.ini", "1"))
		r := reject(t, k, files("apps/a.ini", "bad", name, "bad"))
		if len(r.Problems) != 2 {
			t.Errorf("%s: not all problems at once: %s", name, r.Problems.Text())
		}
	}
}

func TestASecurityFileVanishesOnlyByDeclaration(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"transporter-secret.ini", "permissions.ini", "htpasswd", "nats-server.conf", "auth-ssh.ini", "auth-oidc.ini", "https.ini", "admin.secret"} {
		k := keeper(t, t.TempDir())
		good := adopt(t, k, files(name, "1", "fastx.env", "1"))
		r := reject(t, k, files("fastx.env", "1"))
		if r.Problems[0].Code != "vanished" || r.Problems[0].File != name || !strings.Contains(r.Problems[0].Remedy, name) {
			t.Errorf("%s gone: %s", name, r.Problems.Text())
		}
		r = reject(t, k, files("fastx.env", "1", name, " \n"))
		if r.Problems[0].Code != "emptied" || r.Problems[0].File != name {
			t.Errorf("%s empty: %s", name, r.Problems.Text())
		}
		if name != "admin.secret" {
			r = reject(t, k, files("fastx.env", "1", name, spec.Header+"\n\n# torn\n"))
			if r.Problems[0].Code != "emptied" {
				t.Errorf("%s of comments alone: %s", name, r.Problems.Text())
			}
		}
		reject(t, k, files("fastx.env", "1", "removed.ini", "another"))
		reject(t, k, fileset.Set{}) // the whole directory: an unmounted share
		if k.Current() != good {
			t.Errorf("%s: the running generation changed", name)
		}
		accept(t, k, files("fastx.env", "1", "removed.ini", name))
		adopt(t, k, files("fastx.env", "1", "removed.ini", name))
		accept(t, k, files("fastx.env", "1")) // what is gone by declaration stays gone
	}
}

func TestOtherFilesMayVanish(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	adopt(t, k, files("fastx.env", "1", "apps/a.ini", "1", "auth/x.ini", "1", "/etc/htpasswd", "1", "https.ini", ""))
	adopt(t, k, fileset.Set{})
}

func TestAnUnreadableObjectIsHeldBack(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	adopt(t, k, files("apps/a.ini", "1"))
	gen := accept(t, k, fileset.New(fileset.File{Name: "apps/a.ini", Err: fs.ErrPermission}))
	if apps(gen) != "apps/a.ini=1" {
		t.Errorf("served %q", apps(gen))
	}
}

func TestAKeeperWantsItsOptions(t *testing.T) {
	t.Parallel()
	if _, err := NewKeeper(KeeperOptions{}); err == nil {
		t.Error("a keeper without options")
	}
}
