package webserver

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// viewersPerUser is how many displays a user may have open here at once.
const viewersPerUser = 200

// audience is everybody who looks at a display, so that whoever may no longer do so is sent away.
type audience struct {
	mu      sync.Mutex
	guests  map[*guest]struct{}
	perUser map[string]int
}

// guest is one who looks on by what a ticket allowed.
type guest struct {
	claims ticket.Claims
	cancel context.CancelCauseFunc
}

func newAudience() *audience {
	return &audience{guests: make(map[*guest]struct{}), perUser: make(map[string]int)}
}

// errSentAway is why a display ends whose viewer may not look on any more.
var errSentAway = transporter.Errorf(transporter.Unauthorized, "your login has ended or no longer allows this")

// join lets somebody in; leave has to be called when they go. The context ends when they are sent away.
func (a *audience) join(ctx context.Context, claims ticket.Claims) (g *guest, looking context.Context, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.perUser[claims.Subject] >= viewersPerUser {
		return nil, nil, transporter.Errorf(transporter.TooMany, "you have %d displays open, which is the limit; close one", viewersPerUser)
	}
	g = &guest{claims: claims}
	looking, g.cancel = context.WithCancelCause(ctx)
	a.guests[g] = struct{}{}
	a.perUser[claims.Subject]++
	return g, looking, nil
}

func (a *audience) leave(g *guest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g.cancel(nil)
	delete(a.guests, g)
	if a.perUser[g.claims.Subject]--; a.perUser[g.claims.Subject] == 0 {
		delete(a.perUser, g.claims.Subject)
	}
}

// dropLogin sends everybody away who came by a login.
func (a *audience) dropLogin(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for g := range a.guests {
		if g.claims.Login == id {
			g.cancel(errSentAway)
		}
	}
}

// watchOver asks now and then whether a guest may still look on, until they leave. What nobody
// can answer right now changes nothing.
func (w *Webserver) watchOver(ctx context.Context, g *guest) {
	tick := time.NewTicker(w.limits.heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asking, cancel := context.WithTimeout(ctx, w.limits.event)
		_, err := transporter.Call(asking, w.o.Conn, transporter.UserStanding, transporter.StandingRequest{
			User: g.claims.Subject, Login: g.claims.Login, Stamp: g.claims.Stamp, Action: transporter.ActConnect, Owner: g.claims.Owner,
		})
		cancel()
		if err != nil && asFailure(err).status < http.StatusInternalServerError {
			g.cancel(errSentAway)
			return
		}
	}
}
