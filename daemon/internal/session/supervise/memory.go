package supervise

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// How much more than this process the kernel wants to kill the session's when memory is short, in
// thousandths of all there is (proc_pid_oom_score_adj(5)): programs before the X server, which takes all of
// them with it, and that before the supervisor, which has to tell what happened.
const (
	serverBadness  = 50
	programBadness = 100
)

const badnessFile = "/proc/self/oom_score_adj"

// ownBadness is what this process was started with.
func ownBadness() int {
	data, _ := os.ReadFile(badnessFile)
	return number(strings.TrimSpace(string(data)))
}

// setBadness changes this process's, which a child inherits when it is made. Raising it, and
// lowering it to what it was, takes no privilege.
func setBadness(value int) {
	os.WriteFile(badnessFile, []byte(strconv.Itoa(min(value, 1000))), 0) // without, the kernel judges by size alone
}

// wasKilled reports whether a status is that of a process that was killed, or of a shell that ran one.
func wasKilled(status syscall.WaitStatus) bool {
	return status.Signaled() && status.Signal() == syscall.SIGKILL || status.ExitStatus() == 128+int(syscall.SIGKILL)
}

const (
	killsEvery = 2 * time.Second // how often killWatch looks
	killsShown = 5 * time.Second // for how long what happens then is taken for their consequence
)

// killWatch notes when the kernel last killed a process of the session for want of memory. That is mostly
// one far below the command, which ends in good order soon after, as a terminal does when its program is gone.
type killWatch struct {
	group cgroup

	mu    sync.Mutex
	count int
	at    time.Time
}

// run looks until ctx is done.
func (w *killWatch) run(ctx context.Context) {
	tick := time.NewTicker(killsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.justNow()
		}
	}
}

// justNow reports whether a process has been killed within the last seconds.
func (w *killWatch) justNow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.group.oomKills(); n > w.count {
		w.count, w.at = n, time.Now()
	}
	return w.count > 0 && time.Since(w.at) <= killsShown
}

// watchKills starts a watch if the session has a limit of memory. The function it returns stops it.
func (s *supervisor) watchKills() (stop func()) {
	s.kills = &killWatch{group: s.cgroup}
	if s.rec.Limits.Memory == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	go s.kills.run(ctx)
	return cancel
}

// because is why the session is over when one of its processes ended like this: what
// happened, or that memory was short. Where no limit is the session's own, only of what was killed itself.
func (s *supervisor) because(status syscall.WaitStatus, what string) error {
	if s.starved = s.kills.justNow() && (s.rec.Limits.Memory > 0 || wasKilled(status)); s.starved {
		return ended(outOfMemory(s.rec.Limits))
	}
	return ended(what + describe(status))
}

// outOfMemory is the reason of a session that was.
func outOfMemory(l session.Limits) string {
	if l.Memory == 0 {
		return "the machine ran out of memory, and the session's part of it was ended"
	}
	return "the session needed more memory than " + l.Name(session.KeyMemory) + " allows"
}

// noteKills leaves in the log what the user may have missed: that programs were killed for want
// of memory, though the session went on.
func (s *supervisor) noteKills() {
	if kills := s.cgroup.oomKills(); kills > 0 && !s.starved {
		s.Log.Printf("%d of its processes were killed: %s", kills, outOfMemory(s.rec.Limits))
	}
}

// Autopsy is run by systemd in the place and with the descriptors of a supervisor that has ended. One
// that was killed has left no last words; where its control group tells that memory was
// short, they are written here. What it cannot tell it leaves untold: an error would be taken for last words.
func Autopsy() {
	in, err := Inherit()
	if err != nil {
		return
	}
	last, err := session.TailOf(os.Stderr, 1)
	if err != nil || len(last) == 1 && strings.HasPrefix(last[0], session.EndPrefix) {
		return
	}
	if ownCgroup("/proc/self", session.Unit(in.Record.ID)).oomKills() > 0 {
		fmt.Fprintf(in.Log, "%sits supervisor was killed, and %s\n", session.EndPrefix, outOfMemory(in.Record.Limits))
	}
}
