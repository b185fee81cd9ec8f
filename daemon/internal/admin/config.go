package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Generation is an accepted configuration in a node's history.
type Generation struct {
	Generation int       `json:"generation"`
	When       time.Time `json:"when"`
	Origin     string    `json:"origin"`
	Changed    []string  `json:"changed"` // the files that differ from the generation before, by name
}

// History is one page of a node's history, newest first.
type History struct {
	Generations []Generation `json:"generations"`
	More        bool         `json:"more"`
}

// GenerationFiles is a generation with its files, each secret replaced by a digest.
type GenerationFiles struct {
	Generation
	Files []File `json:"files"`
}

// File is a file of a generation.
type File struct {
	Name string `json:"name"` // relative to FX_CONFIG_DIR, or absolute
	Text string `json:"text"`
}

// FileDiff is how one file differs between two generations, as a unified diff.
type FileDiff struct {
	Name   string `json:"name"`
	Change string `json:"change"` // "added", "removed" or "changed"
	Diff   string `json:"diff"`
}

// MessageRequest is what is to be said to viewers.
type MessageRequest struct {
	Text string `json:"text"`
}

// Message is what was said.
type Message struct {
	Session string    `json:"session"` // "" is to everyone
	Text    string    `json:"text"`
	From    string    `json:"from"`
	At      time.Time `json:"at"`
}

type diffReply struct {
	Files []FileDiff `json:"files"`
}

// configRoutes are the calls about this node's own history.
func (s *Server) configRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/config/history", answer(http.StatusOK, func(r *http.Request) (any, error) {
		before, err := number(r.FormValue("before"))
		if err != nil {
			return nil, err
		}
		limit, err := number(r.FormValue("limit"))
		if err != nil {
			return nil, err
		}
		h, err := s.node.History(r.Context(), before, limit)
		h.Generations = listed(h.Generations)
		return h, err
	}))
	mux.Handle("GET /v1/config/{generation}", answer(http.StatusOK, func(r *http.Request) (any, error) {
		n, err := number(r.PathValue("generation"))
		if err != nil {
			return nil, err
		}
		return s.node.Generation(r.Context(), n)
	}))
	mux.Handle("POST /v1/config/{generation}/rollback", answer(http.StatusOK, s.rollback))
	mux.Handle("GET /v1/config/diff", answer(http.StatusOK, func(r *http.Request) (any, error) {
		from, err := number(r.FormValue("from"))
		if err != nil {
			return nil, err
		}
		to, err := number(r.FormValue("to"))
		if err != nil {
			return nil, err
		}
		files, err := s.node.Diff(r.Context(), from, to)
		return diffReply{listed(files)}, err
	}))
}

// administerRoutes are the calls that tell or steer the cluster.
func (s *Server) administerRoutes(mux *http.ServeMux) {
	for method, drain := range map[string]bool{http.MethodPost: true, http.MethodDelete: false} {
		mux.Handle(method+" /v1/nodes/{node}/drain", s.cluster(http.StatusOK, func(r *http.Request, c Cluster) (any, error) {
			return struct{}{}, c.Drain(r.Context(), r.PathValue("node"), drain)
		}))
	}
	say := s.cluster(http.StatusOK, func(r *http.Request, c Cluster) (any, error) {
		var req MessageRequest
		if err := readJSON(r, &req); err != nil {
			return nil, err
		}
		return c.Message(r.Context(), r.PathValue("id"), req.Text)
	})
	mux.Handle("POST /v1/sessions/{id}/message", say)
	mux.Handle("POST /v1/message", say)
}

// number reads a number that a request says; "" is 0.
func number(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &Error{Code: "invalid", Message: "a generation is a number from 1"}
	}
	return n, nil
}

// History lists the node's generations before one, newest first.
func (c *Client) History(ctx context.Context, before, limit int) (History, error) {
	q := url.Values{"before": {strconv.Itoa(before)}, "limit": {strconv.Itoa(limit)}}
	return call[History](ctx, c, http.MethodGet, "/v1/config/history?"+q.Encode(), nil)
}

// Generation returns one generation of the node with its files.
func (c *Client) Generation(ctx context.Context, generation int) (GenerationFiles, error) {
	return call[GenerationFiles](ctx, c, http.MethodGet, "/v1/config/"+strconv.Itoa(generation), nil)
}

// Diff returns how two generations of the node differ.
func (c *Client) Diff(ctx context.Context, from, to int) ([]FileDiff, error) {
	q := url.Values{"from": {strconv.Itoa(from)}, "to": {strconv.Itoa(to)}}
	r, err := call[diffReply](ctx, c, http.MethodGet, "/v1/config/diff?"+q.Encode(), nil)
	return r.Files, err
}

// Message says something to who looks at a session, with id "" at any.
func (c *Client) Message(ctx context.Context, id, text string) (Message, error) {
	path := "/v1/message"
	if id != "" {
		path = "/v1/sessions/" + url.PathEscape(id) + "/message"
	}
	return call[Message](ctx, c, http.MethodPost, path, MessageRequest{text})
}

// Drain keeps new sessions from a node, or lets them come again.
func (c *Client) Drain(ctx context.Context, node string, drain bool) error {
	method := http.MethodDelete
	if drain {
		method = http.MethodPost
	}
	_, err := call[struct{}](ctx, c, method, "/v1/nodes/"+url.PathEscape(node)+"/drain", nil)
	return err
}
