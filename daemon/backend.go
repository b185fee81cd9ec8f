package daemon

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/cluster"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// backend is the node as its admin socket sees it.
type backend struct{ n *Node }

var _ admin.Backend = backend{}

// Status says how the node is.
func (b backend) Status(context.Context) (admin.Status, error) {
	ready, waiting := b.n.ready()
	return admin.Status{
		Version: b.n.opts.Version, Node: b.n.name(), PID: os.Getpid(), Since: b.n.since,
		URL: b.n.url(), Services: b.n.services(), Ready: ready, Waiting: waiting,
		Config: adminConfig(b.n.keeper), ShareLastOK: b.n.watcher.LastOK(), LastGood: lastGood(b.n.keeper),
	}, nil
}

func adminConfig(k *generation.Keeper) admin.ConfigStatus {
	s := k.Status()
	return admin.ConfigStatus{Generation: s.Generation, Digest: s.Digest, Accepted: s.Accepted,
		Problems: s.Problems, Since: s.Since, HeldBack: s.HeldBack, LeftOut: s.LeftOut}
}

// lastGood reports whether an earlier configuration runs because the files at hand are broken.
func lastGood(k *generation.Keeper) bool {
	return k.Current().Origin == generation.OriginLastGood && !k.Status().Accepted
}

// Reload looks at the files now and says what came of it.
func (b backend) Reload(ctx context.Context, origin string) (admin.ReloadReport, error) {
	r, err := b.n.reload(ctx, origin)
	return adminReport(r), err
}

func adminReport(r reload.Report) admin.ReloadReport {
	return admin.ReloadReport{Outcome: outcomes[r.Outcome], Generation: r.Generation, Digest: r.Digest, Problems: r.Problems,
		HeldBack: r.HeldBack, LeftOut: r.LeftOut, Unchanged: r.Unchanged, Origin: r.Origin, Accepted: r.Accepted.UTC(),
		Keys: convert(r.Keys, func(k reload.Key) admin.Key {
			return admin.Key{File: k.File, Line: k.Line, Key: k.Key, Result: string(k.Result), Old: k.Old, New: k.New, Problem: k.Problem}
		})}
}

// outcomes says in the admin socket's words what became of a reload.
var outcomes = map[reload.Outcome]admin.Outcome{
	reload.Applied: admin.Applied, reload.Unchanged: admin.Applied, reload.Rejected: admin.Rejected,
	reload.HeldBack: admin.HeldBack, reload.RestartNeeded: admin.Restart,
}

// As returns the cluster with the rights of a local administrator who goes by this name.
func (b backend) As(user string) admin.Cluster { return localAdmin{b.n, user} }

// localAdmin reaches the cluster with a login that this node's own key signs.
type localAdmin struct {
	n    *Node
	user string
}

func (a localAdmin) client() (cluster.Client, error) {
	token, err := ticket.LocalToken(a.n.place.Local, a.user, time.Now())
	return cluster.Client{Conn: a.n.speaker().conn, Token: token}, adminError(err)
}

func (a localAdmin) Nodes(ctx context.Context) ([]admin.Node, error) {
	return ask(a, func(c cluster.Client) ([]admin.Node, error) {
		nodes, err := c.Nodes(ctx, transporter.ActNodes)
		return convert(nodes, func(n transporter.Node) admin.Node {
			return admin.Node{Node: n.Node, Version: n.Version, Services: n.Services, Metadata: n.Metadata,
				Load: admin.Load(n.Load), Sessions: n.Sessions, Drain: n.Drain, Age: time.Since(n.Heard).Seconds()}
		}), err
	})
}

func (a localAdmin) Sessions(ctx context.Context, all bool) ([]admin.Session, error) {
	user := a.user
	if all {
		user = ""
	}
	return ask(a, func(c cluster.Client) ([]admin.Session, error) {
		list, err := c.Sessions(ctx, user)
		return convert(list, adminSession), err
	})
}

func (a localAdmin) Start(ctx context.Context, r admin.StartRequest) (admin.Session, error) {
	return ask(a, func(c cluster.Client) (admin.Session, error) {
		s, err := c.Start(ctx, transporter.StartRequest{ID: ticket.NewID(), App: r.App, Command: r.Command,
			Geometry: r.Geometry, Name: r.Name, Params: r.Params})
		return adminSession(s), err
	})
}

func (a localAdmin) Session(ctx context.Context, id string) (admin.Session, error) {
	return ask(a, func(c cluster.Client) (admin.Session, error) {
		s, err := c.Session(ctx, id)
		return adminSession(s), err
	})
}

func (a localAdmin) Log(ctx context.Context, id string) ([]string, error) {
	return ask(a, func(c cluster.Client) ([]string, error) { return c.Log(ctx, id) })
}

func (a localAdmin) Terminate(ctx context.Context, id string) (admin.Session, error) {
	return ask(a, func(c cluster.Client) (admin.Session, error) {
		s, err := c.Terminate(ctx, id)
		return adminSession(s), err
	})
}

// ask does something with the local administrator's login and turns failures into the socket's own kind.
func ask[T any](a localAdmin, do func(cluster.Client) (T, error)) (T, error) {
	c, err := a.client()
	if err != nil {
		var none T
		return none, err
	}
	v, err := do(c)
	return v, adminError(err)
}

func adminError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*admin.Error](err); ok {
		return e
	}
	e := transporter.AsError(err)
	return &admin.Error{Code: string(e.Code), Message: e.Message, Detail: e.Detail}
}

func adminSession(s transporter.Session) admin.Session {
	return admin.Session{ID: s.ID, Name: s.Name, User: s.User, Node: s.Node, App: s.App, Command: s.Command,
		Geometry: s.Geometry, State: string(s.State), Reason: s.Reason, Created: s.Created, Started: s.Started,
		Clients: s.Clients, Params: s.Params, MaxGeometry: s.MaxGeometry, Clipboard: s.Clipboard, Warning: (*admin.Warning)(s.Warning)}
}

func convert[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}
