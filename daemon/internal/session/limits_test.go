package session

import "testing"

func TestLimitsSayWhatAnAdministratorWrote(t *testing.T) {
	t.Parallel()
	small := Limits{Profile: "small", IdleTimeout: 90, DisconnectTimeout: 12 * 3600, MemoryMax: 256 << 20, TasksMax: 50}
	for got, want := range map[string]string{
		small.Idle():                        "idle_timeout = 1m30s in performance/small.ini",
		small.Disconnect():                  "disconnect_timeout = 12h in performance/small.ini",
		small.Memory():                      "memory_max = 256M in performance/small.ini",
		small.Tasks():                       "tasks_max = 50 in performance/small.ini",
		small.Groups():                      "memory_max, tasks_max in performance/small.ini",
		Limits{IdleTimeout: 1800}.Idle():    "idle_timeout = 30m in performance/default.ini",
		Limits{MemoryMax: 8 << 30}.Memory(): "memory_max = 8G in performance/default.ini",
		Limits{MemoryMax: 1000}.Memory():    "memory_max = 1000 in performance/default.ini",
		Limits{IdleTimeout: 5}.Idle():       "idle_timeout = 5s in performance/default.ini",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if (Limits{IdleTimeout: 5, Clipboard: "disabled"}).NeedGroup() || !(Limits{IOWeight: 5}).NeedGroup() {
		t.Error("only what the kernel limits takes a control group")
	}
}
