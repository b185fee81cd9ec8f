package daemon

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// beatInterval is how often a node speaks when nothing happens.
const beatInterval = 5 * time.Second

// heart publishes the node's heartbeat: every beatInterval, at once when
// something changed or somebody asked who is there, and once more when it leaves.
type heart struct {
	conn *transporter.Conn
	log  *slog.Logger
	beat func() transporter.Beat // what to say; Seq is filled in here
	seq  uint64
	now  chan struct{}
}

func newHeart(conn *transporter.Conn, log *slog.Logger, beat func() transporter.Beat) *heart {
	return &heart{conn: conn, log: log, beat: beat, now: make(chan struct{}, 1)}
}

// Kick asks for a beat at once.
func (h *heart) Kick() {
	select {
	case h.now <- struct{}{}:
	default: // one is due already
	}
}

// Run beats until ctx ends, then says goodbye.
func (h *heart) Run(ctx context.Context) error {
	if err := transporter.Subscribe(h.conn, transporter.WhoIsThere, func(transporter.Empty) { h.Kick() }); err != nil {
		return err
	}
	for {
		h.send(false)
		select {
		case <-ctx.Done():
			h.send(true)
			return nil
		case <-h.now:
		case <-time.After(jitter(beatInterval)):
		}
	}
}

func (h *heart) send(leaving bool) {
	b := h.beat()
	h.seq++
	b.Seq, b.Leaving = h.seq, leaving
	if err := transporter.Publish(h.conn, transporter.NodeBeat, b); err != nil {
		h.log.Debug("heartbeat not sent", "err", err)
	}
}

// jitter spreads an interval by ± 10 % so that a fleet does not speak in step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// metadata is what the node says of itself for filters and balancers: METADATA_*, over what
// every node has, its version and the ID of its os-release(5).
func metadata(own map[string]string, version string) map[string]string {
	m := map[string]string{"version": version, "osId": osID()}
	maps.Copy(m, own)
	return m
}

// osID is the ID of /etc/os-release, "linux" where there is none, as os-release(5) says.
func osID() string {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if values, _ := spec.ParseEnv(path, data); values["ID"] != "" {
			return values["ID"]
		}
	}
	return "linux"
}

// load reads how busy this machine is. What cannot be read is zero.
func load() transporter.Load {
	l := transporter.Load{Cores: runtime.NumCPU()}
	if f := procFields("/proc/loadavg"); len(f) > 0 {
		l.Load1, _ = strconv.ParseFloat(f[0], 64)
	}
	if f := procFields("/proc/uptime"); len(f) > 0 {
		l.UptimeSec, _ = strconv.ParseFloat(f[0], 64)
	}
	l.MemTotal, l.MemFree = memory()
	return l
}

func procFields(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// memory reads MemTotal and MemAvailable of /proc/meminfo, in bytes.
func memory() (total, free uint64) {
	data, _ := os.ReadFile("/proc/meminfo")
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseUint(f[1], 10, 64)
		switch f[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			free = kib << 10
		}
	}
	return total, free
}
