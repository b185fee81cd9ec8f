package user

import (
	"context"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// place signs what was ordered for one node. So what a launcher is shown is of no use on any other, whoever
// gets hold of it there; a manager that was taken over can choose the node, and nothing else.
func (u *User) place(_ context.Context, req transporter.PlaceRequest) (transporter.PlaceReply, error) {
	claims, err := u.keys.load().Verify(req.Ticket, u.now(), ticket.Place)
	if err != nil {
		err = transporter.Errorf(transporter.Unauthorized, "%s", err)
	} else if claims.Order == nil || req.Node == "" {
		err = transporter.Errorf(transporter.Invalid, "say which session to start, and where")
	}
	if err != nil {
		u.record(audit.Event{Action: audit.Start, User: claims.Subject, Session: claims.Session, Outcome: audit.Refused, Detail: err.Error()})
		return transporter.PlaceReply{}, err
	}
	claims.Kind, claims.Node = ticket.Start, req.Node
	token, err := u.key.Sign(claims)
	return transporter.PlaceReply{Ticket: token}, err
}
