package drill

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
)

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// live is an engine on a real directory.
type live struct {
	*Engine
	*witness
	dir   Dir
	local string
}

func startLive(t *testing.T, tree fileset.Set, o EngineOptions) *live {
	t.Helper()
	l := &live{dir: Dir(t.TempDir()), local: local(t)}
	if err := tree.Write(string(l.dir)); err != nil {
		t.Fatal(err)
	}
	l.witness = newWitness(func(*generation.Generation) error { return nil }, nil)
	o.Watch.Dir, o.Local, o.Services = string(l.dir), l.local, []reload.Service{l.witness}
	var err error
	if l.Engine, err = Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Engine.Stop)
	return l
}

// footprint is what a process holds.
type footprint struct {
	goroutines, descriptors int
	heap                    uint64
}

func measure(t *testing.T) footprint {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{runtime.NumGoroutine(), len(open), m.HeapAlloc}
}

// size is how many bytes and files lie below a directory.
func size(t *testing.T, dir string) (bytes int64, files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		bytes += info.Size()
		files++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes, files
}

// TestDrillConfigLeaks reloads again and again, with a history, and counts what is left over. It does not run beside
// other tests, whose goroutines it would count.
func TestDrillConfigLeaks(t *testing.T) {
	reloads := 60
	if *full {
		reloads = 10_000
	}
	l := startLive(t, Tree(), EngineOptions{History: true})
	rng := rand.New(rand.NewPCG(chosen(t), 0))
	tree := Tree()
	names := []string{"apps/xterm.ini", "permissions.ini", "nats-server.conf", "htpasswd", "fastx.env", "theme.ini"}
	reload := func(i int) {
		f, _ := tree.Lookup(names[rng.IntN(len(names))])
		if i%10 == 0 { // one that is rejected
			l.dir.Rename(fileset.File{Name: f.Name, Data: []byte(fmt.Sprintf("[torn %d", i)), Mode: f.Mode})
			if _, err := l.Loop.Reload(t.Context(), "drill"); err != nil {
				t.Fatal(err)
			}
		}
		f = Version(f, i)
		l.dir.Rename(f)
		if !l.await(patience, holds(f)) {
			t.Fatalf("reload %d: %s does not run: %v", i, f.Name, l.Keeper.Status().Problems.Err())
		}
	}
	const warm = 20
	for i := range warm {
		reload(i)
	}
	before, began := measure(t), time.Now()
	for i := range reloads {
		reload(warm + i)
	}
	after := measure(t)
	more := func() bool { return after.goroutines > before.goroutines || after.descriptors > before.descriptors }
	for deadline := time.Now().Add(patience); more() && time.Now().Before(deadline); { // the watcher may be reading just now
		<-time.After(time.Millisecond)
		after = measure(t)
	}
	if more() {
		t.Errorf("after %d reloads %+v, before %+v", reloads, after, before)
	}
	if grown := int64(after.heap) - int64(before.heap); grown > 8<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	bytes, files := size(t, filepath.Join(l.local, "history"))
	fmt.Printf("%s: %d reloads in %v; goroutines %d → %d, descriptors %d → %d, heap %d → %d KiB; history %d KiB in %d files\n", t.Name(), reloads,
		time.Since(began).Round(time.Second), before.goroutines, after.goroutines, before.descriptors, after.descriptors,
		before.heap>>10, after.heap>>10, bytes>>10, files)
	if most := int64(64 << 20); bytes > most {
		t.Errorf("the history holds %d bytes, more than %d", bytes, most)
	}
}
