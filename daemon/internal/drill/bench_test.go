package drill

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/nats-io/nats-server/v2/server"
	"gopkg.in/ini.v1"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/watch"
)

// report makes the measurements at full length; without it each is made once, to keep the harness itself working.
var report = flag.Bool("report", false, "measure at full length and print bench lines")

// at is how often, or of how much, to measure.
func at(full, short int) int {
	if *report {
		return full
	}
	return short
}

// line prints one result; the name ends in the unit.
func line(name string, ours, peer float64, note string) {
	fmt.Printf("bench %s ours=%.1f peer=%.1f ratio=%.2f %s\n", name, ours, peer, ours/peer, note)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// centile returns the value below which this part of the samples lies.
func centile(samples []time.Duration, part float64) time.Duration {
	slices.Sort(samples)
	return samples[min(int(part*float64(len(samples))), len(samples)-1)]
}

// wide is the drill's tree with as many application files more.
func wide(apps int) fileset.Set {
	files := Tree().Files()
	for i := range apps {
		files = append(files, app(i, 0))
	}
	return fileset.New(files...)
}

// app is a version of one application's file.
func app(number, version int) fileset.File {
	return fileset.File{Name: fmt.Sprintf("apps/app-%05d.ini", number), Mode: 0o644, Data: fmt.Appendf(nil,
		"name = Application %d\ncommand = exec app-%d --version %d\ngeometry = 1280x800\ngroups = staff, students\n", number, number, version)}
}

// TestReportConfigRename measures from the rename of one application's file to the commit of its generation, beside a
// bare loop of the libraries and beside the reload of an embedded nats-server, taking turns.
func TestReportConfigRename(t *testing.T) {
	const apps = 500
	l := startLive(t, wide(apps), EngineOptions{History: true, Watch: watch.Options{Interval: time.Hour}})
	bare := startBare(t, apps)
	hub := startNATS(t)
	var ours, inPlace, loop, nats []time.Duration
	for i := range at(300, 2) {
		ours = append(ours, l.latency(t, app(i%apps, i+1), l.dir.Rename))
		loop = append(loop, bare.latency(t, app(i%apps, i+1)))
		nats = append(nats, hub.latency(t, i))
	}
	for i := range at(300, 2) {
		inPlace = append(inPlace, l.latency(t, app(i%apps, -i-1), func(f fileset.File) { l.dir.Truncate(f.Name, 0); l.dir.Write(f.Name, 0, f.Data) }))
	}
	line("config_rename_to_live_p50_ms", ms(centile(ours, 0.5)), ms(centile(loop, 0.5)), "files=500 peer-is=fsnotify+ini.v1")
	line("config_rename_to_live_p99_ms", ms(centile(ours, 0.99)), ms(centile(loop, 0.99)), "files=500 target<=10 peer-is=fsnotify+ini.v1")
	line("config_rename_to_live_vs_nats_p50_ms", ms(centile(ours, 0.5)), ms(centile(nats, 0.5)), "files=500 peer-is=nats-server-reload-of-one-file")
	line("config_rename_to_live_vs_nats_p99_ms", ms(centile(ours, 0.99)), ms(centile(nats, 0.99)), "files=500 peer-is=nats-server-reload-of-one-file")
	line("config_write_to_live_p50_ms", ms(centile(inPlace, 0.5)), 110, "files=500 peer-is=the-promise")
	line("config_write_to_live_p99_ms", ms(centile(inPlace, 0.99)), 110, "files=500 target<=110 peer-is=the-promise")
}

// latency writes a file and waits until it runs, then until the engine is at rest.
func (l *live) latency(t *testing.T, f fileset.File, write func(fileset.File)) time.Duration {
	t.Helper()
	begin := time.Now()
	write(f)
	if !l.await(patience, holds(f)) {
		t.Fatalf("%s does not run: %v", f.Name, l.Keeper.Status().Problems.Err())
	}
	took := time.Since(begin)
	if _, err := l.Loop.Reload(t.Context(), "bench"); err != nil {
		t.Fatal(err)
	}
	return took
}

// bare is what the libraries give: a directory is watched, and after any event all its files are parsed.
type bare struct {
	dir    string
	parsed chan string // the command of the file that an event named
}

func startBare(t *testing.T, apps int) bare {
	t.Helper()
	b := bare{t.TempDir(), make(chan string, 64)}
	for i := range apps {
		b.write(t, app(i, 0))
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = w.Add(b.dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { w.Close(); <-done })
	go func() {
		defer close(done)
		for e := range w.Events {
			if e.Has(fsnotify.Create) && strings.HasSuffix(e.Name, ".ini") {
				b.parsed <- b.parse(e.Name)
			}
		}
	}()
	return b
}

func (b bare) parse(changed string) (command string) {
	paths, _ := filepath.Glob(b.dir + "/*.ini")
	for _, path := range paths {
		file, err := ini.Load(path)
		if err == nil && path == changed {
			command = file.Section("").Key("command").String()
		}
	}
	return command
}

func (b bare) write(t *testing.T, f fileset.File) {
	t.Helper()
	path := filepath.Join(b.dir, filepath.Base(f.Name))
	if err := os.WriteFile(path+"~", f.Data, f.Mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

func (b bare) latency(t *testing.T, f fileset.File) time.Duration {
	t.Helper()
	begin := time.Now()
	b.write(t, f)
	select {
	case command := <-b.parsed:
		if !strings.Contains(string(f.Data), command) || command == "" {
			t.Fatalf("the peer has parsed %q", command)
		}
	case <-time.After(patience):
		t.Fatal("the peer has seen nothing")
	}
	return time.Since(begin)
}

// embedded is a nats-server with a configuration file.
type embedded struct {
	*server.Server
	path string
}

func startNATS(t *testing.T) embedded {
	t.Helper()
	e := embedded{path: filepath.Join(t.TempDir(), "nats-server.conf")}
	e.write(t, 0)
	opts, err := server.ProcessConfigFile(e.path)
	if err != nil {
		t.Fatal(err)
	}
	opts.NoSigs = true
	if e.Server, err = server.NewServer(opts); err != nil {
		t.Fatal(err)
	}
	e.Start()
	t.Cleanup(func() { e.Shutdown(); e.WaitForShutdown() })
	if !e.ReadyForConnections(patience) {
		t.Fatal("the nats-server does not start")
	}
	return e
}

func (e embedded) write(t *testing.T, version int) {
	t.Helper()
	text := fmt.Sprintf("host: 127.0.0.1\nport: -1\nmax_payload: %d\nauthorization { users = [{nkey: %s}, {nkey: %s}] }\n", 1<<20+version, nkeyA, nkeyB)
	if err := os.WriteFile(e.path+"~", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(e.path+"~", e.path); err != nil {
		t.Fatal(err)
	}
}

// latency changes the file and reloads at once, as the signal HUP does.
func (e embedded) latency(t *testing.T, version int) time.Duration {
	t.Helper()
	begin := time.Now()
	e.write(t, version+1)
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// TestReportConfigGrowth measures how the time from rename to live grows with the number of files.
func TestReportConfigGrowth(t *testing.T) {
	for _, files := range []int{10, 100, 1000, 10_000} {
		if !*report && files > 100 {
			break
		}
		apps := min(files, fileset.MaxFiles-100) // directories and the rest of the tree count too
		l := startLive(t, wide(apps), EngineOptions{Watch: watch.Options{Interval: time.Hour}})
		bare := startBare(t, apps)
		var ours, loop []time.Duration
		for i := range at(max(10, 2000/files), 1) {
			ours = append(ours, l.latency(t, app(i%apps, i+1), l.dir.Rename))
			loop = append(loop, bare.latency(t, app(i%apps, i+1)))
		}
		line(fmt.Sprintf("config_rename_to_live_%d_files_p50_ms", files), ms(centile(ours, 0.5)), ms(centile(loop, 0.5)), "peer-is=fsnotify+ini.v1")
	}
}

// TestReportConfigRescan measures what looking at 10,000 unchanged files costs.
func TestReportConfigRescan(t *testing.T) {
	apps := at(fileset.MaxFiles-100, 100)
	l := startLive(t, wide(apps), EngineOptions{Watch: watch.Options{Interval: time.Hour}})
	looks := at(20, 1)
	ours := cpu(t, func() {
		for range looks {
			if _, err := l.Watcher.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	peer := cpu(t, func() {
		for range looks {
			bareScan(t, string(l.dir))
		}
	})
	perMinute := float64(time.Minute/watch.DefaultInterval) / float64(looks)
	line("config_rescan_cpu_ms_per_minute", ms(ours)*perMinute, ms(peer)*perMinute, fmt.Sprintf("files=%d every=%v peer-is=walk+read+sha256", apps, watch.DefaultInterval))
}

// bareScan reads and hashes every file below a directory.
func bareScan(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		sha256.Sum256(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cpu is the processor time that this process spends meanwhile.
func cpu(t *testing.T, run func()) time.Duration {
	t.Helper()
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := spent()
	run()
	return spent() - before
}
