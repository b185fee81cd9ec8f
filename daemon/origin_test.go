package daemon_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

// TestTheHistoryNamesWhoAsked reloads as four askers do: by flag, by environment, by flag over environment, and without a word.
func TestTheHistoryNamesWhoAsked(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.inProcess(t, "a") // which hears no file events, so that nobody is faster than who asks
	n.Env["FX_RUN_DIR"] = n.path("a", "run")
	for i, ask := range []struct{ environment, flag, want string }{
		{"", "ann", "ann"},
		{"puppet", "", "puppet"},
		{"puppet", "ann", "ann"},
		{"", "", "unknown"},
	} {
		n.Env["FX_ORIGIN"] = ask.environment
		asking := []string{"reload", "--wait"}
		if ask.flag != "" {
			asking = append(asking, "--origin", ask.flag)
		}
		n.Write("motd.html", fmt.Sprintf("<p>%d</p>\n", i), 0o644)
		if out, stderr, code := n.Ctl(asking...); code != 0 {
			t.Fatalf("reload: exit %d\n%s%s", code, out, stderr)
		}
		out, stderr, _ := n.Ctl("config", "log", "--limit", "1", "--json")
		var log admin.History
		if err := json.Unmarshal([]byte(out), &log); err != nil || len(log.Generations) != 1 || log.Generations[0].Origin != ask.want {
			t.Errorf("asked by %+v, the history says %s %s %v", ask, out, stderr, err)
		}
	}
}
