package generation

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestANodeGoesOnWithItsLastGoodGeneration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := keeper(t, dir)
	adopt(t, k, files("fastx.env", "1"))
	set := files("fastx.env", "2", "apps/a.ini", "1", "htpasswd", "u")
	second := adopt(t, k, set)

	k = keeper(t, dir) // the node starts again, on the same files
	gen := adopt(t, k, set)
	if gen.Number != 2 || gen.Origin != "test" || !gen.Accepted.Equal(second.Accepted) {
		t.Errorf("a restart made generation %+v of generation 2", gen)
	}

	k = keeper(t, dir) // and on a broken directory
	broken := files("fastx.env", "bad", "apps/a.ini", "1", "htpasswd", "u")
	reject(t, k, broken)
	gen, err := k.LastGood()
	if err != nil {
		t.Fatal(err)
	}
	if gen.Number != 2 || gen.Origin != OriginLastGood || gen.Digest != set.Digest() || !gen.Set.Equal(set) || apps(gen) != "apps/a.ini=1" {
		t.Errorf("last good = %+v", gen)
	}
	take(t, k, gen)
	if s := k.Status(); s.Generation != 2 || s.Accepted || s.Digest != broken.Digest() || len(s.Problems) != 1 {
		t.Errorf("status = %+v; it must say that the files are not what runs", s)
	}
	reject(t, k, files("fastx.env", "3")) // htpasswd is still missed
	if gen := adopt(t, k, files("fastx.env", "3", "htpasswd", "u")); gen.Number != 3 {
		t.Errorf("the next number is %d", gen.Number)
	}
}

func TestObjectsAreHeldBackOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := keeper(t, dir)
	adopt(t, k, files("apps/a.ini", "1"))
	set := files("apps/a.ini", "bad")
	adopt(t, k, set)
	k = keeper(t, dir)
	if gen := adopt(t, k, set); apps(gen) != "apps/a.ini=1" || !slices.Equal(gen.HeldBack, []string{"apps/a.ini"}) {
		t.Errorf("served %q, held back %v", apps(gen), gen.HeldBack)
	}
}

func TestWithoutALastGoodGenerationThereIsNone(t *testing.T) {
	t.Parallel()
	k := keeper(t, t.TempDir())
	if _, err := k.LastGood(); !errors.Is(err, ErrNone) {
		t.Errorf("err = %v", err)
	}
}

func TestALastGoodGenerationThatDoesNotLoadAnyMoreSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	adopt(t, keeper(t, dir), files("fastx.env", "1"))
	k := keeper(t, dir)
	k.o.Load = func(fileset.Set) (*spec.Config, diag.List) {
		return nil, diag.List{{File: "fastx.env", Severity: diag.Error, Summary: "is of an old kind"}}
	}
	if _, err := k.LastGood(); err == nil || !strings.Contains(err.Error(), "generation 1") || !strings.Contains(err.Error(), "old kind") {
		t.Errorf("err = %v", err)
	}
}

func TestALastGoodGenerationWithAnObjectThatIsBadByNowRunsWithoutIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	adopt(t, keeper(t, dir), files("fastx.env", "1", "apps/a.ini", "old"))
	k := keeper(t, dir)
	k.o.Load = func(s fileset.Set) (*spec.Config, diag.List) {
		if _, there := s.Lookup("apps/a.ini"); there {
			return nil, diag.List{{File: "apps/a.ini", Severity: diag.Error, Summary: "is of an old kind"}}
		}
		return load(s)
	}
	gen, err := k.LastGood()
	if err != nil {
		t.Fatal(err)
	}
	take(t, k, gen)
	if again := keeper(t, dir); again.base.Number != 1 || !slices.Equal(again.base.Set.Names(), []string{"fastx.env"}) {
		t.Errorf("stored: %d %v", again.base.Number, again.base.Set.Names())
	}
}

func TestADamagedStoreIsSaidAndDoneWithout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	adopt(t, keeper(t, dir), files("fastx.env", "1"))
	damage(t, dir)
	var log bytes.Buffer
	k, err := NewKeeper(KeeperOptions{Load: load, LocalDir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	if gen := adopt(t, k, files("fastx.env", "2")); gen.Number != 2 {
		t.Errorf("numbers do not go on: %d", gen.Number)
	}
}
