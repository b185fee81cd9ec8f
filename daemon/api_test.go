package daemon_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// api speaks to a fastxd, wherever it runs, as one user.
type api struct {
	t        testing.TB
	URL      string // https://HOST:PORT
	User     string
	Password string
	Client   *http.Client

	login sync.Mutex // guards token
	token string
}

func newAPI(t testing.TB) *api {
	return &api{t: t, User: "ann", Password: "correct horse battery", Client: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 128},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// AwaitReady waits until the daemon does its whole job.
func (n *api) AwaitReady() {
	n.t.Helper()
	n.Await("ready", func() error {
		status, body := n.Get("/readyz")
		if status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		return nil
	})
}

// Await waits until check returns nil.
func (n *api) Await(what string, check func() error) {
	n.t.Helper()
	await(n.t, what, check)
}

func await(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s: %v", what, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Get fetches a path without a token.
func (n *api) Get(path string) (int, string) {
	resp, err := n.Client.Get(n.URL + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// Token logs in once and returns the bearer token.
func (n *api) Token() string {
	n.t.Helper()
	n.login.Lock()
	defer n.login.Unlock()
	if n.token != "" {
		return n.token
	}
	var reply struct{ Token string }
	if status := n.Call("", "POST", "/api/v1/login", map[string]string{"username": n.User, "password": n.Password}, &reply); status != 200 {
		n.t.Fatalf("login: status %d", status)
	}
	n.token = reply.Token
	return n.token
}

// Call makes one API call; a reply is decoded into "into" unless that is nil.
func (n *api) Call(token, method, path string, body, into any) int {
	n.t.Helper()
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			n.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, n.URL+path, in)
	if err != nil {
		n.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := n.Client.Do(req)
	if err != nil {
		return 0 // the daemon is down; callers that expect it up fail on the status
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			n.t.Fatalf("%s %s: %d: %v in %q", method, path, resp.StatusCode, err, data)
		}
	}
	return resp.StatusCode
}

// StartSession starts a session and returns it, still starting.
func (n *api) StartSession(what map[string]any) transporter.Session {
	n.t.Helper()
	var s transporter.Session
	if status := n.Call(n.Token(), "POST", "/api/v1/sessions", what, &s); status != http.StatusCreated {
		n.t.Fatalf("start %v: status %d", what, status)
	}
	return s
}

// Sessions lists the caller's sessions.
func (n *api) Sessions() []transporter.Session {
	n.t.Helper()
	var list struct{ Sessions []transporter.Session }
	if status := n.Call(n.Token(), "GET", "/api/v1/sessions", nil, &list); status != 200 {
		n.t.Fatalf("list sessions: status %d", status)
	}
	return list.Sessions
}

// AwaitState waits until a session has a state and returns it.
func (n *api) AwaitState(id string, want transporter.State) transporter.Session {
	n.t.Helper()
	var s transporter.Session
	n.Await(fmt.Sprintf("session %s %s", id, want), func() error {
		status := n.Call(n.Token(), "GET", "/api/v1/sessions/"+id, nil, &s)
		if status != 200 || s.State != want {
			return fmt.Errorf("status %d, state %q, reason %q", status, s.State, s.Reason)
		}
		return nil
	})
	return s
}

// Display opens the display of a session as a stream of RFB bytes.
func (n *api) Display(id string) net.Conn {
	n.t.Helper()
	conn, status, err := n.TryDisplay(id, http.Header{"Authorization": {"Bearer " + n.Token()}}, "")
	if err != nil {
		n.t.Fatalf("display of %s: status %d: %v", id, status, err)
	}
	return conn
}

// TryDisplay opens a display WebSocket with the given header and query, as a stream of RFB bytes.
func (n *api) TryDisplay(id string, header http.Header, query string) (net.Conn, int, error) {
	ws, status, err := n.dialDisplay(id, header, query)
	if err != nil {
		return nil, status, err
	}
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), status, nil
}

func (n *api) dialDisplay(id string, header http.Header, query string) (*websocket.Conn, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, strings.Replace(n.URL, "http", "ws", 1)+"/api/v1/sessions/"+id+"/display"+query,
		&websocket.DialOptions{HTTPClient: n.Client, HTTPHeader: header, Subprotocols: []string{"binary"}})
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	if err != nil {
		return nil, status, err
	}
	ws.SetReadLimit(64 << 20)
	return ws, status, nil
}
