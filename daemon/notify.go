package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
)

// notifier tells systemd how the node is, as sd_notify(3) words it: READY once it is ready, RELOADING and READY
// around a reload that somebody asked for, and STATUS with the generation that runs.
type notifier struct {
	say func(string) // nil where nobody listens

	mu        sync.Mutex
	up        bool // READY was said: from then on there is something to reload
	reloading int  // reloads under way
	status    string
}

// ready says that the node is up, and reports whether that is the first time.
func (n *notifier) ready() (first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	first = !n.up
	n.up = true
	if first && n.reloading == 0 {
		n.tell("READY=1\n" + n.status)
	}
	return first
}

func (n *notifier) isUp() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up
}

// begin says that a reload is under way; the function it returns says that it is over. Of several at a time
// the first begins and the last ends. What is asked of a node that is not up yet is part of its start.
func (n *notifier) begin(now time.Duration) (end func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reloading++
	if n.up && n.reloading == 1 {
		n.tell(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Microseconds()))
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.reloading--
		if n.up && n.reloading == 0 {
			n.tell("READY=1\n" + n.status)
		}
	}
}

// runs says which generation runs, when that has changed.
func (n *notifier) runs(s generation.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := "STATUS=" + statusText(s)
	if text == n.status {
		return
	}
	n.status = text
	n.tell(text)
}

// statusText prints "generation 42 runs", and what is to be said against it.
func statusText(s generation.Status) string {
	text := fmt.Sprintf("generation %d runs", s.Generation)
	switch {
	case s.Generation == 0:
		return "starting"
	case !s.Accepted:
		text += "; the files at hand are rejected: " + s.Problems.Counts()
	case len(s.HeldBack) > 0:
		text += fmt.Sprintf("; held back for their errors: %d files", len(s.HeldBack))
	}
	return text
}

// stopping says the last word.
func (n *notifier) stopping() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tell("STOPPING=1")
}

func (n *notifier) tell(state string) {
	if n.say != nil {
		n.say(state)
	}
}

// monotonic is the time that systemd compares with its own.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail: the clock is always there
	return time.Duration(now.Nano())
}

// reload looks at the files because somebody asked for it, and tells systemd meanwhile.
func (n *Node) reload(ctx context.Context, origin string) (reload.Report, error) {
	defer n.notify.begin(monotonic())()
	return n.loop.Reload(ctx, origin)
}
