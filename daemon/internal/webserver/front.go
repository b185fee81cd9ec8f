package webserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultListen = ":3300"
	// tlsHandshake is the first byte of every TLS connection.
	tlsHandshake = 0x16
)

// front is the port: it accepts connections, tells TLS from plain HTTP by their first
// byte, and hands them to one of two HTTP servers. The address under it can be
// changed while connections go on.
type front struct {
	log     *slog.Logger
	silence time.Duration // how long a client may say nothing after it has connected
	content *inlet        // what is answered
	plain   *inlet        // what is redirected
	cert    atomic.Pointer[certificate]
	config  *tls.Config

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	door   *door // nil before the first commit
}

// door is one address that is listened on.
type door struct {
	listen string // as configured
	ln     *net.TCPListener
	reused bool // it was open before this change
}

func newFront(log *slog.Logger, silence time.Duration) *front {
	f := &front{log: log, silence: silence, content: newInlet(), plain: newInlet()}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.config = &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := f.cert.Load(); c != nil {
				return &c.pair, nil
			}
			return nil, errors.New("TLS is switched off")
		},
	}
	return f
}

// prepare opens the address, or returns the door that is open there already.
func (f *front) prepare(listen string) (*door, error) {
	f.mu.Lock()
	old := f.door
	f.mu.Unlock()
	if old != nil && old.listen == listen {
		return &door{listen: listen, ln: old.ln, reused: true}, nil
	}
	var lc net.ListenConfig
	if old != nil && samePort(listen, old.ln) {
		// ":3300" and "127.0.0.1:3300" exclude each other unless both sockets agree to
		// share. A second daemon does not, so the port stays ours.
		raw, err := old.ln.SyscallConn()
		if err == nil {
			err = sharePort("", "", raw)
		}
		if err != nil {
			return nil, fmt.Errorf("share the port with the address it replaces: %w", err)
		}
		lc.Control = sharePort
	}
	ln, err := lc.Listen(f.ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w; choose another FX_LISTEN", listen, cause(err))
	}
	return &door{listen: listen, ln: ln.(*net.TCPListener)}, nil
}

// abort closes a door that will not be used.
func (d *door) abort() {
	if !d.reused {
		d.ln.Close()
	}
}

// commit accepts at d from now on, and nowhere else. What is connected stays connected.
func (f *front) commit(d *door, cert *certificate) {
	f.cert.Store(cert)
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.reused {
		return
	}
	old := f.door
	f.door = d
	f.wg.Go(func() { f.accept(d.ln) })
	if old != nil {
		old.ln.Close()
	}
	if f.ctx.Err() != nil {
		d.ln.Close()
	}
}

func (f *front) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.door != nil && f.ctx.Err() == nil
}

// close ends listening and drops whoever has not said anything yet.
func (f *front) close() {
	f.cancel()
	f.mu.Lock()
	if f.door != nil {
		f.door.ln.Close()
	}
	f.mu.Unlock()
	f.content.Close()
	f.plain.Close()
	f.wg.Wait()
}

// url is where a browser on this machine, or for a named address on another, finds the page.
func (f *front) url() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	scheme := "http"
	if f.cert.Load() != nil {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(f.door.listen)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	port := f.door.ln.Addr().(*net.TCPAddr).Port
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(port))
}

func (f *front) accept(ln *net.TCPListener) {
	for {
		conn, err := ln.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors: those in use have to become free first
			f.log.Error("cannot accept a connection", "error", err)
			pause(f.ctx, 100*time.Millisecond)
		default:
			f.wg.Go(func() { f.sort(conn) })
		}
	}
}

// sort decides by the first byte which server a connection is for.
func (f *front) sort(conn *net.TCPConn) {
	if f.cert.Load() == nil {
		f.content.put(conn)
		return
	}
	defer context.AfterFunc(f.ctx, func() { conn.Close() })()
	first, err := peek(conn, f.silence)
	switch {
	case err != nil:
		conn.Close()
	case first == tlsHandshake:
		f.content.put(tls.Server(conn, f.config))
	default:
		f.plain.put(conn)
	}
}

// peek looks at the first byte without taking it, so that the connection can be
// handed on as it is.
func peek(conn *net.TCPConn, patience time.Duration) (byte, error) {
	conn.SetReadDeadline(time.Now().Add(patience))
	defer conn.SetReadDeadline(time.Time{})
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var b [1]byte
	n, got := 0, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, got = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK)
			if !errors.Is(got, unix.EINTR) {
				return !errors.Is(got, unix.EAGAIN)
			}
		}
	})
	if err := errors.Join(err, got); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return b[0], nil
}

func samePort(listen string, ln net.Listener) bool {
	_, port, err := net.SplitHostPort(listen)
	return err == nil && port == fmt.Sprint(ln.Addr().(*net.TCPAddr).Port)
}

// sharePort lets another socket of this user that asks for it listen on the same port.
func sharePort(_, _ string, raw syscall.RawConn) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}), err)
}

// cause is the part of a listen error that the address does not repeat.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
