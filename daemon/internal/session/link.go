package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// MaxMessage is the longest line a Link carries, in bytes with its newline.
const MaxMessage = 64 << 10

// sendTimeout is how long Send waits for a peer that reads nothing.
const sendTimeout = 5 * time.Second

// What a peer can do wrong; after either, the link is of no more use.
var (
	ErrTooLong    = fmt.Errorf("the message is longer than %d bytes", MaxMessage)
	ErrDescriptor = errors.New("descriptors came that no message can own")
)

// Link carries one JSON object a line, each with at most one descriptor, over a
// stream Unix socket. Any number of goroutines may Send; one may Receive.
type Link struct {
	conn *net.UnixConn
	send sync.Mutex

	in  []byte   // read, not yet handed out
	fds []passed // what came with it, in order
}

// passed is a descriptor that came with the line that starts at, in bytes into Link.in.
type passed struct {
	fd *os.File
	at int
}

// NewLink takes over conn.
func NewLink(conn *net.UnixConn) *Link { return &Link{conn: conn} }

// Send writes v, and fd with it unless it is nil; fd stays the caller's. After an
// error the link is closed, since half a line may be on its way.
func (l *Link) Send(v any, fd *os.File) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if line = append(line, '\n'); len(line) > MaxMessage {
		return ErrTooLong
	}
	l.send.Lock()
	defer l.send.Unlock()
	if err := l.write(line, fd); err != nil {
		l.conn.Close()
		return err
	}
	return nil
}

// write sends the descriptor with the line's first byte and the rest as the socket takes it.
func (l *Link) write(line []byte, fd *os.File) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	if fd != nil {
		n, _, err := l.conn.WriteMsgUnix(line, syscall.UnixRights(int(fd.Fd())), nil)
		if err != nil {
			return err
		}
		line = line[n:]
	}
	if len(line) == 0 {
		return nil // writing nothing fails too, once the peer has taken the line and hung up
	}
	_, err := l.conn.Write(line)
	return err
}

// Receive reads the next line into v and returns the descriptor that came with it, or
// nil. It is close-on-exec and the caller's, who must close one that v does not call for.
// At the end of the connection the error is io.EOF. After an error of any kind no descriptor
// is left open, and the link is of no more use.
func (l *Link) Receive(v any) (*os.File, error) {
	line, fd, err := l.line()
	if err != nil {
		l.dropFDs()
		return nil, err
	}
	if err := json.Unmarshal(line, v); err != nil {
		if l.dropFDs(); fd != nil {
			fd.Close()
		}
		return nil, fmt.Errorf("bad message: %w", err)
	}
	return fd, nil
}

// Close ends the connection.
func (l *Link) Close() error { return l.conn.Close() }

// SetReadDeadline limits how long Receive waits.
func (l *Link) SetReadDeadline(t time.Time) error { return l.conn.SetReadDeadline(t) }

// line returns the next whole line and what came with it.
func (l *Link) line() ([]byte, *os.File, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(l.in[seen:], '\n'); i >= 0 {
			return l.take(seen + i + 1)
		}
		if seen = len(l.in); seen >= MaxMessage {
			return nil, nil, ErrTooLong
		}
		if err := l.read(); err != nil {
			return nil, nil, err
		}
	}
}

// take hands out the first n bytes of what was read.
func (l *Link) take(n int) (line []byte, fd *os.File, err error) {
	if n > MaxMessage {
		return nil, nil, ErrTooLong
	}
	line, l.in = l.in[:n:n], l.in[n:]
	if len(l.fds) > 0 && l.fds[0].at < n {
		fd, l.fds = l.fds[0].fd, l.fds[1:]
	}
	for i := range l.fds {
		l.fds[i].at -= n
	}
	return line, fd, nil
}

// read receives once. The kernel ends a read behind the message that a descriptor rides
// on, so the descriptor belongs to the last line that the read brings a part of.
func (l *Link) read() error {
	var data [4 << 10]byte
	oob := make([]byte, syscall.CmsgSpace(4*4))
	n, oobn, flags, _, err := l.conn.ReadMsgUnix(data[:], oob)
	fds := descriptors(oob[:oobn])
	if err == nil && flags&syscall.MSG_CTRUNC != 0 {
		err = ErrDescriptor
	}
	if err == nil {
		l.in = append(l.in, data[:n]...)
		err = l.own(fds)
	}
	if err != nil {
		closeAll(fds)
	}
	if errors.Is(err, io.EOF) && len(l.in) > 0 {
		return io.ErrUnexpectedEOF
	} else if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}

// own ties what came with the last read to its line, which may own no more than one.
func (l *Link) own(fds []int) error {
	if len(fds) == 0 {
		return nil
	}
	at := bytes.LastIndexByte(l.in[:len(l.in)-1], '\n') + 1
	if len(fds) > 1 || len(l.fds) > 0 && l.fds[len(l.fds)-1].at == at {
		return ErrDescriptor
	}
	l.fds = append(l.fds, passed{os.NewFile(uintptr(fds[0]), "passed"), at})
	return nil
}

func (l *Link) dropFDs() {
	for _, p := range l.fds {
		p.fd.Close()
	}
	l.fds = nil
}

// descriptors takes them out of control messages, whatever else is in there.
func descriptors(oob []byte) []int {
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for _, m := range msgs {
		if got, err := syscall.ParseUnixRights(&m); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

// PeerCred tells who is at the other end of conn, as the kernel saw it when the connection was made.
func PeerCred(conn *net.UnixConn) (uid, gid, pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, 0, err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return 0, 0, 0, fmt.Errorf("who is at the other end: %w", err)
	}
	return int(cred.Uid), int(cred.Gid), int(cred.Pid), nil
}
