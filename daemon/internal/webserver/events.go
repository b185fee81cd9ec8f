package webserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	// eventBuffer is how far a reader may fall behind before it is dropped: it will
	// connect again and ask for the whole list.
	eventBuffer = 256
	// streamsPerUser is how many a user may have open at once: one for each tab.
	streamsPerUser = 64
	// messageKept is for how long who opens a stream is told a message that was said before: another
	// page, or a network that was away, is no reason to miss it. There are messagesKept at most
	// to everyone and as many to sessions, of which one has messagesEach.
	messageKept  = 10 * time.Minute
	messagesKept = 32
	messagesEach = 4
)

// hub hands news to the streams of those who may hear them.
type hub struct {
	mu      sync.Mutex
	streams map[*stream]struct{}
	perUser map[string]int
	said    []said // the oldest first
}

// said is a message and when it came.
type said struct {
	transporter.Message
	at time.Time
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
	h.forget(time.Now())
	for _, m := range h.said {
		if s.hearsMessage(m.Message) {
			s.out <- event("message", newMessageEvent(m.Message))
		}
	}
	return s, nil
}

// say tells a message to those who may see its session, whatever list they asked for: who looks at
// somebody else's session is to read what is said there.
func (h *hub) say(m transporter.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.forget(now)
	h.said = append(h.said, said{m, now})
	h.crowd(messagesEach, func(o said) bool { return m.Session != "" && o.Session == m.Session })
	h.crowd(messagesKept, func(o said) bool { return (o.Session == "") == (m.Session == "") })
	h.tellLocked("message", newMessageEvent(m), func(s *stream) bool { return s.hearsMessage(m) })
}

func (s *stream) hearsMessage(m transporter.Message) bool {
	return m.Session == "" || s.seesAll || s.user == m.User
}

// forget drops messages that are old. h.mu is held.
func (h *hub) forget(now time.Time) {
	h.said = slices.DeleteFunc(h.said, func(m said) bool { return now.Sub(m.at) > messageKept })
}

// crowd drops the oldest message of a kind if there are more than most, which were not more before. h.mu is held.
func (h *hub) crowd(most int, kind func(said) bool) {
	first, n := -1, 0
	for i, m := range h.said {
		if !kind(m) {
			continue
		}
		if n++; first < 0 {
			first = i
		}
	}
	if n > most {
		h.said = slices.Delete(h.said, first, first+1)
	}
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
	h.tellLocked(name, v, hears)
}

// tellLocked is tell for who holds h.mu.
func (h *hub) tellLocked(name string, v any, hears func(*stream) bool) {
	var news []byte
	for s := range h.streams {
		if !hears(s) {
			continue
		}
		if news == nil {
			if news = event(name, v); news == nil {
				return
			}
		}
		select {
		case s.out <- news:
		default:
			h.drop(s)
		}
	}
}

// event is news as a stream of events has them; nil if they cannot be encoded.
func event(name string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, data)
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

// alive is a stream's heartbeat: an event and no comment, because scripts do not hear of comments.
var alive = []byte("event: alive\ndata: {}\n\n")

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
			ok = w.mayGoOn(ctx, who, s) && send(alive)
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
