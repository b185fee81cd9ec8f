package display

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// Lobby is where a webserver waits for launchers to bring displays.
type Lobby struct {
	path string
	ln   *net.UnixListener
	log  *slog.Logger

	mu     sync.Mutex
	visits map[*Visit]bool
	conns  map[*net.UnixConn]bool // of launchers that have not said whom they visit
	closed chan struct{}
	wg     sync.WaitGroup
}

// OpenLobby listens at path, a socket that only this process's user and root can use.
func OpenLobby(path string, log *slog.Logger) (*Lobby, error) {
	ln, err := Listen(path)
	if err != nil {
		return nil, fmt.Errorf("open the display rendezvous: %w", err)
	}
	l := &Lobby{
		path: path, ln: ln, log: log,
		visits: make(map[*Visit]bool), conns: make(map[*net.UnixConn]bool), closed: make(chan struct{}),
	}
	l.wg.Go(l.accept)
	return l, nil
}

// Close stops listening and ends every wait. Viewers that have come stay.
func (l *Lobby) Close() error {
	l.mu.Lock()
	defer l.wg.Wait()
	defer l.mu.Unlock()
	if l.isClosed() {
		return nil
	}
	close(l.closed)
	for c := range l.conns {
		c.Close()
	}
	os.Remove(l.path)
	return l.ln.Close()
}

func (l *Lobby) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// Expect opens a visit with a fresh secret. It ends with Wait or Cancel.
func (l *Lobby) Expect() *Visit {
	var secret [16]byte
	rand.Read(secret[:])
	v := &Visit{lobby: l, secret: hex.EncodeToString(secret[:]), viewer: make(chan *Viewer, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.visits[v] = true
	return v
}

func (l *Lobby) accept() {
	for {
		conn, err := l.ln.AcceptUnix()
		if err != nil {
			if l.isClosed() {
				return
			}
			l.log.Error("cannot accept a display", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !l.admit(conn) {
			conn.Close()
			return
		}
		l.wg.Go(func() { l.receive(conn) })
	}
}

// admit notes a connection so that Close can end it, unless the lobby is closed already.
func (l *Lobby) admit(conn *net.UnixConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed() {
		return false
	}
	l.conns[conn] = true
	return true
}

// receive takes one launcher's display and gives it to the visit it names.
func (l *Lobby) receive(conn *net.UnixConn) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.conns, conn)
	}()
	link := session.NewLink(conn)
	err := trusted(conn)
	if err == nil {
		err = l.meet(link)
	}
	if err != nil {
		l.log.Warn("a display was refused", "error", err)
		link.Send(welcome{Error: err.Error()}, nil)
		link.Close()
	}
}

func (l *Lobby) meet(link *session.Link) error {
	link.SetReadDeadline(time.Now().Add(helloTimeout))
	var h hello
	file, err := link.Receive(&h)
	if err != nil {
		return fmt.Errorf("no word of whom the display is for: %w", err)
	}
	if file == nil {
		return errors.New("the connection carries no display")
	}
	defer file.Close()
	rfb, err := net.FileConn(file)
	if err != nil {
		return fmt.Errorf("what was handed over is no connection: %w", err)
	}
	if err := l.usher(h, link, rfb); err != nil {
		rfb.Close()
		return err
	}
	return nil
}

// usher gives the display to the visit with the secret, which is used up by it.
func (l *Lobby) usher(h hello, link *session.Link, rfb net.Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	visit := l.find(h.Secret)
	if visit == nil {
		return errNoVisit
	}
	delete(l.visits, visit)
	if err := link.Send(welcome{}, nil); err != nil {
		return fmt.Errorf("the launcher left: %w", err)
	}
	link.SetReadDeadline(time.Time{})
	visit.viewer <- newViewer(link, rfb, h.Most)
	return nil
}

// find compares the secret with every one that is waited for, in constant time each.
func (l *Lobby) find(secret string) (found *Visit) {
	for v := range l.visits {
		if subtle.ConstantTimeCompare([]byte(v.secret), []byte(secret)) == 1 {
			found = v
		}
	}
	return found
}

// Visit is one viewer that waits for its display.
type Visit struct {
	lobby  *Lobby
	secret string
	viewer chan *Viewer // holds one
}

// Meet is what the launcher has to be told. It holds the secret.
func (v *Visit) Meet() transporter.Rendezvous {
	return transporter.Rendezvous{Network: "unix", Address: v.lobby.path, Secret: v.secret}
}

// Wait returns the viewer once its display is there. When ctx is done or the
// lobby closed first, the visit is cancelled.
func (v *Visit) Wait(ctx context.Context) (*Viewer, error) {
	select {
	case viewer := <-v.viewer:
		return viewer, nil
	case <-ctx.Done():
		v.Cancel()
		return nil, fmt.Errorf("wait for the display: %w", context.Cause(ctx))
	case <-v.lobby.closed:
		v.Cancel()
		return nil, errors.New("the server is stopping")
	}
}

// Cancel makes the secret worthless and sends a display that came meanwhile away.
// After Wait has returned a viewer it does nothing.
func (v *Visit) Cancel() {
	v.lobby.mu.Lock()
	delete(v.lobby.visits, v)
	v.lobby.mu.Unlock()
	select {
	case viewer := <-v.viewer:
		viewer.Close()
	default:
	}
}
