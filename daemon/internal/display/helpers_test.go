package display_test

import (
	"context"
	"image"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// shortDir is a folder whose sockets have short names.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func openLobby(t testing.TB) (*display.Lobby, string) {
	t.Helper()
	path := filepath.Join(shortDir(t), "display.sock")
	lobby, err := display.OpenLobby(path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lobby.Close() })
	return lobby, path
}

// pair is an RFB connection: the X server's end, and the viewer's as a file.
func pair(t testing.TB) (net.Conn, *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[0]), "xserver")
	defer file.Close()
	server, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	viewer := os.NewFile(uintptr(fds[1]), "viewer")
	t.Cleanup(func() { server.Close(); viewer.Close() })
	return server, viewer
}

func bring(t testing.TB, meet transporter.Rendezvous) (net.Conn, *display.Delivery) {
	t.Helper()
	return bringAtMost(t, meet, image.Point{})
}

func bringAtMost(t testing.TB, meet transporter.Rendezvous, most image.Point) (net.Conn, *display.Delivery) {
	t.Helper()
	server, file := pair(t)
	d, err := display.Bring(context.Background(), meet, file, most)
	if err != nil {
		t.Fatalf("Bring: %v", err)
	}
	t.Cleanup(func() { d.Close("the test is over") })
	return server, d
}

func bringIn(t testing.TB, meet transporter.Rendezvous) {
	t.Helper()
	bring(t, meet)
}

func wait(t testing.TB, v *display.Visit) *display.Viewer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	viewer, err := v.Wait(ctx)
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	t.Cleanup(func() { viewer.Close() })
	return viewer
}

func withSecret(m transporter.Rendezvous, secret string) transporter.Rendezvous {
	m.Secret = secret
	return m
}

func readN(t testing.TB, r io.Reader, n int) string {
	t.Helper()
	buf := make([]byte, n)
	if _, err := io.ReadFull(r, buf); err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(buf)
}

// ends waits until nobody holds the other end any more.
func ends(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("after %d bytes the connection did not end: %v", n, err)
	}
}

func closed(t testing.TB, c <-chan struct{}, who string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not notice the end", who)
	}
}
