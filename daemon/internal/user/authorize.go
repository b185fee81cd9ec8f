package user

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// How long tickets are good.
const (
	connectTime = 30 * time.Second
	ticketTime  = 60 * time.Second
)

// rule is what an action takes.
type rule struct {
	own    spec.Level // on one's own session, or where there is no session
	others spec.Level // on somebody else's session
	words  string     // "… needs the permission level"
	ticket ticket.Kind
	audit  audit.Action // "" for what is only looked at
}

var rules = map[transporter.Action]rule{
	transporter.ActStart:     {own: spec.Limited, words: "starting an application", ticket: ticket.Place, audit: audit.Start},
	transporter.ActCommand:   {own: spec.Full, words: "starting any command", ticket: ticket.Place, audit: audit.Start},
	transporter.ActConnect:   {spec.Limited, spec.Admin, "connecting to somebody else's session", ticket.Connect, audit.Connect},
	transporter.ActTerminate: {spec.Limited, spec.Operator, "ending somebody else's session", ticket.Terminate, audit.Terminate},
	transporter.ActRead:      {spec.Limited, spec.Operator, "seeing somebody else's session", ticket.Read, ""},
	transporter.ActMessage:   {spec.Limited, spec.Operator, "sending a message to somebody else's session", ticket.Message, audit.Message},
	transporter.ActBroadcast: {own: spec.Operator, words: "sending a message to everyone", ticket: ticket.Message, audit: audit.Message},
	transporter.ActAll:       {own: spec.Operator, words: "seeing everyone's sessions"},
	transporter.ActNodes:     {own: spec.Admin, words: "seeing the nodes"},
	transporter.ActConfig:    {own: spec.Admin, words: "seeing the configuration's state", ticket: ticket.Config},
	transporter.ActDrain:     {own: spec.Admin, words: "draining a node", ticket: ticket.Drain, audit: audit.Drain},
	transporter.ActLogLevel:  {own: spec.Admin, words: "setting log levels", ticket: ticket.LogLevel, audit: audit.LogLevel},
}

// actions is the order in which an identity lists what it may do.
var actions = []transporter.Action{
	transporter.ActStart, transporter.ActCommand, transporter.ActConnect, transporter.ActTerminate, transporter.ActRead,
	transporter.ActMessage, transporter.ActAll, transporter.ActBroadcast, transporter.ActNodes, transporter.ActConfig,
	transporter.ActDrain, transporter.ActLogLevel,
}

// may lists the actions that the caller's level allows, on their own sessions at least.
func (c caller) may() []transporter.Action {
	out := []transporter.Action{}
	for _, a := range actions {
		if c.level >= rules[a].own {
			out = append(out, a)
		}
	}
	return out
}

func (u *User) authorize(_ context.Context, req transporter.AuthorizeRequest) (transporter.AuthorizeReply, error) {
	c, err := u.identify(req.Token)
	if err != nil {
		return transporter.AuthorizeReply{}, err
	}
	reply, err := u.decide(c, req)
	u.recordDecision(c, req, err)
	return reply, err
}

// decide judges a request and signs the ticket for it.
func (u *User) decide(c caller, req transporter.AuthorizeRequest) (transporter.AuthorizeReply, error) {
	req.Action = precise(req)
	r, ok := rules[req.Action]
	if !ok {
		return transporter.AuthorizeReply{}, transporter.Errorf(transporter.Invalid, "there is no action %q", req.Action)
	}
	if err := complete(r, req); err != nil {
		return transporter.AuthorizeReply{}, err
	}
	if err := c.allowed(r, req); err != nil {
		return transporter.AuthorizeReply{}, err
	}
	if r.ticket == ticket.Message {
		if wait := u.throttle.message(c.user, u.now()); wait > 0 {
			return transporter.AuthorizeReply{}, tooMany("you have sent many messages", wait)
		}
	}
	reply := transporter.AuthorizeReply{Identity: c.identity()}
	if r.ticket == "" {
		return reply, nil
	}
	claims, err := c.claimsFor(r, req, u.now())
	if err != nil {
		return transporter.AuthorizeReply{}, err
	}
	reply.Order = claims.Order
	reply.Ticket, err = u.key.Sign(claims)
	if errors.Is(err, ticket.ErrTooLarge) {
		err = transporter.Errorf(transporter.Invalid, "the command and the parameters are too long together")
	}
	if err != nil {
		return transporter.AuthorizeReply{}, err
	}
	return reply, nil
}

// precise tells a free command from an application, whichever of the two was asked for.
func precise(req transporter.AuthorizeRequest) transporter.Action {
	if s := req.Start; req.Action == transporter.ActStart && s != nil && s.Command != "" {
		return transporter.ActCommand
	}
	return req.Action
}

// allowed compares the caller's level with what the action takes. A session whose record was lost has
// no owner: it is somebody else's to everyone.
func (c caller) allowed(r rule, req transporter.AuthorizeRequest) error {
	need := r.own
	if r.others > 0 && req.Owner != c.user {
		need = r.others
	}
	if c.level >= need {
		return nil
	}
	return transporter.Errorf(transporter.Forbidden, "%s needs the permission level %q; yours is %q", r.words, need, c.level)
}

// complete reports what a request lacks for its action.
func complete(r rule, req transporter.AuthorizeRequest) error {
	switch {
	case r.ticket == ticket.Place && req.Start == nil:
		return transporter.Errorf(transporter.Invalid, "say which application or command to start")
	case r.others > 0 && !ticket.IsID(req.Session):
		return transporter.Errorf(transporter.Invalid, "%q is not the id of a session", req.Session)
	case r.ticket == ticket.Drain && req.Node == "":
		return transporter.Errorf(transporter.Invalid, "say which node to drain")
	case r.ticket == ticket.LogLevel && req.Node == "":
		return transporter.Errorf(transporter.Invalid, "say which node is to write loglevel.ini")
	case req.Action == transporter.ActBroadcast && req.Session+req.Owner+req.Node != "":
		return transporter.Errorf(transporter.Invalid, "a message to everyone names no session and no node")
	}
	return nil
}

// claimsFor is the ticket for a request that is allowed and complete.
func (c caller) claimsFor(r rule, req transporter.AuthorizeRequest, now time.Time) (ticket.Claims, error) {
	life := ticketTime
	if r.ticket == ticket.Connect {
		life = connectTime
	}
	claims := ticket.Claims{
		Kind: r.ticket, Subject: c.user, ID: ticket.NewID(), Session: req.Session, Owner: req.Owner, Node: req.Node,
		IssuedAt: now.Unix(), Expires: now.Add(life).Unix(),
	}
	if r.ticket == ticket.Connect {
		claims.Login, claims.Stamp = c.claims.ID, c.claims.Stamp
	}
	if r.ticket == ticket.Place {
		order, err := c.order(req.Start)
		if err != nil {
			return ticket.Claims{}, err
		}
		claims.Order, claims.Session, claims.Owner, claims.Node = order, order.Session, c.user, ""
	}
	return claims, nil
}

// recordDecision audits what changes something, and looking at what is somebody else's.
func (u *User) recordDecision(c caller, req transporter.AuthorizeRequest, err error) {
	action := rules[precise(req)].audit
	if action == "" || action == audit.Connect && req.Owner == c.user {
		return
	}
	if err != nil && u.throttle.once(u.throttle.refusals, c.user, u.now()) > 0 {
		return // who is refused thousands of times must not push everything else out of the log
	}
	e := audit.Event{Action: action, User: c.user, Session: req.Session, Outcome: audit.Done, Detail: what(c, req)}
	if req.Start != nil {
		e.Session = req.Start.ID
	}
	switch refusal := transporter.AsError(err); {
	case err == nil:
	case refusal.Code == transporter.Internal:
		e.Outcome = audit.Failed
	default:
		e.Outcome = audit.Refused
		e.Detail += ": " + string(refusal.Code)
	}
	u.record(e)
}

// what describes a request for the audit log. Commands are left out: people write passwords there.
func what(c caller, req transporter.AuthorizeRequest) string {
	text := ""
	switch {
	case req.Start != nil && req.Start.App != "":
		text = fmt.Sprintf("application %.80s", req.Start.App)
	case req.Start != nil:
		text = "a free command"
	case req.Action == transporter.ActDrain || req.Action == transporter.ActLogLevel:
		text = "node " + req.Node
	case req.Action == transporter.ActBroadcast:
		text = "everyone"
	case req.Owner != c.user:
		text = "a session of " + req.Owner
	}
	if c.claims.Local {
		text += " (local administrator)"
	}
	return text
}
