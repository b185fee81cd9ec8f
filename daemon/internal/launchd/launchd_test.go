package launchd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
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

func TestASessionIsWhatWasSigned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"ann", "ann@eda.example.com", "key", "tomorrow"} {
		c := claims(name)
		o := r.order
		o.Ticket = r.sign(c)
		o.ID, o.Program, o.Limits = "another", "/bin/sh", session.Limits{} // what the launcher says of these counts for nothing
		p, child, err := r.client.Start(o)
		if err != nil || child || p.PID != 4711 || p.Start != 7 {
			t.Fatalf("%s: %+v, a child: %v, %v", name, p, child, err)
		}
		records := r.starter.started()
		rec, got := records[len(records)-1], r.starter.orders[len(records)-1]
		place, err := r.client.Lodge(c.Order)
		if err != nil || rec.Account != place.Account || rec.Dir != place.Dir || *got.User != place.Account || place.Account.Name != name {
			t.Errorf("it runs as %+v in %s, and the launcher expects %+v, %v", rec.Account, rec.Dir, place, err)
		}
		if rec.ID != c.Session || rec.Command != "xterm -e 'top'" || rec.Socket != o.Socket || rec.TempDir != o.TempDir || rec.Node != "n1" {
			t.Errorf("the supervisor is given the record %+v", rec)
		}
		if got.ID != c.Session || got.Program != "/usr/bin/fastxd-session" || got.Limits != rec.Limits || rec.Limits.Memory != 1<<30 || rec.Limits.Tasks != 100 {
			t.Errorf("what is started is %+v", got)
		}
		r.audited(`"action":"start"`, `"outcome":"ok"`, `"user":"`+name+`"`, `"ticket":"`+c.ID+`"`, `"session":"`+c.Session+`"`)
	}
	if log, err := os.ReadFile(r.path("log")); err != nil || string(log) != strings.Repeat("supervised\n", 4) {
		t.Errorf("the log holds %q, %v", log, err)
	}
}

func TestTicketsThatAreNotGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*ticket.Claims)
		want   string
	}{
		"expired":                       {func(c *ticket.Claims) { c.Expires = today.Unix() }, "has expired"},
		"from the future":               {func(c *ticket.Claims) { c.IssuedAt = today.Add(2 * time.Minute).Unix() }, "in the future"},
		"good for ever":                 {func(c *ticket.Claims) { c.Expires = today.Add(2 * time.Hour).Unix() }, "at most 1h0m0s"},
		"of another kind":               {func(c *ticket.Claims) { c.Kind = ticket.Connect }, "for something else"},
		"for another node":              {func(c *ticket.Claims) { c.Node = "n2" }, `for node "n2"`},
		"for any node":                  {func(c *ticket.Claims) { c.Node = "" }, `for node ""`},
		"that no node was found for":    {func(c *ticket.Claims) { c.Kind = ticket.Place }, "for something else"},
		"for two sessions":              {func(c *ticket.Claims) { c.Order.Session = ticket.NewID() }, "which session"},
		"for no session":                {func(c *ticket.Claims) { c.Order.Session, c.Session = "", "" }, "which session"},
		"for a path":                    {func(c *ticket.Claims) { c.Order.Session, c.Session = "../../etc", "../../etc" }, "which session"},
		"with a path for an id":         {func(c *ticket.Claims) { c.ID = "../../../etc/x" }, "which session"},
		"without an order":              {func(c *ticket.Claims) { c.Order = nil }, "which session"},
		"of a login that is no account": {func(c *ticket.Claims) { c.Order.Account = "" }, "stands for no account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			claims := claims("ann")
			c.change(&claims)
			r.refused(r.ask(r.sign(claims)), c.want, `"user":"ann"`)
		})
	}
	t.Run("forged", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		c := claims("ann")
		good, other := strings.Split(r.sign(c), "."), strings.Split(r.sign(claims("ann")), ".")
		r.refused(r.ask(strings.Join([]string{good[0], good[1], good[2], other[3]}, ".")), "signature is wrong", c.ID)
		r.refused(r.ask("fx1.x"), "not a ticket")
		r.refused(r.ask(""), "not a ticket")
	})
}

func TestATicketStartsOneSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := claims("ann")
	token := r.sign(c)
	must(t, r.ask(token))
	for range 2 {
		err := r.ask(token)
		if err == nil || !strings.Contains(err.Error(), "has been used already") {
			t.Errorf("a used ticket: %v", err)
		}
		r.start() // one that is started again remembers, too
	}
	if n := len(r.starter.started()); n != 1 {
		t.Errorf("%d sessions were started", n)
	}
	r.audited(`"outcome":"refused"`, "has been used already", c.ID)
}

func TestOneOfManyAtOnceGetsTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.sign(claims("ann"))
	var done sync.WaitGroup
	for range 2 * maxCalls {
		done.Go(func() { _ = r.ask(token) })
	}
	done.Wait()
	if n := len(r.starter.started()); n != 1 {
		t.Errorf("%d sessions were started", n)
	}
}

func TestUsedTicketsAreForgottenInTime(t *testing.T) {
	t.Parallel()
	s := &spent{dir: t.TempDir()}
	must(t, s.spend("a", today.Add(time.Minute), today))
	later := today.Add(time.Minute + keepSpent)
	if err := s.spend("a", today.Add(time.Minute), later); !errors.Is(err, os.ErrExist) {
		t.Errorf("used again before it is forgotten: %v", err)
	}
	must(t, s.spend("b", later.Add(time.Minute), later.Add(time.Second)))
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 || left[0].Name() != "b" {
		t.Errorf("remembered are %v, %v", left, err)
	}
	s.dir = filepath.Join(s.dir, "gone")
	if err := s.spend("c", later, later); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with nowhere to note it: %v", err)
	}
}

func TestNobodyElseSaysWhoIsTrusted(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to make files of another user")
	}
	for name, c := range map[string]struct {
		change func(r *rig, key string) error
		want   string
		fails  bool // nothing can be verified at all, which is not the ticket's fault
	}{
		"a key in another place":       {func(r *rig, key string) error { return os.Rename(key, r.path("tmp/k.pem")) }, "does not trust", false},
		"a key of another user":        {func(r *rig, key string) error { return os.Chown(key, 65534, 0) }, "does not trust", false},
		"a key the group may write":    {func(r *rig, key string) error { return os.Chmod(key, 0o664) }, "does not trust", false},
		"a key under another name":     {func(r *rig, key string) error { return os.Rename(key, r.path("etc/keys.d/0123456789abcdef.pem")) }, "does not trust", false},
		"a link to another user's":     {func(r *rig, key string) error { return linked(key, r.path("tmp/k.pem")) }, "does not trust", false},
		"keys.d of another user":       {func(r *rig, key string) error { return os.Chown(r.path("etc/keys.d"), 65534, 0) }, "belongs to uid 65534", true},
		"keys.d for all to write":      {func(r *rig, key string) error { return os.Chmod(r.path("etc/keys.d"), 0o1777) }, "lets others change it", true},
		"a directory above of another": {func(r *rig, key string) error { return os.Chown(r.path("etc"), 65534, 0) }, "belongs to uid 65534", true},
		"keys.d a link of another": {func(r *rig, key string) error {
			return errors.Join(os.Rename(r.path("etc/keys.d"), r.path("etc/real")), os.Symlink("real", r.path("etc/keys.d")), os.Lchown(r.path("etc/keys.d"), 65534, 0))
		}, "belongs to uid 65534", true},
		"no keys.d": {func(r *rig, key string) error { return os.RemoveAll(r.path("etc/keys.d")) }, "no such file", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			must(t, c.change(r, filepath.Join(r.path("etc/keys.d"), r.key.ID()+".pem")))
			err := r.ask(r.sign(claims("ann")))
			if !c.fails {
				r.refused(err, c.want)
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || len(r.starter.started()) > 0 {
				t.Errorf("got %v, want %q", err, c.want)
			}
			r.audited(`"outcome":"failed"`, c.want)
		})
	}
}

// linked moves a file, gives it to somebody else and leaves a link to it.
func linked(from, to string) error {
	return errors.Join(os.Rename(from, to), os.Chown(to, 65534, 65534), os.Symlink(to, from))
}

func TestAccountsThatGetNoSession(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"root": "one of the system (uid 0", "toor": "one of the system (uid 0", "daemon": "one of the system (uid 1,", "fastx": "one of the system (uid 999",
		"ghost": "its shell is /usr/sbin/nologin", "liar": "its shell is /usr/local/bin/false", "git": "is not in /etc/shells",
		"locked": "is locked", "gone": "has expired on 2024-10-04", "nobody-of-that-name": "there is no account", "1001": "there is no account", "-s": "there is no account",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c := claims(name)
			r.refused(r.ask(r.sign(c)), want, c.ID)
			if left, err := os.ReadDir(r.path("state/spent")); err != nil || len(left) != 0 {
				t.Errorf("what was refused is used up: %v, %v", left, err)
			}
		})
	}
	t.Run("flaky", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		var refusal spawn.Refusal
		if err := r.ask(r.sign(claims("flaky"))); err == nil || errors.As(err, &refusal) || !strings.Contains(err.Error(), "directory is down") {
			t.Errorf("got %v", err)
		}
		r.audited(`"outcome":"failed"`, "directory is down")
	})
}

func TestWhereTheMachineSaysNothing(t *testing.T) {
	t.Parallel()
	h := Host{Lookup: lookup, Root: t.TempDir(), Now: now}
	if _, err := h.Judge(t.Context(), "key"); err != nil {
		t.Errorf("/bin/sh without /etc/shells: %v", err)
	}
	for name, want := range map[string]string{"ann": "is not in /etc/shells", "fastx": "UID_MIN = 1000"} {
		if _, err := h.Judge(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	must(t, os.Mkdir(filepath.Join(h.Root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(h.Root, "etc/login.defs"), []byte("UID_MIN many\n"), 0o644))
	if _, err := h.Judge(t.Context(), "key"); err == nil || !strings.Contains(err.Error(), `"many" is no number`) {
		t.Errorf("a broken login.defs: %v", err)
	}
}

func TestWhatALauncherMustNotAdd(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to make files of another user")
	}
	for name, c := range map[string]struct {
		change func(*rig) error
		want   string
	}{
		"a pipe for the lock": {func(r *rig) (err error) {
			r.order.Lock, err = os.Open(os.DevNull)
			r.t.Cleanup(func() { r.order.Lock.Close() })
			return err
		}, "lock and log"},
		"somebody else's log":       {func(r *rig) error { return r.order.Log.Chown(65534, 65534) }, "lock and log"},
		"a socket that is none":     {func(r *rig) error { r.order.Socket = r.path("lock"); return nil }, "is not a socket"},
		"a socket somewhere":        {func(r *rig) error { r.order.Socket = "launcher.sock"; return nil }, "is not a socket"},
		"a socket by a detour":      {func(r *rig) error { r.order.Socket = r.dir + "/tmp/../launcher.sock"; return nil }, "is not a socket"},
		"a socket of another":       {func(r *rig) error { return os.Chown(r.order.Socket, 65534, 0) }, "is not a socket"},
		"no directory for rubbish":  {func(r *rig) error { r.order.TempDir = ""; return nil }, "FX_TEMP_DIR"},
		"another's for rubbish":     {func(r *rig) error { return os.Chown(r.order.TempDir, 65534, 0) }, "FX_TEMP_DIR"},
		"a link to one for rubbish": {func(r *rig) error { r.order.TempDir = r.path("t"); return os.Symlink("tmp", r.path("t")) }, "FX_TEMP_DIR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			must(t, c.change(r))
			r.refused(r.ask(r.sign(claims("ann"))), c.want, `"user":"ann"`)
		})
	}
}

func TestOnlyTheDaemonIsHeard(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	r := newRig(t)
	must(t, os.Chmod(r.dir, 0o755))
	must(t, os.Chmod(r.client.Path, 0o666))
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAskAsAnotherUser$") // whoever may not enter its folder
	cmd.Env = []string{"ASK=" + r.client.Path, "TICKET=" + r.sign(claims("ann"))}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("fastxd-launchd does not answer")) {
		t.Fatalf("%v: %s", err, out)
	}
	r.audited(`"action":"approach"`, `"outcome":"refused"`, "of uid 65534 may not ask")
	if n := len(r.starter.started()); n != 0 {
		t.Errorf("%d sessions were started", n)
	}
}

// TestAskAsAnotherUser is the child of TestOnlyTheDaemonIsHeard.
func TestAskAsAnotherUser(t *testing.T) {
	path := os.Getenv("ASK")
	if path == "" {
		return
	}
	_, _, err := Client{Path: path}.Start(spawn.Order{Ticket: os.Getenv("TICKET"), Lock: os.Stdin, Log: os.Stdin})
	fmt.Println(err)
}

// say sends lines as they are, a descriptor with each that has one, and returns the answer.
func (r *rig) say(messages ...any) (Reply, error) {
	r.t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.client.Path, Net: "unix"})
	must(r.t, err)
	defer conn.Close()
	link := session.NewLink(conn)
	for i := 0; i < len(messages); i++ {
		var fd *os.File
		m := messages[i]
		if i+1 < len(messages) {
			if f, ok := messages[i+1].(*os.File); ok {
				fd, i = f, i+1
			}
		}
		_ = link.Send(m, fd) // the other side may hang up at the first
	}
	_ = conn.CloseWrite()
	var reply Reply
	_, err = link.Receive(&reply)
	return reply, err
}

func TestWhatIsNoRequestIsDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lock := Request{Version: Version, Type: "lock"}
	for name, c := range map[string]struct {
		messages []any
		want     string
	}{
		"nothing":                          {nil, "EOF"},
		"a lock without a file":            {[]any{lock}, "wrong descriptor"},
		"two locks":                        {[]any{lock, r.order.Lock, lock, r.order.Lock}, "wrong descriptor"},
		"an order with a file":             {[]any{Request{Version: Version, Type: "start"}, r.order.Lock}, "wrong descriptor"},
		"a list":                           {[]any{[]int{1}}, "bad message"},
		"a lock and nothing more":          {[]any{lock, r.order.Lock}, "EOF"},
		"an order that is longer than any": {[]any{json.RawMessage(`"` + strings.Repeat("x", session.MaxMessage-4) + `"`)}, "bad message"},
	} {
		if reply, err := r.say(c.messages...); err == nil {
			t.Errorf("%s is answered with %+v", name, reply)
		}
		r.audited(`"action":"approach"`, c.want)
	}
	for _, c := range []struct {
		request Request
		want    string
	}{
		{Request{Version: 2, Type: "start"}, "version 1 of its protocol and was asked in version 2"},
		{Request{Version: Version, Type: "dance"}, `does not know the request "dance"`},
		{Request{Version: Version, Type: "kill", Session: "../x"}, "is not the id of a session"},
		{Request{Version: Version, Type: "start"}, "not a ticket"},
	} {
		if reply, err := r.say(c.request); err != nil || !strings.Contains(reply.Refused, c.want) {
			t.Errorf("%+v is answered with %+v, %v", c.request, reply, err)
		}
	}
}

func TestSessionsAreKilledByTheirIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	must(t, r.client.Kill("0123456789abcdef"))
	r.audited(`"action":"terminate"`, `"outcome":"ok"`, "0123456789abcdef")
	r.starter.mu.Lock()
	r.starter.fail = errors.New("systemd is busy")
	r.starter.mu.Unlock()
	if err := r.client.Kill("0123456789abcdef"); err == nil || err.Error() != "systemd is busy" {
		t.Errorf("killing fails with %v", err)
	}
	if err := r.ask(r.sign(claims("ann"))); err == nil || err.Error() != "systemd is busy" {
		t.Errorf("starting fails with %v", err)
	}
	r.audited(`"action":"start"`, `"outcome":"failed"`, "systemd is busy")
	if got := r.starter.killed; len(got) != 2 || got[0] != "0123456789abcdef" {
		t.Errorf("killed were %q", got)
	}
}

func TestALauncherKnowsWhetherThereIsOne(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if !Here(r.client.Path) || Here(r.path("lock")) || Here(r.path("nothing")) {
		t.Error("what is a socket and what is not cannot be told apart")
	}
	r.stop()
	if err := r.client.Kill("0123456789abcdef"); err == nil || !strings.Contains(err.Error(), "systemctl enable --now fastxd-launchd.socket") {
		t.Errorf("when nobody listens: %v", err)
	}
	for account, want := range map[string]string{"": "stands for no account", "nobody-of-that-name": "there is no account", "flaky": "directory is down"} {
		if _, err := r.client.Lodge(&ticket.Order{User: "eve", Account: account}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", account, err, want)
		}
	}
}
