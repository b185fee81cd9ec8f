// Package display moves display bytes: a webserver waits at a rendezvous, a launcher
// brings a descriptor of an RFB connection there, and a Pump copies between it and a WebSocket.
//
// # How a display travels
//
//  1. The webserver opens one Lobby (a Unix socket) and, for each viewer, expects a
//     Visit: a fresh secret that it sends to the launcher with the order to connect.
//  2. The launcher dials the Lobby, says the secret and hands over the descriptor
//     (Bring). A secret is good for one visit.
//  3. The webserver's Visit becomes a Viewer. The connection they met on stays open:
//     its end tells either side that the other is done, and a last word says why.
//  4. Pump copies between the viewer's WebSocket and the descriptor. The bytes go from
//     the X server to the webserver; the launcher is not in their way.
package display

import (
	"errors"
	"image"
	"time"
)

// helloTimeout bounds how long either side waits for the other's word at the rendezvous.
const helloTimeout = 5 * time.Second

// Over is how reading a Viewer's RFB connection ends: the launcher took the display
// away or the session ended, for Reason, which may be empty. One that is Refused need not come again by itself.
type Over struct {
	Reason  string
	Refused bool
}

func (o *Over) Error() string {
	if o.Reason == "" {
		return "the session's display was closed"
	}
	return o.Reason
}

// hello is the launcher's first line; the descriptor rides on it.
type hello struct {
	Secret string      `json:"secret"`
	Most   image.Point `json:"most,omitzero"` // the largest screen, in pixels; zero is no limit
}

// welcome is the lobby's answer: empty, or why the visit is refused.
type welcome struct {
	Error string `json:"error,omitempty"`
}

// goodbye is the launcher's last word.
type goodbye struct {
	Reason  string `json:"reason"`
	Refused bool   `json:"refused,omitempty"`
}

var errNoVisit = errors.New("nobody waits for this display; the viewer has left or the secret is wrong")
