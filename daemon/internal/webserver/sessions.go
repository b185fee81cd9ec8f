package webserver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/cluster"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// startPatience is how long a session may take to start: a busy node, a slow home.
const startPatience = 90 * time.Second

// order is the body of POST /sessions.
type order struct {
	App      string            `json:"app"`
	Command  string            `json:"command"`
	Geometry string            `json:"geometry"`
	Name     string            `json:"name"`
	Params   map[string]string `json:"params"`
	Clean    bool              `json:"clean"`
}

func (o order) request(id string) transporter.StartRequest {
	return transporter.StartRequest{
		ID: id, App: o.App, Command: o.Command, Geometry: o.Geometry, Name: o.Name, Params: o.Params, Clean: o.Clean,
	}
}

func (w *Webserver) startSession(rw http.ResponseWriter, r *http.Request, who *caller) error {
	var o order
	if err := readJSON(r, &o); err != nil {
		return err
	}
	if (o.App == "") == (o.Command == "") {
		return transporter.Errorf(transporter.Invalid, "send either \"app\" or \"command\"")
	}
	id, finish, err := w.repeats.begin(who.User, r.Header.Get("Idempotency-Key"), o)
	if err != nil {
		return err
	}
	s, err := w.as(who).Start(r.Context(), o.request(id))
	finish(err)
	if err != nil {
		return err
	}
	rw.Header().Set("Location", w.base()+"/api/v1/sessions/"+url.PathEscape(s.ID))
	return writeJSON(rw, http.StatusCreated, tidy(s))
}

// as speaks to the cluster for the caller.
func (w *Webserver) as(who *caller) cluster.Client {
	return cluster.Client{Conn: w.o.Conn, Token: who.token}
}

func (w *Webserver) listSessions(rw http.ResponseWriter, r *http.Request, who *caller) error {
	all, err := wantsAll(r, who)
	if err != nil {
		return err
	}
	sessions, err := w.sessions(r.Context(), who, all)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, struct {
		Sessions []transporter.Session `json:"sessions"`
	}{sessions})
}

// wantsAll reports whether a request asks for everyone's sessions, which not everyone may see.
func wantsAll(r *http.Request, who *caller) (bool, error) {
	v := r.URL.Query().Get("all")
	if v == "" {
		return false, nil
	}
	all, err := strconv.ParseBool(v)
	if err != nil {
		return false, transporter.Errorf(transporter.Invalid, "the parameter \"all\" has to be 1 or 0")
	}
	if all && !who.may(transporter.ActAll) {
		return false, errNotAllowed
	}
	return all, nil
}

// sessions lists the caller's sessions, or everyone's.
func (w *Webserver) sessions(ctx context.Context, who *caller, all bool) ([]transporter.Session, error) {
	user := who.User
	if all {
		user = ""
	}
	found, err := w.as(who).Sessions(ctx, user)
	for i := range found {
		found[i] = tidy(found[i])
	}
	return found, err
}

// session returns the one that the path names.
func (w *Webserver) session(r *http.Request, who *caller) (transporter.Session, error) {
	id, err := sessionID(r)
	if err != nil {
		return transporter.Session{}, err
	}
	s, err := w.as(who).Session(r.Context(), id)
	return tidy(s), hidden(err)
}

// sessionID is the id in the path; what cannot be one is not asked about.
func sessionID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !ticket.IsID(id) {
		return "", errNoSession
	}
	return id, nil
}

// hidden gives "does not exist" and "is none of your business" one face.
func hidden(err error) error {
	if err != nil && asFailure(err).status == http.StatusNotFound {
		return errNoSession
	}
	return err
}

func (w *Webserver) showSession(rw http.ResponseWriter, r *http.Request, who *caller) error {
	s, err := w.session(r, who)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, s)
}

func (w *Webserver) terminateSession(rw http.ResponseWriter, r *http.Request, who *caller) error {
	id, err := sessionID(r)
	if err != nil {
		return err
	}
	s, err := w.as(who).Terminate(r.Context(), id)
	if err != nil {
		return hidden(err)
	}
	return writeJSON(rw, http.StatusOK, tidy(s))
}

func (w *Webserver) displayTicket(rw http.ResponseWriter, r *http.Request, who *caller) error {
	_, pass, err := w.connectTicket(r, who)
	if err != nil {
		return err
	}
	claims, err := ticket.Peek(pass)
	if err != nil {
		return fmt.Errorf("read the ticket that the user component gave: %w", err)
	}
	return writeJSON(rw, http.StatusOK, struct {
		Ticket  string    `json:"ticket"`
		Expires time.Time `json:"expires"`
	}{pass, time.Unix(claims.Expires, 0).UTC()})
}

// connectTicket returns a ticket to connect with, and the node that takes it.
func (w *Webserver) connectTicket(r *http.Request, who *caller) (node, pass string, err error) {
	id, err := sessionID(r)
	if err != nil {
		return "", "", err
	}
	s, pass, err := w.as(who).ConnectTicket(r.Context(), id)
	if err != nil {
		return "", "", hidden(err)
	}
	return s.Node, pass, connectable(s)
}

func (w *Webserver) sessionLog(rw http.ResponseWriter, r *http.Request, who *caller) error {
	id, err := sessionID(r)
	if err != nil {
		return err
	}
	lines, err := w.as(who).Log(r.Context(), id)
	if err != nil {
		return hidden(err)
	}
	return writeJSON(rw, http.StatusOK, struct {
		Lines []string `json:"lines"`
	}{list(lines)})
}

// connectable refuses a session that has no display, saying why.
func connectable(s transporter.Session) error {
	switch {
	case s.State == transporter.Ended:
		return &transporter.Error{Code: transporter.Conflict, Message: "this session has ended", Detail: s.Reason}
	case s.Node == "":
		return transporter.Errorf(transporter.Conflict, "this session waits for a node; try again in a moment")
	}
	return nil
}

// tidy makes what is empty look empty in JSON, not null.
func tidy(s transporter.Session) transporter.Session {
	if s.Params == nil {
		s.Params = map[string]string{}
	}
	return s
}
