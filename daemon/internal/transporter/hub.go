package transporter

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Hub is a transporter inside this process, without a listener: what a node uses
// when transporter-secret.ini names no urls.
type Hub struct{ srv *server.Server }

// NewHub starts one. It keeps nothing on disk, listens nowhere and handles no signals.
func NewHub(log *slog.Logger) (*Hub, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "fastxd",
		DontListen: true,
		NoSigs:     true,
		MaxPayload: 2 * MessageLimit, // the limit itself is ours to name, with a clear error
		MaxPending: 16 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the embedded transporter: %w", err)
	}
	srv.SetLoggerV2(hubLog{log}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		srv.Shutdown()
		return nil, errors.New("the embedded transporter did not become ready")
	}
	return &Hub{srv: srv}, nil
}

// Close stops it. Connections to it are lost.
func (h *Hub) Close() {
	h.srv.Shutdown()
	h.srv.WaitForShutdown()
}

// InProcessConn makes a Hub what nats.InProcessServer asks for.
func (h *Hub) InProcessConn() (net.Conn, error) { return h.srv.InProcessConn() }

// hubLog hands the server's warnings and worse to slog.
type hubLog struct{ log *slog.Logger }

func (l hubLog) Noticef(string, ...any)         {}
func (l hubLog) Debugf(string, ...any)          {}
func (l hubLog) Tracef(string, ...any)          {}
func (l hubLog) Warnf(format string, v ...any)  { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l hubLog) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }
func (l hubLog) Fatalf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }
