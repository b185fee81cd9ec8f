package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// Client talks to the daemon behind one admin socket.
type Client struct {
	socket string
	user   string
	http   *http.Client
}

// Client is the cluster as the daemon shows it to this peer.
var _ Cluster = (*Client)(nil)

// NewClient returns a client of the socket at path. It connects when it is first used.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{socket: path, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// As returns a client that acts for the named user; "" acts for the peer itself.
func (c *Client) As(user string) *Client {
	as := *c
	as.user = user
	return &as
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// UnreachableError says that nobody answers at the socket.
type UnreachableError struct {
	Socket string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("fastxd does not answer at %s: %s", e.Socket, e.Err)
}

// Unwrap returns why.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Status asks how the node is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Reload asks the node to look at its files now; the report is empty unless r.Wait is set.
func (c *Client) Reload(ctx context.Context, r ReloadRequest) (ReloadReport, error) {
	return call[ReloadReport](ctx, c, http.MethodPost, "/v1/reload", r)
}

// Nodes lists the nodes of the cluster.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	r, err := call[nodesReply](ctx, c, http.MethodGet, "/v1/nodes", nil)
	return r.Nodes, err
}

// Sessions lists the acting user's sessions, or everyone's.
func (c *Client) Sessions(ctx context.Context, all bool) ([]Session, error) {
	path := "/v1/sessions"
	if all {
		path += "?all=1"
	}
	r, err := call[sessionsReply](ctx, c, http.MethodGet, path, nil)
	return r.Sessions, err
}

// Start orders a session.
func (c *Client) Start(ctx context.Context, r StartRequest) (Session, error) {
	return call[Session](ctx, c, http.MethodPost, "/v1/sessions", r)
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	return call[Session](ctx, c, http.MethodGet, "/v1/sessions/"+url.PathEscape(id), nil)
}

// Log returns a session's last output, oldest line first.
func (c *Client) Log(ctx context.Context, id string) ([]string, error) {
	r, err := call[logReply](ctx, c, http.MethodGet, "/v1/sessions/"+url.PathEscape(id)+"/log", nil)
	return r.Lines, err
}

// Terminate ends a session.
func (c *Client) Terminate(ctx context.Context, id string) (Session, error) {
	return call[Session](ctx, c, http.MethodDelete, "/v1/sessions/"+url.PathEscape(id), nil)
}

// The replies that are no type of their own; lists are named as in the HTTP API.
type (
	nodesReply struct {
		Nodes []Node `json:"nodes"`
	}
	sessionsReply struct {
		Sessions []Session `json:"sessions"`
	}
	logReply struct {
		Lines []string `json:"lines"`
	}
	errorReply struct {
		Error *Error `json:"error"`
	}
)

func call[T any](ctx context.Context, c *Client, method, path string, body any) (reply T, err error) {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return reply, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return reply, readError(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return reply, fmt.Errorf("read the answer of fastxd: %w", err)
	}
	return reply, nil
}

func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://fastxd"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set(userHeader, c.user)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	return resp, nil
}

// explain tells a daemon that is not there, or went away, from the caller's own deadline.
func (c *Client) explain(ctx context.Context, err error) error {
	var op *net.OpError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &op):
		return &UnreachableError{Socket: c.socket, Err: op.Err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &UnreachableError{Socket: c.socket, Err: errors.New("it stopped while it was asked")}
	default:
		return err
	}
}

func readError(resp *http.Response) error {
	var r errorReply
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil || r.Error == nil {
		return fmt.Errorf("fastxd answered %s and no reason", resp.Status)
	}
	return r.Error
}
