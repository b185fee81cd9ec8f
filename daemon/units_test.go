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

const unitsDir = "../images/units/"

// units are those that the packages install, as systemd reads them: a unit, then what is dropped in.
var units = map[string][]string{
	"fastxd.service":             {"fastxd.service", "fastxd.service.d/sandbox.conf"},
	"fastxd-transporter.service": {"fastxd-transporter.service"},
	"fastxd-launchd.service":     {"fastxd-launchd.service"},
	"fastxd-launchd.socket":      {"fastxd-launchd.socket"},
	"fastxd-pam@.service":        {"fastxd-pam@.service"},
	"fastxd-pam.socket":          {"fastxd-pam.socket"},
}

func readUnit(t *testing.T, name string) string {
	t.Helper()
	var text strings.Builder
	for _, file := range units[name] {
		data, err := os.ReadFile(unitsDir + file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(data)
	}
	return text.String()
}

// analyze runs systemd-analyze on a unit as it is shipped, but that its programs are those under test. Those that it
// names lie beside it.
func analyze(t *testing.T, name, text string, args ...string) (string, error) {
	t.Helper()
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("units are not judged: there is no systemd-analyze here: %v", err)
	}
	dir := t.TempDir()
	for other := range units {
		if other != name {
			writeUnit(t, dir, other, readUnit(t, other))
		}
	}
	writeUnit(t, dir, name, text)
	var out bytes.Buffer
	cmd := exec.Command(program, append(args, filepath.Join(dir, name))...)
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

func writeUnit(t *testing.T, dir, name, text string) {
	t.Helper()
	text = strings.NewReplacer("/usr/bin/", binaries.dir+"/", "/usr/libexec/fastxd/", binaries.dir+"/").Replace(text)
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestUnitsAreClean has systemd find nothing to say against the units, and a fault that is planted.
func TestUnitsAreClean(t *testing.T) {
	t.Parallel()
	for name := range units {
		text := readUnit(t, name)
		if out, err := analyze(t, name, text, "verify", "--recursive-errors=yes"); err != nil || out != "" {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if out, err := analyze(t, name, text+"\nPrivateTemp=yes\n", "verify", "--recursive-errors=yes"); err == nil {
			t.Errorf("%s: a key that does not exist passes: %s", name, out)
		}
	}
}

// TestUnitsAreExposedLittle holds the sandboxes of what the network reaches to a threshold, in tenths, and finds a unit
// without one above it.
func TestUnitsAreExposedLittle(t *testing.T) {
	t.Parallel()
	sandbox := regexp.MustCompile(`(?m)^(Protect|Private|Restrict|SystemCall|Capability).*\n`)
	for _, name := range []string{"fastxd.service", "fastxd-transporter.service"} {
		text := readUnit(t, name)
		if out, err := analyze(t, name, text, "security", "--offline=true", "--threshold=20", "--no-pager"); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if out, err := analyze(t, name, sandbox.ReplaceAllString(text, ""), "security", "--offline=true", "--threshold=20", "--no-pager"); err == nil {
			t.Errorf("%s: a unit without a sandbox passes: %s", name, out)
		}
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

// known are the keys that are too new for RHEL 8 and used all the same: without them, all works as it does with them but for
// one fence less, or for what the kernel does by itself there.
var known = map[string][]string{
	"fastxd.service":             {"OOMPolicy is of systemd 243", "RestrictSUIDSGID is of systemd 242"},
	"fastxd-transporter.service": nil,
	"fastxd-launchd.service":     {"RestrictSUIDSGID is of systemd 242"},
	"fastxd-launchd.socket":      nil,
	"fastxd-pam@.service":        nil,
	"fastxd-pam.socket":          nil,
}

// TestUnitsLoadOnOldSystems: what is not known there is not used, but for what is known to be dispensable.
func TestUnitsLoadOnOldSystems(t *testing.T) {
	t.Parallel()
	for name := range units {
		text := readUnit(t, name)
		if found := tooNew(text); !slices.Equal(found, known[name]) {
			t.Errorf("%s: %q, want %q", name, found, known[name])
		}
		if found := tooNew(text + "ProtectClock=yes\nType=exec\n"); len(found) != len(known[name])+2 {
			t.Errorf("%s: keys that are too new are not all found: %q", name, found)
		}
	}
	for name, wants := range map[string][]string{
		"fastxd-transporter.service": {"Type=notify\n", "ExecReload=/usr/bin/fastxctl reload --wait --transporter\n", "User=fastx\n"},
		"fastxd.service":             {"Type=notify\n", "ExecStart=/usr/bin/fastxd --launchd\n", "User=fastx\n", "RuntimeDirectoryMode=0711\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(readUnit(t, name), want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
}
