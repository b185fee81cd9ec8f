package display

import (
	"context"
	"net"
	"time"

	"github.com/coder/websocket"
)

// PumpAt is Pump in a hurry.
func PumpAt(ctx context.Context, ws *websocket.Conn, rfb net.Conn, every, patience time.Duration) (Stats, error) {
	p := &pump{ws: ws, rfb: rfb, every: every, patience: patience, over: make(chan struct{})}
	return p.run(ctx)
}

// DownSize is the most that one message to a viewer carries.
const DownSize = downSize
