package session

import (
	"slices"
	"testing"
	"time"
)

func TestLimitsAreNamedAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"idle_timeout = 30m in performance/default.ini":     Limits{Profile: "default", Idle: 30 * time.Minute}.Name(KeyIdle),
		"idle_timeout = 90s in performance/p.ini":           Limits{Profile: "p", Idle: 90 * time.Second}.Name(KeyIdle),
		"disconnect_timeout = 24h in performance/p.ini":     Limits{Profile: "p", Disconnect: 24 * time.Hour}.Name(KeyDisconnect),
		"disconnect_timeout = 1h30m in performance/p.ini":   Limits{Profile: "p", Disconnect: 90 * time.Minute}.Name(KeyDisconnect),
		"disconnect_timeout = 1h0m10s in performance/p.ini": Limits{Profile: "p", Disconnect: time.Hour + 10*time.Second}.Name(KeyDisconnect),
		"memory_max = 256M in performance/small.ini":        Limits{Profile: "small", Memory: 256 << 20}.Name(KeyMemory),
		"memory_max = 8G in performance/small.ini":          Limits{Profile: "small", Memory: 8 << 30}.Name(KeyMemory),
		"memory_max = 268435457 in performance/small.ini":   Limits{Profile: "small", Memory: 256<<20 + 1}.Name(KeyMemory),
		"cpu_quota = 150% in performance/small.ini":         Limits{Profile: "small", CPU: 150}.Name(KeyCPU),
		"tasks_max = 100 in performance/small.ini":          Limits{Profile: "small", Tasks: 100}.Name(KeyTasks),
		"io_weight = 50 in performance/small.ini":           Limits{Profile: "small", IOWeight: 50}.Name(KeyIOWeight),
	} {
		if got != want {
			t.Errorf("a limit is named %q, want %q", got, want)
		}
	}
}

func TestLimitsOfCgroup(t *testing.T) {
	t.Parallel()
	l := Limits{Profile: "p", Idle: time.Hour, Disconnect: time.Hour, Clipboard: NoClipboard}
	if got := l.OfCgroup(); got != nil {
		t.Errorf("none is set, and they are %v", got)
	}
	l.Memory, l.IOWeight = 1, 1
	if got := l.OfCgroup(); !slices.Equal(got, []string{KeyMemory, KeyIOWeight}) {
		t.Errorf("OfCgroup() = %v", got)
	}
}

func TestLookEvery(t *testing.T) {
	t.Parallel()
	for idle, want := range map[time.Duration]time.Duration{
		2 * time.Second: 100 * time.Millisecond, time.Minute: time.Second, time.Hour: 5 * time.Second,
	} {
		if got := (Limits{Idle: idle}).LookEvery(); got != want {
			t.Errorf("with idle_timeout = %s it looks every %s, want %s", idle, got, want)
		}
	}
}
