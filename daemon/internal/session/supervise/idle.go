package supervise

import (
	"context"
	"errors"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// lookLimit is how long the X server may take to tell the idle time.
const lookLimit = 5 * time.Second

var errNoSaver = errors.New("the X server does not tell how long the keyboard and mouse have not been used")

// idleWatch asks the X server again and again for how long nobody has used the keyboard and
// mouse, and tells when that was last. Being looked at is no input.
type idleWatch struct {
	number int // of the display
	cookie []byte
	tell   func(time.Time)

	client *xclient // nil when there is no connection
	saver  byte     // opcode
	failed bool     // the last look did, and that was told
}

// watchInput starts a watch if the session has a limit that needs one. The function it returns stops it.
func (s *supervisor) watchInput() (stop func()) {
	limits := s.rec.Limits
	if limits.Idle == 0 {
		return func() {}
	}
	w := &idleWatch{number: s.display.number, cookie: s.cookie, tell: s.reporter.input}
	ctx, cancel := context.WithCancel(context.Background())
	go w.run(ctx, limits.LookEvery(), func(err error) {
		s.Log.Printf("%s cannot be held: %v", limits.Name(session.KeyIdle), err)
	})
	return cancel
}

// run looks until ctx is done. That it does not succeed is told once.
func (w *idleWatch) run(ctx context.Context, every time.Duration, lament func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	defer w.hangUp()
	for {
		err := w.look()
		if err != nil && !w.failed && ctx.Err() == nil {
			lament(err)
		}
		w.failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks once.
func (w *idleWatch) look() error {
	if err := w.dial(); err != nil {
		return err
	}
	if err := w.client.SetDeadline(time.Now().Add(lookLimit)); err != nil {
		return err
	}
	idle, err := w.client.idle(w.saver)
	if err != nil {
		w.hangUp()
		return err
	}
	w.tell(time.Now().Add(-idle))
	return nil
}

// dial connects unless there is a connection.
func (w *idleWatch) dial() (err error) {
	if w.client != nil {
		return nil
	}
	if w.client, err = dialX(w.number, w.cookie); err != nil {
		w.client = nil
		return err
	}
	err = w.client.SetDeadline(time.Now().Add(lookLimit))
	if err == nil {
		w.saver, err = w.client.saver()
	}
	if err == nil && w.saver == 0 {
		err = errNoSaver
	}
	if err != nil {
		w.hangUp()
	}
	return err
}

func (w *idleWatch) hangUp() {
	if w.client != nil {
		w.client.Close()
		w.client = nil
	}
}
