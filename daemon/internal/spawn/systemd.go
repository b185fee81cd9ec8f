package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// jobLimit is how long systemd may take to start a unit.
const jobLimit = 30 * time.Second

// stopLimit is how long it may take to hear that it is to stop one.
const stopLimit = 5 * time.Second

// The version of systemd from which on it knows what it is told. 239 is the oldest that can be
// passed descriptors.
const sinceOOMPolicy = 243 // before, it does nothing by itself when memory is short

// Systemd starts supervisors as transient services.
type Systemd struct{}

var _ Starter = Systemd{}

// Start is Starter's. Where systemd refuses, nothing is started: a session never runs
// without the limits that it was to have.
func (Systemd) Start(o Order) (session.Process, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), jobLimit)
	defer cancel()
	conn, err := systemd.NewSystemdConnectionContext(ctx)
	if err != nil {
		return session.Process{}, false, fmt.Errorf("reach systemd to start %s: %w", session.Unit(o.ID), err)
	}
	defer conn.Close()
	if err := startUnit(ctx, conn, o); err != nil {
		stopUnit(o.ID)
		return session.Process{}, false, fmt.Errorf("systemd does not start %s: %w", session.Unit(o.ID), err)
	}
	return mainProcess(ctx, conn, o.ID), false, nil
}

// startUnit makes the unit and waits until its program says that it is at work (Type=notify: with Type=exec
// systemd 252 waits for ever when there is a PAMName, and 239 does not know it).
func startUnit(ctx context.Context, conn *systemd.Conn, o Order) error {
	done := make(chan string, 1)
	if _, err := conn.StartTransientUnitContext(ctx, session.Unit(o.ID), "fail", properties(o, age(conn)), done); err != nil {
		return err
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("its job ended with %q; journalctl -u %s says more", result, session.Unit(o.ID))
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no answer within %s", jobLimit)
	}
}

// stopUnit sees to it that nothing runs after an error: a unit that systemd was too slow with may come up yet.
func stopUnit(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if conn, err := systemd.NewSystemdConnectionContext(ctx); err == nil {
		conn.StopUnitContext(ctx, session.Unit(id), "replace", nil) // most often there is none
		conn.Close()
	}
}

// Kill is Lodger's.
func (Systemd) Kill(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	conn, err := systemd.NewSystemdConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("reach systemd to kill %s: %w", session.Unit(id), err)
	}
	defer conn.Close()
	err = conn.KillUnitWithTarget(ctx, session.Unit(id), systemd.All, int32(syscall.SIGKILL))
	if e := (dbus.Error{}); errors.As(err, &e) && e.Name == "org.freedesktop.systemd1.NoSuchUnit" {
		return nil
	}
	return err
}

// age is systemd's version, 0 when it does not tell.
func age(conn *systemd.Conn) int {
	version, err := conn.GetManagerProperty("Version")
	if err != nil {
		return 0
	}
	return leadingNumber(strings.Trim(version, `"v`))
}

// leadingNumber reads 252 of "252.38-1~deb12u1".
func leadingNumber(s string) int {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.Atoi(s[:digits])
	if err != nil {
		return 0
	}
	return n
}

// mainProcess is the supervisor, or the zero Process when it has ended.
func mainProcess(ctx context.Context, conn *systemd.Conn, id string) session.Process {
	prop, err := conn.GetServicePropertyContext(ctx, session.Unit(id), "MainPID")
	if err != nil {
		return session.Process{}
	}
	pid, _ := prop.Value.Value().(uint32)
	p, err := session.ProcessOf(int(pid))
	if pid == 0 || err != nil {
		return session.Process{}
	}
	return p
}

// command is one of a unit's, as D-Bus has it: the program's path, its arguments from its name on,
// and whether an end other than with status 0 is passed over.
type command struct {
	Path    string
	Args    []string
	Ignored bool
}

// properties are what makes the unit do what Fork does, and hold the session to its limits.
//
// When the supervisor ends, systemd kills what is left of the session (mixed), then has Autopsy
// look at the control group for why, and forgets the unit, failed or not. That a program of the session was
// killed for want of memory is the supervisor's to judge, not a reason to stop it (OOMPolicy).
func properties(o Order, version int) []systemd.Property {
	props := []systemd.Property{
		systemd.PropDescription("FastX session " + o.ID),
		property("ExecStart", []command{{o.Program, []string{name, o.ID}, false}}),
		property("ExecStopPost", []command{{o.Program, []string{name, "autopsy", o.ID}, true}}),
		property("StandardInputFileDescriptor", descriptor(o.Record)),
		property("StandardOutputFileDescriptor", descriptor(o.Lock)),
		property("StandardErrorFileDescriptor", descriptor(o.Log)),
		property("Environment", []string{path}),
		property("WorkingDirectory", "/"),
		systemd.PropType("notify"),
		property("KillMode", "mixed"),
		property("CollectMode", "inactive-or-failed"),
	}
	props = append(props, ownership(o)...)
	if version >= sinceOOMPolicy {
		props = append(props, property("OOMPolicy", "continue"))
	}
	return append(props, limits(o.Limits)...)
}

// ownership makes the unit that of the session's user, or of whoever starts it.
//
// The user is given by number: systemd looks up the rest, and versions that know fewer names than the
// name service take it too. Each user has a slice of their own below that of all sessions. The directory of the
// session is made for the user, and goes with the unit, however that ends. What a login is
// given beyond the groups (limits, umask, login uid, keyring) comes from PAM.
func ownership(o Order) []systemd.Property {
	if o.User == nil {
		return []systemd.Property{systemd.PropSlice(session.Slice)}
	}
	return []systemd.Property{
		systemd.PropSlice(session.UserSlice(o.User.UID)),
		property("User", strconv.Itoa(o.User.UID)),
		property("PAMName", PAMService),
		property("RuntimeDirectory", []string{session.UserRuntimeDirectory(o.ID)}),
		property("RuntimeDirectoryMode", uint32(0o700)),
	}
}

// PAMService is the file of /etc/pam.d that says what a session is given as a login is.
const PAMService = "fastx-session"

// limits are those that a control group holds. Where control groups are of version 2 a session has no
// swap beside its memory_max; those of version 1 cannot say so.
func limits(l session.Limits) []systemd.Property {
	var props []systemd.Property
	if l.Memory > 0 {
		props = append(props, property("MemoryMax", l.Memory), property("MemorySwapMax", uint64(0)))
	}
	if l.CPU > 0 {
		props = append(props, property("CPUQuotaPerSecUSec", uint64(l.CPU)*uint64(time.Second/time.Microsecond)/100))
	}
	if l.Tasks > 0 {
		props = append(props, property("TasksMax", uint64(l.Tasks)))
	}
	if l.IOWeight > 0 {
		props = append(props, property("IOWeight", uint64(l.IOWeight)))
	}
	return props
}

func property(name string, value any) systemd.Property {
	return systemd.Property{Name: name, Value: dbus.MakeVariant(value)}
}

func descriptor(f *os.File) dbus.UnixFD { return dbus.UnixFD(f.Fd()) }
