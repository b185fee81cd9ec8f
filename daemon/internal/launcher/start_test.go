package launcher

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestStart(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	o := order("slow")
	s, err := n.call(transporter.LauncherStart, n.startTicket(o))
	must(t, err)
	if s.State != transporter.Starting || s.ID != o.Session || s.User != "alice" || s.Node != "n1" || s.Params["a"] != "b" {
		t.Errorf("the session is %+v", s)
	}
	n.goOn()
	s = n.becomes(s.ID, transporter.Running) // the fake ends at once where its surroundings are not as promised
	if s.Started.IsZero() || s.Created.IsZero() || s.Clients != 0 {
		t.Errorf("the session is %+v", s)
	}
	n.until("the record tells it", func() bool { return n.record(s.ID).State == "running" })
	rec := n.record(s.ID)
	if !rec.Supervisor.Alive() || rec.Display != ":99" || rec.BootID != n.l.boot || !rec.WindowManager {
		t.Errorf("the record is %+v", rec)
	}
	if got, want := n.files(), []string{s.ID + ".json", s.ID + ".lock", s.ID + ".log"}; !slices.Equal(got, want) {
		t.Errorf("the files are %v, want %v", got, want)
	}
	for _, f := range n.files() {
		if info, err := os.Stat(filepath.Join(n.dirs.Local, "sessions", f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f, info.Mode(), err)
		}
	}
}

func TestTheSameOrderStartsOneSession(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	o := order("")
	first := n.startTicket(o)
	pids := make(chan int, 20)
	var wg sync.WaitGroup
	for i := range cap(pids) {
		wg.Go(func() {
			token := first // sent twice, and asked for twice
			if i%2 == 1 {
				token = n.startTicket(o)
			}
			s, err := n.call(transporter.LauncherStart, token)
			if err != nil || s.ID != o.Session || s.State == transporter.Pending {
				t.Errorf("start %d: %+v, %v", i, s, err)
				return
			}
			pids <- n.supervisor(s.ID).PID
		})
	}
	wg.Wait()
	close(pids)
	pid := <-pids
	for other := range pids {
		if other != pid {
			t.Errorf("process %d runs the session beside process %d", other, pid)
		}
	}
	n.restart()
	s, err := n.call(transporter.LauncherStart, first)
	if err != nil || s.ID != o.Session || n.supervisor(o.Session).PID != pid {
		t.Errorf("after a restart the order gives %+v, %v", s, err)
	}
	o.Command = "something else"
	if _, err := n.call(transporter.LauncherStart, n.startTicket(o)); code(err) != transporter.Conflict {
		t.Errorf("another order with the same id gives %v", err)
	}
}

func TestTicketsThatAreRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	stranger, err := ticket.NewKey()
	must(t, err)
	alter := func(f func(*ticket.Claims)) string {
		o := order("")
		c := claims(ticket.Start, o.Session)
		c.Order = o
		f(&c)
		return n.sign(c)
	}
	forged, err := stranger.Sign(claims(ticket.Start, ticket.NewID()))
	must(t, err)
	good := n.startTicket(order(""))
	for name, c := range map[string]struct {
		token string
		want  transporter.Code
	}{
		"none":                               {"", transporter.Unauthorized},
		"garbage":                            {"fx1.a.b.c", transporter.Unauthorized},
		"signed by a stranger":               {forged, transporter.Unauthorized},
		"changed after it was signed":        {flip(good), transporter.Unauthorized},
		"expired":                            {alter(func(c *ticket.Claims) { c.Expires = c.IssuedAt - 1 }), transporter.Unauthorized},
		"from the future":                    {alter(func(c *ticket.Claims) { c.IssuedAt += 3600; c.Expires += 3600 }), transporter.Unauthorized},
		"older than this launcher":           {alter(func(c *ticket.Claims) { c.IssuedAt -= 3600 }), transporter.Unauthorized},
		"for something else":                 {alter(func(c *ticket.Claims) { c.Kind = ticket.Connect }), transporter.Forbidden},
		"for another node":                   {alter(func(c *ticket.Claims) { c.Node = "n2" }), transporter.Forbidden},
		"for any node":                       {alter(func(c *ticket.Claims) { c.Node = "" }), transporter.Forbidden},
		"that no node was found for":         {alter(func(c *ticket.Claims) { c.Kind = ticket.Place }), transporter.Forbidden},
		"without an order":                   {alter(func(c *ticket.Claims) { c.Order = nil }), transporter.Invalid},
		"for another session than it orders": {alter(func(c *ticket.Claims) { c.Session = ticket.NewID() }), transporter.Invalid},
		"with an id that is a path":          {alter(func(c *ticket.Claims) { c.Session, c.Order.Session = "../../../etc/x", "../../../etc/x" }), transporter.Invalid},
	} {
		if _, err := n.call(transporter.LauncherStart, c.token); code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if got := n.files(); len(got) != 0 {
		t.Errorf("something was started: %v", got)
	}
}

// flip changes one bit of what a ticket says.
func flip(token string) string {
	b := []byte(token)
	b[len(b)-100] ^= 1
	return string(b)
}

func TestATicketIsSpentEvenWhenItsSessionIsForgotten(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	o := order("")
	token := n.startTicket(o)
	_, err := n.call(transporter.LauncherStart, token)
	must(t, err)
	n.becomes(o.Session, transporter.Running)
	for range 2 {
		_, err = n.terminate(o.Session)
		must(t, err)
	}
	if _, err := n.call(transporter.LauncherStart, token); code(err) != transporter.Unauthorized {
		t.Errorf("a replayed ticket gives %v", err)
	}
}

func TestAKeyThatIsInstalledIsTrustedAndOneThatIsRemovedIsNot(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	other, err := ticket.NewKey()
	must(t, err)
	sign := func() string {
		o := order("")
		c := claims(ticket.Start, o.Session)
		c.Order = o
		s, err := other.Sign(c)
		must(t, err)
		return s
	}
	if _, err := n.call(transporter.LauncherStart, sign()); code(err) != transporter.Unauthorized {
		t.Fatalf("an unknown key gives %v", err)
	}
	keys := filepath.Join(n.dirs.Local, ticket.KeysDir)
	must(t, ticket.InstallPublic(keys, other))
	n.until("the new key is trusted", func() bool {
		_, err := n.call(transporter.LauncherStart, sign())
		return err == nil
	})
	must(t, os.Remove(filepath.Join(keys, other.ID()+".pem")))
	n.l.keys.refresh() // as Run does with every list
	if _, err := n.call(transporter.LauncherStart, sign()); code(err) != transporter.Unauthorized {
		t.Errorf("a removed key gives %v", err)
	}
}

func TestTheKeysAreNotReadForEveryUnknownKey(t *testing.T) {
	t.Parallel()
	k := newKeyring(t.TempDir(), slog.New(slog.DiscardHandler))
	other, err := ticket.NewKey()
	must(t, err)
	token, err := other.Sign(claims(ticket.Read, "x"))
	must(t, err)
	k.read = time.Now().Add(time.Hour) // not long ago, whatever the clock does meanwhile
	read := k.read
	k.verify(token, time.Now(), ticket.Read)
	if !k.read.Equal(read) {
		t.Error("the folder was read again at once")
	}
	k.read = time.Now().Add(-time.Hour)
	k.verify(token, time.Now(), ticket.Read)
	if time.Since(k.read) > time.Minute {
		t.Error("the folder was not read again")
	}
}

func TestALimitIsNamedWithItsValue(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.env.MaxSessions = 2
	n.start()
	n.begin("")
	second := n.begin("")
	o := order("")
	_, err := n.call(transporter.LauncherStart, n.startTicket(o))
	if code(err) != transporter.Limit || !strings.Contains(err.Error(), "node n1 runs 2 sessions and FX_MAX_SESSIONS is 2") {
		t.Errorf("the third session gives %v", err)
	}
	n.becomes(second.ID, transporter.Running)
	_, err = n.terminate(second.ID)
	must(t, err)
	if _, err = n.call(transporter.LauncherStart, n.startTicket(o)); err != nil { // an ended one takes no place
		t.Errorf("when one has ended: %v", err)
	}
	if n.l.MaxSessions() != 2 {
		t.Errorf("MaxSessions is %d", n.l.MaxSessions())
	}
}

func TestTheLimitHoldsAgainstManyAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.env.MaxSessions = 3
	n.start()
	var started, refused int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := n.call(transporter.LauncherStart, n.startTicket(order("")))
			mu.Lock()
			defer mu.Unlock()
			switch code(err) {
			case "":
				started++
			case transporter.Limit:
				refused++
			default:
				t.Errorf("start: %v", err)
			}
		})
	}
	wg.Wait()
	if started != 3 || refused != 17 {
		t.Errorf("%d were started and %d refused, want 3 and 17", started, refused)
	}
}

func TestFiftyStartsAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	ids := make(chan string, 50)
	var wg sync.WaitGroup
	for range cap(ids) {
		wg.Go(func() {
			s, err := n.call(transporter.LauncherStart, n.startTicket(order("")))
			if err != nil {
				t.Errorf("start: %v", err)
				return
			}
			ids <- s.ID
		})
	}
	wg.Wait()
	close(ids)
	pids := map[int]bool{}
	for id := range ids {
		n.becomes(id, transporter.Running)
		pids[n.supervisor(id).PID] = true
	}
	if len(pids) != 50 {
		t.Errorf("there are %d supervisors, want 50", len(pids))
	}
}

func TestAStartThatFailsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	t.Run("without a supervisor to start", func(t *testing.T) {
		t.Parallel()
		n := newNode(t).start(func(l *Launcher) { l.opts.Supervisor = "/nonexistent/fastxd-session" })
		_, err := n.call(transporter.LauncherStart, n.startTicket(order("")))
		if code(err) != transporter.Internal || !strings.Contains(err.Error(), "start fastxd-session") {
			t.Errorf("start gives %v", err)
		}
		n.isEmpty()
	})
	t.Run("on a full disk", func(t *testing.T) {
		t.Parallel()
		if os.Getuid() != 0 {
			t.Skip("needs root, to mount a small file system")
		}
		n := newNode(t)
		dir := filepath.Join(n.dirs.Local, "sessions")
		must(t, os.Mkdir(dir, 0o700))
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=20"); err != nil {
			t.Skipf("cannot mount a small file system here: %v", err)
		}
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
		n.start()
		t.Cleanup(n.halt)
		filler := filepath.Join(dir, "filler")
		if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
			t.Fatal("the disk is not full")
		}
		o := order("")
		_, err := n.call(transporter.LauncherStart, n.startTicket(o))
		if code(err) != transporter.Unavailable || !strings.Contains(err.Error(), "the disk of FX_LOCAL_DIR is full") {
			t.Errorf("start gives %v", err)
		}
		if got := n.files(); !slices.Equal(got, []string{"filler"}) {
			t.Errorf("left behind: %v", got)
		}
		must(t, os.Remove(filler))
		if _, err := n.call(transporter.LauncherStart, n.startTicket(o)); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
		n.becomes(o.Session, transporter.Running)
		// And a disk that fills up while a session runs does not end it.
		os.WriteFile(filler, make([]byte, 1<<20), 0o600)
		if s, err := n.terminate(o.Session); err != nil || s.State != transporter.Ended {
			t.Errorf("terminate on a full disk: %+v, %v", s, err)
		}
	})
}

func (n *node) isEmpty() {
	n.t.Helper()
	if got := n.files(); len(got) != 0 {
		n.t.Errorf("left behind: %v", got)
	}
	n.l.mu.Lock()
	defer n.l.mu.Unlock()
	if len(n.l.sessions) != 0 {
		n.t.Errorf("%d sessions are listed", len(n.l.sessions))
	}
}

func TestADrainedNodeStartsNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	running := n.run("")
	set := func(drain bool, c ticket.Claims) error {
		_, err := transporter.Call(t.Context(), n.caller, transporter.LauncherDrain.On("n1"),
			transporter.DrainRequest{Ticket: n.sign(c), Drain: drain})
		return err
	}
	unnamed, elsewhere := claims(ticket.Drain, ""), claims(ticket.Drain, "")
	unnamed.Node, elsewhere.Node = "", "n2"
	for _, c := range []ticket.Claims{unnamed, elsewhere, claims(ticket.Terminate, "")} {
		if err := set(true, c); code(err) != transporter.Forbidden || n.l.Drained() {
			t.Errorf("a ticket for %s of node %q drains: %v", c.Kind, c.Node, err)
		}
	}
	must(t, set(true, claims(ticket.Drain, "")))
	for _, when := range []string{"now", "after a restart"} {
		_, err := n.call(transporter.LauncherStart, n.startTicket(order("")))
		if code(err) != transporter.Unavailable || !strings.Contains(err.Error(), "drained") || !n.l.Drained() {
			t.Errorf("%s, a start gives %v", when, err)
		}
		n.restart()
	}
	n.becomes(running.ID, transporter.Running)
	must(t, set(false, claims(ticket.Drain, "")))
	must(t, set(false, claims(ticket.Drain, "")))
	n.restart()
	n.run("")
}

func TestASupervisorThatEndsBeforeItReports(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s := n.becomes(n.begin("die").ID, transporter.Ended)
	if s.Reason != "the home directory is full" {
		t.Errorf("the reason is %q", s.Reason)
	}
	n.until("the child is reaped", func() bool {
		_, err := session.StatOf(n.supervisor(s.ID).PID)
		return err != nil
	})
}

func BenchmarkStart(b *testing.B) {
	n := newNode(b).start()
	for b.Loop() {
		if _, err := n.call(transporter.LauncherStart, n.startTicket(order(""))); err != nil {
			b.Fatal(err)
		}
	}
}
