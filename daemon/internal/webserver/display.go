package webserver

import (
	"context"
	"crypto/fips140"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// displayPatience is how long a launcher may take to bring a display.
const displayPatience = 20 * time.Second

// subprotocol is what noVNC and its kin ask for; its bytes are the RFB stream's.
const subprotocol = "binary"

var (
	errTicket      = transporter.Errorf(transporter.Unauthorized, "this is no ticket for a display; get a new one")
	errOtherTicket = transporter.Errorf(transporter.Forbidden, "the ticket is for another session; get one for this")
)

// display joins a viewer and a session.
//
//  1. Only a WebSocket handshake from our own origin, or from no page at all, is looked at.
//  2. The viewer's ticket is taken as it is; otherwise the caller is given one.
//  3. The launcher of the session's node verifies the ticket and brings the display.
//  4. Only then is the connection upgraded, so that all that can go wrong before
//     has a status and a sentence.
func (w *Webserver) display(rw http.ResponseWriter, r *http.Request, _ *caller) error {
	if !isUpgrade(r) {
		return errUpgrade
	}
	if !w.sameOrigin(r) {
		return errOrigin
	}
	w.displays.Add(1)
	defer w.displays.Done()
	ctx, cancel := context.WithTimeout(r.Context(), displayPatience)
	defer cancel()
	node, pass, err := w.admission(r.WithContext(ctx))
	if err != nil {
		return err
	}
	viewer, err := w.fetch(ctx, node, transporter.ConnectRequest{Ticket: pass})
	if err != nil {
		return discreet(r, err)
	}
	defer viewer.Close()
	claims, err := ticket.Peek(pass) // the launcher has verified it
	if err != nil {
		return err
	}
	g, looking, err := w.audience.join(w.stopping, claims)
	if err != nil {
		return err
	}
	defer w.audience.leave(g)
	go w.watchOver(looking, g)
	return w.view(rw, r, viewer, looking)
}

// discreet lets nobody learn from a ticket that they made up which sessions and nodes there are.
func discreet(r *http.Request, err error) error {
	switch transporter.AsError(err).Code {
	case transporter.Conflict, transporter.Forbidden: // said of a good ticket only
		return err
	}
	if r.URL.Query().Has("ticket") {
		return errTicket
	}
	return err
}

func isUpgrade(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.Method == http.MethodGet &&
		hasToken(r.Header, "Connection", "upgrade") && hasToken(r.Header, "Upgrade", "websocket")
}

func hasToken(h http.Header, key, token string) bool {
	for _, line := range h.Values(key) {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// admission returns the ticket to connect with and the node it is for.
func (w *Webserver) admission(r *http.Request) (node, pass string, err error) {
	if r.URL.Query().Has("ticket") {
		return w.admitTicket(r)
	}
	who, err := w.caller(r)
	if err != nil {
		return "", "", err
	}
	return w.connectTicket(r, who)
}

// admitTicket finds out whom to ask about a ticket. Nothing is verified here, the
// launcher does that: a made-up ticket must not tell which sessions exist.
func (w *Webserver) admitTicket(r *http.Request) (node, pass string, err error) {
	pass = r.URL.Query().Get("ticket")
	claims, err := ticket.Peek(pass)
	switch {
	case err != nil || claims.Kind != ticket.Connect || !ticket.IsID(claims.Session):
		return "", "", errTicket
	case claims.Session != r.PathValue("id"):
		return "", "", errOtherTicket
	}
	if claims.Node != "" {
		return claims.Node, pass, nil
	}
	s, err := transporter.Call(r.Context(), w.o.Conn, transporter.ManagerSession, transporter.SessionRequest{ID: claims.Session})
	if err != nil || s.Node == "" {
		return "", "", errTicket
	}
	return s.Node, pass, nil
}

// fetch has the launcher bring the display.
func (w *Webserver) fetch(ctx context.Context, node string, r transporter.ConnectRequest) (*display.Viewer, error) {
	visit := w.lobby.Expect()
	r.Meet = visit.Meet()
	_, err := transporter.Call(ctx, w.o.Conn, transporter.LauncherConnect.On(node), r)
	if err != nil {
		visit.Cancel()
		return nil, err
	}
	return visit.Wait(ctx)
}

// view upgrades the connection and copies until one side ends it or the server stops.
// From here on errors go to the log: the answer has been given.
func (w *Webserver) view(rw http.ResponseWriter, r *http.Request, viewer *display.Viewer, looking context.Context) error {
	ws, err := upgrade(rw, r)
	if err != nil {
		w.o.Log.Info("a viewer left before its display came", "error", err)
		return nil
	}
	stats, err := display.Pump(looking, ws, viewer.RFB)
	if err != nil {
		err = fmt.Errorf("copy the display: %w", err)
	}
	w.o.Log.Info("a viewer has left", "session", r.PathValue("id"), "down", stats.Down, "up", stats.Up, "error", err)
	return nil
}

// upgrade answers the WebSocket handshake. It wants a SHA-1 by which no secret is kept and nobody trusted, and which
// GODEBUG=fips140=only would not let through.
func upgrade(rw http.ResponseWriter, r *http.Request) (ws *websocket.Conn, err error) {
	fips140.WithoutEnforcement(func() {
		ws, err = websocket.Accept(rw, r, &websocket.AcceptOptions{
			Subprotocols:       []string{subprotocol},
			InsecureSkipVerify: true, // sameOrigin has looked already
		})
	})
	return ws, err
}
