package daemon_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// bus is a real fastxd transporter process, with the files that fastxctl secret new made.
type bus struct {
	*node
	addr string
	conf string // nats-server.conf as it is meant to be
}

// newBus makes the files beside those of fastxctl init; Start starts the transporter.
func newBus(t testing.TB) *bus {
	t.Helper()
	b := &bus{node: newNode(t)}
	b.args = []string{"transporter", "-c", b.path("config", "nats-server.conf"), "--monitor", ""}
	port := steadyPort(t)
	if out, errs, code := b.Ctl("secret", "new", "--owner", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), "--host", "127.0.0.1",
		"--port", strconv.Itoa(port), "--cluster-port", strconv.Itoa(steadyPort(t)), "--url", fmt.Sprintf("nats://127.0.0.1:%d", port)); code != 0 {
		t.Fatalf("fastxctl secret new: exit %d: %s%s", code, out, errs)
	}
	b.conf = b.read("nats-server.conf")
	return b
}

// steadyPort is a port of loopback that nobody listens on and that the kernel gives to nobody who asks for any: a server that
// comes back finds it free.
func steadyPort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// startBus is newBus and Start.
func startBus(t testing.TB) *bus {
	t.Helper()
	b := newBus(t)
	b.Start()
	return b
}

// Start starts the transporter and waits until it listens.
func (b *bus) Start() {
	b.t.Helper()
	select {
	case line := <-b.launch():
		if b.addr = strings.TrimSpace(line); b.addr == "" {
			b.t.Fatalf("fastxd transporter ended before it listened\n%s", b.Log())
		}
	case <-time.After(patience):
		b.t.Fatalf("fastxd transporter does not listen\n%s", b.Log())
	}
}

func (b *bus) read(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(b.path("config", name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

// reload has the transporter look at its file now and wants one of these exit codes.
func (b *bus) reload(codes ...int) string {
	b.t.Helper()
	out, errs, code := b.Ctl("reload", "--wait", "--transporter")
	for _, want := range codes {
		if code == want {
			return out + errs
		}
	}
	b.t.Errorf("reload exits with %d, want %d:\n%s%s", code, codes, out, errs)
	return out + errs
}

// dial connects with a component's key, or with none.
func (b *bus) dial(role spec.Component) (*nats.Conn, error) {
	b.t.Helper()
	options := []nats.Option{nats.NoReconnect(), nats.Timeout(patience)}
	if role != "" {
		_, section, _ := strings.Cut(b.read("transporter-secret.ini"), "["+string(role)+"]\nseed = ")
		seed, _, _ := strings.Cut(section, "\n")
		pair, err := nkeys.FromSeed([]byte(seed))
		if err != nil {
			b.t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			b.t.Fatal(err)
		}
		options = append(options, nats.Nkey(public, pair.Sign))
	}
	return nats.Connect("nats://"+b.addr, options...)
}

// wantGuarded wants the transporter to let in who has a key, and nobody else.
func (b *bus) wantGuarded(when string) {
	b.t.Helper()
	if nc, err := b.dial(""); !errors.Is(err, nats.ErrAuthorization) {
		if err == nil {
			nc.Close()
		}
		b.t.Errorf("%s: an anonymous client: %v", when, err)
	}
	nc, err := b.dial(spec.Manager)
	if err != nil {
		b.t.Errorf("%s: the manager: %v", when, err)
		return
	}
	nc.Close()
}

// signers is the node that runs the user component.
const signers = "user"

// member starts a node of the bus's cluster on the same tree. Its name says which components it runs.
func (b *bus) member(name string) *node {
	b.t.Helper()
	n := b.newMember(name)
	n.join()
	return n
}

// newMember is a member that is not started.
func (b *bus) newMember(name string) *node {
	b.t.Helper()
	root, services := b.path(name), strings.ReplaceAll(name, "-", ",")
	n := &node{api: newAPI(b.t), Root: root, Env: map[string]string{}, bin: b.bin}
	for k, v := range b.Env {
		n.Env[k] = v
	}
	n.Env["FX_LOCAL_DIR"], n.Env["FX_RUN_DIR"], n.Env["FX_NODE_FILE"] = n.path("local"), n.path("run"), n.path("node.env")
	if err := os.MkdirAll(root, 0o700); err != nil {
		b.t.Fatal(err)
	}
	text := fmt.Sprintf("SERVICES=%s\nFX_NODE_NAME=%s\n", services, name)
	if err := os.WriteFile(n.path("node.env"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if keys := b.path(signers, "local", "keys.d"); exists(keys) { // whose signatures a node trusts is for the administrator to say
		if err := os.CopyFS(n.path("local", "keys.d"), os.DirFS(keys)); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Cleanup(n.cleanUp)
	return n
}

// join starts a member, once or again.
func (n *node) join() {
	n.t.Helper()
	name := filepath.Base(n.Root)
	url := n.launch()
	n.Await(name+" to be ready", func() error {
		if out, errs, code := n.Ctl("status"); code != 0 || !regexp.MustCompile(`(?m)^ready +yes$`).MatchString(out) {
			return fmt.Errorf("exit %d: %s%s", code, out, errs)
		}
		return nil
	})
	if strings.Contains(name, "webserver") {
		n.URL = strings.TrimSpace(<-url)
	}
}

// TestRolesDoTheirJobWithinTheirPermissions runs the components on several nodes, with the files that fastxctl secret
// new makes, and has them do all that people ask of them. Nothing that any of them says or hears is refused.
func TestRolesDoTheirJobWithinTheirPermissions(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	members := map[string]*node{}
	for _, services := range []string{signers, "manager", "launcher", "webserver"} {
		members[services] = b.member(services)
	}
	web := members["webserver"]
	web.AwaitReady()
	web.Await("all nodes to be listed", func() error {
		var list struct{ Nodes []struct{ Node string } }
		if status := web.Call(web.Token(), "GET", "/api/v1/nodes", nil, &list); status != 200 || len(list.Nodes) != len(members) {
			return fmt.Errorf("status %d, %d nodes", status, len(list.Nodes))
		}
		return nil
	})
	s := web.StartSession(map[string]any{"app": "xterm"})
	web.AwaitState(s.ID, transporter.Running)
	web.view(s.ID).awaitColours(t, 2)
	b.administer(t, web, s.ID)
	for _, args := range [][]string{{"nodes"}, {"sessions", "list", "--all"}, {"sessions", "log", s.ID}} {
		if out, errs, code := members[signers].Ctl(args...); code != 0 {
			t.Errorf("fastxctl %s: exit %d: %s%s", strings.Join(args, " "), code, out, errs)
		}
	}
	b.nudge(t, members)
	if status := web.Call(web.Token(), "DELETE", "/api/v1/sessions/"+s.ID, nil, nil); status != 200 {
		t.Errorf("terminate: status %d", status)
	}
	web.AwaitState(s.ID, transporter.Ended)
	if status := web.Call(web.Token(), "POST", "/api/v1/logout", nil, nil); status >= 300 {
		t.Errorf("logout: status %d", status)
	}
	logs := map[string]string{"the transporter": b.Log()}
	for services, n := range members {
		logs[services] = n.Log()
	}
	for who, log := range logs {
		for line := range strings.Lines(log) {
			if strings.Contains(line, "iolation") || strings.Contains(line, "does not permit") {
				t.Errorf("%s: %s", who, line)
			}
		}
	}
}

// administer has an administrator see and do what there is.
func (b *bus) administer(t *testing.T, web *node, session string) {
	t.Helper()
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/api/v1/me/preferences", nil},
		{"GET", "/api/v1/apps", nil},
		{"GET", "/api/v1/sessions/" + session + "/log", nil},
		{"POST", "/api/v1/sessions/" + session + "/message", map[string]string{"text": "hello"}},
		{"POST", "/api/v1/message", map[string]string{"text": "hello all"}},
		{"GET", "/api/v1/config", nil},
		{"GET", "/api/v1/nodes/launcher/config/history", nil},
		{"GET", "/api/v1/nodes/manager/config/generations/1", nil},
		{"POST", "/api/v1/nodes/launcher/drain", nil},
		{"DELETE", "/api/v1/nodes/launcher/drain", nil},
		{"PUT", "/api/v1/loglevel", map[string]any{"levels": map[string]string{"launcher": "debug"}}},
	} {
		if status := web.Call(web.Token(), c.method, c.path, c.body, nil); status >= 300 {
			t.Errorf("%s %s: status %d", c.method, c.path, status)
		}
	}
}

// nudge changes the shared files and waits until every node runs what they say.
func (b *bus) nudge(t *testing.T, members map[string]*node) {
	t.Helper()
	b.Write("apps/clock.ini", "name = Clock\ncommand = xclock\n", 0o644)
	if out, errs, code := members["manager"].Ctl("reload", "--wait"); code != 0 {
		t.Errorf("reload: exit %d: %s%s", code, out, errs)
	}
	web := members["webserver"]
	web.Await("all nodes to run the same files", func() error {
		var list struct {
			Nodes []struct {
				Node, Shared string
				Accepted     bool
			}
		}
		status := web.Call(web.Token(), "GET", "/api/v1/config", nil, &list)
		digests := map[string]bool{}
		for _, n := range list.Nodes {
			digests[fmt.Sprint(n.Accepted, n.Shared)] = true
		}
		if status != 200 || len(list.Nodes) != len(members) || len(digests) != 1 {
			return fmt.Errorf("status %d, %+v", status, list.Nodes)
		}
		return nil
	})
}

// TestABrokenFileNeverOpensTheTransporter damages nats-server.conf as writers and disks do. All the while who has a key is
// let in and nobody else, and whoever was connected stays so.
func TestABrokenFileNeverOpensTheTransporter(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	before, err := b.dial(spec.User)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	damage := func(what, text string, mode os.FileMode, codes ...int) {
		t.Helper()
		b.Write("nats-server.conf", text, mode)
		b.reload(codes...)
		b.wantGuarded(what)
	}
	for i := range 20 {
		cut := b.conf[:len(b.conf)*i/20]
		damage(fmt.Sprintf("the first %d of %d bytes", len(cut), len(b.conf)), cut, 0o640, 0, 2, 4)
	}
	damage("an empty file", "", 0o640, 2)
	damage("only a comment", "# nothing\n", 0o640, 2)
	damage("no authorization", "port: 4222\ncluster { name: fastx, host: 127.0.0.1 }\n", 0o640, 2)
	damage("a guest", b.conf+"no_auth_user: guest\n", 0o640, 2)
	damage("something else", "\x7fELF\x00\x01", 0o640, 2)
	damage("an include", b.conf+"include \"other.conf\"\n", 0o640, 2)
	damage("an unknown key", b.conf+"frobnicate: true\n", 0o640, 2)
	damage("a path without a root", b.conf+"tls { cert_file: server.pem, key_file: server.key }\n", 0o640, 2)
	damage("a secret that everyone can read", strings.Replace(b.conf, "cluster {", "cluster {\n  authorization { user: r, password: long-and-random }", 1), 0o646, 2)
	if err := os.Remove(b.path("config", "nats-server.conf")); err != nil {
		t.Fatal(err)
	}
	b.reload(2)
	b.wantGuarded("a file that is gone")
	if err := os.Rename(b.path("config"), b.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	b.reload(2)
	if err := os.Rename(b.path("elsewhere"), b.path("config")); err != nil {
		t.Fatal(err)
	}
	b.wantGuarded("a directory that was gone")
	damage("the file made whole", b.conf, 0o640, 0)
	if err := before.FlushTimeout(patience); err != nil {
		t.Errorf("who was connected is not any more: %v", err)
	}
	if log := b.Log(); !strings.Contains(log, "config rejected: 1 error") || !strings.Contains(log, "config restored") && !strings.Contains(log, "config accepted") {
		t.Errorf("the log does not tell of it:\n%s", log)
	}
}

// TestATransporterStartsOnWhatWasGood is killed, and finds a broken file when it comes back.
func TestATransporterStartsOnWhatWasGood(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	first := b.addr
	for _, text := range []string{"", b.conf[:len(b.conf)/2]} {
		b.Write("nats-server.conf", text, 0o640)
		b.Kill()
		b.Start()
		if b.addr != first {
			t.Errorf("it listens at %s, not at %s any more", b.addr, first)
		}
		b.wantGuarded("after kill -9")
		if !strings.Contains(b.Log(), "started on the last good configuration") {
			t.Errorf("it does not say what it runs:\n%s", b.Log())
		}
		if out, _, code := b.Ctl("status", "--transporter"); code != 0 || !strings.Contains(out, "broken; the node runs on its last good configuration") {
			t.Errorf("status: exit %d: %s", code, out)
		}
	}
	b.Write("nats-server.conf", b.conf, 0o640)
	b.reload(0)
	b.wantGuarded("with the good file")

	fresh := newBus(t)
	fresh.Write("nats-server.conf", "", 0o640)
	if line := <-fresh.launch(); line != "" {
		t.Errorf("one that never was good listens at %s", line)
	}
	if log := fresh.Log(); !strings.Contains(log, "there is no earlier good configuration") {
		t.Errorf("it does not say why it does not start:\n%s", log)
	}
}

// TestATransporterTakesChangesLive has an edit seen without being asked for, a signal, a change that waits for a restart, and
// one that says less and has to stay so for a while.
func TestATransporterTakesChangesLive(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	key := regexp.MustCompile(`(?m)^ *\{nkey.*_INBOX_manager.*\n`)
	b.Write("nats-server.conf", key.ReplaceAllString(b.conf, ""), 0o640)
	b.Await("the manager's key to be gone", func() error {
		nc, err := b.dial(spec.Manager)
		if err == nil {
			nc.Close()
			return errors.New("it is let in")
		}
		return nil
	})
	b.Write("nats-server.conf", b.conf, 0o640)
	if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	b.Await("the manager's key to be back", func() error {
		nc, err := b.dial(spec.Manager)
		if err == nil {
			nc.Close()
		}
		return err
	})
	other := regexp.MustCompile(`(?m)^port: .*$`).ReplaceAllString(b.conf, "port: 1")
	b.Write("nats-server.conf", other, 0o640)
	if said := b.reload(4); !strings.Contains(said, "restart-needed  nats-server.conf: port") || !strings.Contains(said, "→ 1") {
		t.Errorf("reload says %s", said)
	}
	b.wantGuarded("while a port waits")
	b.Write("nats-server.conf", b.conf, 0o640)
	if said := b.reload(0); strings.Contains(said, "restart") {
		t.Errorf("reload says %s", said)
	}
	out, _, _ := b.Ctl("status", "--transporter", "--json")
	if !regexp.MustCompile(`"digest": "sha256:[0-9a-f]{64}"`).MatchString(out) {
		t.Errorf("status does not say what runs: %s", out)
	}
	before, _, _ := strings.Cut(b.conf, "cluster {")
	b.Write("nats-server.conf", before, 0o640)
	b.Await("a file that says less to be held", func() error {
		if !strings.Contains(b.Log(), "nats-server.conf: cluster: is gone; write the file whole") {
			return errors.New("the log does not say so")
		}
		return nil
	})
}

// TestATransporterKnowsItsFileByName: another name is refused, and a link of the right one is not.
func TestATransporterKnowsItsFileByName(t *testing.T) {
	t.Parallel()
	b := newBus(t)
	other := b.path("config", "bus.conf")
	if err := os.Rename(b.path("config", "nats-server.conf"), other); err != nil {
		t.Fatal(err)
	}
	named := b.args[2]
	b.args[2] = other
	if line := <-b.launch(); line != "" || !strings.Contains(b.Log(), "rename it, or make a link") {
		t.Errorf("it listens at %q\n%s", line, b.Log())
	}
	if err := os.Symlink(filepath.Base(other), named); err != nil {
		t.Fatal(err)
	}
	b.args[2] = named
	b.Start()
	b.wantGuarded("by a link")
}

// TestATransporterTakesNewCertificates renews a certificate without touching nats-server.conf, and tears the next one.
func TestATransporterTakesNewCertificates(t *testing.T) {
	t.Parallel()
	b := startBus(t)
	dir := b.path("home")
	cert, key, _ := keyPair(t, dir)
	b.conf += fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", cert, key)
	b.Write("nats-server.conf", b.conf, 0o640)
	b.reload(0)
	first := b.certificate()
	keyPair(t, dir)
	b.reload(0)
	second := b.certificate()
	if first == second {
		t.Error("the new certificate is not shown")
	}
	if err := os.WriteFile(cert, []byte("-----BEGIN CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := b.reload(2); !strings.Contains(said, "the transporter cannot take this configuration") {
		t.Errorf("reload says %s", said)
	}
	if b.certificate() != second {
		t.Error("a torn certificate has an effect")
	}
	b.conf = strings.ReplaceAll(b.conf, cert, "server.pem")
	b.Write("nats-server.conf", b.conf, 0o640)
	if said := b.reload(2); !strings.Contains(said, "tls.cert_file: \"server.pem\" depends on the directory") {
		t.Errorf("reload says %s", said)
	}
}

// certificate is the one that clients are shown, in hex.
func (b *bus) certificate() string {
	b.t.Helper()
	shown := ""
	config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		shown = fmt.Sprintf("%x", s.PeerCertificates[0].Raw)
		return nil
	}}
	if nc, err := nats.Connect("tls://"+b.addr, nats.Secure(config), nats.NoReconnect(), nats.Timeout(patience)); err == nil {
		nc.Close()
		b.t.Error("an anonymous client is let in")
	}
	if shown == "" {
		b.t.Fatal("no certificate is shown")
	}
	return shown
}
