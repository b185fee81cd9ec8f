package webserver

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// sse is an open stream of events.
type sse struct {
	t     *testing.T
	lines chan string // closed at the stream's end
}

func (w *world) events(t *testing.T, query string, options ...option) *sse {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", w.url+"/api/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		o(r)
	}
	c := client(t)
	c.Timeout = 0
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	s := &sse{t: t, lines: make(chan string, 1024)}
	go func() {
		defer close(s.lines)
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			s.lines <- scan.Text()
		}
	}()
	s.until(": hello")
	return s
}

// until reads on to a line and returns false when the stream ends before it.
func (s *sse) until(line string) bool {
	s.t.Helper()
	for {
		select {
		case got, ok := <-s.lines:
			if !ok || got == line {
				return ok
			}
		case <-time.After(tooLong):
			s.t.Fatalf("waited in vain for %q", line)
		}
	}
}

// next returns the next event.
func (s *sse) next() (name, data string) {
	s.t.Helper()
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				s.t.Fatal("the stream has ended")
			}
			if v, is := strings.CutPrefix(line, "event: "); is {
				name = v
			}
			if v, is := strings.CutPrefix(line, "data: "); is && name != "alive" {
				return name, v
			}
		case <-time.After(tooLong):
			s.t.Fatal("no event comes")
		}
	}
}

func (s *sse) wantSession(name string, gone bool) {
	s.t.Helper()
	event, data := s.next()
	var got sessionEvent
	if err := json.Unmarshal([]byte(data), &got); err != nil || event != "session" || got.Name != name || got.Gone != gone {
		s.t.Errorf("heard %s %s (%v), want the session %q, gone %v", event, data, err, name, gone)
	}
}

func TestEveryoneHearsWhatTheyMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ann := w.events(t, "", bearer(w.login("ann")))
	page := w.events(t, "", cookie("__Host-fastx", w.login("ann")))
	boss := w.events(t, "", bearer(w.login("boss")))
	all := w.events(t, "?all=1", bearer(w.login("boss")))
	w.tell(transporter.Session{ID: "1", User: "ann", Name: "first"}, false)
	w.tell(transporter.Session{ID: "2", User: "boss", Name: "second"}, false)
	w.tell(transporter.Session{ID: "1", User: "ann", Name: "first\n\nevent: node"}, true)
	boss.wantSession("second", false)
	all.wantSession("first", false)
	all.wantSession("second", false)
	all.wantSession("first\n\nevent: node", true)
	if err := transporter.Publish(w.fake.news, transporter.NodeBeat, transporter.Beat{Node: "n9", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*sse{boss, all} {
		if name, data := s.next(); name != "node" || !strings.Contains(data, `"node":"n9"`) || strings.Contains(data, "sessions") {
			t.Errorf("heard %s %s", name, data)
		}
	}
	w.tell(transporter.Session{ID: "3", User: "ann", Name: "last"}, false)
	for _, s := range []*sse{ann, page} {
		s.wantSession("first", false)
		s.wantSession("first\n\nevent: node", true)
		s.wantSession("last", false) // and no node in between
	}
}

// TestAQuietStreamStaysOpen holds also when it is quiet for longer than a write may take: over HTTP/2 a
// deadline that has passed resets a stream that nobody writes to.
func TestAQuietStreamStaysOpen(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]func(*setup){
		"briefly":                   lively,
		"longer than a write lasts": func(s *setup) { s.limits.event, s.limits.heartbeat = time.Second, 1500*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, limits)
			s := w.events(t, "", bearer(w.login("ann")))
			for range 3 {
				if !s.until("event: alive") {
					t.Fatal("the stream has ended")
				}
			}
		})
	}
}

func TestAStreamEndsWithItsLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := w.login("ann")
	s := w.events(t, "", bearer(token))
	stays := w.events(t, "", bearer(w.login("ann")))
	w.do("POST", "/api/v1/logout", nil, bearer(token)).want(t, 200)
	if s.until("never said") {
		t.Error("the stream goes on after the logout")
	}
	w.tell(transporter.Session{ID: "1", User: "ann", Name: "x"}, false)
	stays.wantSession("x", false)
}

func TestAStreamEndsWithItsPermissions(t *testing.T) {
	t.Parallel()
	clock := make(chan time.Time, 1)
	clock <- time.Now()
	w := newWorld(t, func(s *setup) {
		lively(s)
		s.Now = func() time.Time { now := <-clock; clock <- now; return now }
	})
	s := w.events(t, "?all=1", bearer(w.login("boss")))
	w.fake.mu.Lock()
	boss := w.fake.people["boss"]
	boss.May = full
	w.fake.people["boss"] = boss
	w.fake.mu.Unlock()
	now := <-clock
	clock <- now.Add(verifyFor)
	if s.until("never said") {
		t.Error("everyone's sessions go on being told")
	}
}

func TestAStreamSurvivesSilenceOfTheUserComponent(t *testing.T) {
	t.Parallel()
	clock := make(chan time.Time, 1)
	clock <- time.Now()
	w := newWorld(t, func(s *setup) {
		lively(s)
		s.Now = func() time.Time { now := <-clock; clock <- now; return now }
	})
	s := w.events(t, "", bearer(w.login("ann")))
	w.fake.failing("verify", transporter.Errorf(transporter.Unavailable, "nobody"))
	now := <-clock
	clock <- now.Add(verifyFor)
	for range 3 {
		if !s.until("event: alive") {
			t.Fatal("the stream has ended")
		}
	}
}

func TestStreamsAreLimitedPerUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := bearer(w.login("ann"))
	open := make([]*sse, streamsPerUser)
	for i := range open {
		open[i] = w.events(t, "", token)
	}
	if code := w.do("GET", "/api/v1/events", nil, token).want(t, 429).code(t); code != "too_many" {
		t.Errorf("code %q", code)
	}
	w.events(t, "", bearer(w.login("boss"))) // is another user
}

func TestAStreamThatIsLeftMakesRoom(t *testing.T) {
	t.Parallel()
	h := newHub()
	who := &caller{Identity: transporter.Identity{User: "ann", TokenID: "t"}}
	for range 3 {
		var all []*stream
		for range streamsPerUser {
			s, err := h.join(who, false)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		for _, s := range all {
			h.leave(s)
		}
	}
	if len(h.streams) != 0 || len(h.perUser) != 0 {
		t.Errorf("%d streams and %d users are left over", len(h.streams), len(h.perUser))
	}
}

func TestASlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	h := newHub()
	slow, err := h.join(&caller{Identity: transporter.Identity{User: "ann"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	everyone := func(*stream) bool { return true }
	for range eventBuffer {
		h.tell("x", 1, everyone)
	}
	select {
	case <-slow.dropped:
		t.Fatal("dropped although there was room")
	default:
	}
	h.tell("x", 1, everyone)
	select {
	case <-slow.dropped:
	default:
		t.Fatal("not dropped although there is no room")
	}
	h.tell("x", 1, everyone)
	h.dropToken("")
	h.leave(slow)
}

func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.events(t, "", bearer(w.login("ann")))
	w.stop()
	if s.until("never said") {
		t.Error("the stream goes on")
	}
}

// TestStreamsOutliveTheProxysPatience holds the real interval against what proxies wait for, 60 seconds.
func TestStreamsOutliveTheProxysPatience(t *testing.T) {
	t.Parallel()
	if usual.heartbeat > 20*time.Second {
		t.Errorf("a quiet stream is silent for %s", usual.heartbeat)
	}
}
