package supervise

import (
	"time"
)

// How often a display is asked when it was touched last: twenty times in an idle timeout, within bounds.
const (
	leastIdlePoll = 100 * time.Millisecond
	mostIdlePoll  = 15 * time.Second
)

func idlePoll(timeout time.Duration) time.Duration {
	return min(max(timeout/20, leastIdlePoll), mostIdlePoll)
}

// watchInput tells the launcher when somebody has used the keyboard or the pointer, until the X
// server ends. It only looks: what follows from it is the launcher's business.
func (s *supervisor) watchInput() {
	timeout := time.Duration(s.rec.Limits.IdleTimeout) * time.Second
	if timeout <= 0 {
		return
	}
	number, cookie, every := s.display.number, s.cookie, idlePoll(timeout)
	go func() {
		if err := pollInput(number, cookie, every, s.reporter.input); err != nil {
			s.Log.Printf("%s cannot be kept: %v", s.rec.Limits.Idle(), err)
		}
	}()
}

// pollInput calls news with the time of the last input whenever there was some. It returns nil when
// the X server ends.
func pollInput(number int, cookie []byte, every time.Duration, news func(time.Time)) error {
	c, err := dialX(number, cookie)
	if err != nil {
		return err
	}
	defer c.Close()
	saver, err := c.extension("MIT-SCREEN-SAVER")
	if err != nil {
		return err
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var told time.Time
	for ; ; <-ticker.C {
		idle, err := c.idle(saver)
		if err != nil {
			return nil
		}
		if last := time.Now().Add(-idle); last.Sub(told) > every/2 {
			told = last
			news(last)
		}
	}
}
