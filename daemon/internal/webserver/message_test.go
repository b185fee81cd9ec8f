package webserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestAMessageIsHeardByWhoMaySeeTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	theirs := w.fake.add(transporter.Session{User: "lim"})
	lim, ann, mia := w.events(t, "", bearer(w.login("lim"))), w.events(t, "", bearer(w.login("ann"))), w.events(t, "", bearer(w.login("mia")))
	nastiest := nasty + "\u2028 event: session"
	w.do("POST", "/api/v1/sessions/"+theirs.ID+"/message", text{nasty}, bearer(w.login("mia"))).want(t, 200)
	w.do("POST", "/api/v1/message", text{nastiest}, bearer(w.login("mia"))).want(t, 400) // a line separator
	w.do("POST", "/api/v1/message", text{"to all"}, bearer(w.login("mia"))).want(t, 200)
	hear := func(s *sse, session, said string) {
		t.Helper()
		var m messageEvent
		name, data := s.next()
		if err := json.Unmarshal([]byte(data), &m); err != nil || name != "message" || m.Session != session || m.Text != said || m.From != "mia" {
			t.Errorf("heard %s %s (%v), want %q to %q", name, data, err, said, session)
		}
		if strings.Contains(data, "<") || strings.Contains(data, `"user"`) {
			t.Errorf("the event is %s", data)
		}
	}
	for _, s := range []*sse{lim, mia} {
		hear(s, theirs.ID, nasty)
		hear(s, "", "to all")
	}
	hear(ann, "", "to all") // and nothing of what was said to lim
}

// TestAMessageOfAnotherReleaseIsNotPassedOn publishes what no launcher of this one would.
func TestAMessageOfAnotherReleaseIsNotPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ann := w.events(t, "", bearer(w.login("ann")))
	for _, said := range []string{strings.Repeat("x", 501), "two\nlines", "last"} {
		w.say(transporter.Message{Text: said, From: "x"})
	}
	if _, data := ann.next(); !strings.Contains(data, "last") {
		t.Errorf("heard %s", data)
	}
}

func TestTooManyMessagesSayWhenToComeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.failing("message", &transporter.Error{Code: transporter.TooMany, Message: "you have sent many messages", Retry: 7})
	a := w.do("POST", "/api/v1/message", text{"x"}, bearer(w.login("boss"))).want(t, 429)
	if a.Header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
}

// TestWhoComesLaterHearsWhatWasSaid opens streams after messages: those of the last minutes, those that
// their readers may hear, and not more of them than a page can show.
func TestWhoComesLaterHearsWhatWasSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		heard := func(who *caller) []string {
			s, err := h.join(who, false)
			if err != nil {
				t.Fatal(err)
			}
			defer h.leave(s)
			var texts []string
			for range len(s.out) {
				_, data, _ := strings.Cut(string(<-s.out), "data: ")
				var m messageEvent
				if err := json.Unmarshal([]byte(data), &m); err != nil {
					t.Fatal(err)
				}
				texts = append(texts, m.Text)
			}
			return texts
		}
		want := func(who *caller, texts ...string) {
			t.Helper()
			if got := heard(who); !slices.Equal(got, texts) {
				t.Errorf("%s hears %q, want %q", who.User, got, texts)
			}
		}
		ann, lim, mia := of("ann"), of("lim"), of("mia", transporter.ActAll)
		h.say(transporter.Message{Session: "1", User: "lim", Text: "to lim"})
		time.Sleep(messageKept - time.Second)
		h.say(transporter.Message{Text: "to all"})
		want(ann, "to all")
		want(lim, "to lim", "to all")
		want(mia, "to lim", "to all")
		time.Sleep(2 * time.Second)
		want(lim, "to all")
		for i := range messagesKept {
			h.say(transporter.Message{Text: strconv.Itoa(i)})
		}
		if got := heard(ann); len(got) != messagesKept || got[0] != "0" {
			t.Errorf("of too many are heard %q", got)
		}
		for i := range 2 * messagesKept { // nobody's own words push out what was said to all
			h.say(transporter.Message{Session: strconv.Itoa(i / 8), User: "lim", Text: fmt.Sprint("own ", i)})
		}
		if got := heard(lim); len(got) != 2*messagesKept || got[0] != "0" || got[messagesKept] != "own 4" {
			t.Errorf("of too many own are heard %q", got)
		}
		time.Sleep(messageKept + time.Second)
		want(ann)
	})
}

// of is a user who may do this.
func of(user string, may ...transporter.Action) *caller {
	return &caller{Identity: transporter.Identity{User: user, May: may}}
}
