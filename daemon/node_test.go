package daemon_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// soak makes the drills run at full size.
var soak = flag.Bool("soak", false, "run drills at full size")

// patience is how long a test waits for something that must happen; a healthy
// node needs a small part of it.
const patience = 60 * time.Second

// binaries are the programs under test, built once for all tests of this package.
var binaries struct {
	dir string
	err error
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *bareCopy != "" {
		if err := serveBareCopy(*bareCopy); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "fastx-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries.dir = dir
	build := exec.Command("go", "build", "-o", dir, "./cmd/fastxd", "./cmd/fastxctl", "./cmd/fastxd-session", "./cmd/fastxd-launchd", "./cmd/fastxd-pam")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		binaries.err = fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// node is a real fastxd process with a configuration of its own below Root.
type node struct {
	*api
	Root string
	Env  map[string]string
	args []string // of fastxd
	bin  string   // where the programs are

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer
}

// newNode writes a configuration with fastxctl init; Start starts the daemon.
func newNode(t testing.TB) *node {
	t.Helper()
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	root, err := os.MkdirTemp("/tmp", "fx") // short: socket names have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	n := &node{api: newAPI(t), Root: root, bin: binaries.dir}
	n.Env = map[string]string{
		"FX_CONFIG_DIR": n.path("config"), "FX_VAR_DIR": n.path("var"), "FX_LOCAL_DIR": n.path("local"),
		"FX_RUN_DIR": n.path("run"), "FX_TEMP_DIR": "/tmp", "FX_NODE_FILE": n.path("node.env"),
		"FX_LISTEN": "127.0.0.1:0", "PATH": os.Getenv("PATH"), "HOME": n.path("home"), // sessions read no dotfiles of this machine's
	}
	t.Cleanup(n.cleanUp)
	if err := os.Mkdir(n.path("home"), 0o700); err != nil {
		t.Fatal(err)
	}
	init := exec.Command(filepath.Join(binaries.dir, "fastxctl"), "init", n.path("config"), "--user", n.User, "--password-stdin")
	init.Stdin = strings.NewReader(n.Password + "\n")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("fastxctl init: %v\n%s", err, out)
	}
	return n
}

// startNode is newNode and Start.
func startNode(t testing.TB) *node {
	t.Helper()
	n := newNode(t)
	n.Start()
	return n
}

func (n *node) path(elem ...string) string {
	return filepath.Join(append([]string{n.Root}, elem...)...)
}

// Start starts fastxd and waits until it is ready.
func (n *node) Start() {
	n.t.Helper()
	url := n.launch()
	select {
	case line := <-url:
		if n.URL = strings.TrimSpace(line); n.URL == "" {
			n.t.Fatalf("fastxd ended before it printed its URL\n%s", n.Log())
		}
	case <-time.After(patience):
		n.t.Fatalf("fastxd printed no URL\n%s", n.Log())
	}
	n.AwaitReady()
}

// launch starts the process and returns where its first line of output will come.
func (n *node) launch() <-chan string {
	n.t.Helper()
	cmd := exec.Command(filepath.Join(n.bin, "fastxd"), n.args...)
	for k, v := range n.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Stderr = &lockedWriter{&n.mu, &n.log}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.cmd, n.done = cmd, make(chan struct{})
	url := make(chan string, 1)
	go func() {
		defer close(n.done)
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		url <- line
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
	}()
	return url
}

// Kill ends fastxd as kill -9 does and waits until it is gone. Sessions live on.
func (n *node) Kill() { n.signal(syscall.SIGKILL) }

// Stop ends fastxd as systemd does.
func (n *node) Stop() { n.signal(syscall.SIGTERM) }

func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	_ = n.cmd.Process.Signal(s)
	select {
	case <-n.done:
	case <-time.After(patience):
		n.t.Fatalf("fastxd did not end after %s\n%s", s, n.Log())
	}
}

// cleanUp ends the daemon, then every supervisor that a record names, then removes all files.
func (n *node) cleanUp() {
	if n.t.Failed() {
		n.t.Logf("fastxd's log:\n%s", n.Log())
	}
	if n.cmd != nil {
		n.Stop()
	}
	for _, r := range n.Records() {
		if p := r.Supervisor; p.PID > 0 && p.Alive() {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		session.KillStrays(r.ID, r.Account.UID)
	}
	if err := os.RemoveAll(n.Root); err != nil {
		n.t.Errorf("clean up: %v", err)
	}
}

// Records reads all session records of the node.
func (n *node) Records() []*session.Record {
	paths, _ := filepath.Glob(n.path("local", "sessions", "*.json"))
	var out []*session.Record
	for _, p := range paths {
		if r, err := session.ReadRecord(p); err == nil {
			out = append(out, r)
		}
	}
	return out
}

// awaitRecord waits until a session's record names what is asked for. A state is told before it is
// on the disk, so a session that is seen running may have a record that does not yet say so.
func (n *node) awaitRecord(id, what string, names func(*session.Record) bool) *session.Record {
	n.t.Helper()
	var found *session.Record
	n.Await("a record of session "+id+" that names "+what, func() error {
		for _, r := range n.Records() {
			if r.ID == id && names(r) {
				found = r
				return nil
			}
		}
		return errors.New("none does")
	})
	return found
}

// Log is what fastxd has written so far.
func (n *node) Log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// Ctl runs fastxctl against the node.
func (n *node) Ctl(args ...string) (stdout, stderr string, code int) {
	n.t.Helper()
	cmd := exec.Command(filepath.Join(n.bin, "fastxctl"), args...)
	for k, v := range n.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		n.t.Fatalf("fastxctl: %v", err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Write replaces a file of the configuration as a careful program does: by rename.
func (n *node) Write(name, content string, mode os.FileMode) {
	n.t.Helper()
	path := n.path("config", name)
	stage := path + ".new~"
	if err := os.WriteFile(stage, []byte(content), mode); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(stage, path); err != nil {
		n.t.Fatal(err)
	}
}

// lockedWriter writes under a lock.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}
