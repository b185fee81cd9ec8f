package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// maxBody is the largest request read, far above any honest one.
const maxBody = 1 << 20

// userHeader names whom a request acts for; without it, the peer itself.
const userHeader = "Fastx-User"

// Options say where a Server listens and whom it serves.
type Options struct {
	RunDir  string       // FX_RUN_DIR; must exist
	Socket  string       // the socket's name in it; "" = SocketName
	Backend Engine       // one that is no Backend has no cluster and no history to be asked for
	Metrics http.Handler // answers GET /metrics; nil = nothing does
	Log     *slog.Logger
	// LoginName turns a peer's uid into a login name; nil reads /etc/passwd.
	LoginName func(uid uint32) (string, error)
}

// Server answers on the admin socket.
type Server struct {
	o       Options
	node    Backend
	uid     uint32 // beside root, the one account that is let in
	peer    func(net.Conn) (Peer, error)
	ln      net.Listener
	http    *http.Server
	running sync.WaitGroup // the accept loop, and reloads nobody waits for
	ctx     context.Context
	cancel  context.CancelFunc
}

// Start listens and answers until Close. A socket that a dead daemon left behind
// is replaced; one that answers is an error.
func Start(o Options) (*Server, error) { return start(o, ownUID(), peerOf) }

func start(o Options, uid uint32, peer func(net.Conn) (Peer, error)) (*Server, error) {
	ln, err := listen(filepath.Join(o.RunDir, cmp.Or(o.Socket, SocketName)))
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if o.LoginName == nil {
		o.LoginName = loginName
	}
	ctx, cancel := context.WithCancel(context.Background())
	node, _ := o.Backend.(Backend)
	s := &Server{o: o, node: node, uid: uid, peer: peer, ln: ln, ctx: ctx, cancel: cancel}
	s.http = &http.Server{
		Handler:           s.admit(s.routes()),
		ConnContext:       s.withPeer,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	s.running.Go(func() { s.serve() })
	return s, nil
}

func (s *Server) serve() {
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		s.o.Log.Error("the admin socket ended", "err", err)
	}
}

// Close cuts off whoever is connected, waits for reloads under way and removes the socket.
func (s *Server) Close() error {
	s.cancel()
	err := s.http.Close()
	s.running.Wait()
	return err
}

func loginName(uid uint32) (string, error) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// terminatePatience is how long a session may take to end.
const terminatePatience = time.Minute

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/status", answer(http.StatusOK, func(r *http.Request) (any, error) {
		return s.o.Backend.Status(r.Context())
	}))
	mux.HandleFunc("POST /v1/reload", s.reload)
	if s.o.Metrics != nil {
		mux.Handle("GET /metrics", s.o.Metrics)
	}
	if s.node != nil {
		s.clusterRoutes(mux)
		s.configRoutes(mux)
		s.administerRoutes(mux)
	}
	mux.Handle("/", answer(http.StatusOK, func(r *http.Request) (any, error) {
		return nil, &Error{Code: "not_found", Message: "this fastxd has no call " + r.Method + " " + r.URL.Path + "; are fastxctl and fastxd of one version?"}
	}))
	return mux
}

// clusterRoutes are what a node asks the cluster for.
func (s *Server) clusterRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/nodes", s.cluster(http.StatusOK, func(r *http.Request, c Cluster) (any, error) {
		nodes, err := c.Nodes(r.Context())
		return nodesReply{listed(nodes)}, err
	}))
	mux.Handle("GET /v1/sessions", s.cluster(http.StatusOK, func(r *http.Request, c Cluster) (any, error) {
		sessions, err := c.Sessions(r.Context(), r.FormValue("all") == "1")
		return sessionsReply{listed(sessions)}, err
	}))
	mux.Handle("POST /v1/sessions", s.cluster(http.StatusCreated, func(r *http.Request, c Cluster) (any, error) {
		var req StartRequest
		if err := readJSON(r, &req); err != nil {
			return nil, err
		}
		return c.Start(r.Context(), req)
	}))
	mux.Handle("GET /v1/sessions/{id}", s.cluster(http.StatusOK, func(r *http.Request, c Cluster) (any, error) {
		return c.Session(r.Context(), r.PathValue("id"))
	}))
	mux.Handle("GET /v1/sessions/{id}/log", s.cluster(http.StatusOK, func(r *http.Request, c Cluster) (any, error) {
		lines, err := c.Log(r.Context(), r.PathValue("id"))
		return logReply{listed(lines)}, err
	}))
	mux.Handle("DELETE /v1/sessions/{id}", s.cluster(http.StatusOK, func(r *http.Request, c Cluster) (any, error) {
		// A command that ignores the first signals takes its time, and so does one that has to be killed.
		ctx, cancel := context.WithTimeout(r.Context(), terminatePatience)
		defer cancel()
		return c.Terminate(ctx, r.PathValue("id"))
	}))
}

// cluster answers with what f gets from the cluster as the acting user.
func (s *Server) cluster(status int, f func(*http.Request, Cluster) (any, error)) http.Handler {
	return answer(status, func(r *http.Request) (any, error) {
		name, err := s.actingUser(r)
		if err != nil {
			return nil, err
		}
		return f(r, s.node.As(name))
	})
}

func (s *Server) actingUser(r *http.Request) (string, error) {
	if name := r.Header.Get(userHeader); name != "" {
		return name, nil
	}
	p := peerFrom(r.Context())
	name, err := s.o.LoginName(p.UID)
	if err != nil {
		return "", &Error{Code: "invalid", Message: fmt.Sprintf("uid %d has no login name on this node; say whom to act for with --user", p.UID)}
	}
	return name, nil
}

// reload answers at once, or with "wait" when the outcome is settled. What nobody
// waits for is not broken off when the client goes away.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	var req ReloadRequest
	if err := readJSON(r, &req); err != nil {
		writeError(w, err)
		return
	}
	if req.Wait {
		answer(http.StatusOK, func(r *http.Request) (any, error) {
			return s.o.Backend.Reload(r.Context(), req.Origin)
		}).ServeHTTP(w, r)
		return
	}
	s.running.Go(func() {
		if _, err := s.o.Backend.Reload(s.ctx, req.Origin); err != nil {
			s.o.Log.Error("reload failed", "origin", req.Origin, "err", err)
		}
	})
	writeJSON(w, http.StatusAccepted, struct{}{})
}

// listed makes a list that holds nothing print as [], not null.
func listed[T any](l []T) []T { return append([]T{}, l...) }

// answer writes what f returns as JSON.
func answer(status int, f func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, status, v)
	})
}

func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return &Error{Code: "invalid", Message: "the request is not the JSON expected here", Detail: err.Error()}
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when the client is gone
}

func writeError(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: "internal", Message: err.Error()}
	}
	writeJSON(w, httpStatus(e.Code), errorReply{e})
}

func httpStatus(code string) int {
	switch code {
	case "invalid":
		return http.StatusBadRequest
	case "forbidden":
		return http.StatusForbidden
	case "not_found":
		return http.StatusNotFound
	case "conflict":
		return http.StatusConflict
	case "limit", "too_many":
		return http.StatusTooManyRequests
	case "unavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
