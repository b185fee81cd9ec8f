package launcher

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestConnectionsThatAreDropped(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s, over := n.run(""), n.run("")
	_, err := n.terminate(over.ID)
	must(t, err)
	id := `"id":"` + s.ID + `"`
	for name, c := range map[string]struct{ says, logged string }{
		"forged":                      {`{"type":"hello","state":"ended",` + id + "}\n", "it is not the session's supervisor"},
		"forged for an ended session": {`{"type":"hello","state":"running","id":"` + over.ID + "\"}\n", "it is not the session's supervisor"},
		"of no session":               {`{"type":"hello","id":"0123456789abcdef"}` + "\n", "there is no session"},
		"with a path for an id":       {`{"type":"hello","id":"../x"}` + "\n", "what it says is no hello"},
		"without a hello":             {`{"type":"state","state":"ended",` + id + "}\n", "what it says is no hello"},
		"garbage":                     {"GET / HTTP/1.1\r\n\r\n", "no hello: bad message"},
		"too long":                    {`{"type":"hello",` + strings.Repeat(" ", session.MaxMessage), "no hello: the message is longer"},
		"cut short":                   {`{"type":"hello",` + id, "no hello: unexpected EOF"},
	} {
		before := len(n.log.all())
		conn, err := net.Dial("unix", session.LauncherSocket(n.dirs.Run))
		must(t, err)
		io.WriteString(conn, c.says)
		conn.(*net.UnixConn).CloseWrite()
		if answer, _ := io.ReadAll(conn); len(answer) > 0 {
			t.Errorf("%s: the answer is %q", name, answer)
		}
		conn.Close()
		n.until("it is logged", func() bool { return len(n.log.all()) > before })
		if lines := n.log.all()[before:]; len(lines) != 1 || !strings.Contains(lines[0], c.logged) {
			t.Errorf("%s: logged %q, want one line with %q", name, lines, c.logged)
		}
	}
	if got, _ := n.view(s.ID); got.State != transporter.Running {
		t.Errorf("the session is %s now", got.State)
	}
	if _, err := n.terminate(s.ID); err != nil { // its true supervisor is still heard
		t.Error(err)
	}
}

// TestWhoMaySpeakForASession looks at the one place that decides it.
func TestWhoMaySpeakForASession(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	n.halt()
	self, err := session.ProcessOf(os.Getpid())
	must(t, err)
	later := self
	later.Start++
	id := ticket.NewID()
	lock, err := session.CreateLock(session.LockPath(n.dirs.Local, id))
	must(t, err)
	defer session.Unlock(lock)
	for name, c := range map[string]struct {
		id     string
		uid    int
		known  session.Process
		refuse string
	}{
		"the supervisor":                              {id, os.Getuid(), self, ""},
		"another user":                                {id, os.Getuid() + 1, self, "not of user id"},
		"another process":                             {id, os.Getuid(), session.Process{PID: 1, Start: 1}, "not the session's supervisor"},
		"another process of the same number":          {id, os.Getuid(), later, "not the session's supervisor"},
		"one that is not known, and the lock is held": {id, os.Getuid(), session.Process{}, ""},
		"one that is not known, and the lock is free": {ticket.NewID(), os.Getuid(), session.Process{}, "has no supervisor"},
	} {
		e := n.l.blank(c.id)
		e.rec.Supervisor = c.known
		err := n.l.belongs(e, c.uid, self)
		if (err == nil) != (c.refuse == "") || err != nil && !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v, want %q", name, err, c.refuse)
		}
	}
}

func TestASecondConnectionOfOneSupervisorIsDropped(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s := n.run("")
	n.l.mu.Lock()
	e := n.l.sessions[s.ID]
	p := e.link
	n.l.mu.Unlock()
	proc := n.supervisor(s.ID)
	if err := n.l.attach(e, newPeer(nil), os.Getuid(), proc.PID); err == nil || !strings.Contains(err.Error(), "connected already") {
		t.Errorf("attach: %v", err)
	}
	if e.link != p {
		t.Error("the second connection has replaced the first")
	}
}

func TestAnotherUserCannotSpeakForASession(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	n := newNode(t).start()
	s := n.run("")
	sock := session.LauncherSocket(n.dirs.Run)
	if info, err := os.Stat(sock); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	for _, p := range []string{filepath.Dir(n.dirs.Run), n.dirs.Run} {
		must(t, os.Chmod(p, 0o755))
	}
	must(t, os.Chmod(sock, 0o666))
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestSayHelloAsAnotherUser$") // whoever may not enter its folder
	cmd.Env = []string{"HELLO_TO=" + sock, "HELLO_ID=" + s.ID}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n.until("it is logged", func() bool { return n.log.count("no session here is of user id 65534") == 1 })
	if got, _ := n.view(s.ID); got.State != transporter.Running {
		t.Errorf("the session is %s now", got.State)
	}
}

// TestSayHelloAsAnotherUser is the child of TestAnotherUserCannotSpeakForASession.
func TestSayHelloAsAnotherUser(t *testing.T) {
	sock := os.Getenv("HELLO_TO")
	if sock == "" {
		t.Skip("runs only as a child of TestAnotherUserCannotSpeakForASession")
	}
	conn, err := net.Dial("unix", sock)
	must(t, err)
	defer conn.Close()
	io.WriteString(conn, `{"type":"hello","state":"ended","id":"`+os.Getenv("HELLO_ID")+"\"}\n")
	if answer, _ := io.ReadAll(conn); len(answer) > 0 {
		t.Errorf("the answer is %q", answer)
	}
}

func TestASupervisorThatIsAwayForTooLongIsUnknown(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s := n.begin("drop")
	n.becomes(s.ID, transporter.Unknown)
	n.goOn()
	n.becomes(s.ID, transporter.Running)
}

func TestASupervisorThatIsKilled(t *testing.T) {
	t.Parallel()
	for name, adopted := range map[string]bool{"that was started": false, "that was adopted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t).start()
			s := n.run("leaves")
			n.until("its processes are on disk", func() bool { return len(n.record(s.ID).Processes) == 1 })
			left := n.record(s.ID).Processes[0]
			if adopted {
				n.restart()
				n.becomes(s.ID, transporter.Running)
			}
			must(t, syscall.Kill(n.supervisor(s.ID).PID, syscall.SIGKILL))
			s = n.becomes(s.ID, transporter.Ended)
			if s.Reason != "the session's supervisor was killed" {
				t.Errorf("the reason is %q", s.Reason)
			}
			n.until("its processes are killed", func() bool { return !left.Alive() })
			n.until("its folder is removed", func() bool {
				_, err := os.Stat(session.Dir(n.dirs.Run, s.ID))
				return os.IsNotExist(err)
			})
			n.until("the child is reaped", func() bool {
				_, err := session.StatOf(n.supervisor(s.ID).PID)
				return err != nil
			})
		})
	}
}

func FuzzReport(f *testing.F) {
	for _, line := range []string{
		"", "\n", "{}\n", "null\n", "[]\n", `{"type":"hello"}` + "\n", `{"type":"hello","id":"0123456789abcdef","state":"ended"}` + "\n",
		`{"type":"viewer","seq":18446744073709551615}` + "\n", `{"type":"hello","id":1}` + "\n", "\x00\xff\n",
	} {
		f.Add([]byte(line))
	}
	n := newNode(f).start()
	s := n.run("")
	f.Fuzz(func(t *testing.T, line []byte) {
		conn, err := net.Dial("unix", session.LauncherSocket(n.dirs.Run))
		must(t, err)
		defer conn.Close()
		conn.Write(line)
		conn.(*net.UnixConn).CloseWrite()
		if answer, _ := io.ReadAll(conn); len(answer) > 0 {
			t.Errorf("%q is answered with %q", line, answer)
		}
		if got, _ := n.view(s.ID); got.State != transporter.Running {
			t.Fatalf("%q has made the session %s", line, got.State)
		}
	})
}
