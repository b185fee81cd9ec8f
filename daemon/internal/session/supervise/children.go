package supervise

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

const (
	stopLimit = 2 * time.Second       // for one process that was asked to end
	killLimit = 5 * time.Second       // for the kernel to end what was killed
	pollGroup = 20 * time.Millisecond // nobody tells when a group that is not all ours gets empty
	ourUmask  = 0o077
)

// children are this process's: those it started and those it inherited as subreaper. All
// methods belong to the one goroutine that starts them, so a process is
// never reaped, and its number never reused, between a look and a kill.
type children struct {
	news   chan os.Signal              // SIGCHLD
	exited map[int]*syscall.WaitStatus // of those it started; nil while they run

	badness int // this process's own
}

func newChildren() *children {
	c := &children{news: make(chan os.Signal, 1), exited: make(map[int]*syscall.WaitStatus), badness: ownBadness()}
	signal.Notify(c.news, syscall.SIGCHLD)
	return c
}

// program is a process to start.
type program struct {
	argv  []string // argv[0] is the file
	env   []string
	dir   string
	out   uintptr // standard output and error
	extra uintptr // its descriptor 3, if not 0
	umask int
	group bool // leads a process group of its own
	bad   int  // how much more than this process it is to be killed when memory is short
}

// start starts p. It dies with the thread that start is called on.
func (c *children) start(p program) (int, error) {
	null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(null)
	files := []uintptr{uintptr(null), p.out, p.out}
	if p.extra != 0 {
		files = append(files, p.extra)
	}
	defer syscall.Umask(syscall.Umask(p.umask))
	setBadness(c.badness + p.bad)
	defer setBadness(c.badness)
	pid, err := syscall.ForkExec(p.argv[0], p.argv, &syscall.ProcAttr{
		Dir: p.dir, Env: p.env, Files: files,
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: p.group},
	})
	if err == nil {
		c.exited[pid] = nil
	}
	return pid, err
}

// reap takes every child that ended out of the kernel's hands, and notes how those ended
// that it started. Only the first end of a number counts: it may be used again.
func (c *children) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid <= 0:
			return
		default:
			if seen, ours := c.exited[pid]; ours && seen == nil {
				c.exited[pid] = &status
			}
		}
	}
}

// ended reports whether a process that was started has ended.
func (c *children) ended(pid int) bool { return c.exited[pid] != nil }

// status tells how a process ended that has.
func (c *children) status(pid int) syscall.WaitStatus { return *c.exited[pid] }

// waitFor reaps until done says so, but no longer than limit, and tells what done said last.
func (c *children) waitFor(done func() bool, limit time.Duration) bool {
	end := time.After(limit)
	poll := time.NewTicker(pollGroup)
	defer poll.Stop()
	for {
		c.reap()
		if done() {
			return true
		}
		select {
		case <-c.news:
		case <-poll.C:
		case <-end:
			return false
		}
	}
}

// endGroup asks a process group to end, as its terminal's end would, and kills it when
// it takes longer than grace.
func (c *children) endGroup(leader int, grace time.Duration) {
	if leader == 0 {
		return
	}
	gone := func() bool { return syscall.Kill(-leader, 0) == syscall.ESRCH }
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGCONT} {
		syscall.Kill(-leader, sig)
	}
	if c.waitFor(gone, grace) {
		return
	}
	syscall.Kill(-leader, syscall.SIGKILL)
	c.waitFor(gone, killLimit)
}

// end asks one child to end and kills it when it does not.
func (c *children) end(pid int) {
	if pid == 0 || c.ended(pid) {
		return
	}
	gone := func() bool { return c.ended(pid) }
	syscall.Kill(pid, syscall.SIGTERM)
	if c.waitFor(gone, stopLimit) {
		return
	}
	syscall.Kill(pid, syscall.SIGKILL)
	c.waitFor(gone, killLimit)
}

// endAll ends every descendant and returns how many could not be killed. Only own children
// are signalled, whose numbers nobody can reuse; when one dies its children become ours.
func (c *children) endAll() int {
	signalAll := func(sig syscall.Signal) int {
		pids := ownChildren()
		for _, pid := range pids {
			syscall.Kill(pid, sig)
		}
		return len(pids)
	}
	if c.reap(); signalAll(syscall.SIGTERM) == 0 {
		return 0
	}
	if c.waitFor(func() bool { return len(ownChildren()) == 0 }, stopLimit/4) {
		return 0
	}
	c.waitFor(func() bool { return signalAll(syscall.SIGKILL) == 0 }, killLimit)
	return len(ownChildren())
}

// ownChildren lists the processes whose parent is this one.
func ownChildren() []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if st, err := session.StatOf(pid); err == nil && st.Parent == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
