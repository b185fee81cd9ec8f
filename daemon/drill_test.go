package daemon_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// crowd is how many sessions a drill starts before and during the kill.
func crowd() (before, during int) {
	if *soak {
		return 50, 20
	}
	return 12, 8
}

// TestDrillKillWhileStarting starts many sessions at once, kills the daemon with
// kill -9 while more start, starts it again, and counts: every live session is
// listed once and can be reconnected, none is lost, none doubled, and no X server
// runs without a record.
func TestDrillKillWhileStarting(t *testing.T) {
	n := startNode(t)
	before, during := crowd()

	first := n.startMany(before)
	for _, id := range first {
		n.AwaitState(id, transporter.Running)
	}
	late := make(chan struct{})
	go func() {
		defer close(late)
		n.tryMany(during)
	}()
	n.Await("the first of the late ones", func() error {
		if len(n.Records()) <= before {
			return errors.New("no record yet")
		}
		return nil
	})
	n.Kill()
	<-late
	n.Start()

	live := n.checkBooks(t)
	for _, id := range first {
		if !slices.Contains(live, id) {
			t.Errorf("session %s was running before the kill and is lost", id)
		}
	}
	for _, id := range live {
		n.reconnect(t, id)
	}
}

// startMany starts sessions at once and returns their ids.
func (n *api) startMany(count int) []string {
	n.t.Helper()
	n.Token() // log in once, before the rush
	ids := make([]string, count)
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			var s transporter.Session
			body := map[string]any{"command": "exec xterm -e cat", "geometry": "320x200", "name": fmt.Sprint("crowd ", i)}
			if status := n.Call(n.Token(), "POST", "/api/v1/sessions", body, &s); status != 201 {
				n.t.Errorf("start %d: status %d", i, status)
			}
			ids[i] = s.ID
		})
	}
	all.Wait()
	if n.t.Failed() {
		n.t.FailNow()
	}
	return ids
}

// checkBooks compares what the API lists with the X servers that really run, and
// returns the ids of the live sessions.
func (n *node) checkBooks(t *testing.T) []string {
	t.Helper()
	live := n.awaitSettled(t)
	servers := n.xservers(t)
	for id, count := range servers {
		if count != 1 || !slices.Contains(live, id) {
			t.Errorf("%d X servers run for session %s, listed live: %t", count, id, slices.Contains(live, id))
		}
	}
	for _, id := range live {
		if servers[id] == 0 {
			t.Errorf("session %s is listed as running and has no X server", id)
		}
	}
	return live
}

// awaitSettled waits until every listed session runs or has ended, checks that none is
// listed twice and none ended without a reason, and returns the ids of those that run.
func (n *api) awaitSettled(t *testing.T) []string {
	t.Helper()
	n.Await("every live session to be heard again", func() error {
		for _, s := range n.Sessions() {
			if s.State != transporter.Running && s.State != transporter.Ended {
				return fmt.Errorf("session %s is %s (%s)", s.ID, s.State, s.Reason)
			}
		}
		return nil
	})
	var live []string
	seen := map[string]bool{}
	for _, s := range n.Sessions() {
		if seen[s.ID] {
			t.Errorf("session %s is listed twice", s.ID)
		}
		seen[s.ID] = true
		switch {
		case s.State == transporter.Running:
			live = append(live, s.ID)
		case s.Reason == "":
			t.Errorf("session %s is ended without a reason", s.ID)
		}
	}
	return live
}

// xservers finds the X servers of this node in /proc, by the socket in their
// arguments: session id → how many.
func (n *node) xservers(t *testing.T) map[string]int {
	t.Helper()
	found := map[string]int{}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		args := strings.Split(string(data), "\x00")
		if i := slices.Index(args, "-rfbunixpath"); i >= 0 && strings.HasPrefix(args[i+1], n.Root+"/") {
			found[filepath.Base(filepath.Dir(args[i+1]))]++
		}
	}
	return found
}

// reconnect reads the first bytes of a session's display, as soon as there is a way to it.
func (n *api) reconnect(t *testing.T, id string) {
	t.Helper()
	var conn net.Conn
	n.Await("the display to be there again", func() error {
		c, status, err := n.TryDisplay(id, n.bearer(), "")
		if err != nil && status != http.StatusServiceUnavailable { // which says: try again, as the page does
			t.Fatalf("session %s: status %d: %v", id, status, err)
		}
		conn = c
		return err
	})
	defer conn.Close()
	hello := make([]byte, len(rfbVersion))
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != rfbVersion {
		t.Errorf("session %s: read %q, %v", id, hello, err)
	}
}

// TestDrillKillLoop kills the daemon again and again; the session stays the same.
func TestDrillKillLoop(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	rounds := 3
	if *soak {
		rounds = 30
	}
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	for range rounds {
		n.Kill()
		n.Start()
		n.AwaitState(s.ID, transporter.Running)
		n.reconnect(t, s.ID)
	}
	if got := n.Sessions(); len(got) != 1 {
		t.Errorf("after %d kills %d sessions are listed, want 1", rounds, len(got))
	}
}

// TestDrillSupervisorKilled kills a supervisor: the session is shown dead with a
// reason, and its X server is gone.
func TestDrillSupervisorKilled(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	for _, daemon := range []string{"up", "down"} {
		s := n.StartSession(map[string]any{"app": "xterm"})
		n.AwaitState(s.ID, transporter.Running)
		pid := n.supervisor(s.ID)
		if daemon == "down" {
			n.Kill()
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if daemon == "down" {
			n.Start()
		}
		if ended := n.AwaitState(s.ID, transporter.Ended); ended.Reason == "" {
			t.Errorf("daemon %s: no reason", daemon)
		}
		n.Await("the X server to go with its supervisor", func() error {
			if left := n.xservers(t)[s.ID]; left != 0 {
				return fmt.Errorf("%d left", left)
			}
			return nil
		})
	}
}

// supervisor returns the process id of a session's supervisor.
func (n *node) supervisor(id string) int {
	n.t.Helper()
	return n.awaitRecord(id, "a supervisor", func(r *session.Record) bool { return r.Supervisor.PID > 1 }).Supervisor.PID
}
