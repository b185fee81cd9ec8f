package webserver

import (
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestADisplayEndsWithItsLogin opens one with a token and one with a ticket, and logs out.
func TestADisplayEndsWithItsLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	token := w.login("ann")
	byToken, _, err := w.dial(s.ID, "", bearer(token))
	if err != nil {
		t.Fatal(err)
	}
	receive(t, byToken)
	stays, _, err := w.dial(s.ID, "", bearer(w.login("ann")))
	if err != nil {
		t.Fatal(err)
	}
	receive(t, stays)
	w.do("POST", "/api/v1/logout", nil, bearer(token)).want(t, 200)
	if why := wantClose(t, byToken, websocket.StatusPolicyViolation); !strings.Contains(why, "your login has ended") {
		t.Errorf("the viewer hears %q", why)
	}
	if err := stays.Write(t.Context(), websocket.MessageBinary, []byte("hello")); err != nil {
		t.Errorf("another login's display ended too: %v", err)
	}
	receive(t, stays)
}

// TestADisplayEndsWithItsPermission asks every now and then; silence ends nothing.
func TestADisplayEndsWithItsPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lively)
	s := w.fake.add(transporter.Session{User: "ann"})
	ws, _, err := w.dial(s.ID, "?ticket="+w.ticket(s.ID, "boss"))
	if err != nil {
		t.Fatal(err)
	}
	receive(t, ws)
	asked := func() []transporter.StandingRequest {
		w.fake.mu.Lock()
		defer w.fake.mu.Unlock()
		return w.fake.asked
	}
	w.fake.failing("standing", transporter.Errorf(transporter.Unavailable, "nobody answers"))
	await(t, "three questions", func() bool { return len(asked()) >= 3 })
	if q := asked()[0]; q.User != "boss" || q.Owner != "ann" || q.Action != transporter.ActConnect || q.Login == "" {
		t.Errorf("asked is %+v", q)
	}
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	receive(t, ws)
	w.fake.failing("standing", transporter.Errorf(transporter.Forbidden, "not any more"))
	wantClose(t, ws, websocket.StatusPolicyViolation)
	await(t, "the audience to be empty", func() bool {
		w.ws.audience.mu.Lock()
		defer w.ws.audience.mu.Unlock()
		return len(w.ws.audience.guests) == 0 && len(w.ws.audience.perUser) == 0
	})
}

func TestDisplaysAreLimitedPerUser(t *testing.T) {
	t.Parallel()
	a := newAudience()
	join := func(user string) (*guest, error) {
		g, _, err := a.join(t.Context(), ticket.Claims{Subject: user})
		return g, err
	}
	first, err := join("ann")
	if err != nil {
		t.Fatal(err)
	}
	for range viewersPerUser - 1 {
		if _, err := join("ann"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := join("ann"); transporter.AsError(err).Code != transporter.TooMany {
		t.Errorf("one more: %v", err)
	}
	if _, err := join("bob"); err != nil {
		t.Errorf("another user pays for it: %v", err)
	}
	a.leave(first)
	if _, err := join("ann"); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}
