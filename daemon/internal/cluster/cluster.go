// Package cluster is what a front door asks of the cluster on somebody's behalf: each
// call asks the user component for leave, then the manager or the launcher for the deed.
//
// The webserver and the local admin socket are the two front doors.
package cluster

import (
	"context"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// Client speaks for the holder of a token.
type Client struct {
	Conn  *transporter.Conn
	Token string
}

// Authorize asks the user component for leave, and for the ticket that proves it where one is needed.
func (c Client) Authorize(ctx context.Context, r transporter.AuthorizeRequest) (transporter.AuthorizeReply, error) {
	r.Token = c.Token
	return transporter.Call(ctx, c.Conn, transporter.UserAuthorize, r)
}

// Start starts a session.
func (c Client) Start(ctx context.Context, r transporter.StartRequest) (transporter.Session, error) {
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActStart, Start: &r})
	if err != nil {
		return transporter.Session{}, err
	}
	return transporter.Call(ctx, c.Conn, transporter.ManagerStart, transporter.TicketRequest{Ticket: leave.Ticket})
}

// Session shows one session to whoever may see it. A session that may not be
// seen is not found: ids tell strangers nothing.
func (c Client) Session(ctx context.Context, id string) (transporter.Session, error) {
	s, _, err := c.permit(ctx, transporter.ActRead, id)
	return s, err
}

// Terminate ends a session, or forgets it when it has ended.
func (c Client) Terminate(ctx context.Context, id string) (transporter.Session, error) {
	_, ticket, err := c.permit(ctx, transporter.ActTerminate, id)
	if err != nil {
		return transporter.Session{}, err
	}
	return transporter.Call(ctx, c.Conn, transporter.ManagerTerminate, transporter.TicketRequest{Ticket: ticket})
}

// Log returns a session's last log lines, oldest first.
func (c Client) Log(ctx context.Context, id string) ([]string, error) {
	s, ticket, err := c.permit(ctx, transporter.ActRead, id)
	if err != nil || s.Node == "" { // it never came to a node, so nothing was written
		return nil, err
	}
	reply, err := transporter.Call(ctx, c.Conn, transporter.LauncherLog.On(s.Node), transporter.TicketRequest{Ticket: ticket})
	return reply.Lines, err
}

// ConnectTicket returns a session and a ticket that opens its display once.
func (c Client) ConnectTicket(ctx context.Context, id string) (transporter.Session, string, error) {
	return c.permit(ctx, transporter.ActConnect, id)
}

// Sessions lists the sessions of one user, or with user "" of everyone, which needs leave.
func (c Client) Sessions(ctx context.Context, user string) ([]transporter.Session, error) {
	if user == "" {
		if _, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActAll}); err != nil {
			return nil, err
		}
	}
	out := []transporter.Session{}
	for after := ""; ; {
		page, err := transporter.Call(ctx, c.Conn, transporter.ManagerSessions, transporter.SessionsRequest{User: user, After: after})
		if err != nil {
			return nil, err
		}
		out = append(out, page.Sessions...)
		if !page.More || len(page.Sessions) == 0 {
			return out, nil
		}
		after = page.Sessions[len(page.Sessions)-1].ID
	}
}

// Nodes lists the nodes for somebody who may do act: see the nodes, or their configuration.
func (c Client) Nodes(ctx context.Context, act transporter.Action) ([]transporter.Node, error) {
	if _, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: act}); err != nil {
		return nil, err
	}
	reply, err := transporter.Call(ctx, c.Conn, transporter.ManagerNodes, transporter.Empty{})
	return reply.Nodes, err
}

// Drain drains or undrains a node.
func (c Client) Drain(ctx context.Context, node string, drain bool) error {
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActDrain, Node: node})
	if err != nil {
		return err
	}
	_, err = transporter.Call(ctx, c.Conn, transporter.ManagerDrain, transporter.DrainRequest{Ticket: leave.Ticket, Drain: drain})
	return c.whether(ctx, node, err)
}

// permit finds a session and asks for leave to do act with it.
func (c Client) permit(ctx context.Context, act transporter.Action, id string) (transporter.Session, string, error) {
	s, err := transporter.Call(ctx, c.Conn, transporter.ManagerSession, transporter.SessionRequest{ID: id})
	if err != nil {
		return transporter.Session{}, "", err
	}
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: act, Session: id, Owner: s.User, Node: s.Node})
	if err != nil {
		if transporter.AsError(err).Code == transporter.Forbidden {
			err = transporter.Errorf(transporter.NotFound, "there is no session %q", id)
		}
		return transporter.Session{}, "", err
	}
	return s, leave.Ticket, nil
}
