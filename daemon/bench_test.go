package daemon_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// report makes the measurements at full length and prints their lines; without it
// each is made once, to keep the harness itself working.
var report = flag.Bool("report", false, "measure at full length and print bench lines")

// bareCopy turns the test program into a peer: a TLS WebSocket that is copied to a socket and nothing else.
var bareCopy = flag.String("bare-copy", "", "serve a bare WebSocket copy of this Unix socket and print its URL")

// rounds is how often to measure.
func rounds(full int) int {
	if *report {
		return full
	}
	return 1
}

// line prints one result; times are in the unit that the name ends with.
func line(name string, ours, peer float64, note string) {
	fmt.Printf("bench %s ours=%.1f peer=%.1f ratio=%.2f %s\n", name, ours, peer, ours/peer, note)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// TestReportStart measures from the API call to the first RFB frame, and from exec to the
// first frame of an Xvnc started by hand, taking turns.
func TestReportStart(t *testing.T) {
	n := startNode(t)
	n.Token()
	var ours, peer []time.Duration
	for range rounds(40) {
		ours = append(ours, n.timeToFirstFrame(t))
		peer = append(peer, timeOfBareXvnc(t))
	}
	o, p := median(ours), median(peer)
	line("start_to_first_frame_ms", ms(o), ms(p), fmt.Sprintf("extra=%+.1fms target=+30ms peer-is=Xvnc", ms(o-p)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (n *node) timeToFirstFrame(t *testing.T) time.Duration {
	begin := time.Now()
	s := n.StartSession(map[string]any{"command": "exec sleep 600", "geometry": "1024x768"})
	conn := n.Display(s.ID)
	firstFrame(t, conn)
	took := time.Since(begin)
	conn.Close()
	if status := n.Call(n.Token(), "DELETE", "/api/v1/sessions/"+s.ID, nil, nil); status != 200 {
		t.Fatalf("terminate: status %d", status)
	}
	return took
}

func firstFrame(t *testing.T, conn net.Conn) {
	t.Helper()
	v, err := newViewer(conn)
	if err == nil {
		err = v.Request(false)
	}
	if err == nil {
		_, err = v.Update()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// bareXvnc is an X server started by hand.
type bareXvnc struct {
	cmd    *exec.Cmd
	socket string
}

func startBareXvnc(t *testing.T, geometry string) *bareXvnc {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "xv")
	if err != nil {
		t.Fatal(err)
	}
	x := &bareXvnc{socket: filepath.Join(dir, "rfb")}
	displayR, displayW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	x.cmd = exec.Command("Xvnc", "-displayfd", "3", "-geometry", geometry, "-depth", "24", "-rfbunixpath", x.socket,
		"-rfbport", "-1", "-nolisten", "tcp", "-SecurityTypes", "None", "-AlwaysShared")
	x.cmd.ExtraFiles = []*os.File{displayW}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	displayW.Close()
	t.Cleanup(func() {
		x.stop()
		displayR.Close()
		os.RemoveAll(dir)
	})
	return x
}

func (x *bareXvnc) stop() {
	if x.cmd.ProcessState == nil {
		_ = x.cmd.Process.Kill()
		_ = x.cmd.Wait()
	}
}

func (x *bareXvnc) dial(t *testing.T) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("unix", x.socket)
		if err == nil {
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(500 * time.Microsecond)
	}
}

func timeOfBareXvnc(t *testing.T) time.Duration {
	begin := time.Now()
	x := startBareXvnc(t, "1024x768")
	conn := x.dial(t)
	firstFrame(t, conn)
	took := time.Since(begin)
	conn.Close()
	x.stop()
	return took
}

// TestReportDisplay measures throughput and echo of one session's display through the
// webserver, through websockify, and through a bare copy, all with TLS, taking turns.
func TestReportDisplay(t *testing.T) {
	n := startNode(t)
	s := n.StartSession(map[string]any{"command": "exec xterm -geometry 200x60 -e cat", "geometry": "1920x1080"})
	n.AwaitState(s.ID, transporter.Running)
	socket := n.path("run", "s", s.ID, "rfb")
	paths := []*displayPath{
		{name: "ours", conn: n.Display(s.ID)},
		{name: "bare", conn: dialBareCopy(t, socket)},
		{name: "websockify", conn: dialWebsockify(t, n, socket)},
	}
	for _, p := range paths {
		defer p.conn.Close()
		var err error
		if p.viewer, err = newViewer(p.conn); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
	}
	for range rounds(15) {
		for _, p := range paths {
			p.measureThroughput(t, rounds(20))
		}
	}
	for range rounds(40) {
		for _, p := range paths {
			p.measureEcho(t, rounds(50))
		}
	}
	ours, bare, ws := paths[0], paths[1], paths[2]
	line("display_throughput_mb_s_vs_bare", ours.rate(), bare.rate(), "target>=0.9 peer-is=bare-go-copy")
	line("display_throughput_mb_s_vs_websockify", ours.rate(), ws.rate(), "target>1 peer-is=websockify")
	line("display_echo_us_vs_bare", ours.echo(), bare.echo(), fmt.Sprintf("extra=%+.1fus target=+20us peer-is=bare-go-copy", ours.echo()-bare.echo()))
	line("display_echo_us_vs_websockify", ours.echo(), ws.echo(), "target<1 peer-is=websockify")
}

// displayPath is one way to the same display.
type displayPath struct {
	name   string
	conn   net.Conn
	viewer *viewer
	rates  []float64       // MB/s
	echoes []time.Duration // request → pixel
}

// measureThroughput asks for whole screens, one after the other, and drops their pixels.
func (p *displayPath) measureThroughput(t *testing.T, frames int) {
	t.Helper()
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	begin, bytes := time.Now(), 0
	for range frames {
		p.must(t, p.viewer.Request(false))
		k, err := p.viewer.skipUpdate()
		p.must(t, err)
		bytes += k
	}
	p.rates = append(p.rates, float64(bytes)/1e6/time.Since(begin).Seconds())
}

// measureEcho presses a key and asks for one pixel: the answer has gone through every
// buffer that a real echo goes through, without the terminal's own time.
func (p *displayPath) measureEcho(t *testing.T, presses int) {
	t.Helper()
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	for range presses {
		begin := time.Now()
		p.must(t, p.viewer.Key(0xffe1)) // Shift
		p.must(t, p.viewer.requestPixel())
		_, err := p.viewer.skipUpdate()
		p.must(t, err)
		p.echoes = append(p.echoes, time.Since(begin))
	}
}

func (p *displayPath) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

func (p *displayPath) rate() float64 {
	slices.Sort(p.rates)
	return p.rates[len(p.rates)/2]
}

func (p *displayPath) echo() float64 { return float64(median(p.echoes)) / float64(time.Microsecond) }

// dialBareCopy starts this program once more as the bare peer and connects to it.
func dialBareCopy(t *testing.T, socket string) net.Conn {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-bare-copy", socket)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	alive, err := cmd.StdinPipe() // the peer ends when this is closed, however we end
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		alive.Close()
		_ = cmd.Wait()
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return dialWebSocket(t, strings.TrimSpace(url))
}

// serveBareCopy is the bare peer: the same WebSocket library, one buffer each way, no tickets.
func serveBareCopy(socket string) error {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"binary"}})
		if err != nil {
			return
		}
		rfb, err := net.Dial("unix", socket)
		if err != nil {
			return
		}
		ws.SetReadLimit(-1)
		client := websocket.NetConn(r.Context(), ws, websocket.MessageBinary)
		go io.Copy(struct{ io.Writer }{rfb}, struct{ io.Reader }{client})
		_, _ = io.CopyBuffer(struct{ io.Writer }{client}, struct{ io.Reader }{rfb}, make([]byte, 64<<10))
	}))
	fmt.Println(strings.Replace(server.URL, "http", "ws", 1))
	_, err := io.Copy(io.Discard, os.Stdin) // until the parent ends
	return err
}

func dialWebsockify(t *testing.T, n *node, socket string) net.Conn {
	t.Helper()
	w := startWebsockify(t, n, socket)
	return dialWebSocket(t, "wss://"+w.address)
}

// websockify is Debian's websockify in front of a session's display, with the node's own certificate.
type websockify struct {
	address string // HOST:PORT
	pid     int
}

func startWebsockify(t *testing.T, n *node, socket string, options ...string) websockify {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command("/usr/bin/websockify", append(options, "--cert", n.path("local", "fastx.cert"), "--key", n.path("local", "fastx.key"),
		"--ssl-only", "--unix-target", socket, address)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it forks for each viewer
	if err := cmd.Start(); err != nil {
		t.Fatalf("websockify is the peer of this measurement: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	await(t, "websockify", func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return websockify{address, cmd.Process.Pid}
}

func dialWebSocket(t *testing.T, url string) net.Conn {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"binary"}})
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	ws.SetReadLimit(-1)
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
}

// TestReportMemory prints what an idle daemon and a supervisor take.
func TestReportMemory(t *testing.T) {
	n := startNode(t)
	idle := residentKiB(t, n.cmd.Process.Pid)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	line("memory_fastxd_mib", float64(idle)/1024, 40, "target<=40 peer-is=the-promise")
	line("memory_fastxd_session_mib", float64(residentKiB(t, n.supervisor(s.ID)))/1024, 6, "target<=6 peer-is=the-promise")
}

// TestReportRoundTrip runs the transporter's own benchmark pair and prints its ratio.
func TestReportRoundTrip(t *testing.T) {
	cmd := exec.Command("go", "test", "./internal/transporter", "-run", "^$", "-bench", "^BenchmarkRoundTrip$",
		"-benchtime", map[bool]string{true: "2s", false: "10x"}[*report])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	times, err := benchTimes(string(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line("control_round_trip_us", times["ours"]/1e3, times["raw"]/1e3, "target<=1.5 peer-is=raw-nats-request")
	line("control_round_trip_once_us", times["once"]/1e3, times["raw"]/1e3, "remembered-for-repetition peer-is=raw-nats-request")
}

var benchLine = regexp.MustCompile(`(?m)^BenchmarkRoundTrip/(\w+)\S*\s+\d+\s+([\d.]+) ns/op`)

func benchTimes(out string) (map[string]float64, error) {
	times := map[string]float64{}
	for _, m := range benchLine.FindAllStringSubmatch(out, -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		times[m[1]] = ns
	}
	if times["ours"] == 0 || times["raw"] == 0 || times["once"] == 0 {
		return nil, errors.New("the benchmark printed too little")
	}
	return times, nil
}
