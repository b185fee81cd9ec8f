package daemon_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/document"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// quiet is how long a drill leaves a session alone: longer than the 60 seconds of the documented proxies
// at full size. That pings come in time is also tested under a clock of its own, in internal/display.
func quiet() time.Duration {
	if *soak {
		return 75 * time.Second
	}
	return 0
}

// client is the address that tests speak to a proxy from: one that is not the proxy's own.
const client = "127.0.0.5"

// proxy is a real reverse proxy in front of a node, configured as PROXY.md says.
type proxy struct {
	*api
	cmd    *exec.Cmd
	log    bytes.Buffer
	mu     sync.Mutex
	reload func() error
}

// startBehind starts a node as PROXY.md says, and a proxy in front of it.
func startBehind(t *testing.T, start func(*testing.T, *node, string, string) *proxy) (*node, *proxy) {
	t.Helper()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Env["FX_LISTEN"] = freeAddress(t)
	n.Write("https.ini", document.One(t, "PROXY.md", "ini https.ini"), 0o644)
	n.Start()
	if n.URL != "http://"+n.Env["FX_LISTEN"]+"/fastx" {
		t.Errorf("the node is at %s", n.URL)
	}
	dir := n.path("proxy")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	listen := freeAddress(t)
	p := start(t, n, dir, listen)
	p.URL = "https://" + listen + "/fastx"
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	p.Client.Transport.(*http.Transport).DialContext = from.DialContext
	p.AwaitReady()
	return n, p
}

// program finds a proxy's program, which is not on everyone's PATH.
func program(t *testing.T, name string) string {
	t.Helper()
	path := "/usr/sbin/" + name
	if !exists(path) {
		t.Fatalf("%s is not there; make test installs it", path)
	}
	return path
}

// startProxy starts a proxy's master process, which ends with the test.
func startProxy(t *testing.T, name string, args ...string) *proxy {
	t.Helper()
	p := &proxy{api: newAPI(t), cmd: exec.Command(program(t, name), args...)}
	p.cmd.Stdout, p.cmd.Stderr = &lockedWriter{&p.mu, &p.log}, &lockedWriter{&p.mu, &p.log}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that old workers end with it, too
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("%s says:\n%s", name, p.log.String())
		}
	})
	return p
}

func startNginx(t *testing.T, n *node, dir, listen string) *proxy {
	t.Helper()
	cert, key, _ := keyPair(t, dir)
	site := adapt(t, document.One(t, "PROXY.md", "nginx"), "listen 443 ssl", "listen "+listen+" ssl", "127.0.0.1:3300", n.Env["FX_LISTEN"],
		"/etc/ssl/fastx.pem", cert, "/etc/ssl/fastx.key", key)
	var b strings.Builder
	fmt.Fprintf(&b, "daemon off;\npid %s/pid;\nerror_log stderr;\n", dir)
	if os.Getuid() == 0 {
		b.WriteString("user root;\n") // nobody could not reach the folders below
	}
	b.WriteString("events {}\nhttp {\naccess_log off;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(b.String()+site+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-e", "stderr", "-p", dir, "-c", conf}
	p := startProxy(t, "nginx", args...)
	p.reload = func() error { return exec.Command(program(t, "nginx"), append(args, "-s", "reload")...).Run() }
	return p
}

func startHAProxy(t *testing.T, n *node, dir, listen string) *proxy {
	t.Helper()
	_, _, both := keyPair(t, dir)
	conf := filepath.Join(dir, "haproxy.cfg")
	text := adapt(t, document.One(t, "PROXY.md", "haproxy"), "bind :443 ", "bind "+listen+" ", "127.0.0.1:3300", n.Env["FX_LISTEN"], "/etc/ssl/fastx-with-key.pem", both)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProxy(t, "haproxy", "-W", "-db", "-f", conf)
	p.reload = func() error { return p.cmd.Process.Signal(syscall.SIGUSR2) }
	return p
}

// workers are the processes that a proxy's master has made.
func (p *proxy) workers() []string {
	pid := p.cmd.Process.Pid
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return strings.Fields(string(data))
}

// Reload reloads the proxy and waits until a new worker serves.
func (p *proxy) Reload() {
	p.t.Helper()
	before := p.workers()
	if err := p.reload(); err != nil {
		p.t.Fatalf("reload the proxy: %v", err)
	}
	p.Await("a new worker", func() error {
		if now := p.workers(); slices.ContainsFunc(now, func(pid string) bool { return !slices.Contains(before, pid) }) {
			return nil
		}
		return errors.New("there is none")
	})
	p.Client.CloseIdleConnections()
	p.AwaitReady()
}

// news is an open stream of events.
type news struct {
	t     *testing.T
	lines chan string
}

func (p *proxy) listen(t *testing.T) *news {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", p.URL+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = p.bearer()
	resp, err := p.Client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("events: %v %v", resp, err)
	}
	n := &news{t, make(chan string, 1024)}
	go func() {
		defer close(n.lines)
		defer resp.Body.Close()
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			n.lines <- scan.Text()
		}
	}()
	return n
}

// await waits for a line that holds a text.
func (n *news) await(text string) {
	n.t.Helper()
	for limit := time.After(patience); ; {
		select {
		case line, open := <-n.lines:
			if !open {
				n.t.Fatalf("the stream of events has ended before %q", text)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-limit:
			n.t.Fatalf("waited in vain for the event %q", text)
		}
	}
}

// alive proves that a display moves bytes both ways: what is asked for comes.
func (v *liveViewer) alive(t *testing.T, when string) {
	t.Helper()
	if err := v.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := v.Request(false); err != nil {
		t.Fatalf("%s: ask for the screen: %v", when, err)
	}
	if _, err := v.Update(); err != nil {
		t.Fatalf("%s: the screen does not come: %v", when, err)
	}
}

// rest leaves a display alone as a viewer does: it reads, which answers pings, and nothing comes until
// in the end it asks for a pixel.
func (v *liveViewer) rest(t *testing.T, d time.Duration) {
	t.Helper()
	if err := v.conn.SetReadDeadline(time.Now().Add(d + patience)); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() { _, err := v.Update(); read <- err }()
	select {
	case err := <-read:
		t.Fatalf("a quiet display was not left alone: %v", err)
	case <-time.After(d):
	}
	if err := v.requestPixel(); err != nil {
		t.Fatalf("after %s without a word: %v", d, err)
	}
	if err := <-read; err != nil {
		t.Fatalf("after %s without a word: %v", d, err)
	}
}

// drill works in a session through a proxy: with a program and with a browser, quietly for a while,
// and while the proxy is reloaded.
func (p *proxy) drill(t *testing.T, n *node) {
	p.checkForwarding(t, n)
	p.checkFront(t)
	events := p.listen(t)
	s := p.StartSession(map[string]any{"command": "exec xterm -e cat", "geometry": "640x480", "name": "first"})
	p.AwaitState(s.ID, transporter.Running)
	events.await(`"name":"first"`)
	v := p.view(s.ID)
	v.alive(t, "at first")
	b := p.browse(t, s.ID)

	v.rest(t, quiet())
	v.alive(t, "after a while without a word")

	p.Reload()
	v.alive(t, "after the proxy's reload")
	p.view(s.ID).alive(t, "a display by way of the new worker")
	again := p.listen(t)
	second := p.StartSession(map[string]any{"command": "exec xterm -e cat", "geometry": "320x200", "name": "second"})
	events.await(`"name":"second"`) // the old worker's stream goes on
	again.await(`"name":"second"`)
	b.Until(`document.body.dataset.connected`)
	if lost := browsertest.Evaluate[bool](b, "!!window.lost"); lost {
		t.Log("the browser's display was cut, and is there again") // as when the machine's networks change under it
	}
	b.Go(p.URL + "/")
	b.Until(`document.querySelector('#s-` + second.ID + `')`)
	b.WantNoComplaints("ERR_NETWORK_CHANGED", "willReadFrequently", "healthz") // which may meet a proxy that is being reloaded
}

// browse signs a browser in and opens a session, below the base path.
func (p *proxy) browse(t *testing.T, id string) *browsertest.Tab {
	t.Helper()
	b := browsertest.Open(t, *shots)
	b.Go(p.URL + "/sessions/" + id)
	// A browser that fits the session into its window would break the quiet.
	browsertest.Evaluate[bool](b, `localStorage.setItem('fit', 'no'), true`)
	b.Fill("#username", p.User)
	b.Fill("#password", p.Password+"\r")
	b.Until(`document.body.dataset.connected && document.querySelector('canvas')`)
	browsertest.Evaluate[bool](b, `(() => { new MutationObserver(() => { window.lost ||= !document.body.dataset.connected })
		.observe(document.body, { attributeFilter: ['data-connected'] }); return true })()`)
	return b
}

// checkFront asks for the page as somebody types its address, and for HTTP/2, without which a browser's tabs wait for each other.
func (p *proxy) checkFront(t *testing.T) {
	t.Helper()
	resp, err := p.Client.Get(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if to := resp.Request.URL.Path; resp.StatusCode != http.StatusOK && resp.StatusCode/100 != 3 {
		t.Errorf("%s without a slash: %s at %s", p.URL, resp.Status, to)
	}
	host := strings.TrimSuffix(strings.TrimPrefix(p.URL, "https://"), "/fastx")
	conn, err := tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("the proxy speaks %q with browsers", got)
	}
}

// checkForwarding signs in through the proxy with made-up headers, and looks at what is made of them.
func (p *proxy) checkForwarding(t *testing.T, n *node) {
	t.Helper()
	origin := strings.TrimSuffix(p.URL, "/fastx")
	login := func(change ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequest("POST", p.URL+"/login", strings.NewReader(fmt.Sprintf(`{"username":%q,"password":%q}`, p.User, p.Password)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(change); i += 2 {
			req.Header.Add(change[i], change[i+1])
		}
		resp, err := p.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	good := login("Origin", origin, "X-Forwarded-For", "198.51.100.66", "X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.example")
	if good.StatusCode != http.StatusOK || len(good.Cookies()) != 1 {
		t.Fatalf("sign in: %s", good.Status)
	}
	if c := good.Cookies()[0]; c.Name != "__Secure-fastx" || !c.Secure || c.Path != "/fastx" {
		t.Errorf("the cookie is %v", c)
	}
	if evil := login("Origin", "https://evil.example", "X-Forwarded-Host", "evil.example"); evil.StatusCode != http.StatusForbidden {
		t.Errorf("another site's page: %s", evil.Status)
	}
	n.Await("the client's address in the audit log", func() error {
		data, err := os.ReadFile(n.path("local", "audit.log"))
		switch {
		case err != nil:
			return err
		case bytes.Contains(data, []byte("198.51.100.66")):
			t.Fatal("the audit log names an address that was made up")
		case !bytes.Contains(data, []byte(client)):
			return fmt.Errorf("it says %s", data)
		}
		return nil
	})
}

// TestDrillBehindNginx works in a session through nginx.
func TestDrillBehindNginx(t *testing.T) {
	t.Parallel()
	n, p := startBehind(t, startNginx)
	p.drill(t, n)
}

// TestDrillBehindHAProxy works in a session through HAProxy.
func TestDrillBehindHAProxy(t *testing.T) {
	t.Parallel()
	n, p := startBehind(t, startHAProxy)
	p.drill(t, n)
}
