package session

import (
	"strconv"
	"strings"
	"time"
)

// Limits are what one session may use, as its profile says. A limit of 0 is none.
type Limits struct {
	Profile           string `json:"profile,omitempty"`              // the file performance/<profile>.ini
	IdleTimeout       int    `json:"idle_timeout_s,omitempty"`       // seconds without input, until viewers are sent away
	DisconnectTimeout int    `json:"disconnect_timeout_s,omitempty"` // seconds without viewers, until the session is ended
	Clipboard         string `json:"clipboard,omitempty"`            // spec.ClipboardBoth or one of its kin; "" = both ways
	MemoryMax         int64  `json:"memory_max,omitempty"`           // bytes
	CPUQuota          int    `json:"cpu_quota,omitempty"`            // percent of one CPU
	TasksMax          int    `json:"tasks_max,omitempty"`            // processes and threads
	IOWeight          int    `json:"io_weight,omitempty"`            // 1 to 10000
}

// NeedGroup reports whether the limits take a control group of the session's own.
func (l Limits) NeedGroup() bool {
	return l.MemoryMax > 0 || l.CPUQuota > 0 || l.TasksMax > 0 || l.IOWeight > 0
}

// The limits as a user is told of them: key, value and file.

// Idle is the idle timeout, such as "idle_timeout = 30m in performance/default.ini".
func (l Limits) Idle() string { return l.name("idle_timeout", span(l.IdleTimeout)) }

// Disconnect is the disconnect timeout.
func (l Limits) Disconnect() string { return l.name("disconnect_timeout", span(l.DisconnectTimeout)) }

// Memory is the most memory.
func (l Limits) Memory() string { return l.name("memory_max", amount(l.MemoryMax)) }

// Tasks is the most tasks.
func (l Limits) Tasks() string { return l.name("tasks_max", strconv.Itoa(l.TasksMax)) }

// Groups are all limits that take a control group.
func (l Limits) Groups() string {
	var keys []string
	for _, limit := range []struct {
		key string
		set bool
	}{{"memory_max", l.MemoryMax > 0}, {"cpu_quota", l.CPUQuota > 0}, {"tasks_max", l.TasksMax > 0}, {"io_weight", l.IOWeight > 0}} {
		if limit.set {
			keys = append(keys, limit.key)
		}
	}
	return strings.Join(keys, ", ") + " in " + l.file()
}

func (l Limits) name(key, value string) string { return key + " = " + value + " in " + l.file() }

func (l Limits) file() string {
	if l.Profile == "" {
		return "performance/default.ini"
	}
	return "performance/" + l.Profile + ".ini"
}

// span writes seconds as a person would: 90s, 30m, 12h.
func span(seconds int) string {
	text := (time.Duration(seconds) * time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// amount writes bytes in the largest unit that fits: 512M, 8G.
func amount(bytes int64) string {
	for _, unit := range []struct {
		shift  int
		letter string
	}{{40, "T"}, {30, "G"}, {20, "M"}, {10, "K"}} {
		if n := bytes >> unit.shift; n > 0 && n<<unit.shift == bytes {
			return strconv.FormatInt(n, 10) + unit.letter
		}
	}
	return strconv.FormatInt(bytes, 10)
}
