package session

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits are what a session's profile allows it once it runs. Zero is no limit.
type Limits struct {
	Profile    string        `json:"profile,omitempty"`       // the file performance/<Profile>.ini
	Idle       time.Duration `json:"idle_ns,omitempty"`       // without input, until the viewers are disconnected
	Disconnect time.Duration `json:"disconnect_ns,omitempty"` // without a viewer, until the session is ended
	Clipboard  string        `json:"clipboard,omitempty"`     // which way it may go; "" is Bidirectional
	Memory     uint64        `json:"memory,omitempty"`        // bytes
	CPU        int           `json:"cpu,omitempty"`           // percent of one core
	Tasks      int           `json:"tasks,omitempty"`         // processes and threads
	IOWeight   int           `json:"io_weight,omitempty"`     // 1 to 10000, where others have 100
}

// Which way the clipboard may go. Remote is the session, local whoever looks at it.
const (
	Bidirectional = "bidirectional"
	LocalToRemote = "local-to-remote"
	RemoteToLocal = "remote-to-local"
	NoClipboard   = "disabled"
)

// The keys of a profile, as messages name them.
const (
	KeyIdle       = "idle_timeout"
	KeyDisconnect = "disconnect_timeout"
	KeyMemory     = "memory_max"
	KeyCPU        = "cpu_quota"
	KeyTasks      = "tasks_max"
	KeyIOWeight   = "io_weight"
)

// Name names a limit and its value as an administrator finds it: "memory_max = 256M in performance/small.ini".
func (l Limits) Name(key string) string {
	return fmt.Sprintf("%s = %s in performance/%s.ini", key, l.value(key), l.Profile)
}

func (l Limits) value(key string) string {
	switch key {
	case KeyIdle:
		return showDuration(l.Idle)
	case KeyDisconnect:
		return showDuration(l.Disconnect)
	case KeyMemory:
		return showMemory(l.Memory)
	case KeyCPU:
		return strconv.Itoa(l.CPU) + "%"
	case KeyTasks:
		return strconv.Itoa(l.Tasks)
	default:
		return strconv.Itoa(l.IOWeight)
	}
}

// OfCgroup lists the keys of those limits that are set and that only a control group can hold.
func (l Limits) OfCgroup() []string {
	var keys []string
	for _, c := range []struct {
		key string
		set bool
	}{{KeyMemory, l.Memory > 0}, {KeyCPU, l.CPU > 0}, {KeyTasks, l.Tasks > 0}, {KeyIOWeight, l.IOWeight > 0}} {
		if c.set {
			keys = append(keys, c.key)
		}
	}
	return keys
}

// LookEvery is how often a supervisor looks whether its session is used. A launcher that
// acts on idle time allows for that much of it to be untold.
func (l Limits) LookEvery() time.Duration {
	return min(max(l.Idle/60, 100*time.Millisecond), 5*time.Second)
}

// showDuration prints 30m, not 30m0s, and 90s, not 1m30s: as people write it.
func showDuration(d time.Duration) string {
	if d < time.Hour && d%time.Minute != 0 && d%time.Second == 0 {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// showMemory prints bytes with the largest unit that leaves a whole number.
func showMemory(bytes uint64) string {
	unit := ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if bytes%1024 != 0 {
			break
		}
		bytes, unit = bytes/1024, u
	}
	return strconv.FormatUint(bytes, 10) + unit
}
