package launchd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unstarted is a Starter that starts nothing and keeps what it was told.
type unstarted struct {
	mu      sync.Mutex
	records []session.Record
	orders  []spawn.Order
	killed  []string
	fail    error
}

func (u *unstarted) Start(o spawn.Order) (session.Process, bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail != nil {
		return session.Process{}, false, u.fail
	}
	rec, err := session.DecodeRecord(io.NewSectionReader(o.Record, 0, 1<<20))
	if err != nil {
		return session.Process{}, false, err
	}
	if _, err := o.Record.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EPERM) {
		return session.Process{}, false, fmt.Errorf("the record can be changed: %w", err)
	}
	_, err = o.Log.WriteString("supervised\n")
	u.orders, u.records = append(u.orders, o), append(u.records, *rec)
	return session.Process{PID: 4711, Start: 7, Name: "fastxd-session"}, false, err
}

func (u *unstarted) Kill(id string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.killed = append(u.killed, id)
	return u.fail
}

func (u *unstarted) started() []session.Record {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.records)
}

// rig is an fastxd-launchd at work, and a launcher that asks it. People are those of passwd and shadow.
type rig struct {
	*Server
	t       *testing.T
	dir     string
	key     *ticket.Key
	starter *unstarted
	client  Client
	order   spawn.Order // as the launcher would give it, but for the ticket
	stop    func()
	judge   Judge
}

// people are the accounts of the machine: name, then passwd's line without the name, then shadow's.
var people = map[string][2]string{
	"ann":                 {"x:1001:1001:Ann:/home/ann:/bin/bash", "$y$hash:20000:0:99999:7:::"},
	"ann@eda.example.com": {"*:200001:200000:Ann:/home/eda/ann:/bin/bash", ""},
	"key":                 {"x:1002:1002::/home/key:/bin/sh", "*:20000:0:99999:7:::"},
	"tomorrow":            {"x:1003:1003::/home/t:/bin/sh", "$y$hash:20000:0:99999:7::20001:"},
	"root":                {"x:0:0:root:/root:/bin/bash", "*:20000:0:99999:7:::"},
	"toor":                {"x:0:0:root:/root:/bin/bash", "*:20000:0:99999:7:::"},
	"daemon":              {"x:1:1::/:/bin/sh", "*:20000:0:99999:7:::"},
	"fastx":               {"x:999:999::/var/lib/fastx:/bin/bash", "*:20000:0:99999:7:::"},
	"ghost":               {"x:1004:1004::/:/usr/sbin/nologin", "$y$hash:20000:0:99999:7:::"},
	"liar":                {"x:1005:1005::/:/usr/local/bin/false", "$y$hash:20000:0:99999:7:::"},
	"git":                 {"x:1006:1006::/:/usr/bin/git-shell", "$y$hash:20000:0:99999:7:::"},
	"locked":              {"x:1007:1007::/:/bin/bash", "!$y$hash:20000:0:99999:7:::"},
	"gone":                {"x:1008:1008::/:/bin/bash", "$y$hash:19000:0:99999:7::20000:"},
}

// today is the 20000th day, a few hours old.
var today = time.Unix(20000*24*60*60+12345, 0)

func lookup(_ context.Context, database, key string) ([]byte, error) {
	p, there := people[key]
	switch {
	case key == "flaky":
		return nil, errors.New("the directory is down")
	case !there, database == "shadow" && p[1] == "":
		return nil, nil
	case database == "shadow":
		return []byte(key + ":" + p[1] + "\n"), nil
	}
	return []byte(key + ":" + p[0] + "\n"), nil
}

func newRig(t *testing.T, with ...func(*rig)) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fx") // short: sockets lie in it
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rig{t: t, dir: dir, starter: &unstarted{}, client: Client{Path: filepath.Join(dir, "launchd.sock"), Lookup: lookup}}
	for _, f := range with {
		f(r)
	}
	for _, d := range []string{"etc", "etc/keys.d", "tmp"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(dir, "etc/login.defs"), []byte("# UID_MIN 5\nMAIL_DIR /var/mail\nUID_MIN\t\t 1000\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "etc/shells"), []byte("# shells\n/bin/sh\n/bin/bash\n/usr/sbin/nologin\n/usr/local/bin/false\n"), 0o644))
	r.key, err = ticket.NewKey()
	must(t, err)
	must(t, ticket.InstallPublic(r.path("etc/keys.d"), r.key))
	launcher, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.path("launcher.sock"), Net: "unix"})
	must(t, err)
	t.Cleanup(func() { launcher.Close() })
	r.order = spawn.Order{Socket: r.path("launcher.sock"), TempDir: r.path("tmp"), Lock: r.file("lock"), Log: r.file("log")}
	r.start()
	return r
}

// start starts the server, or a new one in the place of the old.
func (r *rig) start() {
	r.t.Helper()
	if r.stop != nil {
		r.stop()
	}
	log := slog.New(slog.NewTextHandler(r.file("server.log"), nil))
	book, err := audit.Open(audit.Options{Path: r.path("audit.log"), Log: log})
	must(r.t, err)
	r.Server, err = New(Options{
		Node: func() string { return "n1" }, Caller: os.Getuid(), KeysDir: r.path("etc/keys.d"), StateDir: r.path("state"), Supervisor: "/usr/bin/fastxd-session",
		Host: Host{Lookup: lookup, Root: r.dir, Now: now}, Starter: r.starter, PAM: r.judge, Log: log, Audit: book, Now: now,
	})
	must(r.t, err)
	r.denialPause = 0
	r.base, r.root = filepath.Dir(r.dir), os.Getuid()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.client.Path, Net: "unix"})
	must(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, ln) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Serve: %v", err)
		}
		book.Close()
	})
	r.t.Cleanup(r.stop)
}

func now() time.Time { return today }

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) file(name string) *os.File {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	must(r.t, err)
	r.t.Cleanup(func() { f.Close() })
	return f
}

// claims are those of a good ticket for a session of an account.
func claims(account string) ticket.Claims {
	id := ticket.NewID()
	return ticket.Claims{
		Kind: ticket.Start, Subject: account, Session: id, Node: "n1", ID: ticket.NewID(), IssuedAt: today.Unix(), Expires: today.Add(time.Minute).Unix(),
		Order: &ticket.Order{
			Session: id, User: account, Account: account, Name: "Terminal", App: "xterm", Command: "xterm -e 'top'", Geometry: "800x600",
			Params: map[string]string{"a": "b"}, Profile: "small", Limits: ticket.Limits{Memory: 1 << 30, CPU: 150, Tasks: 100, IOWeight: 7},
		},
	}
}

func (r *rig) sign(c ticket.Claims) string {
	r.t.Helper()
	token, err := r.key.Sign(c)
	must(r.t, err)
	return token
}

// ask orders what a ticket says.
func (r *rig) ask(token string) error {
	o := r.order
	o.Ticket = token
	_, _, err := r.client.Start(o)
	return err
}

// refused checks that an order is refused in words that hold what, that nothing was started, and that the audit log tells.
func (r *rig) refused(err error, what string, more ...string) {
	r.t.Helper()
	var refusal spawn.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), what) {
		r.t.Errorf("got %v, want a refusal with %q", err, what)
	}
	if n := len(r.starter.started()); n != 0 {
		r.t.Errorf("%d sessions were started", n)
	}
	r.audited(append(more, `"outcome":"refused"`, strings.ReplaceAll(what, `"`, `\"`))...)
}

// audited waits for a line of the audit log that holds all of these.
func (r *rig) audited(parts ...string) {
	r.t.Helper()
	var log []byte
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		log, _ = os.ReadFile(r.path("audit.log"))
		for line := range strings.Lines(string(log)) {
			if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
				return
			}
		}
	}
	r.t.Errorf("the audit log has no line with %q:\n%s", parts, log)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
