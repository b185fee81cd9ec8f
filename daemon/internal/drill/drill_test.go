package drill

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/watch"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

var (
	full = flag.Bool("drill", false, "run the drills of the configuration at full size")
	seed = flag.Uint64("seed", 0, "the seed of the drills; 0 takes one by the clock at full size, else always the same")
)

// chosen is the seed of this run, which is printed so that it can be given again.
func chosen(t *testing.T) uint64 {
	t.Helper()
	s := Seed(*seed, *full)
	fmt.Printf("%s: -seed %d\n", t.Name(), s)
	return s
}

// local is a directory for what an engine keeps. In memory, where there is such a place: what it keeps is flushed
// to disk file by file, which is not what the drill is about.
func local(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "fx-drill")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// drilled runs a drill in a bubble.
func drilled(t *testing.T, o Options) (result Result, err error) {
	t.Helper()
	o.Local = local(t)
	synctest.Test(t, func(t *testing.T) { result, err = Run(t.Context(), o) })
	return result, err
}

// TestDrillConfig damages all kinds of files on an engine in virtual time.
func TestDrillConfig(t *testing.T) {
	t.Parallel()
	steps := 120
	if *full {
		steps = 10_000
	}
	s := chosen(t)
	for name, events := range map[string]bool{"with events": true, "without events": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := drilled(t, Options{Seed: s, Steps: steps, Events: events})
			if err != nil {
				t.Fatalf("-seed %d: %v", s, err)
			}
			if result.Steps != steps || result.Generations < steps/4 || result.Rejections < steps/20 || result.HeldBack == 0 {
				t.Errorf("the drill was too soft: %+v", result)
			}
			fmt.Printf("%s: %+v\n", t.Name(), result)
		})
	}
}

// forgiving is a loader that says nothing of the problems that let names.
func forgiving(let func(fileset.Set, diag.Diagnostic) bool) func(generation.Loader) generation.Loader {
	return func(load generation.Loader) generation.Loader {
		return func(set fileset.Set) (*spec.Config, diag.List) {
			cfg, found := load(set)
			var rest diag.List
			for _, d := range found {
				if !let(set, d) {
					rest = append(rest, d)
				}
			}
			return cfg, rest
		}
	}
}

// anEmptyConf takes an empty nats-server.conf for one that is meant to be gone.
func anEmptyConf(load generation.Loader) generation.Loader {
	return func(set fileset.Set) (*spec.Config, diag.List) {
		if f, _ := set.Lookup("nats-server.conf"); !spec.Hollow(f) {
			return load(set)
		}
		cfg, found := load(set.Without("nats-server.conf"))
		cfg.Removed = append(cfg.Removed, "nats-server.conf")
		return cfg, found
	}
}

// TestTheDrillFindsAFault plants faults in the engine, and the drill has to name each.
func TestTheDrillFindsAFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		plant plant
		says  string
	}{
		{"an empty nats-server.conf is let through", plant{load: anEmptyConf}, "nats-server.conf"},
		{"an open secret is let through", plant{load: forgiving(func(_ fileset.Set, d diag.Diagnostic) bool { return d.Code == "secret-exposed" })}, "is a secret with mode"},
		{"the loader panics on zeros", plant{load: func(load generation.Loader) generation.Loader {
			return func(set fileset.Set) (*spec.Config, diag.List) {
				for _, f := range set.Files() {
					if strings.Contains(string(f.Data), "\x00") {
						panic("zeros")
					}
				}
				return load(set)
			}
		}}, "the loader panics: zeros"},
		{"a read is remembered too long", plant{read: func(read watch.Reader) watch.Reader {
			var first fileset.Set
			return func(dir string, extra ...string) (fileset.Set, []string, error) {
				set, dirs, err := read(dir, extra...)
				if first.Len() == 0 {
					first = set
				}
				return first, dirs, err
			}
		}}, "others run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			result, err := drilled(t, Options{Seed: 3, Steps: 1000, Events: true, plant: c.plant})
			if err == nil {
				t.Fatalf("%d steps found nothing", result.Steps)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "step ") {
				t.Errorf("the drill says %v", err)
			}
		})
	}
}
