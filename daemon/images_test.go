package daemon_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ory/dockertest/v3"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// imageVersion is that of the images under test, which take the place of those of the last run.
const imageVersion = "0.0.0-test"

// largestImage is what an image without a distribution may have at most, in bytes.
const largestImage = 40_000_000

// imagePackages builds the packages that go into the images, once for all tests.
var imagePackages = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp(binaries.dir, "packages")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("../images/scripts/build-packages.sh", imageVersion, dir)
	cmd.Env = append(os.Environ(), "ARCHITECTURES="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the packages: %w\n%s", err, out)
	}
	return dir, nil
})

// building is held by the test that builds images: whoever comes next finds most of the work done.
var building sync.Mutex

// buildImages builds the images as make images does, nodes for these suites only.
func buildImages(t *testing.T, suites ...string) {
	t.Helper()
	needEngine(t)
	building.Lock()
	defer building.Unlock()
	packages, err := imagePackages()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("../images/scripts/build-images.sh", imageVersion)
	cmd.Env = append(os.Environ(), "PACKAGES="+packages, "SUITES="+strings.Join(suites, " "))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the images: %v\n%s", err, out)
	}
}

// imageName names an image under test: fastxd, transporter or node-SUITE.
func imageName(name string) string {
	name, suite, _ := strings.Cut(name, "-")
	return strings.TrimSuffix("fastx-kit/"+name+":"+imageVersion+"-"+suite, "-")
}

// dockerDo runs a docker command that has to succeed, and returns what it printed.
func dockerDo(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// confined is how containers without a distribution are run: nothing of them can be written to and they may do nothing.
var confined = []string{"--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}

// asMachine is what a container with systemd needs of the engine.
var asMachine = []string{"--cap-add", "SYS_ADMIN", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro"}

// box is a container of an image under test, and the API of what runs in it.
type box struct {
	*machine
	id string
}

// runImage starts a container of an image and removes it in the end. Its health is asked for often.
func runImage(t testing.TB, name string, how ...string) *box {
	t.Helper()
	args := append([]string{"run", "--detach", "--label", "fastx-kit=test", "--health-interval", "500ms", "--health-retries", "2"}, how...)
	id := dockerDo(t, append(args, imageName(name))...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", name, dockerDo(t, "logs", "--tail", "40", id))
		}
		dockerDo(t, "rm", "--force", "--volumes", id)
	})
	pool, err := dockertest.NewPool("")
	if err != nil {
		t.Fatal(err)
	}
	container, ok := pool.ContainerByName("^/" + dockerDo(t, "inspect", "--format", "{{slice .Name 1}}", id) + "$")
	if !ok {
		t.Fatalf("the container %s of %s is gone", id, name)
	}
	b := &box{machine: &machine{api: newAPI(t), container: container}, id: id}
	b.locate()
	return b
}

// locate finds where the page is; a container that starts again may have another address.
func (b *box) locate() {
	b.URL = "https://" + b.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}") + ":3300"
}

func (b *box) inspect(format string) string {
	b.t.Helper()
	return dockerDo(b.t, "inspect", "--format", format, b.id)
}

// awaitHealth waits until the engine says how a container is.
func (b *box) awaitHealth(want string) {
	b.t.Helper()
	b.Await(want, func() error {
		if got := b.inspect("{{.State.Health.Status}}"); got != want {
			return fmt.Errorf("it is %s: %s", got, b.inspect("{{range .State.Health.Log}}{{.Output}}{{end}}"))
		}
		return nil
	})
}

// TestTheImages builds the images and has three containers make a cluster on a network of their own.
func TestTheImages(t *testing.T) {
	t.Parallel()
	buildImages(t, "bookworm")
	t.Run("without a distribution are small", smallImages)
	t.Run("run as any number", gatewayOfAnyNumber)
	t.Run("make a cluster", imagesMakeACluster)
}

func smallImages(t *testing.T) {
	for _, name := range []string{"fastxd", "transporter"} {
		size, err := strconv.Atoi(dockerDo(t, "image", "inspect", "--format", "{{.Size}}", imageName(name)))
		if err != nil || size >= largestImage {
			t.Errorf("%s has %d bytes, %v", name, size, err)
		}
		if user := dockerDo(t, "image", "inspect", "--format", "{{.Config.User}}", imageName(name)); user != "330:330" {
			t.Errorf("%s runs as %s", name, user)
		}
		if version := dockerDo(t, "image", "inspect", "--format", `{{index .Config.Labels "org.opencontainers.image.version"}}`, imageName(name)); version != imageVersion {
			t.Errorf("%s says it is of version %s", name, version)
		}
	}
}

// gatewayOfAnyNumber runs a gateway as a user id that nobody gave a name, as some clusters do with every container.
func gatewayOfAnyNumber(t *testing.T) {
	as := []string{"--user", "123456", "--env", "FX_LOCAL_DIR=/tmp/local"}
	runImage(t, "fastxd", append(as, confined...)...).awaitHealth("healthy")
}

// imagesMakeACluster signs in at a gateway, starts a session on a node that it reaches through a transporter, and has each of
// the three hang and start again.
func imagesMakeACluster(t *testing.T) {
	network, config := privateNetwork(t), clusterConfig(t)
	mount := []string{"--network", network, "--volume", config + ":/etc/fastx:ro"}
	bus := runImage(t, "transporter", append(append(mount, "--network-alias", "transporter"), confined...)...)
	bus.awaitHealth("healthy")
	gateway := runImage(t, "fastxd", append(append(mount, "--hostname", "gateway"), confined...)...)
	node := runImage(t, "node-bookworm", append(append(mount, "--hostname", "node"), asMachine...)...)
	node.awaitSystemd()
	node.addAccount("eve")
	for _, b := range []*box{gateway, node} {
		b.awaitHealth("healthy")
		b.AwaitReady()
	}
	for _, b := range []*box{bus, gateway} {
		b.checkConfined(t)
	}

	eve := gateway.signIn("eve")
	s := eve.StartSession(map[string]any{"app": "xterm"})
	if s = eve.AwaitState(s.ID, transporter.Running); s.Node != "node" {
		t.Errorf("the session runs on %s", s.Node)
	}
	node.owned(t, node.resident("eve", s.ID))
	node.signIn("eve").view(s.ID).awaitColours(t, 2) // no display reaches a gateway on another machine yet

	for _, b := range []*box{gateway, bus} {
		dockerDo(t, "kill", "--signal", "STOP", b.id)
		b.awaitHealth("unhealthy")
		dockerDo(t, "kill", "--signal", "CONT", b.id)
		b.awaitHealth("healthy")
		dockerDo(t, "restart", b.id)
		b.awaitHealth("healthy")
		b.locate()
	}
	node.Must("systemctl", "stop", "fastxd.service")
	node.awaitHealth("unhealthy")
	node.Must("systemctl", "start", "fastxd.service")
	node.awaitHealth("healthy")
	gateway.AwaitReady()
	gateway.signIn("eve").AwaitState(s.ID, transporter.Running)
	node.signIn("eve").view(s.ID).awaitColours(t, 2)

	node.withoutLaunchd() // then whoever signs in needs no account of the node
	node.awaitHealth("healthy")
	gateway.AwaitReady()
	gateway.AwaitState(gateway.StartSession(map[string]any{"app": "xterm"}).ID, transporter.Running)
}

// privateNetwork makes a network that leads nowhere else.
func privateNetwork(t *testing.T) string {
	t.Helper()
	name := "fastx-test-" + rand.Text()
	dockerDo(t, "network", "create", "--internal", "--label", "fastx-kit=test", name)
	t.Cleanup(func() { dockerDo(t, "network", "rm", name) })
	return name
}

// clusterConfig makes a volume with the configuration of a cluster, as the documents say.
func clusterConfig(t *testing.T) string {
	t.Helper()
	volume := dockerDo(t, "volume", "create", "--label", "fastx-kit=test")
	t.Cleanup(func() { dockerDo(t, "volume", "rm", volume) })
	a := newAPI(t)
	fill := exec.Command("docker", "run", "--rm", "--interactive", "--user", "fastx", "--volume", volume+":/etc/fastx", imageName("node-bookworm"),
		"sh", "-c", "fastxctl init /etc/fastx --user "+a.User+" --password-stdin && fastxctl secret new --url nats://transporter:4222")
	fill.Stdin = strings.NewReader(a.Password + "\n")
	if out, err := fill.CombinedOutput(); err != nil {
		t.Fatalf("make the configuration: %v\n%s", err, out)
	}
	return volume
}

// checkConfined reads what the kernel says of a container's process.
func (b *box) checkConfined(t *testing.T) {
	t.Helper()
	status, err := os.ReadFile("/proc/" + b.inspect("{{.State.Pid}}") + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t330\t330\t330\t330\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("there is no %q in\n%s", want, status)
		}
	}
}

// TestDrillNodeImages takes the node of each suite through its life: every unit is up, the installed fastxd is ready, two people
// sign in with the passwords of their accounts and look at sessions that run as theirs, and so they do again when the container
// was stopped.
func TestDrillNodeImages(t *testing.T) {
	t.Parallel()
	suites := []string{"bookworm"}
	if *soak {
		suites = []string{"bullseye", "bookworm", "trixie"}
	}
	buildImages(t, suites...)
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) { liveNode(t, "node-"+suite) })
	}
}

func liveNode(t *testing.T, name string) {
	t.Parallel()
	if out := dockerDo(t, "run", "--rm", imageName(name), "sh", "-c", "cat /etc/machine-id; find /etc /var -name 'ssh_host_*' -o -name '*.key' -o -path '*/keys.d/*'"); out != "" {
		t.Errorf("all containers would share %s", out)
	}
	b := runImage(t, name, append([]string{"--hostname", "node"}, asMachine...)...)
	b.awaitSystemd()
	b.awaitHealth("healthy")
	b.beginConfig()
	b.addAccount("eve")
	b.addAccount("dan")
	for range 2 {
		b.AwaitReady()
		b.Must("systemctl", "is-active", "ssh.service", "dbus.service", "systemd-logind.service")
		eve, dan := b.signIn("eve"), b.signIn("dan")
		one := b.resident("eve", eve.StartSession(map[string]any{"app": "xterm"}).ID)
		two := b.resident("dan", dan.StartSession(map[string]any{"app": "xterm"}).ID)
		b.audited(t, `"action":"login"`, `"user":"eve"`, `"method":"pam"`, `"outcome":"ok"`)
		b.owned(t, one)
		b.owned(t, two)
		b.apart(t, one, two)
		b.apart(t, two, one)
		eve.view(one.id).awaitColours(t, 2)
		dan.view(two.id).awaitColours(t, 2)
		dockerDo(t, "restart", b.id)
		b.locate()
		b.awaitSystemd()
		b.AwaitReady()
		b.signIn("eve").AwaitState(one.id, transporter.Ended)
	}
}

// addAccount makes an account that people log in with by a password.
func (b *box) addAccount(name string) {
	b.t.Helper()
	b.addPerson(name)
	b.setPassword(name, b.Password)
}

// signIn is the page of a container for somebody with an account of the node.
func (b *box) signIn(name string) *api {
	a := newAPI(b.t)
	a.URL, a.User = b.URL, name
	return a
}

// withoutLaunchd has a node run every session as the daemon's account, as sandbox.conf says.
func (m *machine) withoutLaunchd() {
	m.t.Helper()
	m.Must("mkdir", "-p", "/etc/systemd/system/fastxd.service.d")
	m.Must("ln", "-s", "/dev/null", "/etc/systemd/system/fastxd.service.d/sandbox.conf")
	m.Must("systemctl", "disable", "--now", "fastxd-launchd.socket")
	m.Must("systemctl", "daemon-reload")
	m.Must("systemctl", "restart", "fastxd.service")
}
