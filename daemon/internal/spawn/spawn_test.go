package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// order is one to start a program with files of its own.
func order(t *testing.T, program string) Order {
	t.Helper()
	dir := t.TempDir()
	o := Order{ID: "0123456789abcdef", Program: program}
	for name, f := range map[string]**os.File{"record": &o.Record, "lock": &o.Lock, "log": &o.Log} {
		var err error
		if *f, err = os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*f).Close() })
	}
	return o
}

func TestForkStartsASupervisorWithItsDescriptors(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "supervisor")
	const text = "#!/bin/sh\nread line; echo lock $line; echo \"log $1 $(pwd) $(ps -o sid= -p $$) $$ $(env | grep -v ^_= | cut -d= -f1 | tr '\\n' ' ')\" >&2\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	o := order(t, script)
	if _, err := o.Record.WriteAt([]byte("hello\n"), 0); err != nil {
		t.Fatal(err)
	}
	p, child, err := Fork{}.Start(o)
	if err != nil || !child || p.Start == 0 {
		t.Fatalf("started %+v, a child: %v, %v", p, child, err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.PID, &status, 0, nil); err != nil || status != 0 {
		t.Fatalf("it ended with %v, %v", status, err)
	}
	if lock := content(t, o.Lock); lock != "lock hello\n" {
		t.Errorf("the lock holds %q", lock)
	}
	if log := strings.Fields(content(t, o.Log)); !slices.Equal(log, []string{"log", o.ID, "/", fmt.Sprint(p.PID), fmt.Sprint(p.PID), "PATH", "PWD"}) &&
		!slices.Equal(log, []string{"log", o.ID, "/", fmt.Sprint(p.PID), fmt.Sprint(p.PID), "PWD", "PATH"}) {
		t.Errorf("the log holds %q", log)
	}
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWhatCannotBeStartedIsAnError(t *testing.T) {
	t.Parallel()
	o := order(t, "/nonexistent/fastxd-session")
	if _, _, err := (Fork{}).Start(o); err == nil || !strings.Contains(err.Error(), "start fastxd-session") {
		t.Errorf("Fork says %v", err)
	}
	if _, err := os.Stat("/run/systemd/private"); err == nil {
		t.Skip("systemd answers on this machine, so what is said without it cannot be seen")
	}
	if _, _, err := (Systemd{}).Start(o); err == nil || !strings.Contains(err.Error(), "reach systemd to start fastx-session-0123456789abcdef.service") {
		t.Errorf("Systemd says %v", err)
	}
	if best := Best(); best != (Fork{}) {
		t.Errorf("without systemd the best way is %T", best)
	}
}

// shown are the properties of a unit by name, as they go over D-Bus.
func shown(o Order, version int) map[string]dbus.Variant {
	out := map[string]dbus.Variant{}
	for _, p := range properties(o, version) {
		out[p.Name] = p.Value
	}
	return out
}

func TestLimitsBecomeProperties(t *testing.T) {
	t.Parallel()
	o := order(t, "/usr/bin/fastxd-session")
	none := shown(o, 252)
	o.Limits = session.Limits{Profile: "p", Memory: 256 << 20, CPU: 150, Tasks: 100, IOWeight: 50}
	all := shown(o, 252)
	for name, want := range map[string]uint64{"MemoryMax": 256 << 20, "MemorySwapMax": 0, "CPUQuotaPerSecUSec": 1500000, "TasksMax": 100, "IOWeight": 50} {
		if v, there := none[name]; there {
			t.Errorf("without a limit %s is %v", name, v)
		}
		if v, there := all[name]; !there || v.Value() != want {
			t.Errorf("%s is %v, want %d", name, v, want)
		}
	}
	if v := all["ExecStart"]; v.Signature().String() != "a(sasb)" {
		t.Errorf("ExecStart has the type %s", v.Signature())
	}
	if v := all["StandardOutputFileDescriptor"].Value(); v != dbus.UnixFD(o.Lock.Fd()) {
		t.Errorf("standard output is descriptor %v and not the lock", v)
	}
}

func TestASessionOfItsUserHasAUnitOfTheUser(t *testing.T) {
	t.Parallel()
	o := order(t, "/usr/bin/fastxd-session")
	own := shown(o, 239)
	if own["Slice"].Value() != "fastx.slice" {
		t.Errorf("the daemon's own session is in %v", own["Slice"])
	}
	o.User = &session.Account{Name: "ann@eda.example.com", UID: 5001, GID: 5000}
	anns := shown(o, 239)
	for name, want := range map[string]any{"Slice": "fastx-5001.slice", "User": "5001", "PAMName": "fastx-session", "RuntimeDirectoryMode": uint32(0o700)} {
		if v, there := own[name]; there && name != "Slice" {
			t.Errorf("the daemon's own session has %s = %v", name, v)
		}
		if v := anns[name]; v.Value() != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	if dirs, _ := anns["RuntimeDirectory"].Value().([]string); len(dirs) != 1 || filepath.Dir(session.UserDir(o.ID)) != "/run/"+dirs[0] {
		t.Errorf("systemd makes %v and the session uses %s", dirs, session.UserDir(o.ID))
	}
}

func TestAnOldSystemdIsToldOnlyWhatItKnows(t *testing.T) {
	t.Parallel()
	o := order(t, "/usr/bin/fastxd-session")
	for version, want := range map[int]bool{0: false, 239: false, 242: false, 243: true, 257: true} {
		if _, got := shown(o, version)["OOMPolicy"]; got != want {
			t.Errorf("version %d is told a policy: %v, want %v", version, got, want)
		}
	}
	for text, want := range map[string]int{"252.38-1~deb12u1": 252, "239 (239-82.el8)": 239, "257": 257, "": 0, "x1": 0} {
		if got := leadingNumber(text); got != want {
			t.Errorf("version %q is read as %d, want %d", text, got, want)
		}
	}
}
