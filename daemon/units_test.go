package daemon_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const transporterUnit = "../images/units/fastxd-transporter.service"

// analyze runs systemd-analyze on units as they are shipped, but that their programs are those under test.
func analyze(t *testing.T, text string, args ...string) (string, error) {
	t.Helper()
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("units are not judged: there is no systemd-analyze here: %v", err)
	}
	unit := filepath.Join(t.TempDir(), filepath.Base(transporterUnit))
	text = strings.ReplaceAll(text, "/usr/bin/", binaries.dir+"/")
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(program, append(args, unit)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

func readUnit(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(transporterUnit)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestTransporterUnitIsClean has systemd find nothing to say against the unit, and a fault that is planted.
func TestTransporterUnitIsClean(t *testing.T) {
	t.Parallel()
	text := readUnit(t)
	if out, err := analyze(t, text, "verify", "--recursive-errors=yes"); err != nil || out != "" {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := analyze(t, strings.Replace(text, "PrivateTmp=", "PrivateTemp=", 1), "verify", "--recursive-errors=yes"); err == nil {
		t.Errorf("a key that does not exist passes: %s", out)
	}
}

// TestTransporterUnitIsExposedLittle holds the sandbox to a threshold, in tenths, and finds a unit without one above it.
func TestTransporterUnitIsExposedLittle(t *testing.T) {
	t.Parallel()
	text := readUnit(t)
	if out, err := analyze(t, text, "security", "--offline=true", "--threshold=20", "--no-pager"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	bare := regexp.MustCompile(`(?m)^(Protect|Private|Restrict|SystemCall|Capability).*\n`).ReplaceAllString(text, "")
	if out, err := analyze(t, bare, "security", "--offline=true", "--threshold=20", "--no-pager"); err == nil {
		t.Errorf("a unit without a sandbox passes: %s", out)
	}
}

// newer are keys, and values, that systemd 239 of RHEL 8 does not know, by the version that brought them. There they would
// do nothing but warn at every start.
var newer = map[string]int{
	"ProtectHostname": 242, "RestrictSUIDSGID": 242, "OOMPolicy": 243, "RestartKillSignal": 244, "ProtectKernelLogs": 244,
	"ProtectClock": 245, "TimeoutStopFailureMode": 246, "ProtectProc": 247, "ProcSubset": 247, "ExitType": 250,
	"SystemCallLog": 247, "PrivateIPC": 248, "ExecPaths": 248, "NoExecPaths": 248, "RestrictFileSystems": 250,
	"StateDirectorySymlink": 251, "OpenFile": 253, "RestartSteps": 254, "RestartMaxDelaySec": 254, "MemoryKSM": 254,
	"SetCredential": 247, "LoadCredential": 247, "SocketBindAllow": 249, "SocketBindDeny": 249, "Type=exec": 240, "Type=notify-reload": 253,
}

func tooNew(unit string) (found []string) {
	for line := range strings.Lines(unit) {
		line = strings.TrimSpace(line)
		key, _, _ := strings.Cut(line, "=")
		for _, name := range []string{key, line} {
			if v := newer[name]; v > 0 {
				found = append(found, fmt.Sprintf("%s is of systemd %d", name, v))
			}
		}
	}
	return slices.Compact(found)
}

// TestTransporterUnitLoadsOnOldSystems: what is not known there is not used.
func TestTransporterUnitLoadsOnOldSystems(t *testing.T) {
	t.Parallel()
	text := readUnit(t)
	if found := tooNew(text); len(found) > 0 {
		t.Error(found)
	}
	if found := tooNew(text + "ProtectClock=yes\nType=exec\n"); len(found) != 2 {
		t.Errorf("keys that are too new are not all found: %q", found)
	}
	for _, want := range []string{"Type=notify\n", "ExecReload=/usr/bin/fastxctl reload --wait --transporter\n", "User=fastx\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the unit does not say %q", want)
		}
	}
}
