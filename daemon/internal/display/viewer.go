package display

import (
	"errors"
	"image"
	"net"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/rfb"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// lastWord is how long an RFB connection that has ended waits for the launcher to say why.
const lastWord = time.Second

// Viewer is a display that has come: an RFB connection and the line to the launcher that brought it.
type Viewer struct {
	// RFB is the connection to the X server. Reading it ends with an *Over when the
	// launcher or the X server has ended it.
	RFB net.Conn

	link *session.Link
	gone chan struct{}
	over Over // set before gone is closed
	once sync.Once
}

func newViewer(link *session.Link, conn net.Conn, most image.Point) *Viewer {
	v := &Viewer{link: link, gone: make(chan struct{})}
	c := &rfbConn{Conn: conn, viewer: v}
	if most != (image.Point{}) {
		c.limiter = rfb.NewLimiter(conn, most)
	}
	v.RFB = c
	go v.listen()
	return v
}

// listen waits for the launcher's last word or the end of the line.
func (v *Viewer) listen() {
	var g goodbye
	file, err := v.link.Receive(&g)
	if file != nil {
		file.Close()
	}
	if err == nil {
		v.over = Over(g)
	}
	close(v.gone)
	v.Close()
}

// Gone is closed when the launcher has closed its side, or this one was closed.
func (v *Viewer) Gone() <-chan struct{} { return v.gone }

// Close gives the display back: both connections end, and the launcher notices.
func (v *Viewer) Close() error {
	var err error
	v.once.Do(func() { err = errors.Join(v.RFB.Close(), v.link.Close()) })
	return err
}

// rfbConn knows why it ended.
type rfbConn struct {
	net.Conn
	viewer  *Viewer
	limiter *rfb.Limiter // nil when the screen may have any size
}

// Write ends with an *Over, too. One that is Refused says what could hide that it asks for too large a screen.
func (c *rfbConn) Write(p []byte) (int, error) {
	if c.limiter == nil {
		n, err := c.Conn.Write(p)
		return n, c.viewer.why(err)
	}
	n, err := c.limiter.Write(p)
	if unread := (*rfb.UnreadableError)(nil); errors.As(err, &unread) {
		return n, &Over{Reason: unread.Error(), Refused: true}
	}
	return n, c.viewer.why(err)
}

// Read ends with an *Over.
func (c *rfbConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.viewer.why(err)
}

// why waits for the launcher's last word on why the connection to the X server ended, if it has.
func (v *Viewer) why(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-v.gone:
		over := v.over
		return &over
	case <-time.After(lastWord):
		return &Over{}
	}
}
