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

	link   *session.Link
	gone   chan struct{}
	reason string // set before gone is closed
	once   sync.Once
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
		v.reason = g.Reason
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

// Write ends with an *Over when a viewer says what nobody understands, where that could hide
// that it asks for too large a screen.
func (c *rfbConn) Write(p []byte) (int, error) {
	if c.limiter == nil {
		return c.Conn.Write(p)
	}
	n, err := c.limiter.Write(p)
	var broken *net.OpError
	if err != nil && !errors.As(err, &broken) {
		err = &Over{Reason: "the screen's size is limited and the viewer cannot be followed: " + err.Error()}
	}
	return n, err
}

// Read ends with an *Over.
func (c *rfbConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		return n, nil
	}
	select {
	case <-c.viewer.gone:
		return n, &Over{Reason: c.viewer.reason}
	case <-time.After(lastWord):
		return n, &Over{}
	}
}
