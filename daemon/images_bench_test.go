package daemon_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// peerImage is upstream's nats-server and nothing else.
const peerImage = "fastx-kit/peer-nats-server:test"

// buildPeerImage compiles nats-server as the programs are, from the module that they link.
func buildPeerImage(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir, "github.com/nats-io/nats-server/v2")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	text := "FROM scratch\nCOPY nats-server /nats-server\nUSER 330:330\nENTRYPOINT [\"/nats-server\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dockerDo(t, "build", "--quiet", "--tag", peerImage, dir)
}

// TestReportImages compares the images with one of nats-server: their sizes, and the time from docker run until they serve.
func TestReportImages(t *testing.T) {
	buildImages(t)
	buildPeerImage(t)
	config := busConfig(t)
	for _, name := range []string{"fastxd", "transporter"} {
		line("image_"+name+"_mb", megabytes(t, imageName(name)), megabytes(t, peerImage), "target<40 peer-is=nats-server")
	}
	var page, bus, peer []time.Duration
	for range rounds(20) {
		page = append(page, timeToServe(t, readyPage, imageName("fastxd")))
		bus = append(bus, timeToServe(t, greets, "--volume", config+":/etc/fastx:ro", imageName("transporter")))
		peer = append(peer, timeToServe(t, greets, peerImage))
	}
	line("image_fastxd_run_to_ready_ms", ms(median(page)), ms(median(peer)), "peer-is=nats-server")
	line("image_transporter_run_to_ready_ms", ms(median(bus)), ms(median(peer)), "peer-is=nats-server")
}

func megabytes(t *testing.T, image string) float64 {
	t.Helper()
	size, err := strconv.ParseFloat(dockerDo(t, "image", "inspect", "--format", "{{.Size}}", image), 64)
	if err != nil {
		t.Fatal(err)
	}
	return size / 1e6
}

// busConfig makes a directory with what a transporter runs by.
func busConfig(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	secret := exec.Command(filepath.Join(binaries.dir, "fastxctl"), "secret", "new", "--config-dir", dir, "--owner", "330:330")
	if out, err := secret.CombinedOutput(); err != nil {
		t.Fatalf("fastxctl secret new: %v\n%s", err, out)
	}
	return dir
}

// timeToServe measures from docker run until what it starts serves.
func timeToServe(t *testing.T, serves func(ip string) error, how ...string) time.Duration {
	t.Helper()
	begin := time.Now()
	id := dockerDo(t, append(append([]string{"run", "--detach", "--label", "fastx-kit=test", "--no-healthcheck"}, confined...), how...)...)
	defer dockerDo(t, "rm", "--force", "--volumes", id)
	ip := dockerDo(t, "inspect", "--format", "{{.NetworkSettings.IPAddress}}", id)
	await(t, "the container to serve", func() error { return serves(ip) })
	return time.Since(begin)
}

func readyPage(ip string) error {
	a := newAPI(nil)
	defer a.Client.CloseIdleConnections()
	a.URL = "https://" + ip + ":3300"
	if status, body := a.Get("/readyz"); status != 200 {
		return fmt.Errorf("status %d: %s", status, body)
	}
	return nil
}

// greets wants the first line that a NATS server says.
func greets(ip string) error {
	conn, err := net.DialTimeout("tcp", ip+":4222", time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	said, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(said, "INFO ") {
		err = errors.New("it says " + said)
	}
	return err
}

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// TestReportUnits has systemd say how much of the machine each unit could reach, and of upstream's own for nats-server. 0 is
// nothing, 10 all.
func TestReportUnits(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/nats-io/nats-server/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	upstream := func(name string) string {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "util", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct{ name, peer string }{
		{"fastxd-transporter", "nats-server-hardened"}, {"fastxd-launchd", "nats-server"}, {"fastxd", "nats-server"},
	} {
		unit, peer := c.name+".service", c.peer+".service"
		line("unit_exposure_"+c.name, exposed(t, unit, readUnit(t, unit)), exposed(t, peer, upstream(peer)), "peer-is="+c.peer)
	}
}

func exposed(t *testing.T, name, text string) float64 {
	t.Helper()
	out, err := analyze(t, name, text, "security", "--offline=true")
	found := exposure.FindStringSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	score, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return score
}
