package launchd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

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
