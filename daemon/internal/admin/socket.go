package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Peer is the process at the other end of a connection, by the kernel's word.
type Peer struct {
	PID int32
	UID uint32
}

// listen binds path. The mode is set on the socket before it has a name, so there
// is no moment in which others could connect.
func listen(path string) (net.Listener, error) {
	if len(path) > MaxSocketPath {
		return nil, fmt.Errorf("%s is %d bytes long, a socket's path can have %d; choose a shorter FX_RUN_DIR", path, len(path), MaxSocketPath)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if cerr := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); cerr != nil {
			return cerr
		}
		return err
	}}
	return lc.Listen(context.Background(), "unix", path)
}

// removeStale removes a socket nobody listens on, and nothing else.
func removeStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is not a socket; move it away", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close() // it only had to answer
		return fmt.Errorf("another fastxd answers at %s; stop it, or choose another FX_RUN_DIR", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

func ownUID() uint32 { return uint32(os.Getuid()) }

// peerOf asks the kernel who connected.
func peerOf(c net.Conn) (Peer, error) {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("%T is not a Unix socket", c)
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *syscall.Ucred
	cerr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(cerr, err); err != nil {
		return Peer{}, fmt.Errorf("peer credentials: %w", err)
	}
	return Peer{PID: cred.Pid, UID: cred.Uid}, nil
}

type peerKey struct{}

// known is what withPeer found out; err keeps the peer out.
type known struct {
	Peer
	err error
}

func (s *Server) withPeer(ctx context.Context, c net.Conn) context.Context {
	p, err := s.peer(c)
	return context.WithValue(ctx, peerKey{}, known{p, err})
}

func peerFrom(ctx context.Context) known {
	k, _ := ctx.Value(peerKey{}).(known)
	return k
}

// admit lets root and the daemon's own account in, and logs everyone else.
func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := peerFrom(r.Context())
		if p.err == nil && (p.UID == 0 || p.UID == s.uid) {
			next.ServeHTTP(w, r)
			return
		}
		s.o.Log.Warn("refused on the admin socket", "uid", p.UID, "pid", p.PID, "err", p.err)
		writeError(w, &Error{Code: "forbidden", Message: "only root and the account fastxd runs as may use its admin socket"})
	})
}
