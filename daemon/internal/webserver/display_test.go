package webserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const greeting = "RFB 003.008\n"

// refused fails unless a display is refused with a status and an error of the API.
func (w *world) refused(id, query string, status int, options ...option) answer {
	w.t.Helper()
	_, resp, err := w.dial(id, query, options...)
	if err == nil {
		w.t.Fatal("the display was opened")
	}
	if resp == nil {
		w.t.Fatal(err)
	}
	body := make([]byte, 4096)
	n, _ := resp.Body.Read(body)
	a := answer{resp, string(body[:n])}
	a.want(w.t, status).code(w.t)
	return a
}

func (w *world) ticket(id, user string) string {
	w.t.Helper()
	a := w.do("POST", "/api/v1/sessions/"+id+"/ticket", nil, bearer(w.login(user))).want(w.t, 200)
	reply := into[struct {
		Ticket  string
		Expires time.Time
	}](w.t, a)
	if left := time.Until(reply.Expires); left < 20*time.Second || left > time.Minute {
		w.t.Errorf("a ticket is good for %v", left)
	}
	return reply.Ticket
}

func TestADisplayOpensInEveryAllowedWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	token := w.login("ann")
	for name, how := range map[string]struct {
		query   string
		options []option
	}{
		"bearer":        {"", []option{bearer(token)}},
		"cookie":        {"", []option{cookie("__Host-fastx", token), header("Origin", w.url)}},
		"ticket":        {"?ticket=" + w.ticket(s.ID, "ann"), nil},
		"administrator": {"", []option{bearer(w.login("boss"))}},
		"odd case":      {"", []option{bearer(token), header("Origin", strings.Replace(w.url, "https", "HTTPS", 1))}},
	} {
		t.Run(name, func(t *testing.T) {
			ws, _, err := w.dial(s.ID, how.query, how.options...)
			if err != nil {
				t.Fatal(err)
			}
			if ws.Subprotocol() != "binary" {
				t.Errorf("the subprotocol is %q", ws.Subprotocol())
			}
			if got := receive(t, ws); got != greeting {
				t.Fatalf("the first bytes are %q", got)
			}
			echo(t, ws, "a key")
		})
	}
}

func TestADisplayIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	other := w.fake.add(transporter.Session{User: "ann"})
	ended := w.fake.add(transporter.Session{User: "ann", State: transporter.Ended, Reason: "the command ended"})
	pending := w.fake.add(transporter.Session{User: "ann", State: transporter.Pending})
	token := w.login("ann")
	used := w.ticket(s.ID, "ann")
	ws, _, err := w.dial(s.ID, "?ticket="+used)
	if err != nil {
		t.Fatal(err)
	}
	ws.CloseNow()
	foreign, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	sign := func(k *ticket.Key, c ticket.Claims) string {
		c.ID, c.Subject, c.IssuedAt, c.Expires = ticket.NewID(), "ann", time.Now().Unix(), time.Now().Add(time.Minute).Unix()
		pass, err := k.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return pass
	}
	forged := sign(foreign, ticket.Claims{Kind: ticket.Connect, Session: s.ID, Node: thisNode})
	reading := sign(w.fake.key, ticket.Claims{Kind: ticket.Read, Session: s.ID, Node: thisNode})
	noNode := sign(foreign, ticket.Claims{Kind: ticket.Connect, Session: s.ID})
	noSession := sign(foreign, ticket.Claims{Kind: ticket.Connect, Session: "00000000deadbeef"})
	// Not in parallel: tickets are good for 30 s, and there may be a queue.
	for _, c := range []struct {
		name, id, query string
		status          int
		options         []option
	}{
		{"nobody", s.ID, "", 401, nil},
		{"bad token", s.ID, "", 401, []option{bearer(token + "x")}},
		{"a stranger", s.ID, "", 404, []option{bearer(w.login("lim"))}},
		{"no such session", ticket.NewID(), "", 404, []option{bearer(token)}},
		{"ended", ended.ID, "", 409, []option{bearer(token)}},
		{"pending", pending.ID, "", 409, []option{bearer(token)}},
		{"another site with a cookie", s.ID, "", 403, []option{cookie("__Host-fastx", token), header("Origin", "https://evil.example")}},
		{"another site with a token", s.ID, "", 403, []option{bearer(token), header("Origin", "https://evil.example")}},
		{"another port", s.ID, "", 403, []option{bearer(token), header("Origin", "https://127.0.0.1:1")}},
		{"a sandboxed page", s.ID, "", 403, []option{bearer(token), header("Origin", "null")}},
		{"a plain page", s.ID, "", 403, []option{bearer(token), header("Origin", strings.Replace(w.url, "https", "http", 1))}},
		{"empty ticket", s.ID, "?ticket=", 401, []option{bearer(token)}},
		{"rubbish as a ticket", s.ID, "?ticket=%00%ff.x", 401, nil},
		{"login token as a ticket", s.ID, "?ticket=" + token, 401, nil},
		{"ticket of another kind", s.ID, "?ticket=" + reading, 401, nil},
		{"ticket of another session", s.ID, "?ticket=" + w.ticket(other.ID, "ann"), 403, nil},
		{"used ticket", s.ID, "?ticket=" + used, 403, nil},
		{"forged ticket", s.ID, "?ticket=" + forged, 401, nil},
		{"forged ticket without a node", s.ID, "?ticket=" + noNode, 401, nil},
		{"forged ticket of no session", "00000000deadbeef", "?ticket=" + noSession, 401, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.refused(c.id, c.query, c.status, c.options...)
			if c.name == "ended" && !strings.Contains(a.body, "the command ended") {
				t.Errorf("the reason is missing: %s", a.body)
			}
		})
	}
}

func TestADisplayIsAWebSocketOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	token := bearer(w.login("ann"))
	if a := w.do("GET", "/api/v1/sessions/"+s.ID+"/display", nil, token).want(t, 426); a.ProtoMajor != 2 {
		t.Errorf("the page is served over %s", a.Proto)
	}
	w.do("HEAD", "/api/v1/sessions/"+s.ID+"/display", nil, token).want(t, 426)
}

func TestALauncherThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	gone := w.fake.add(transporter.Session{User: "ann", Node: "gone"})
	token := bearer(w.login("ann"))
	w.refused(gone.ID, "", 503, token)
	w.fake.failing("connect", &transporter.Error{Code: transporter.Conflict, Message: "this session has ended", Detail: "killed"})
	if a := w.refused(s.ID, "", 409, token); !strings.Contains(a.body, "killed") {
		t.Errorf("the launcher's word is lost: %s", a.body)
	}
}

// wantClose reads until the server closes and returns why.
func wantClose(t *testing.T, ws *websocket.Conn, code websocket.StatusCode) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	for {
		_, _, err := ws.Read(ctx)
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != code {
			t.Fatalf("the end is %v, want status %d", err, code)
		}
		return err.Error()
	}
}

func TestAViewerIsToldWhyItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	token := bearer(w.login("ann"))
	ws, _, err := w.dial(s.ID, "", token)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, ws)
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("bye")); err != nil {
		t.Fatal(err)
	}
	if why := wantClose(t, ws, websocket.StatusNormalClosure); !strings.Contains(why, "the session has ended") {
		t.Errorf("the viewer hears %q", why)
	}
	ws, _, err = w.dial(s.ID, "", token)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, ws)
	go w.stop()
	wantClose(t, ws, websocket.StatusGoingAway)
}

func TestManyDisplaysAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann"})
	token := bearer(w.login("ann"))
	failed := make(chan error, 20)
	for range cap(failed) {
		go func() {
			ws, _, err := w.dial(s.ID, "", token)
			if err == nil {
				_, _, err = ws.Read(context.Background())
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func TestUpgradesAreRecognised(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		connection, upgrade string
		major               int
		want                bool
	}{
		{"Upgrade", "websocket", 1, true},
		{"keep-alive, Upgrade", "WebSocket", 1, true},
		{"keep-alive", "websocket", 1, false},
		{"Upgrade", "h2c", 1, false},
		{"Upgrade", "websocket", 2, false},
	} {
		r := &http.Request{Method: "GET", ProtoMajor: c.major, Header: http.Header{"Connection": {c.connection}, "Upgrade": {c.upgrade}}}
		if isUpgrade(r) != c.want {
			t.Errorf("%+v: not %v", c, c.want)
		}
	}
}
