package webserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// raw opens a TCP connection to the webserver.
func (w *world) raw() net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(tooLong))
	return conn
}

// rawTLS opens a TLS connection to the webserver.
func (w *world) rawTLS() *tls.Conn {
	w.t.Helper()
	return tls.Client(w.raw(), &tls.Config{InsecureSkipVerify: true})
}

// say sends a request as it is written and reads one response.
func say(t *testing.T, conn net.Conn, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestPlainHTTPIsSentToHTTPS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, c := range []struct {
		request, location string
		status            int
	}{
		{"GET / HTTP/1.1\r\nHost: fx.example:3300\r\n\r\n", "https://fx.example:3300/", 301},
		{"HEAD /x HTTP/1.1\r\nHost: fx.example\r\n\r\n", "https://fx.example/x", 301},
		{"POST /api/v1/login?a=b HTTP/1.1\r\nHost: [::1]:3300\r\nContent-Length: 0\r\n\r\n", "https://[::1]:3300/api/v1/login?a=b", 308},
		{"GET /a%2Fb%0d%0aSet-Cookie:x?q=%0d%0a HTTP/1.1\r\nHost: FX.example\r\n\r\n", "https://fx.example/a%2Fb%0d%0aSet-Cookie:x?q=%0d%0a", 301},
		{"GET /?q=\"<\xc3> HTTP/1.1\r\nHost: fx.example\r\n\r\n", "https://fx.example/?q=%22%3C%C3%3E", 301},
		{"GET //evil.example/ HTTP/1.1\r\nHost: fx.example\r\n\r\n", "https://fx.example//evil.example/", 301},
		{"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", "", 400},
		{"GET / HTTP/1.1\r\nHost: evil.example/@fx\r\n\r\n", "", 400},
		{"GET / HTTP/1.1\r\nHost: fx:99999\r\n\r\n", "", 400},
		{"GET / HTTP/1.0\r\n\r\n", "", 400},
		{"OPTIONS * HTTP/1.1\r\nHost: fx\r\n\r\n", "", 400},
	} {
		resp, body := say(t, w.raw(), c.request)
		// What net/http itself refuses is the only answer with a body, and it is not ours.
		ours := resp.StatusCode != 400 || !strings.HasPrefix(body, "400 Bad Request")
		if resp.StatusCode != c.status || resp.Header.Get("Location") != c.location || ours && body != "" {
			t.Errorf("%q: %d %q %q", c.request, resp.StatusCode, resp.Header.Get("Location"), body)
		}
	}
	if strings.Contains(w.log.String(), "msg=request") {
		t.Error("a plain request reached the routes")
	}
}

func TestWhoSaysNothingIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, impatient)
	gone := func(conn net.Conn) error {
		_, err := io.Copy(io.Discard, conn)
		return err
	}
	silent := w.raw()
	halfTLS := w.raw()
	halfTLS.Write([]byte{tlsHandshake, 3, 1})
	slowPlain := w.raw()
	io.WriteString(slowPlain, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	slow := w.rawTLS()
	io.WriteString(slow, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	for name, conn := range map[string]net.Conn{"silent": silent, "half a handshake": halfTLS, "slow and plain": slowPlain, "slow headers": slow} {
		if err := gone(conn); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: still connected", name)
		}
	}
}

func TestALargeBodyIsRefusedUnread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := w.login("ann")
	for _, path := range []string{"/api/v1/login", "/api/v1/sessions", "/login", "/"} {
		conn := w.rawTLS()
		// Not a byte of the body is sent: the answer cannot wait for it.
		resp, body := say(t, conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
		if resp.StatusCode != 413 || !strings.Contains(body, "too_large") || !resp.Close {
			t.Errorf("%s: %d %s, close %v", path, resp.StatusCode, body, resp.Close)
		}
	}
	large := `{"app":"` + strings.Repeat("x", maxBody) + `"}`
	w.do("POST", "/api/v1/sessions", large, bearer(token)).want(t, 413)
	trailing := `{"app":"xterm"}` + strings.Repeat(" ", maxBody)
	w.do("POST", "/api/v1/sessions", trailing, bearer(token)).want(t, 413)
	chunked := func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(large))), -1
	}
	w.do("POST", "/api/v1/sessions", "", bearer(token), chunked).want(t, 413)
	w.do("POST", "/login", "", header("Content-Type", "application/x-www-form-urlencoded"), chunked).want(t, 413)
	if resp, _ := say(t, w.rawTLS(), "GET / HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("x", 200<<10)+"\r\n\r\n"); resp.StatusCode != 431 {
		t.Errorf("large headers: %d", resp.StatusCode)
	}
	if w.fake.starts != 0 || len(w.fake.logins) != 1 {
		t.Error("a refused body reached a component")
	}
}

// TestAStreamWithABodyThatNeverComesEnds promises a body to routes that last as long as one likes.
func TestAStreamWithABodyThatNeverComesEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.limits.read = 200 * time.Millisecond })
	for _, path := range []string{"/api/v1/events", "/api/v1/sessions/0123456789abcdef/display"} {
		conn, err := tls.Dial("tcp", w.addr(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", path)
		conn.SetReadDeadline(time.Now().Add(tooLong))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: still open", path)
		}
	}
}

// TestALoginMayTakeLongerThanItsRequestDoes answers a login when the time to read its request is over, as a telephone may have it.
func TestALoginMayTakeLongerThanItsRequestDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.limits.read = 300 * time.Millisecond })
	for _, path := range []string{"/api/v1/login", "/login"} {
		reached, release := w.fake.hold("login")
		go func() {
			<-reached
			<-time.After(2 * 300 * time.Millisecond)
			release()
		}()
		conn, err := tls.Dial("tcp", w.addr(), &tls.Config{InsecureSkipVerify: true}) // by HTTP/1.1, as proxies speak
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		body := `{"username":"ann","password":"` + password + `"}`
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if answer.Body.Close(); answer.StatusCode != 200 {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}

// TestWhoReadsNoAnswerIsDropped asks again and again and takes no answer, on paths that no route has.
func TestWhoReadsNoAnswerIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.limits.write = 200 * time.Millisecond })
	for _, request := range []string{"GET /api/nothing", "PUT /api/v1/me"} {
		conn, err := tls.Dial("tcp", w.addr(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(tooLong))
		many := strings.Repeat(request+" HTTP/1.1\r\nHost: x\r\n\r\n", 1000)
		for err == nil {
			_, err = io.WriteString(conn, many)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: still taken", request)
		}
	}
}

func TestTLSIsModern(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	old := tls.Client(w.raw(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err := old.Handshake(); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	conn := tls.Client(w.raw(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if s := conn.ConnectionState(); s.Version != tls.VersionTLS13 || s.NegotiatedProtocol != "h2" {
		t.Errorf("version %x, protocol %q", s.Version, s.NegotiatedProtocol)
	}
}

func TestTheURLIsWrittenDownAndAnnounced(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	file := filepath.Join(w.dirs.Local, urlFile)
	if w.ws.Ready() {
		t.Error("ready before it listens")
	}
	w.conf.Env.Listen = ":0"
	w.commit()
	if _, err := os.Stat(file); err == nil {
		t.Error("the URL is there before anybody answers")
	}
	w.run()
	if !w.ws.Ready() || w.ws.Name() != "webserver" {
		t.Error("not ready although it answers")
	}
	data, err := os.ReadFile(file)
	if err != nil || string(data) != w.url+"\n" {
		t.Errorf("the file says %q (%v), announced was %q", data, err, w.url)
	}
	if !strings.HasPrefix(w.url, "https://localhost:") {
		t.Errorf("a wildcard became %q", w.url)
	}
	w.do("GET", "/healthz", nil).want(t, 200)
	w.commit() // nothing has changed: nothing is announced
	w.conf.HTTPS.Enabled = false
	w.commit()
	if url := w.awaitURL(); !strings.HasPrefix(url, "http://localhost:") {
		t.Errorf("without TLS the URL is %q", url)
	}
	w.do("GET", "/healthz", nil).want(t, 200)
	w.stop()
	if _, err := os.Stat(file); err == nil {
		t.Error("the URL outlives the server")
	}
	if w.ws.Ready() {
		t.Error("ready although it has stopped")
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"0.0.0.0:0": "localhost", "[::]:0": "localhost", "localhost:0": "localhost", "127.0.0.1:0": "127.0.0.1", "[::1]:0": "[::1]",
	} {
		f := newFront(nil, time.Second)
		d, err := f.prepare(listen)
		if errors.Is(err, syscall.EADDRNOTAVAIL) && strings.HasPrefix(listen, "[::1]") {
			t.Logf("%s is not tried: this machine has no IPv6", listen)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f.commit(d, nil)
		if got := f.url(); !strings.HasPrefix(got, "http://"+want+":") || strings.HasSuffix(got, ":0") {
			t.Errorf("%s is announced as %s", listen, got)
		}
		f.close()
	}
}

// TestAnotherAddressKeepsDisplays changes FX_LISTEN while a display is open.
func TestAnotherAddressKeepsDisplays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	ws := w.openDisplay(s.ID)
	old := w.addr()
	_, port, _ := net.SplitHostPort(old)
	for _, listen := range []string{"localhost:0", "127.0.0.2:" + port, ":" + port, "127.0.0.1:" + port} {
		was := w.addr()
		w.conf.Env.Listen = listen
		w.commit()
		w.awaitURL()
		w.do("GET", "/healthz", nil).want(t, 200)
		w.wantAlone(w.addr()[strings.LastIndex(w.addr(), ":")+1:])
		echo(t, ws, "still there")
		if listen == "localhost:0" {
			if conn, err := net.Dial("tcp", was); err == nil {
				conn.Close()
				t.Errorf("%s is still listened on", was)
			}
		}
	}
}

func (w *world) openDisplay(id string) *websocket.Conn {
	w.t.Helper()
	ws, _, err := w.dial(id, "", bearer(w.login("ann")))
	if err != nil {
		w.t.Fatal(err)
	}
	if got := receive(w.t, ws); got != greeting {
		w.t.Fatalf("the first bytes are %q", got)
	}
	return ws
}

func TestATakenAddressRefusesTheGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for listen, says := range map[string]string{
		taken.Addr().String(): "address already in use", "nonsense": "missing port", "127.0.0.1:http-no": "FX_LISTEN", "192.0.2.1:0": "cannot assign",
	} {
		w.conf.Env.Listen = listen
		if _, err := w.prepare(); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "FX_LISTEN") {
			t.Errorf("%s: %v", listen, err)
		}
	}
	w.do("GET", "/healthz", nil).want(t, 200)
}

func TestAnAbortedChangeLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, port, _ := net.SplitHostPort(w.addr())
	for _, listen := range []string{":" + port, "127.0.0.2:0", w.conf.Env.Listen} {
		conf := w.conf
		w.conf.Env.Listen = listen
		change, err := w.prepare()
		if err != nil {
			t.Fatal(err)
		}
		change.Abort()
		w.conf = conf
		w.do("GET", "/healthz", nil).want(t, 200)
	}
	w.wantAlone(port)
}

// wantAlone fails if a second daemon could listen on the port.
func (w *world) wantAlone(port string) {
	w.t.Helper()
	if ln, err := net.Listen("tcp", ":"+port); err == nil {
		ln.Close()
		w.t.Error("the port is shared with a stranger")
	}
}

func TestADefaultPortIsUsedWhenNoneIsSet(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	w.conf.Env.Listen = ""
	change, err := w.prepare()
	if err != nil && !strings.Contains(err.Error(), `":3300"`) {
		t.Fatal(err)
	}
	if err == nil {
		change.Abort()
	}
}

func TestPathTricksLeadNowhere(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{"novnc/core/rfb.js": "theirs", "secret.js": "hush", "novnc/vnc.html": "theirs", "novnc/.hidden.js.bak": "x"} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, func(s *setup) { s.NoVNC = os.DirFS(filepath.Join(root, "novnc")) })
	prefix := w.ws.page.prefix
	for _, path := range []string{
		"/novnc/../secret.js", "/novnc/../../etc/passwd", "/novnc/%2e%2e/secret.js", "/novnc/..%2fsecret.js", "/novnc/core/..%2f..%2fsecret.js",
		"/novnc/%2fetc%2fpasswd.js", "/novnc//etc/x.js", "/novnc/..\\secret.js", "/novnc/%5c..%5csecret.js", "/novnc/core/rfb.js%00.js", "/novnc/./core/../../secret.js",
		"/novnc/", "/novnc", "/novnc/core", "/novnc/core/", "/novnc/vnc.html", "/novnc/.hidden.js.bak", "/novnc/core/rfb.js/",
		"/static/", prefix, "/static/0000/page.css", prefix + "../../routes.go", prefix + "..%2ftemplates%2fhome.html", prefix + "%2e%2e/page.css", prefix + "nothing.css",
		"/templates/home.html", "/openapi.yaml", "//etc/passwd",
	} {
		resp, body := say(t, w.rawTLS(), "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if resp.StatusCode != 404 && resp.StatusCode/100 != 3 || strings.Contains(body, "hush") || strings.Contains(body, "theirs") || strings.Contains(body, "root:") {
			t.Errorf("%s: %d %.60q", path, resp.StatusCode, body)
		}
		if to := resp.Header.Get("Location"); to != "" && (to[0] != '/' || strings.HasPrefix(to, "//")) {
			t.Errorf("%s leads to %s", path, to)
		}
	}
	a := w.do("GET", "/novnc/core/rfb.js", nil).want(t, 200)
	if a.body != "theirs" || a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || a.Header.Get("Last-Modified") == "" {
		t.Errorf("noVNC's module: %v %s", a.Header, a.body)
	}
	w.do("GET", "/novnc/core/rfb.js", nil, header("If-Modified-Since", a.Header.Get("Last-Modified"))).want(t, 304)
}

func TestWithoutNoVNCThereIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.NoVNC = nil })
	w.do("GET", "/novnc/core/rfb.js", nil).want(t, 404)
}

// TestNoVNCMayBeInstalledLater shows a session before there is a noVNC, with one that is too old, and with one that will do.
func TestNoVNCMayBeInstalledLater(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "novnc")
	w := newWorld(t, func(s *setup) { s.NoVNC = os.DirFS(root) })
	s := w.fake.add(transporter.Session{User: "ann"})
	ann := cookie("__Host-fastx", w.login("ann"))
	write := func(name, text string) {
		path := filepath.Join(root, "core", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(shown bool) {
		t.Helper()
		body := w.do("GET", "/sessions/"+s.ID, nil, ann).want(t, 200).body
		if got := strings.Contains(body, "display.js"); got != shown || got == strings.Contains(body, "noVNC 1.3 or newer") {
			t.Errorf("the display is shown: %t; the page is %.2000s", got, body)
		}
	}
	want(false)
	write("rfb.js", "export default class {}")
	want(false)
	write("websock.js", "open(uri, protocols) {}")
	want(false)
	write("websock.js", "attach(rawChannel) {}")
	want(true)
}

// TestLogsHoldNoSecret uses every kind of secret in every place and then reads the log.
func TestLogsHoldNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	token := w.login("ann")
	pass := w.ticket(s.ID, "ann")
	ws, _, err := w.dial(s.ID, "?ticket="+pass)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, ws)
	ws.CloseNow()
	w.refused(s.ID, "?ticket="+pass, 403)
	w.refused(s.ID, "?ticket="+token, 401)
	c := cookie("__Host-fastx", token)
	w.do("GET", "/?token="+token, nil, c).want(t, 200)
	w.do("POST", "/api/v1/login", credentials{Username: "ann", Password: "hunter2-and-more"}).want(t, 401)
	w.do("POST", "/api/v1/login", `{"password":"hunter2-and-more","x":1}`).want(t, 400)
	w.fake.failing("verify", transporter.Errorf(transporter.Internal, "broken"))
	w.do("GET", "/api/v1/me?ticket="+pass, nil, bearer(w.fake.token("boss"))).want(t, 500)
	say(t, w.raw(), "GET /?ticket="+pass+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n\r\n")
	conn := w.rawTLS()
	fmt.Fprintf(conn, "GET /?ticket=%s HTTP/9.9\r\nHost: x\r\nCookie: a=%s\r\n\r\n", pass, token)
	io.Copy(io.Discard, conn)
	w.stop()
	log := w.log.String()
	if !strings.Contains(log, "path=/api/v1/sessions/"+s.ID+"/display status=101") {
		t.Errorf("the access log lacks the display: %s", log)
	}
	for _, secret := range []string{token, pass, password, "hunter2", (&caller{token: token}).csrf()} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds the secret %.12s…", secret)
		}
	}
	if bytes.Contains([]byte(log), []byte("ticket=")) {
		t.Error("the log holds a query")
	}
}
