package webserver

import (
	"context"
	"image"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	thisNode = "node-1.example"
	password = "open sesame"
)

// fake is a user component, a manager and a launcher that hold everything in memory.
// Each answers on the transporter, as the real ones do.
type fake struct {
	t   testing.TB
	key *ticket.Key
	// news is the connection that tells events.
	news *transporter.Conn
	// rfb serves the X server's end of a display.
	rfb func(net.Conn)

	mu       sync.Mutex
	verified int // how often a token was asked about
	starts   int // how often a start was ordered
	fail     map[string]error
	held     map[string]*held
	people   map[string]transporter.Identity
	revoked  map[string]bool
	apps     []transporter.App
	sessions map[string]transporter.Session
	viewers  map[string][]*display.Delivery // by session
	drained  map[string]bool
	logins   []transporter.LoginRequest
	logs     []string
	others   []transporter.Node       // beside the two there always are
	past     []transporter.Generation // of thisNode, newest first
	files    []transporter.GenerationFile
	diffs    []transporter.FileDiff
	levels   map[string]string
	asked    []transporter.StandingRequest
	liked    map[string][]string // favourites by user
	peeks    int                 // how often a display was asked for to glance at it
}

func newFake(t testing.TB, hub *transporter.Hub, log *slog.Logger) *fake {
	t.Helper()
	key, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{
		t: t, key: key, rfb: echoRFB,
		fail: map[string]error{}, held: map[string]*held{}, revoked: map[string]bool{}, drained: map[string]bool{}, liked: map[string][]string{},
		people: map[string]transporter.Identity{
			"ann":  {User: "ann", Level: "full", Groups: []string{"staff"}, May: full},
			"lim":  {User: "lim", Level: "limited", May: limited},
			"mia":  {User: "mia", Level: "manager", May: operator},
			"boss": {User: "boss", Level: "admin", May: admin},
		},
		apps:     []transporter.App{{ID: "xterm", Name: "Terminal", Command: "xterm"}},
		sessions: map[string]transporter.Session{},
		viewers:  map[string][]*display.Delivery{},
		logs:     []string{"line one", "line two"},
		levels:   map[string]string{"**": "info", "launcher": "debug", "webserver": ""},
	}
	open := func(role spec.Component) *transporter.Conn {
		c, err := transporter.Open(t.Context(), transporter.Options{Role: role, Node: thisNode, Hub: hub, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	user, manager, launcher := open(spec.User), open(spec.Manager), open(spec.Launcher)
	f.news = launcher
	serve(t, user, transporter.UserLogin, f.login)
	serve(t, user, transporter.UserVerify, f.verify)
	serve(t, user, transporter.UserLogout, f.logout)
	serve(t, user, transporter.UserApps, f.listApps)
	serve(t, user, transporter.UserAuthorize, f.authorize)
	serve(t, user, transporter.UserStanding, f.standing)
	serve(t, user, transporter.UserPrefers, f.prefers)
	serve(t, manager, transporter.ManagerStart, f.start)
	serve(t, manager, transporter.ManagerTerminate, f.terminate)
	serve(t, manager, transporter.ManagerSessions, f.list)
	serve(t, manager, transporter.ManagerSession, f.session)
	serve(t, manager, transporter.ManagerNodes, f.nodes)
	serve(t, manager, transporter.ManagerDrain, f.drain)
	serve(t, manager, transporter.ManagerMessage, f.message)
	serve(t, launcher, transporter.NodeHistory.On(thisNode), f.history)
	serve(t, launcher, transporter.NodeGeneration.On(thisNode), f.generation)
	serve(t, launcher, transporter.NodeDiff.On(thisNode), f.diff)
	serve(t, launcher, transporter.NodeLogLevel.On(thisNode), f.setLogLevel)
	serve(t, launcher, transporter.LauncherConnect.On(thisNode), f.connect)
	serve(t, launcher, transporter.LauncherLog.On(thisNode), f.log)
	return f
}

func serve[Req, Resp any](t testing.TB, c *transporter.Conn, e transporter.Endpoint[Req, Resp], h func(context.Context, Req) (Resp, error)) {
	t.Helper()
	if err := transporter.Serve(c, e, h); err != nil {
		t.Fatal(err)
	}
}

// failing makes one of the fake's answers an error until it is called with nil.
func (f *fake) failing(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[what] = err
}

// held is an answer that waits.
type held struct{ reached, released chan struct{} }

// hold lets the fake's next answer of a kind wait: reached tells that it was asked for, release lets it go.
func (f *fake) hold(what string) (reached <-chan struct{}, release func()) {
	h := &held{make(chan struct{}), make(chan struct{})}
	release = sync.OnceFunc(func() { close(h.released) })
	f.t.Cleanup(release)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held[what] = h
	return h.reached, release
}

// pauseLocked is pause for an answer that is made before it waits. Caller holds f.mu.
func (f *fake) pauseLocked(what string) {
	f.mu.Unlock()
	defer f.mu.Lock()
	f.pause(what)
}

// pause waits where an answer is held.
func (f *fake) pause(what string) {
	f.mu.Lock()
	h := f.held[what]
	delete(f.held, what)
	f.mu.Unlock()
	if h != nil {
		close(h.reached)
		<-h.released
	}
}

func (f *fake) add(s transporter.Session) transporter.Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.ID == "" {
		s.ID = ticket.NewID()
	}
	if s.State == "" {
		s.State = transporter.Running
	}
	if s.Node == "" && s.State != transporter.Pending {
		s.Node = thisNode
	}
	if s.Created.IsZero() {
		s.Created = time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	}
	f.sessions[s.ID] = s
	return s
}

func (f *fake) token(user string) string {
	token, err := f.key.Sign(ticket.Claims{
		Kind: ticket.Login, Subject: user, ID: ticket.NewID(),
		IssuedAt: time.Now().Unix(), Expires: time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

func (f *fake) login(_ context.Context, r transporter.LoginRequest) (transporter.LoginReply, error) {
	f.pause("login")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins = append(f.logins, r)
	if err := f.fail["login"]; err != nil {
		return transporter.LoginReply{}, err
	}
	switch {
	case r.User == "otp" && r.Password == password:
		return transporter.LoginReply{Challenge: &transporter.Challenge{
			ID: "c1", Prompts: []transporter.Prompt{{Text: "Code", Echo: true}, {Text: "Pet", Echo: false}},
		}}, nil
	case r.Challenge == "c1" && slices.Equal(r.Answers, []string{"42", "Rex"}):
		r.User, r.Password = "ann", password
	}
	if _, ok := f.people[r.User]; !ok || r.Password != password {
		return transporter.LoginReply{}, transporter.Errorf(transporter.Unauthorized, "the user name or the password is wrong")
	}
	return transporter.LoginReply{Token: f.token(r.User), User: r.User, Expires: time.Now().Add(time.Hour)}, nil
}

// who verifies a token; f.mu is held.
func (f *fake) who(token string) (transporter.Identity, error) {
	c, err := ticket.NewKeys(f.key.Public()).Verify(token, time.Now(), ticket.Login)
	id, known := f.people[c.Subject]
	if err != nil || !known || f.revoked[c.ID] {
		return transporter.Identity{}, transporter.Errorf(transporter.Unauthorized, "sign in again")
	}
	id.TokenID, id.Expires = c.ID, time.Unix(c.Expires, 0)
	return id, nil
}

func (f *fake) verify(_ context.Context, r transporter.VerifyRequest) (transporter.Identity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verified++
	if err := f.fail["verify"]; err != nil {
		return transporter.Identity{}, err
	}
	return f.who(r.Token)
}

func (f *fake) logout(_ context.Context, r transporter.LogoutRequest) (transporter.Empty, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := f.who(r.Token)
	f.revoked[id.TokenID] = true
	return transporter.Empty{}, err
}

func (f *fake) listApps(_ context.Context, r transporter.AppsRequest) (transporter.AppsReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.who(r.Token)
	return transporter.AppsReply{Apps: f.apps}, err
}

func (f *fake) standing(_ context.Context, r transporter.StandingRequest) (transporter.Empty, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r)
	return transporter.Empty{}, f.fail["standing"]
}

func (f *fake) prefers(_ context.Context, r transporter.PreferencesRequest) (transporter.Preferences, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := f.who(r.Token)
	if err == nil {
		err = f.fail["prefers"]
	}
	if err != nil {
		return transporter.Preferences{}, err
	}
	if r.Set != nil {
		f.liked[id.User] = r.Set.Favourites
	}
	return transporter.Preferences{Favourites: f.liked[id.User]}, nil
}

var kindOf = map[transporter.Action]ticket.Kind{
	transporter.ActStart: ticket.Place, transporter.ActConnect: ticket.Connect, transporter.ActRead: ticket.Read,
	transporter.ActTerminate: ticket.Terminate, transporter.ActDrain: ticket.Drain, transporter.ActMessage: ticket.Message,
	transporter.ActBroadcast: ticket.Message, transporter.ActConfig: ticket.Config, transporter.ActLogLevel: ticket.LogLevel,
}

func (f *fake) authorize(_ context.Context, r transporter.AuthorizeRequest) (transporter.AuthorizeReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := f.who(r.Token)
	if err != nil {
		return transporter.AuthorizeReply{}, err
	}
	forbidden := transporter.Errorf(transporter.Forbidden, "you may not do this")
	if err := f.fail["may "+string(r.Action)]; err != nil {
		return transporter.AuthorizeReply{}, err
	}
	others := transporter.ActAll // what those may who may do the same with somebody else's session
	if r.Action == transporter.ActConnect {
		others = transporter.ActNodes
	}
	mine := r.Session == "" || r.Owner == id.User || slices.Contains(id.May, others)
	if !mine || !slices.Contains(id.May, r.Action) {
		return transporter.AuthorizeReply{}, forbidden
	}
	c := ticket.Claims{
		Kind: kindOf[r.Action], Subject: id.User, Session: r.Session, Owner: r.Owner, Node: r.Node, ID: ticket.NewID(), Login: id.TokenID,
		IssuedAt: time.Now().Unix(), Expires: time.Now().Add(30 * time.Second).Unix(),
	}
	if s := r.Start; s != nil {
		if s.Command != "" && !slices.Contains(id.May, transporter.ActCommand) {
			return transporter.AuthorizeReply{}, forbidden
		}
		if s.App != "" && !slices.ContainsFunc(f.apps, func(a transporter.App) bool { return a.ID == s.App }) {
			return transporter.AuthorizeReply{}, transporter.Errorf(transporter.NotFound, "there is no application %q", s.App)
		}
		c.Session = s.ID
		c.Order = &ticket.Order{Session: s.ID, User: id.User, Name: s.Name, App: s.App, Command: s.Command, Geometry: s.Geometry, Params: s.Params}
	}
	if c.Kind == "" {
		return transporter.AuthorizeReply{Identity: id}, nil
	}
	pass, err := f.key.Sign(c)
	return transporter.AuthorizeReply{Ticket: pass, Identity: id, Order: c.Order}, err
}

func (f *fake) claims(pass string, kind ticket.Kind) (ticket.Claims, error) {
	c, err := ticket.NewKeys(f.key.Public()).Verify(pass, time.Now(), kind)
	if err != nil {
		return c, transporter.Errorf(transporter.Unauthorized, "%s", err)
	}
	return c, nil
}

func (f *fake) start(_ context.Context, r transporter.TicketRequest) (transporter.Session, error) {
	c, err := f.claims(r.Ticket, ticket.Place)
	if err != nil {
		return transporter.Session{}, err
	}
	f.mu.Lock()
	f.starts++
	f.mu.Unlock()
	f.pause("start")
	f.mu.Lock()
	old, again := f.sessions[c.Session]
	err = f.fail["start"]
	f.mu.Unlock()
	if again || err != nil {
		return old, err
	}
	o := c.Order
	return f.add(transporter.Session{ID: c.Session, User: o.User, Name: o.Name, App: o.App, Command: o.Command, Geometry: o.Geometry, Params: o.Params}), nil
}

func (f *fake) terminate(_ context.Context, r transporter.TicketRequest) (transporter.Session, error) {
	c, err := f.claims(r.Ticket, ticket.Terminate)
	if err != nil {
		return transporter.Session{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[c.Session]
	if s.State == transporter.Ended {
		delete(f.sessions, s.ID)
		return s, nil
	}
	s.State, s.Reason = transporter.Ended, "ended by "+c.Subject
	f.sessions[s.ID] = s
	return s, nil
}

// list gives two sessions a page, so that every list has several.
func (f *fake) list(_ context.Context, r transporter.SessionsRequest) (transporter.SessionsReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.pauseLocked("list")
	if err := f.fail["list"]; err != nil {
		return transporter.SessionsReply{}, err
	}
	var reply transporter.SessionsReply
	for _, id := range slices.Sorted(maps.Keys(f.sessions)) {
		s := f.sessions[id]
		switch {
		case id <= r.After || r.User != "" && s.User != r.User:
		case len(reply.Sessions) == 2:
			reply.More = true
		default:
			reply.Sessions = append(reply.Sessions, s)
		}
	}
	return reply, nil
}

func (f *fake) session(_ context.Context, r transporter.SessionRequest) (transporter.Session, error) {
	f.pause("session")
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[r.ID]
	if !ok {
		return s, transporter.Errorf(transporter.NotFound, "the manager knows no session %q", r.ID)
	}
	return s, nil
}

func (f *fake) nodes(context.Context, transporter.Empty) (transporter.NodesReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return transporter.NodesReply{Nodes: append([]transporter.Node{
		{Beat: transporter.Beat{Node: "bare"}, Heard: time.Now().Add(time.Minute)},
		{
			Beat: transporter.Beat{
				Node: thisNode, Version: "1.2.3", Services: []string{"webserver"}, Metadata: map[string]string{"rack": "7"},
				Load: transporter.Load{Cores: 8, Load1: 0.5, MemTotal: 1 << 34, MemFree: 1 << 33}, Drain: f.drained[thisNode],
				Config: transporter.ConfigState{Generation: 3, Digest: "sha256:aa", Accepted: false, Problems: diag.List{
					{File: "apps/x.ini", Line: 3, Col: 1, Key: "comand", Severity: diag.Error, Code: "unknown-key", Summary: "unknown key", Remedy: "write command"},
				}, Since: time.Now().Add(-5 * time.Minute), Shared: "sha256:0011223344556677"},
				Levels: maps.Clone(f.levels),
			},
			Sessions: len(f.sessions), Heard: time.Now().Add(-1500 * time.Millisecond),
		},
	}, f.others...)}, nil
}

func (f *fake) drain(_ context.Context, r transporter.DrainRequest) (transporter.Empty, error) {
	c, err := f.claims(r.Ticket, ticket.Drain)
	if err != nil {
		return transporter.Empty{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.others, func(n transporter.Node) bool { return n.Node == c.Node })
	switch {
	case i >= 0:
		f.others[i].Drain = r.Drain
	case c.Node != thisNode:
		return transporter.Empty{}, transporter.Errorf(transporter.NotFound, "there is no node %q", c.Node)
	}
	f.drained[c.Node] = r.Drain
	return transporter.Empty{}, nil
}

func (f *fake) log(_ context.Context, r transporter.TicketRequest) (transporter.LogReply, error) {
	_, err := f.claims(r.Ticket, ticket.Read)
	f.mu.Lock()
	defer f.mu.Unlock()
	return transporter.LogReply{Lines: f.logs}, err
}

// sendAway refuses everybody who looks at a session.
func (f *fake) sendAway(session, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.viewers[session] {
		d.Refuse(reason)
	}
}

// connect brings one end of a socket pair and serves the other. A ticket is spent by it.
func (f *fake) connect(ctx context.Context, r transporter.ConnectRequest) (transporter.Empty, error) {
	c, err := f.claims(r.Ticket, ticket.Connect)
	if err != nil {
		return transporter.Empty{}, err
	}
	f.mu.Lock()
	spent, broken, rfb := f.revoked[c.ID], f.fail["connect"], f.rfb
	if r.Peek {
		f.peeks++
	}
	f.revoked[c.ID] = true
	f.mu.Unlock()
	if broken != nil {
		return transporter.Empty{}, broken
	}
	if spent {
		return transporter.Empty{}, transporter.Errorf(transporter.Forbidden, "the ticket has been used")
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return transporter.Empty{}, err
	}
	delivery, err := display.Bring(ctx, r.Meet, theirs, image.Point{})
	if err != nil {
		ours.Close()
		return transporter.Empty{}, err
	}
	f.mu.Lock()
	f.viewers[c.Session] = append(f.viewers[c.Session], delivery)
	f.mu.Unlock()
	go func() {
		defer delivery.Close("the session has ended")
		defer ours.Close()
		rfb(ours)
	}()
	return transporter.Empty{}, nil
}
