package admin

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOnlyRootAndTheDaemonsAccountAreLetIn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		peer Peer
		err  error
		ok   bool
	}{
		"root":               {Peer{UID: 0}, nil, true},
		"the daemon's":       {Peer{UID: 990}, nil, true},
		"someone else":       {Peer{UID: 1000, PID: 4321}, nil, false},
		"nobody can say who": {Peer{}, errors.New("no credentials"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, b, log := runDir(t), &fake{}, &strings.Builder{}
			peer := func(net.Conn) (Peer, error) { return tt.peer, tt.err }
			s, err := start(Options{RunDir: dir, Backend: b, Log: slog.New(slog.NewTextHandler(log, nil))}, 990, peer)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client(t, dir).Status(t.Context())
			_ = s.Close() // the log is complete
			if ok := err == nil; ok != tt.ok || len(b.asked) == 1 != tt.ok {
				t.Errorf("let in: %v (%v), asked: %v", ok, err, b.asked)
			}
			if logged := strings.Contains(log.String(), "refused on the admin socket"); logged == tt.ok {
				t.Errorf("log: %q", log)
			}
		})
	}
}

func TestThePeerIsWhoTheKernelSays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(runDir(t), "s")
	ln, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := net.Dial("unix", path); err == nil {
			_, _ = io.Copy(io.Discard, c) // until the other side has looked
			_ = c.Close()
		}
	}()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := peerOf(c)
	if want := (Peer{PID: int32(os.Getpid()), UID: uint32(os.Getuid())}); err != nil || p != want {
		t.Errorf("peerOf = %+v, %v, want %+v", p, err, want)
	}
	a, z := net.Pipe()
	defer a.Close()
	defer z.Close()
	if _, err := peerOf(a); err == nil {
		t.Error("peerOf a pipe succeeded")
	}
}

func TestAPeerWithoutALoginNameMustSayWhomToActFor(t *testing.T) {
	t.Parallel()
	dir := runDir(t)
	nameless := func(uint32) (string, error) { return "", errors.New("no such uid") }
	s, err := Start(Options{RunDir: dir, Backend: &fake{}, Log: quiet(), LoginName: nameless})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := client(t, dir)
	if _, err := c.Nodes(t.Context()); err == nil || !strings.Contains(err.Error(), "--user") {
		t.Errorf("nameless: %v", err)
	}
	if _, err := c.As("ada").Nodes(t.Context()); err != nil {
		t.Errorf("with a name: %v", err)
	}
}

func TestTheSocketIsForItsOwnerAlone(t *testing.T) {
	old := syscall.Umask(0) // the worst case; process-wide, so this test is not parallel
	path := filepath.Join(runDir(t), "s")
	ln, err := listen(path)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestListenReplacesOnlyAStaleSocket(t *testing.T) {
	t.Parallel()
	stale := func(t *testing.T, path string) {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		ln.SetUnlinkOnClose(false)
		_ = ln.Close()
	}
	tests := map[string]struct {
		before func(*testing.T, string)
		want   string // part of the error, "" for success
	}{
		"nothing there":  {func(*testing.T, string) {}, ""},
		"a stale socket": {stale, ""},
		"a file":         {func(t *testing.T, p string) { _ = os.WriteFile(p, []byte("mine"), 0o600) }, "not a socket"},
		"a directory":    {func(t *testing.T, p string) { _ = os.Mkdir(p, 0o700) }, "not a socket"},
		"another kind of socket": {func(t *testing.T, p string) {
			c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}, "wrong type"},
		"a live daemon": {func(t *testing.T, p string) {
			ln, err := net.Listen("unix", p)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ln.Close() })
		}, "another fastxd answers"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(runDir(t), SocketName)
			tt.before(t, path)
			ln, err := listen(path)
			if err == nil {
				_ = ln.Close()
			}
			if tt.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := os.Lstat(path); tt.want != "" && err != nil {
				t.Errorf("what stood there is gone: %v", err)
			}
		})
	}
}

func TestATooLongPathIsRefusedInWords(t *testing.T) {
	t.Parallel()
	_, err := Start(Options{RunDir: "/tmp/" + strings.Repeat("x", 120), Backend: &fake{}, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "choose a shorter FX_RUN_DIR") {
		t.Errorf("got %v", err)
	}
}

func TestLoginNameOfRoot(t *testing.T) {
	t.Parallel()
	if name, err := loginName(0); err != nil || name != "root" {
		t.Errorf("loginName(0) = %q, %v", name, err)
	}
	if _, err := loginName(4000000000); err == nil {
		t.Error("an unknown uid has a name")
	}
}
