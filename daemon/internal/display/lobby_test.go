package display_test

import (
	"bufio"
	"context"
	"errors"
	"image"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestADisplayTravelsToTheVisitThatExpectsIt(t *testing.T) {
	t.Parallel()
	lobby, _ := openLobby(t)
	one, two := lobby.Expect(), lobby.Expect()
	serverTwo, _ := bring(t, two.Meet())
	serverOne, _ := bring(t, one.Meet())
	for _, v := range []struct {
		visit  *display.Visit
		server net.Conn
		word   string
	}{{one, serverOne, "first"}, {two, serverTwo, "second"}} {
		viewer := wait(t, v.visit)
		io.WriteString(v.server, v.word)
		if got := readN(t, viewer.RFB, len(v.word)); got != v.word {
			t.Errorf("the viewer read %q, want %q", got, v.word)
		}
		io.WriteString(viewer.RFB, "back")
		if got := readN(t, v.server, 4); got != "back" {
			t.Errorf("the X server read %q", got)
		}
	}
}

func TestADisplayIsRefused(t *testing.T) {
	t.Parallel()
	lobby, _ := openLobby(t)
	good := lobby.Expect()
	used := lobby.Expect()
	bring(t, used.Meet())
	wait(t, used)
	left := lobby.Expect()
	left.Cancel()
	for name, meet := range map[string]transporter.Rendezvous{
		"with the wrong secret":        withSecret(good.Meet(), strings.Repeat("0", 32)),
		"with no secret":               withSecret(good.Meet(), ""),
		"with a secret used before":    used.Meet(),
		"of a visit that was given up": left.Meet(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, file := pair(t)
			_, err := display.Bring(t.Context(), meet, file, image.Point{})
			if err == nil || !strings.Contains(err.Error(), "nobody waits") {
				t.Fatalf("error = %v, want that nobody waits", err)
			}
			ends(t, server)
		})
	}
	t.Cleanup(func() { // the refusals did good no harm
		bringIn(t, good.Meet())
	})
}

func TestBringNamesWhatItCannotReach(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ network, address, want string }{
		"another network": {"tcp", "127.0.0.1:1", `"tcp" is not supported`},
		"nobody there":    {"unix", filepath.Join(t.TempDir(), "none"), "no such file"},
	} {
		_, file := pair(t)
		_, err := display.Bring(t.Context(), transporter.Rendezvous{Network: c.network, Address: c.address}, file, image.Point{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want %q in it", name, err, c.want)
		}
	}
}

func TestBringGivesUpWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "s")
	ln, err := net.Listen("unix", path) // answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	server, file := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			defer conn.Close()
			bufio.NewReader(conn).ReadString('\n')
		}
		cancel()
		io.Copy(io.Discard, conn)
	}()
	if _, err := display.Bring(ctx, transporter.Rendezvous{Network: "unix", Address: path}, file, image.Point{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	ends(t, server)
}

func TestADeliveryEndsWithItsReason(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "s")
	ln, err := net.Listen("unix", path) // a lobby that takes the display and pays no heed to the end
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	said := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		r.ReadString('\n')
		io.WriteString(conn, "{}\n")
		rest, _ := io.ReadAll(r)
		said <- string(rest)
	}()
	_, delivery := bring(t, transporter.Rendezvous{Network: "unix", Address: path})
	delivery.Close("ended by alice")
	delivery.Close("and again")
	if got, want := <-said, `{"reason":"ended by alice"}`+"\n"; got != want {
		t.Errorf("it said %q and ended, want %q", got, want)
	}
}

func TestEitherSideNoticesTheEndOfTheOther(t *testing.T) {
	t.Parallel()
	t.Run("the viewer leaves", func(t *testing.T) {
		t.Parallel()
		lobby, _ := openLobby(t)
		visit := lobby.Expect()
		server, delivery := bring(t, visit.Meet())
		wait(t, visit).Close()
		closed(t, delivery.Done(), "the delivery")
		ends(t, server)
	})
	t.Run("the launcher throws the viewer out", func(t *testing.T) {
		t.Parallel()
		lobby, _ := openLobby(t)
		visit := lobby.Expect()
		server, delivery := bring(t, visit.Meet())
		viewer := wait(t, visit)
		delivery.Close("ended by alice")
		closed(t, viewer.Gone(), "the viewer")
		closed(t, delivery.Done(), "the delivery")
		over := &display.Over{}
		if _, err := viewer.RFB.Read(make([]byte, 1)); !errors.As(err, &over) || over.Reason != "ended by alice" {
			t.Errorf("the viewer's read ended with %v", err)
		}
		ends(t, server)
	})
	t.Run("the X server ends, and the launcher says why", func(t *testing.T) {
		t.Parallel()
		lobby, _ := openLobby(t)
		visit := lobby.Expect()
		server, delivery := bring(t, visit.Meet())
		viewer := wait(t, visit)
		server.Close()
		time.AfterFunc(10*time.Millisecond, func() { delivery.Close("the command ended") })
		over := &display.Over{}
		if _, err := viewer.RFB.Read(make([]byte, 1)); !errors.As(err, &over) || over.Reason != "the command ended" {
			t.Errorf("the viewer's read ended with %v", err)
		}
	})
}

func TestAWaitEndsWithItsContextAndItsDisplayIsSentAway(t *testing.T) {
	t.Parallel()
	lobby, _ := openLobby(t)
	visit := lobby.Expect()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := visit.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("error = %v", err)
	}
	late := lobby.Expect()
	server, delivery := bring(t, late.Meet())
	late.Cancel() // the display is there and nobody has fetched it
	closed(t, delivery.Done(), "the delivery")
	ends(t, server)
}

func TestALobbyThatCloses(t *testing.T) {
	t.Parallel()
	lobby, path := openLobby(t)
	visit, come := lobby.Expect(), lobby.Expect()
	server, _ := bring(t, come.Meet())
	viewer := wait(t, come)
	mute, err := net.Dial("unix", path) // says nothing, and must not hold up the end
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	bringIn(t, lobby.Expect().Meet()) // comes after it, so it has been accepted by now
	lobby.Close()
	lobby.Close()
	if said, _ := io.ReadAll(mute); len(said) > 0 {
		t.Errorf("the lobby has waited for a hello until it said %q", said)
	}
	if _, err := visit.Wait(t.Context()); err == nil {
		t.Error("a wait outlived the lobby")
	}
	io.WriteString(server, "still")
	if got := readN(t, viewer.RFB, 5); got != "still" {
		t.Errorf("a viewer that had come read %q", got)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestALobbyIsOpenedAgain(t *testing.T) {
	t.Parallel()
	t.Run("in the place of one whose process was killed", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(shortDir(t), "display.sock")
		for range 2 { // the first leaves its file, as kill -9 does
			ln, err := display.Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			ln.Close()
		}
		lobby, err := display.OpenLobby(path, quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer lobby.Close()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket has mode %v, %v", info.Mode(), err)
		}
		bringIn(t, lobby.Expect().Meet())
	})
	t.Run("not while another one is there", func(t *testing.T) {
		t.Parallel()
		first, path := openLobby(t)
		if _, err := display.OpenLobby(path, quiet()); err == nil || !strings.Contains(err.Error(), "another process listens") {
			t.Errorf("error = %v", err)
		}
		bringIn(t, first.Expect().Meet())
	})
	t.Run("not at a path that is too long", func(t *testing.T) {
		t.Parallel()
		long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
		if _, err := display.OpenLobby(long, quiet()); err == nil || !strings.Contains(err.Error(), "FX_RUN_DIR") {
			t.Errorf("error = %v", err)
		}
	})
}

// TestAnotherUserIsTurnedAway opens the socket's mode, so that only the look at the
// peer's credentials stands between another user and the lobby.
func TestAnotherUserIsTurnedAway(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	lobby, path := openLobby(t)
	os.Chmod(filepath.Dir(path), 0o755)
	os.Chmod(path, 0o666)
	meet := lobby.Expect().Meet()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestBringAsAnotherUser$") // whoever may not enter its folder
	cmd.Env = []string{"BRING_TO=" + meet.Address, "BRING_SECRET=" + meet.Secret}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "process of user id") {
		t.Errorf("another user got: %v: %s", err, out)
	}
	bringIn(t, meet) // the secret was not used up
}

// TestBringAsAnotherUser is the child of TestAnotherUserIsTurnedAway. It greets the
// lobby by hand, since Bring itself would refuse to talk to another user's socket.
func TestBringAsAnotherUser(t *testing.T) {
	path := os.Getenv("BRING_TO")
	if path == "" {
		t.Skip("runs only as a child of TestAnotherUserIsTurnedAway")
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, file := pair(t)
	line := []byte(`{"secret":"` + os.Getenv("BRING_SECRET") + "\"}\n")
	conn.(*net.UnixConn).WriteMsgUnix(line, syscall.UnixRights(int(file.Fd())), nil)
	answer, _ := io.ReadAll(conn)
	os.Stdout.Write(answer)
}

func FuzzHello(f *testing.F) {
	for _, line := range []string{
		"", "\n", "{}\n", "null\n", `{"secret":"x"}` + "\n", `{"secret":1}` + "\n", `{"secret":"` + strings.Repeat("a", 70000),
		"{\"secret\":\"\x00\"}\n", "[[[[[[\n", `{"error":"x","reason":"y"}` + "\n{}\n",
	} {
		f.Add([]byte(line), true)
		f.Add([]byte(line), false)
	}
	lobby, path := openLobby(f)
	f.Fuzz(func(t *testing.T, line []byte, carry bool) {
		visit := lobby.Expect()
		defer visit.Cancel()
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, file := pair(t)
		var rights []byte
		if carry && len(line) > 0 {
			rights = syscall.UnixRights(int(file.Fd()))
		}
		if len(line) > 0 {
			conn.(*net.UnixConn).WriteMsgUnix(line, rights, nil)
		}
		conn.(*net.UnixConn).CloseWrite()
		answer, _ := io.ReadAll(conn) // ends: whatever was said, the lobby hangs up
		if strings.Contains(string(answer), visit.Meet().Secret) {
			t.Errorf("the answer %q tells the secret", answer)
		}
		if len(answer) > 0 && !strings.Contains(string(answer), `"error"`) {
			t.Errorf("%q was let in: %q", line, answer)
		}
	})
}
