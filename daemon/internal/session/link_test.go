package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// note is what the tests send.
type note struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// pair returns both ends of a connection.
func pair(t testing.TB) (*net.UnixConn, *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = c.(*net.UnixConn)
		t.Cleanup(func() { c.Close() })
	}
	return ends[0], ends[1]
}

// file makes a file whose content says which one it is.
func file(t testing.TB, content string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return f
}

func contentOf(t testing.TB, f *os.File) string {
	t.Helper()
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// openDescriptors counts how often this process has the file open.
func openDescriptors(t testing.TB, f *os.File) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, link := range links {
		if target, _ := os.Readlink(link); target == f.Name() {
			count++
		}
	}
	return count
}

func TestLinkKeepsEachDescriptorWithItsLine(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	from, to := NewLink(a), NewLink(b)
	one, three := file(t, "one"), file(t, "three")
	sizes := []int{0, 10, 5000, 60000, 3, 0, 9000, 1} // across the reads' buffer, too
	go func() {
		for i, size := range sizes {
			var fd *os.File
			if i == 1 || i == 2 || i == 6 {
				fd = one
			} else if i == 3 {
				fd = three
			}
			if err := from.Send(note{i, strings.Repeat("x", size)}, fd); err != nil {
				t.Error(err)
			}
		}
		from.Close()
	}()
	for i, size := range sizes {
		var n note
		fd, err := to.Receive(&n)
		if err != nil || n.N != i || len(n.Text) != size {
			t.Fatalf("message %d: n %d, %d bytes, error %v", i, n.N, len(n.Text), err)
		}
		got := ""
		if fd != nil {
			got = contentOf(t, fd)
		}
		if want := map[int]string{1: "one", 2: "one", 6: "one", 3: "three"}[i]; got != want {
			t.Errorf("message %d brings %q, want %q", i, got, want)
		}
	}
	if _, err := to.Receive(new(note)); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	if n := openDescriptors(t, one); n != 1 {
		t.Errorf("%d descriptors are open, want the test's own", n)
	}
}

func TestLinkCarriesWhatManySendAtOnce(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	from, to := NewLink(a), NewLink(b)
	const senders, each = 8, 200
	shared := file(t, "shared")
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for j := range each {
				var fd *os.File
				if j%2 == 1 {
					fd = shared
				}
				if err := from.Send(note{j, strings.Repeat("y", i*700)}, fd); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range senders * each {
		var n note
		fd, err := to.Receive(&n)
		if err != nil {
			t.Fatal(err)
		}
		if (fd != nil) != (n.N%2 == 1) {
			t.Fatalf("message %d has descriptor %v", n.N, fd)
		}
		if fd != nil {
			fd.Close()
		}
	}
	all.Wait()
}

func TestLinkRefusesWhatABadPeerSends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send func(t *testing.T, conn *net.UnixConn, f *os.File)
		want error
	}{
		"too long a line": {func(t *testing.T, conn *net.UnixConn, f *os.File) {
			go conn.Write(bytes.Repeat([]byte("x"), 2*MaxMessage))
		}, ErrTooLong},
		"too long a line with an end": {func(t *testing.T, conn *net.UnixConn, f *os.File) {
			go conn.Write(append(bytes.Repeat([]byte("x"), MaxMessage), '\n'))
		}, ErrTooLong},
		"two descriptors": {func(t *testing.T, conn *net.UnixConn, f *os.File) {
			sendRights(t, conn, "{}\n", f, f)
		}, ErrDescriptor},
		"more descriptors than there is room for": {func(t *testing.T, conn *net.UnixConn, f *os.File) {
			sendRights(t, conn, "{}\n", f, f, f, f, f, f, f, f)
		}, ErrDescriptor},
		"two descriptors in one line": {func(t *testing.T, conn *net.UnixConn, f *os.File) {
			sendRights(t, conn, "{", f)
			sendRights(t, conn, "}\n", f)
		}, ErrDescriptor},
		"half a line": {func(t *testing.T, conn *net.UnixConn, f *os.File) {
			sendRights(t, conn, `{"n":`, f)
			conn.Close()
		}, io.ErrUnexpectedEOF},
		"nothing":      {func(t *testing.T, conn *net.UnixConn, f *os.File) { conn.Close() }, io.EOF},
		"no JSON":      {func(t *testing.T, conn *net.UnixConn, f *os.File) { sendRights(t, conn, "hello\n", f) }, errAny},
		"another type": {func(t *testing.T, conn *net.UnixConn, f *os.File) { sendRights(t, conn, `{"n":"x"}`+"\n", f) }, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			f := file(t, "passed")
			c.send(t, a, f)
			fd, err := NewLink(b).Receive(new(note))
			if err == nil || c.want != errAny && !errors.Is(err, c.want) || fd != nil {
				t.Errorf("got %v and error %v, want %v", fd, err, c.want)
			}
			if n := openDescriptors(t, f); n != 1 {
				t.Errorf("%d descriptors are open, want the test's own", n)
			}
		})
	}
}

var errAny = errors.New("any error")

func sendRights(t *testing.T, conn *net.UnixConn, data string, files ...*os.File) {
	t.Helper()
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	if _, _, err := conn.WriteMsgUnix([]byte(data), syscall.UnixRights(fds...), nil); err != nil {
		t.Fatal(err)
	}
}

func TestLinkSendsNoMessageThatIsTooLong(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	link := NewLink(a)
	if err := link.Send(note{Text: strings.Repeat("x", MaxMessage)}, nil); err != ErrTooLong {
		t.Errorf("error %v", err)
	}
	if err := link.Send(note{N: 7}, nil); err != nil { // nothing was sent, so the link lives
		t.Fatal(err)
	}
	var n note
	if _, err := NewLink(b).Receive(&n); err != nil || n.N != 7 {
		t.Errorf("received %+v, error %v", n, err)
	}
}

func TestPeerCredNamesTheOtherEnd(t *testing.T) {
	t.Parallel()
	a, _ := pair(t)
	uid, gid, pid, err := PeerCred(a)
	if err != nil || uid != os.Getuid() || gid != os.Getgid() || pid != os.Getpid() {
		t.Errorf("uid %d gid %d pid %d error %v", uid, gid, pid, err)
	}
}

// FuzzLink feeds any bytes, in two writes that may both bring descriptors.
func FuzzLink(f *testing.F) {
	f.Add([]byte("{\"n\":1}\n"), 3, 1, 0)
	f.Add([]byte("{}\n{}\n{}\n"), 4, 2, 1)
	f.Add([]byte("\n\n"), 1, 1, 1)
	f.Add([]byte("null\n[1]\n\"\\ud800\"\n"), 0, 0, 3)
	f.Fuzz(func(t *testing.T, data []byte, cut, first, second int) {
		if len(data) > 8<<10 {
			return
		}
		a, b := pair(t)
		passed := file(t, "passed")
		cut = max(0, min(cut, len(data)))
		for _, part := range []struct {
			data []byte
			fds  int
		}{{data[:cut], first}, {data[cut:], second}} {
			if len(part.data) > 0 {
				files := make([]*os.File, max(0, min(part.fds, 6)))
				for i := range files {
					files[i] = passed
				}
				sendRights(t, a, string(part.data), files...)
			}
		}
		a.Close()
		receiveAll(t, NewLink(b), data)
		if n := openDescriptors(t, passed); n != 1 {
			t.Errorf("%d descriptors are open, want the test's own", n)
		}
	})
}

// receiveAll reads to the first error and holds what came against the lines sent.
func receiveAll(t *testing.T, link *Link, sent []byte) {
	for {
		var got json.RawMessage
		fd, err := link.Receive(&got)
		if fd != nil {
			fd.Close()
		}
		if err != nil {
			return
		}
		line, rest, _ := bytes.Cut(sent, []byte("\n"))
		if sent = rest; !json.Valid(line) || !bytes.Equal(bytes.TrimSpace(line), got) {
			t.Fatalf("sent %q, received %q", line, got)
		}
	}
}

func ExampleLink() {
	fds, _ := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	var ends [2]*Link
	for i, fd := range fds {
		conn, _ := net.FileConn(os.NewFile(uintptr(fd), ""))
		ends[i] = NewLink(conn.(*net.UnixConn))
		defer ends[i].Close()
	}
	ends[0].Send(Order{Type: "terminate", Reason: "ended by ann"}, nil)
	var o Order
	ends[1].Receive(&o)
	fmt.Println(o.Type, o.Reason)
	// Output: terminate ended by ann
}
