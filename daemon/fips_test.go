package daemon_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestTheMainJobWithValidatedCryptography runs every program on Go's FIPS 140-3 module: a transporter that asks for keys and
// TLS, a login, a session, its pixels. "on" uses the module's algorithms, "only" has the standard library refuse all others.
func TestTheMainJobWithValidatedCryptography(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"on", "only"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := newBus(t)
			b.Env["GODEBUG"] = "fips140=" + mode
			b.secure()
			b.Start()
			n := b.member("user-manager-launcher-webserver")
			n.AwaitReady()
			s := n.StartSession(map[string]any{"app": "xterm"})
			n.AwaitState(s.ID, transporter.Running)
			n.view(s.ID).awaitColours(t, 2)
			if out, errs, code := n.Ctl("config", "log"); code != 0 {
				t.Errorf("the history: exit %d: %s%s", code, out, errs)
			}
			for who, at := range map[string]*node{"the transporter": b.node, "the node": n} {
				environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", at.cmd.Process.Pid))
				if err != nil || !strings.Contains(string(environ), "GODEBUG=fips140="+mode) {
					t.Errorf("%s runs without it: %v", who, err)
				}
				said := fmt.Sprintf(`"nothing else is allowed"=%v`, mode == "only")
				if log := at.Log(); strings.Count(log, "FIPS") != 1 || !strings.Contains(log, said) {
					t.Errorf("something was refused to %s, or it does not say %s:\n%s", who, said, log)
				}
			}
		})
	}
}

// secure has the transporter and its clients talk TLS.
func (b *bus) secure() {
	b.t.Helper()
	cert, key, _ := keyPair(b.t, b.path("home"))
	b.conf += fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", cert, key)
	b.Write("nats-server.conf", b.conf, 0o640)
	b.Write("transporter-secret.ini", strings.Replace(b.read("transporter-secret.ini"), "[transporter]\n", "[transporter]\ntls_ca_file = "+cert+"\n", 1), 0o600)
}
