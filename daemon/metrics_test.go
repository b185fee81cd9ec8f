package daemon_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

// exported are the names and kinds of all metrics. They are what dashboards and alarms are built on: a name never
// changes, and one that is new is documented.
var exported = []string{
	"fastx_config_accepted_total counter",
	"fastx_config_announced_looks_total counter",
	"fastx_config_generation gauge",
	"fastx_config_held_back_files gauge",
	"fastx_config_info gauge",
	"fastx_config_last_reload_duration_seconds gauge",
	"fastx_config_last_reload_success_timestamp_seconds gauge",
	"fastx_config_last_reload_successful gauge",
	"fastx_config_rejected_total counter",
	"fastx_config_share_last_ok_timestamp_seconds gauge",
}

// sample is a line with a value, in the Prometheus text format.
var sample = regexp.MustCompile(`^([a-z_]+)(\{[a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*\})? (-?[0-9.]+)$`)

// scrape reads metrics and returns each line's value by its name.
func scrape(t *testing.T, client *http.Client, url string) map[string]string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	values := map[string]string{}
	var kinds []string
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\n")
		if kind, ok := strings.CutPrefix(line, "# TYPE "); ok {
			kinds = append(kinds, kind)
		}
		if m := sample.FindStringSubmatch(line); m != nil {
			values[m[1]] = m[3]
			values[m[1]+" labels"] = m[2]
		} else if !strings.HasPrefix(line, "# ") {
			t.Errorf("no line of the format: %q", line)
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, exported) {
		t.Errorf("exported are\n%s\nand not\n%s", strings.Join(kinds, "\n"), strings.Join(exported, "\n"))
	}
	return values
}

// TestMetricsTellOfTheConfiguration on the admin socket and, once FX_METRICS_LISTEN names a place, there.
func TestMetricsTellOfTheConfiguration(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	socket := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", admin.SocketPath(n.path("run")))
	}}}
	defer socket.CloseIdleConnections()
	is := func(values map[string]string, want map[string]string) {
		t.Helper()
		for name, value := range want {
			if values["fastx_config_"+name] != value {
				t.Errorf("%s is %s, want %s", name, values["fastx_config_"+name], value)
			}
		}
	}
	values := scrape(t, socket, "http://fastxd/metrics")
	is(values, map[string]string{"last_reload_successful": "1", "accepted_total": "1", "rejected_total": "0", "generation": "1", "info": "1"})
	if labels := values["fastx_config_info labels"]; !regexp.MustCompile(`^\{digest="sha256:[0-9a-f]{64}",shared="sha256:[0-9a-f]{64}"\}$`).MatchString(labels) {
		t.Errorf("the labels are %s", labels)
	}
	if values["fastx_config_last_reload_success_timestamp_seconds"] == "0" || values["fastx_config_share_last_ok_timestamp_seconds"] == "0" {
		t.Errorf("times are missing: %v", values)
	}

	n.Write("permissions.ini", "[broken\n", 0o644)
	for range 2 {
		n.Ctl("reload", "--wait")
	}
	is(scrape(t, socket, "http://fastxd/metrics"), map[string]string{"last_reload_successful": "0", "accepted_total": "1", "rejected_total": "1", "generation": "1"})
}

// TestMetricsAreServedWhereTheFilesSay turns the listener on, has a taken port refused, and turns it off.
func TestMetricsAreServedWhereTheFilesSay(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	old, err := os.ReadFile(n.path("config", "fastx.env"))
	if err != nil {
		t.Fatal(err)
	}
	env := string(old)
	n.Write("fastx.env", env+"FX_METRICS_LISTEN=127.0.0.1:0\n", 0o644)
	n.reload()
	var found []string
	n.Await("the log to say where metrics are served", func() error {
		found = regexp.MustCompile(`metrics are served" component=node address=(\S+)`).FindStringSubmatch(n.Log())
		if found == nil {
			return errors.New("it does not")
		}
		return nil
	})
	url := "http://" + found[1] + "/metrics"
	if values := scrape(t, http.DefaultClient, url); values["fastx_config_generation"] != "2" {
		t.Errorf("generation %s", values["fastx_config_generation"])
	}
	n.Write("fastx.env", env+"FX_METRICS_LISTEN="+taken.Addr().String()+"\n", 0o644)
	if out, _, code := n.Ctl("reload", "--wait"); code != 2 || !strings.Contains(out, "the metrics cannot take this configuration: FX_METRICS_LISTEN: ") {
		t.Errorf("a port that is taken: exit %d, %s", code, out)
	}
	scrape(t, http.DefaultClient, url) // as it last was good
	n.Write("fastx.env", env, 0o644)
	n.reload()
	if resp, err := http.DefaultClient.Get(url); err == nil {
		resp.Body.Close()
		t.Errorf("it is still served: %s", resp.Status)
	}
}
