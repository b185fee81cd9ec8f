package launcher

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// fake is a supervisor that runs no session. It does what the words of the record's command say:
//
//	slow      stays starting until a file named go lies in its TempDir
//	mute      never reports
//	drop      hangs up after its hello, once, and comes back when there is a file named go
//	stubborn  ignores the order to end
//	die       exits at once, having written a last line to the log
//	nodisplay refuses viewers
//	idle      tells that input was last used when the file input in its TempDir was last changed
//	unheld    tells that a limit is not enforced
//	leaves    starts a sleep as its X server, which outlives it
//
// It ends when its TempDir is gone, so that no test leaves one behind.
type fake struct {
	rec    *session.Record
	log    *os.File
	state  string
	reason string
	procs  []session.Process
	unheld []string
}

func fakeSupervisor() int {
	rec, err := session.DecodeRecord(os.Stdin)
	if err != nil {
		return 3
	}
	f := &fake{rec: rec, log: os.Stderr, state: "running"}
	go f.leash()
	if wrong := f.surroundings(); wrong != "" {
		f.state, f.reason = "ended", wrong
	}
	switch {
	case f.state == "ended":
	case f.is("die"):
		fmt.Fprint(f.log, session.EndPrefix, "the home directory is full\n")
		return 1
	case f.is("slow"):
		f.state = "starting"
	case f.is("leaves"):
		f.leave()
	case f.is("unheld"):
		f.unheld = []string{"memory_max = 1G in performance/p.ini is not enforced: a test says so"}
	}
	for first := true; ; first = false {
		if f.is("mute") || !first && f.is("drop") {
			f.awaitGo()
		}
		if f.report() {
			return 0
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (f *fake) is(word string) bool { return slices.Contains(strings.Fields(f.rec.Command), word) }

// leash ends the process when the test is over.
func (f *fake) leash() {
	for {
		if _, err := os.Stat(f.rec.TempDir); err != nil {
			os.Exit(0)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (f *fake) awaitGo() {
	for {
		if _, err := os.Stat(f.rec.TempDir + "/go"); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// surroundings says in what the process was not started as package session promises.
func (f *fake) surroundings() string {
	dir, _ := os.Getwd()
	sid, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	switch {
	case len(os.Environ()) != 1 || !strings.HasPrefix(os.Environ()[0], "PATH="):
		return fmt.Sprintf("the environment is %q", os.Environ())
	case dir != "/":
		return "the working directory is " + dir
	case int(sid) != os.Getpid():
		return "it is in another's session"
	case len(os.Args) != 2 || os.Args[1] != f.rec.ID:
		return fmt.Sprintf("the arguments are %q", os.Args)
	case syscall.Flock(1, syscall.LOCK_EX|syscall.LOCK_NB) != nil:
		return "descriptor 1 is not the lock"
	}
	return ""
}

// leave makes a process that a kill of this one leaves behind, and the session's folder.
func (f *fake) leave() {
	os.MkdirAll(f.rec.Dir, 0o700)
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "600"}, &os.ProcAttr{})
	if err != nil {
		panic(err)
	}
	proc, err := session.ProcessOf(p.Pid)
	if err != nil {
		panic(err)
	}
	f.procs = append(f.procs, proc)
}

// report speaks to the launcher until one of them hangs up; true means goodbye.
func (f *fake) report() bool {
	conn, err := net.Dial("unix", f.rec.Socket)
	if err != nil {
		return false
	}
	link := session.NewLink(conn.(*net.UnixConn))
	defer link.Close()
	if f.say(link, "hello") != nil || f.is("drop") && f.hungUp() {
		return false
	}
	go f.watchInput(link)
	if f.state == "starting" {
		f.awaitGo()
		f.state = "running"
		f.say(link, "state")
	}
	for {
		var o session.Order
		if _, err := link.Receive(&o); err != nil {
			return false
		}
		switch {
		case o.Type == "goodbye":
			return true
		case o.Type == "viewer":
			f.viewer(link, o)
		case o.Type == "terminate" && !f.is("stubborn"):
			f.state, f.reason = "ended", o.Reason
			fmt.Fprint(f.log, "some output\n", session.EndPrefix, o.Reason, "\n")
			f.say(link, "state")
		}
	}
}

// hungUp is true the first time.
func (f *fake) hungUp() bool {
	_, err := os.Stat(f.rec.TempDir + "/go")
	return errors.Is(err, os.ErrNotExist)
}

func (f *fake) say(link *session.Link, what string) error {
	return link.Send(session.Report{
		Type: what, ID: f.rec.ID, State: f.state, Reason: f.reason, Display: ":99", PID: os.Getpid(), Processes: f.procs,
		Input: f.input(), Unheld: f.unheld,
	}, nil)
}

// input is when the keyboard or mouse was last used.
func (f *fake) input() time.Time {
	if !f.is("idle") {
		return time.Time{}
	}
	info, err := os.Stat(f.rec.TempDir + "/input")
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// watchInput tells of every use of the keyboard and mouse until the connection ends.
func (f *fake) watchInput(link *session.Link) {
	for last := (time.Time{}); f.is("idle"); time.Sleep(2 * time.Millisecond) {
		now := f.input()
		if now.Equal(last) {
			continue
		}
		if link.Send(session.Report{Type: "input", ID: f.rec.ID, Input: now}, nil) != nil {
			return
		}
		last = now
	}
}

// viewer sends one end of a pair and greets at the other as an X server would.
func (f *fake) viewer(link *session.Link, o session.Order) {
	if f.is("nodisplay") {
		link.Send(session.Report{Type: "viewer", ID: f.rec.ID, Seq: o.Seq, Error: "the X server refuses"}, nil)
		return
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	syscall.Write(fds[0], []byte("RFB 003.008\n"))
	file := os.NewFile(uintptr(fds[1]), "rfb")
	link.Send(session.Report{Type: "viewer", ID: f.rec.ID, Seq: o.Seq}, file)
	file.Close()
}
