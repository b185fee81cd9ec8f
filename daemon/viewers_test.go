package daemon_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// movingScreen is a command whose display never rests, and costs little itself.
const movingScreen = `exec xterm -geometry 100x30 -e sh -c 'i=0; while :; do i=$((i+1)); echo "$i $i $i $i $i $i"; sleep 0.02; done'`

// TestDrillManyViewers looks at one moving screen with many viewers, one of whom never reads,
// one very slowly, and one floods it with messages: everybody else goes on seeing it move, neither the daemon nor the X server
// grows, and when all have left nothing is left of them.
func TestDrillManyViewers(t *testing.T) {
	n := startNode(t)
	crowd, growth := 12, 16<<10
	if *soak {
		crowd = 50
	}
	s := n.StartSession(map[string]any{"command": movingScreen, "geometry": "800x600"})
	n.AwaitState(s.ID, transporter.Running)
	stuck := n.view(s.ID)
	n.askAndNeverRead(t, stuck)
	slow := n.view(s.ID)
	go trickle(slow)
	flooder := n.view(s.ID)
	var told atomic.Int64
	go flood(flooder, &told)
	watchers := n.watch(t, s.ID, crowd)
	awaitFrames(t, watchers, 5) // warm: every buffer there will be is there
	before := n.memory(t, s.ID)
	awaitFrames(t, watchers, 60)
	for what, kib := range n.memory(t, s.ID) {
		t.Logf("%s: %d KiB before, %d KiB after", what, before[what], kib)
		if grown := kib - before[what]; grown > growth {
			t.Errorf("%s grew by %d KiB while it was watched", what, grown)
		}
	}
	if now := n.AwaitState(s.ID, transporter.Running); now.Clients != crowd+3 {
		t.Errorf("%d viewers are counted, %d look on", now.Clients, crowd+3)
	}
	t.Logf("the one that floods sent %d events", told.Load())
	if told.Load() < 10_000 {
		t.Error("that is no flood")
	}
	for _, w := range watchers {
		w.conn.Close()
	}
	stuck.conn.(net.Conn).Close()
	slow.conn.(net.Conn).Close()
	flooder.conn.(net.Conn).Close()
	n.Await("the viewers to be gone", func() error {
		if now := n.AwaitState(s.ID, transporter.Running); now.Clients != 0 {
			return fmt.Errorf("%d are left", now.Clients)
		}
		return nil
	})
	n.reconnect(t, s.ID)
}

// askAndNeverRead asks for update after update, as many as the connection takes.
func (n *node) askAndNeverRead(t *testing.T, v *liveViewer) {
	t.Helper()
	for range 1000 {
		if err := v.Request(false); err != nil {
			t.Fatalf("a viewer that does not read cannot even ask: %v", err)
		}
	}
}

// trickle reads a few bytes at a time for as long as the connection lasts.
func trickle(v *liveViewer) {
	buf := make([]byte, 256)
	for {
		if v.Request(false) != nil {
			return
		}
		if _, err := io.ReadFull(v.conn.(net.Conn), buf); err != nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}

// flood moves the mouse as fast as the connection takes it, many times in each message, and reads nothing.
func flood(v *liveViewer, told *atomic.Int64) {
	const each = 500
	message := bytes.Repeat([]byte{5, 0, 0, 100, 0, 100}, each)
	for {
		if _, err := v.conn.(net.Conn).Write(message); err != nil {
			return
		}
		told.Add(each)
	}
}

// watcher is a viewer that keeps up, and counts what it sees.
type watcher struct {
	conn   net.Conn
	frames atomic.Int64
}

// watch lets many viewers look at a session until their connections are closed.
func (n *node) watch(t *testing.T, id string, count int) []*watcher {
	t.Helper()
	var all []*watcher
	for range count {
		all = append(all, follow(n.view(id)))
	}
	return all
}

// follow keeps up with a display in the background.
func follow(v *liveViewer) *watcher {
	w := &watcher{conn: v.conn.(net.Conn)}
	go func() {
		for incremental := false; v.Request(incremental) == nil; incremental = true {
			if _, err := v.skipUpdate(); err != nil {
				return
			}
			w.frames.Add(1)
		}
	}()
	return w
}

// awaitFrames waits until every watcher has seen so many more changes.
func awaitFrames(t *testing.T, watchers []*watcher, more int64) {
	t.Helper()
	want := make([]int64, len(watchers))
	for i, w := range watchers {
		want[i] = w.frames.Load() + more
	}
	await(t, fmt.Sprintf("%d changes on every screen", more), func() error {
		for i, w := range watchers {
			if got := w.frames.Load(); got < want[i] {
				return fmt.Errorf("viewer %d lacks %d", i, want[i]-got)
			}
		}
		return nil
	})
}

// memory is what the daemon and a session's X server take, in KiB.
func (n *node) memory(t *testing.T, id string) map[string]int {
	t.Helper()
	return map[string]int{"fastxd": residentKiB(t, n.cmd.Process.Pid), "Xvnc": residentKiB(t, n.xserver(id))}
}

// xserver returns the process id of a session's X server.
func (n *node) xserver(id string) int {
	n.t.Helper()
	pid := 0
	n.awaitRecord(id, "an X server", func(r *session.Record) bool {
		for _, p := range r.Processes {
			if p.Name == "Xvnc" {
				pid = p.PID
			}
		}
		return pid > 1
	})
	return pid
}

// TestManyViewersComeInTheSameMoment opens many displays of one session at once: an X server's queue is short.
func TestManyViewersComeInTheSameMoment(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	n.Token()
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			conn, status, err := n.TryDisplay(s.ID, n.bearer(), "")
			if err != nil {
				t.Errorf("viewer %d: status %d: %v", i, status, err)
				return
			}
			defer conn.Close()
			hello := make([]byte, len(rfbVersion))
			if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != rfbVersion {
				t.Errorf("viewer %d reads %q, %v", i, hello, err)
			}
		})
	}
	all.Wait()
}
