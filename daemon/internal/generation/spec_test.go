package generation

import (
	"log/slog"
	"os"
	"slices"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// TestTheKeeperUnderstandsWhatSpecReports holds the keeper to the loader it really runs with.
func TestTheKeeperUnderstandsWhatSpecReports(t *testing.T) {
	t.Parallel()
	in := spec.Input{Hostname: "n1", DaemonUID: os.Getuid(), DaemonGID: os.Getgid()}
	k, err := NewKeeper(KeeperOptions{Load: in.Load, LocalDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	tree := func(pairs ...string) fileset.Set {
		var set fileset.Set
		for i := 0; i < len(pairs); i += 2 {
			set = set.With(fileset.File{Name: pairs[i], Data: []byte(pairs[i+1]), Mode: 0o600, UID: os.Getuid(), GID: os.Getgid()})
		}
		return set
	}
	const (
		term = "name = Terminal\ncommand = xterm\n"
		nats = "authorization { token: longrandomtoken }\ncluster { name: x, host: localhost, port: 6222 }\n"
	)
	good := tree("apps/a.ini", term, "apps/b.ini", term, "nats-server.conf", nats)
	adopt(t, k, good)

	gen := adopt(t, k, good.With(tree("apps/a.ini", "nonsense = 1\n").Files()[0]))
	if !slices.Equal(gen.HeldBack, []string{"apps/a.ini"}) || len(gen.Config.Apps) != 2 || gen.Config.Apps[0].Command != "xterm" {
		t.Errorf("one bad app: held back %v, apps %+v\n%s", gen.HeldBack, gen.Config.Apps, gen.Problems.Text())
	}
	for name, torn := range map[string]fileset.Set{
		"nats-server.conf is empty":       good.With(tree("nats-server.conf", "").Files()[0]),
		"nats-server.conf is cut off":     good.With(tree("nats-server.conf", nats[:20]).Files()[0]),
		"nats-server.conf lost its head":  good.With(tree("nats-server.conf", "port: 4222\n").Files()[0]),
		"nats-server.conf is gone":        good.Without("nats-server.conf"),
		"everything is gone":              {},
		"removed.ini names another":       good.Without("nats-server.conf").With(tree("removed.ini", "[removed]\nfiles = htpasswd\n").Files()[0]),
		"removed.ini is for what is here": good.With(tree("removed.ini", "[removed]\nfiles = nats-server.conf\n").Files()[0]),
	} {
		if _, rejected := k.Offer(torn, "test").(Rejected); !rejected {
			t.Errorf("%s: accepted", name)
		}
	}
	accept(t, k, good.Without("nats-server.conf").With(tree("removed.ini", "[removed]\nfiles = nats-server.conf\n").Files()[0]))
}
