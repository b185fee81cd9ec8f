package launcher

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// buildSupervisor makes the real one.
func buildSupervisor(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("Xvnc"); err != nil {
		t.Skip("needs Xvnc; install tigervnc-standalone-server")
	}
	bin := filepath.Join(t.TempDir(), "fastxd-session")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/fastx-kit/fastx-kit/daemon/cmd/fastxd-session")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func TestARealSession(t *testing.T) {
	t.Parallel()
	bin := buildSupervisor(t)
	real := func(l *Launcher) { l.opts.Supervisor, l.pace.obey = bin, usual.obey }
	n := newNode(t).start(real)
	w := n.watcher()
	started, err := n.call(transporter.LauncherStart, n.startTicket(order("exec sleep 600")))
	must(t, err)
	id := started.ID
	t.Cleanup(func() {
		if p := n.supervisor(id); p.Alive() {
			syscall.Kill(p.PID, syscall.SIGTERM)
			await(t, "the supervisor ends", func() bool { return !p.Alive() })
		}
	})
	greet := func(when string) {
		t.Helper()
		v, err := w.connect(claims(ticket.Connect, id)) // waits while it is starting
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := w.greeting(v); got != "RFB 003.008\n" {
			t.Errorf("%s, the display says %q", when, got)
		}
	}
	greet("after the start")
	rec := n.record(id)
	n.restart(real)
	greet("after a restart")
	s, err := n.terminate(id)
	if err != nil || s.State != transporter.Ended || s.Reason != "ended by alice" {
		t.Errorf("terminate: %+v, %v", s, err)
	}
	n.until("nothing of it is left", func() bool {
		_, err := os.Stat(rec.Dir)
		return os.IsNotExist(err) && !rec.Supervisor.Alive()
	})
	lines, err := session.Tail(session.LogPath(n.dirs.Local, id), 1)
	if err != nil || len(lines) != 1 || !strings.HasSuffix(lines[0], "ended by alice") {
		t.Errorf("the log's last line is %q, %v", lines, err)
	}
}

func TestARealSessionWhoseSupervisorIsKilled(t *testing.T) {
	t.Parallel()
	bin := buildSupervisor(t)
	n := newNode(t).start(func(l *Launcher) { l.opts.Supervisor = bin })
	id := n.run("exec sleep 600").ID
	n.until("its processes are on disk", func() bool { return len(n.record(id).Processes) >= 2 })
	rec := n.record(id)
	must(t, syscall.Kill(n.supervisor(id).PID, syscall.SIGKILL))
	s := n.becomes(id, transporter.Ended)
	if s.Reason != "the session's supervisor was killed" {
		t.Errorf("the reason is %q", s.Reason)
	}
	for _, p := range rec.Processes {
		n.until(p.Name+" is dead", func() bool { return !p.Alive() })
	}
}
