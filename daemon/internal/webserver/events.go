package webserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	// eventBuffer is how far a reader may fall behind before it is dropped: it will
	// connect again and ask for the whole list.
	eventBuffer = 256
	// streamsPerUser is how many a user may have open at once.
	streamsPerUser = 16
)

// hub hands news to the streams of those who may hear them.
type hub struct {
	mu      sync.Mutex
	streams map[*stream]struct{}
	perUser map[string]int
}

// stream is one reader of events.
type stream struct {
	user       string
	tokenID    string
	all, nodes bool // hears of everyone's sessions; hears of nodes
	seesAll    bool // may see everyone's sessions, and so hears what is said to any
	out        chan []byte
	dropped    chan struct{}
}

func newHub() *hub {
	return &hub{streams: make(map[*stream]struct{}), perUser: make(map[string]int)}
}

// join opens a stream; leave has to be called when its reader is gone.
func (h *hub) join(who *caller, all bool) (*stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.perUser[who.User] >= streamsPerUser {
		return nil, transporter.Errorf(transporter.TooMany, "you have %d event streams open, which is the limit; close one", streamsPerUser)
	}
	s := &stream{
		user: who.User, tokenID: who.TokenID, all: all, nodes: who.may(transporter.ActNodes), seesAll: who.may(transporter.ActAll),
		out: make(chan []byte, eventBuffer), dropped: make(chan struct{}),
	}
	h.streams[s] = struct{}{}
	h.perUser[s.user]++
	return s, nil
}

func (h *hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(s)
	if h.perUser[s.user]--; h.perUser[s.user] <= 0 {
		delete(h.perUser, s.user)
	}
}

// drop ends a stream; its reader notices and leaves. h.mu is held.
func (h *hub) drop(s *stream) {
	if _, ok := h.streams[s]; ok {
		delete(h.streams, s)
		close(s.dropped)
	}
}

func (h *hub) dropToken(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		if s.tokenID == id {
			h.drop(s)
		}
	}
}

// tell sends an event to every stream that hears it, and drops those that are behind.
func (h *hub) tell(name string, v any, hears func(*stream) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var event []byte
	for s := range h.streams {
		if !hears(s) {
			continue
		}
		if event == nil {
			data, err := json.Marshal(v)
			if err != nil {
				return
			}
			event = fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, data)
		}
		select {
		case s.out <- event:
		default:
			h.drop(s)
		}
	}
}

// sessionEvent is a session's news. Gone says that it is no longer listed.
type sessionEvent struct {
	transporter.Session
	Gone bool `json:"gone"`
}

// subscribe turns the other components' news into events.
func (w *Webserver) subscribe() error {
	if err := transporter.Subscribe(w.o.Conn, transporter.SessionChanged, w.sessionNews); err != nil {
		return fmt.Errorf("listen for sessions: %w", err)
	}
	if err := transporter.Subscribe(w.o.Conn, transporter.NodeBeat, w.nodeNews); err != nil {
		return fmt.Errorf("listen for nodes: %w", err)
	}
	if err := transporter.Subscribe(w.o.Conn, transporter.MessageSaid, w.messageNews); err != nil {
		return fmt.Errorf("listen for messages: %w", err)
	}
	if err := transporter.Subscribe(w.o.Conn, transporter.TokenRevoked, w.revoke); err != nil {
		return fmt.Errorf("listen for revoked tokens: %w", err)
	}
	return nil
}

func (w *Webserver) sessionNews(n transporter.SessionNews) {
	owner := n.Session.User
	w.events.tell("session", sessionEvent{tidy(n.Session), n.Gone}, func(s *stream) bool {
		return s.all || s.user == owner
	})
}

func (w *Webserver) nodeNews(b transporter.Beat) {
	w.events.tell("node", newNode(b, 0), func(s *stream) bool { return s.nodes })
}

// streamEvents sends news until the reader leaves, falls behind, or may no longer read.
func (w *Webserver) streamEvents(rw http.ResponseWriter, r *http.Request, who *caller) error {
	all, err := wantsAll(r, who)
	if err != nil {
		return err
	}
	s, err := w.events.join(who, all)
	if err != nil {
		return err
	}
	defer w.events.leave(s)
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.Header().Set("X-Accel-Buffering", "no") // or a proxy would hold the events back
	w.copyEvents(r.Context(), http.NewResponseController(rw), rw, s, who)
	return nil
}

func (w *Webserver) copyEvents(ctx context.Context, rc *http.ResponseController, rw http.ResponseWriter, s *stream, who *caller) {
	send := func(b []byte) bool {
		rc.SetWriteDeadline(time.Now().Add(w.limits.event))
		defer rc.SetWriteDeadline(time.Time{}) // over HTTP/2 a deadline that passes ends the stream, written to or not
		_, err := rw.Write(b)
		return err == nil && rc.Flush() == nil
	}
	tick := time.NewTicker(w.limits.heartbeat)
	defer tick.Stop()
	for ok := send([]byte(": hello\nretry: 3000\n\n")); ok; {
		select {
		case event := <-s.out:
			ok = send(event)
		case <-tick.C:
			ok = w.mayGoOn(ctx, who, s) && send([]byte(": still here\n\n"))
		case <-s.dropped:
			return
		case <-ctx.Done():
			return
		case <-w.stopping.Done():
			return
		}
	}
}

// mayGoOn asks, with every heartbeat, who the reader is: a login ends, and permissions
// change. What nobody can answer right now changes nothing.
func (w *Webserver) mayGoOn(ctx context.Context, who *caller, s *stream) bool {
	ctx, cancel := context.WithTimeout(ctx, w.limits.event)
	defer cancel()
	id, err := w.verify(ctx, who.token)
	if err != nil {
		return asFailure(err).status >= http.StatusInternalServerError
	}
	now := caller{Identity: id}
	return (!s.seesAll || now.may(transporter.ActAll)) && (!s.nodes || now.may(transporter.ActNodes))
}
