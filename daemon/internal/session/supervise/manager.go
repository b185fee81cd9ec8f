package supervise

import (
	"path/filepath"
	"time"
)

// managerLimit is how long a window manager may take until it is at work. Then the
// command starts without it.
const managerLimit = 3 * time.Second

// managerPoll is how often a display is asked for its window manager.
const managerPoll = 5 * time.Millisecond

// saysReady reports whether a window manager follows the Extended Window Manager Hints,
// and so says when it is at work.
func saysReady(manager string) bool { return manager != "" && filepath.Base(manager) != "twm" }

// awaitManager tells when a display has a working window manager, that is when the root
// window has the property _NET_SUPPORTING_WM_CHECK.
//
// The command must not start before: a toolkit that maps its first window while the window
// manager takes over waits seconds for an answer that nobody gives, and the
// window then has no keyboard.
func awaitManager(number int, cookie []byte) <-chan error {
	ready := make(chan error, 1)
	go func() { ready <- pollManager(number, cookie) }()
	return ready
}

func pollManager(number int, cookie []byte) error {
	c, err := dialX(number, cookie)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(managerLimit)); err != nil {
		return err
	}
	var atom uint32
	for {
		if atom == 0 {
			if atom, err = c.atom("_NET_SUPPORTING_WM_CHECK"); err != nil {
				return err
			}
		}
		if atom != 0 {
			if has, err := c.hasProperty(atom); err != nil || has {
				return err
			}
		}
		<-time.After(managerPoll)
	}
}
