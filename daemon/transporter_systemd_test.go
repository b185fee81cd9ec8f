package daemon_test

import (
	"fmt"
	"strings"
	"testing"
)

const transporterService = "fastxd-transporter.service"

// TestTransporterUnderSystemd installs a transporter as a package does, in its sandbox, and has systemd say truly what became
// of reloads, a kill and a restart on a broken file.
func TestTransporterUnderSystemd(t *testing.T) {
	m := bootMachine(t)
	m.Must("install", "-d", "-o", "fastx", "-g", "fastx", "-m", "0750", "/etc/fastx")
	m.Must("fastxctl", "secret", "new")
	if got := m.Must("stat", "-c", "%U:%G %a %n", "/etc/fastx/transporter-secret.ini", "/etc/fastx/nats-server.conf"); got != "fastx:fastx 600 /etc/fastx/transporter-secret.ini\nfastx:fastx 640 /etc/fastx/nats-server.conf" {
		t.Errorf("the pair is\n%s", got)
	}
	m.Must("systemctl", "start", transporterService) // returns when READY was said
	m.wantTransporter(t, "generation 1 runs")
	t.Run("sandbox", m.transporterSandbox)

	m.Must("sh", "-c", "cd /etc/fastx && cp -p nats-server.conf good~ && sed 's/^port: 4222/port: 4222\\nmax_payload: 2MB/' good~ >new~ && chown fastx: new~ && chmod 0600 new~ && mv new~ nats-server.conf")
	m.Must("systemctl", "reload", transporterService)
	m.wantTransporter(t, "generation 2 runs")
	m.Must("chown", "root:", "/etc/fastx/nats-server.conf")
	if out, err := m.Exec("systemctl", "reload", transporterService); err == nil {
		t.Errorf("systemctl reload does not fail on a file that the account may not read: %s", out)
	}
	m.wantTransporter(t, "generation 2 runs; the files at hand are rejected: 1 error")
	m.Must("chown", "fastx:", "/etc/fastx/nats-server.conf")
	m.Must("systemctl", "reload", transporterService)
	m.wantTransporter(t, "generation 2 runs")
	m.Must("sh", "-c", "head -c 300 /etc/fastx/good~ >/etc/fastx/nats-server.conf")
	if out, err := m.Exec("systemctl", "reload", transporterService); err == nil {
		t.Errorf("systemctl reload does not fail on a torn file: %s", out)
	}
	m.wantTransporter(t, "generation 2 runs; the files at hand are rejected: 1 error")

	for _, blow := range [][]string{
		{"systemctl", "kill", "--kill-who=main", "--signal=KILL", transporterService},
		{"systemctl", "restart", transporterService},
	} {
		pid := m.Must("systemctl", "show", "--property=MainPID", "--value", transporterService)
		m.Must(blow...)
		m.Await("another main process", func() error {
			if now := m.Must("systemctl", "show", "--property=MainPID", "--value", transporterService); now == pid || now == "0" {
				return fmt.Errorf("it is %s", now)
			}
			return nil
		})
		m.wantTransporter(t, "generation 2 runs; the files at hand are rejected: 1 error")
	}
	m.Must("sh", "-c", "cd /etc/fastx && cp -p good~ new~ && mv new~ nats-server.conf")
	m.Must("systemctl", "reload", transporterService)
	m.wantTransporter(t, "generation 3 runs")
	m.Must("systemctl", "stop", transporterService)
	if out := m.Must("systemctl", "show", "--property=Result", "--value", transporterService); out != "success" {
		t.Errorf("it stopped with %s", out)
	}
}

// wantTransporter waits until the unit is active and says how it is.
func (m *machine) wantTransporter(t *testing.T, want string) {
	t.Helper()
	m.Await("the unit to say "+want, func() error {
		got := m.Must("systemctl", "show", "--property=ActiveState,StatusText", transporterService)
		if !strings.Contains(got+"\n", "ActiveState=active\n") || !strings.Contains(got+"\n", "StatusText="+want+"\n") {
			return fmt.Errorf("it says %q", got)
		}
		return nil
	})
	if out := m.Must("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4222 && head -c 4 <&3"); out != "INFO" {
		t.Errorf("a client reads %q", out)
	}
}

// transporterSandbox reads what the kernel says of the process.
func (m *machine) transporterSandbox(t *testing.T) {
	pid := m.Must("systemctl", "show", "--property=MainPID", "--value", transporterService)
	status := m.Must("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("there is no %q in\n%s", want, status)
		}
	}
	m.Must("nsenter", "-t", pid, "-m", "test", "-r", "/etc/fastx/nats-server.conf")
	if out, err := m.Exec("nsenter", "-t", pid, "-m", "sh", "-c", "touch /etc/fastx/x 2>/dev/null || touch /usr/x 2>/dev/null"); err == nil {
		t.Errorf("what it sees of the machine can be written to: %s", out)
	}
	if out := m.Must("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8222 && printf 'GET /varz HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"); !strings.Contains(out, `"config_digest": "sha256:`) {
		t.Errorf("the monitoring says %s", out)
	}
}
