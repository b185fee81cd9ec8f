package daemon_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/drill"
)

// drillConfig makes the drill of the configuration run at full size; the package drill has the same flags.
var (
	drillConfig = flag.Bool("drill", false, "run the drill of the configuration at full size")
	drillSeed   = flag.Uint64("seed", 0, "the seed of the drill of the configuration; 0 takes one by the clock at full size, else always the same")
)

// liveTree adds the drill's tree to what fastxctl init has written, whose logins and transporter stay. It returns all of it.
func liveTree(t *testing.T, n *node) fileset.Set {
	t.Helper()
	tree := drill.Tree().Without("transporter-secret.ini").Without("https.ini")
	written, err := fileset.Read(n.path("config"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"htpasswd", "fastx.env"} {
		f, _ := written.Lookup(name)
		tree = tree.With(f)
	}
	tree = tree.With(fileset.File{Name: "permissions.ini", Mode: 0o644,
		Data: []byte("[permissions]\ndefault = limited\n\n[admin]\nusers = " + n.User + "\n\n[disabled]\nusers = mallory\n")})
	if err := tree.Write(n.path("config")); err != nil {
		t.Fatal(err)
	}
	if written, err = fileset.Read(n.path("config")); err != nil {
		t.Fatal(err)
	}
	return written
}

// TestDrillConfigLive damages the files of a running fastxd, in place, one after the other. Meanwhile everyone who could
// log in can, whoever could not cannot, and an administrator stays one; when the files are good again they run.
func TestDrillConfigLive(t *testing.T) {
	t.Parallel()
	steps := 20
	if *drillConfig {
		steps = 500
	}
	seed := drill.Seed(*drillSeed, *drillConfig)
	fmt.Printf("%s: -seed %d\n", t.Name(), seed)
	n := newNode(t)
	good := liveTree(t, n)
	n.Start()
	d := &liveDrill{node: n, rng: rand.New(rand.NewPCG(seed, 1)), place: drill.Dir(n.path("config")), good: good}
	d.serves(t, "before the drill")
	stop := d.keepAsking(t)
	for i := range steps {
		if d.step(t, i); t.Failed() {
			break
		}
	}
	if asked := stop(); asked < steps {
		t.Errorf("the node was asked %d times in %d steps", asked, steps)
	}
	if log := n.Log(); strings.Contains(log, "panic") || strings.Contains(log, "WARNING: DATA RACE") {
		t.Errorf("the daemon panics:\n%s", log)
	}
}

// liveDrill is a drill below a running daemon.
type liveDrill struct {
	*node
	rng   *rand.Rand
	place drill.Dir
	good  fileset.Set
	asked int                    // how often whether it serves
	login time.Time              // when somebody last logged in
	now   atomic.Pointer[string] // the step under way
}

// step damages a file, asks the node whether it serves, and mends the file.
func (d *liveDrill) step(t *testing.T, number int) {
	t.Helper()
	names := d.good.Names()
	f, _ := d.good.Lookup(names[d.rng.IntN(len(names))])
	kind := drill.Choose(d.rng)
	for kind.Garbles && (f.Name == "htpasswd" || f.Name == "permissions.ini") { // a name that is garbled is another name
		kind = drill.Choose(d.rng)
	}
	what := fmt.Sprintf("step %d (%s: %s)", number, f.Name, kind.Kind)
	d.now.Store(&what)
	what += ", " + kind.Do(d.place, d.rng, wait, f)
	wait(time.Duration(d.rng.Int64N(int64(300 * time.Millisecond))))
	d.serves(t, what)
	if d.rng.IntN(2) == 0 {
		f = drill.Version(f, number)
		d.good = d.good.With(f)
	}
	drill.Mend(d.place, d.rng, wait, f)
	d.converges(t, what)
}

// wait is the pause of a writer.
func wait(d time.Duration) { <-time.After(d) }

// serves asks as an administrator, who logs in anew, as nobody, and as somebody who does not know the password.
func (d *liveDrill) serves(t *testing.T, what string) {
	t.Helper()
	if time.Since(d.login) > 1500*time.Millisecond { // nobody may log in more than 60 times a minute
		d.login = time.Now()
		if status := d.Call("", "POST", "/api/v1/login", map[string]string{"username": d.User, "password": d.Password}, nil); status != 200 {
			t.Errorf("%s: a login is answered %d", what, status)
		}
	}
	d.asked++
	if d.asked%50 == 1 { // more would be taken for guessing
		if status := d.Call("", "POST", "/api/v1/login", map[string]string{"username": "mallory", "password": "mallory"}, nil); status == 200 {
			t.Errorf("%s: mallory is let in", what)
		}
	}
	if status := d.Call("", "GET", "/api/v1/config", nil, nil); status != 401 {
		t.Errorf("%s: without a token /config is answered %d", what, status)
	}
}

// keepAsking asks all the time whether an administrator still is one, and returns how to end that.
func (d *liveDrill) keepAsking(t *testing.T) (stop func() int) {
	t.Helper()
	token, done := d.Token(), make(chan struct{})
	var asked int
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			asked++
			if status := d.Call(token, "GET", "/api/v1/config", nil, nil); status != 200 {
				t.Errorf("%s: the administrator's /config is answered %d", *d.now.Load(), status)
				return
			}
		}
	})
	return func() int { close(done); all.Wait(); return asked }
}

// converges waits until the good files run, every one of them.
func (d *liveDrill) converges(t *testing.T, what string) {
	t.Helper()
	began, want := time.Now(), d.texts()
	await(t, "the good files to run after "+what, func() error {
		var reply struct {
			Nodes []struct {
				Accepted bool
				Shared   string
				Problems []struct{ Severity, File, Summary string }
			}
		}
		if status := d.Call(d.Token(), "GET", "/api/v1/config", nil, &reply); status != 200 || len(reply.Nodes) != 1 {
			return fmt.Errorf("/config is answered %d for %d nodes", status, len(reply.Nodes))
		}
		for _, p := range reply.Nodes[0].Problems {
			if p.Severity == "error" {
				return fmt.Errorf("%s %s", p.File, p.Summary)
			}
		}
		if c := reply.Nodes[0]; !c.Accepted || c.Shared != want {
			return fmt.Errorf("accepted %t, and %.15s runs instead of %.15s; %v", c.Accepted, c.Shared, want, d.disk())
		}
		return nil
	})
	if took := time.Since(began); *drillConfig && took > 30*time.Second {
		t.Errorf("%s: it took %v until the good files ran", what, took)
	}
}

// texts is the digest of what all nodes of a cluster would share of the good files.
func (d *liveDrill) texts() string {
	var shared []fileset.File
	for _, f := range d.good.Files() {
		shared = append(shared, fileset.File{Name: f.Name, Data: f.Data})
	}
	return fileset.New(shared...).Digest()
}

// disk proves that the drill itself has left the files as they should be.
func (d *liveDrill) disk() error {
	for _, f := range d.good.Files() {
		data, err := os.ReadFile(d.path("config", f.Name))
		if err != nil || string(data) != string(f.Data) {
			return fmt.Errorf("%s is not what was written: %w", f.Name, errors.Join(err, errors.New("the drill is broken")))
		}
	}
	return nil
}
