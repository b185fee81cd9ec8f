package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
)

// metric is one value in the Prometheus text format.
type metric struct {
	name, kind, help string
	labels           string // {key="value"}, or ""
	value            float64
}

// metrics are what a node tells of its configuration. Times are Unix seconds; a time that never was is 0.
func (n *Node) metrics() []metric {
	s, stats := n.keeper.Status(), n.loop.Stats()
	return []metric{
		{"fastx_config_last_reload_successful", "gauge", "Whether the files as they were last seen are what runs.", "", truth(s.Accepted)},
		{"fastx_config_last_reload_success_timestamp_seconds", "gauge", "When the files were last found to be what runs, or became it.", "", seconds(stats.Success)},
		{"fastx_config_last_reload_duration_seconds", "gauge", "How long the last set of files took to be judged and applied.", "", stats.Took.Seconds()},
		{"fastx_config_accepted_total", "counter", "Generations accepted since fastxd started.", "", float64(stats.Accepted)},
		{"fastx_config_rejected_total", "counter", "Sets of files rejected since fastxd started.", "", float64(stats.Rejected)},
		{"fastx_config_generation", "gauge", "The number of the generation that runs, on this node.", "", float64(s.Generation)},
		{"fastx_config_info", "gauge", "Always 1; digest is that of the generation that runs, shared that of the files which all nodes share.",
			fmt.Sprintf(`{digest=%q,shared=%q}`, digestOf(n.keeper.Current()), sharedOf(n.keeper.Current())), 1},
		{"fastx_config_held_back_files", "gauge", "Files with errors that count as they last were good, or not at all.", "", float64(len(s.HeldBack))},
		{"fastx_config_share_last_ok_timestamp_seconds", "gauge", "When FX_CONFIG_DIR was last read.", "", seconds(n.watcher.LastOK())},
		{"fastx_config_announced_looks_total", "counter", "Looks at the files because another node announced new ones.", "", float64(n.nudge.Looks())},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func digestOf(gen *generation.Generation) string {
	if gen == nil {
		return ""
	}
	return gen.Digest
}

func sharedOf(gen *generation.Generation) string {
	if gen == nil {
		return ""
	}
	return sharedDigest(gen.Set)
}

// ServeHTTP answers GET /metrics.
func (n *Node) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	for _, m := range n.metrics() {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s%s %s\n", m.name, m.help, m.name, m.kind, m.name, m.labels, strconv.FormatFloat(m.value, 'f', -1, 64))
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // fails only when the client is gone
}

// metricsListener serves /metrics where FX_METRICS_LISTEN says, to whoever comes: it tells of no user. To the reload
// engine it is a service.
type metricsListener struct {
	handler http.Handler
	log     *slog.Logger

	mu      sync.Mutex
	address string       // as the setting has it; "" = off
	server  *http.Server // nil = off
}

var _ reload.Service = (*metricsListener)(nil)

// Name is the service's name in messages.
func (m *metricsListener) Name() string { return "metrics" }

// Prepare listens where the generation says, unless it does already.
func (m *metricsListener) Prepare(ctx context.Context, gen *generation.Generation) (reload.Change, error) {
	address := gen.Config.Env.MetricsListen
	m.mu.Lock()
	same := address == m.address
	m.mu.Unlock()
	if same {
		return nil, nil
	}
	if address == "" {
		return reload.Steps{OnCommit: func() { m.swap("", nil, nil) }}, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("FX_METRICS_LISTEN: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug)}
	return reload.Steps{OnCommit: func() { m.swap(address, server, ln) }, OnAbort: func() { _ = ln.Close() }}, nil
}

// swap serves at the new place and ends the old one.
func (m *metricsListener) swap(address string, server *http.Server, ln net.Listener) {
	m.mu.Lock()
	old := m.server
	m.address, m.server = address, server
	m.mu.Unlock()
	if server != nil {
		go func() { _ = server.Serve(ln) }() // until it is closed
		m.log.Info("metrics are served", "address", ln.Addr().String())
	}
	if old != nil {
		_ = old.Close()
	}
}

// Stop ends it.
func (m *metricsListener) Stop() { m.swap("", nil, nil) }
