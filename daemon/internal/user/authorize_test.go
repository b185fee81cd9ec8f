package user

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const sid = "0123456789abcdef"

// everyone is a token for each user, and for the local administrator.
func (r *rig) everyone() map[string]string {
	r.t.Helper()
	tokens := make(map[string]string)
	for _, user := range []string{"lea", "fred", "otto", "anna", "sue"} {
		tokens[user] = r.token(user)
	}
	var err error
	if tokens["root"], err = ticket.LocalToken(r.dirs.Local, "root", r.clock.now()); err != nil {
		r.t.Fatal(err)
	}
	return tokens
}

func (r *rig) ask(token string, req transporter.AuthorizeRequest) (transporter.AuthorizeReply, error) {
	req.Token = token
	return r.authorize(r.t.Context(), req)
}

// The users stand in the order of their levels: each may do what stands at or left of it.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	ladder := []string{"lea", "fred", "otto", "anna", "sue", "root"}
	levels := []string{"limited", "full", "manager", "admin", "superadmin", "superadmin"}
	own := func(a transporter.Action) func(string) transporter.AuthorizeRequest {
		return func(user string) transporter.AuthorizeRequest {
			return transporter.AuthorizeRequest{Action: a, Session: sid, Owner: user, Node: "n9"}
		}
	}
	others := func(a transporter.Action) func(string) transporter.AuthorizeRequest {
		return func(string) transporter.AuthorizeRequest {
			return transporter.AuthorizeRequest{Action: a, Session: sid, Owner: "zoe", Node: "n9"}
		}
	}
	plain := func(a transporter.Action) func(string) transporter.AuthorizeRequest {
		return func(string) transporter.AuthorizeRequest { return transporter.AuthorizeRequest{Action: a} }
	}
	start := func(a transporter.Action, s transporter.StartRequest) func(string) transporter.AuthorizeRequest {
		s.ID = sid
		return func(string) transporter.AuthorizeRequest { return transporter.AuthorizeRequest{Action: a, Start: &s} }
	}
	r := newRig(t)
	tokens := r.everyone()
	for name, c := range map[string]struct {
		req    func(user string) transporter.AuthorizeRequest
		from   string // the first who may
		kind   ticket.Kind
		life   time.Duration
		refuse string
	}{
		"start an app":            {start("start", transporter.StartRequest{App: "xterm"}), "lea", ticket.Place, time.Minute, ""},
		"start a command":         {start("start", transporter.StartRequest{Command: "top"}), "fred", ticket.Place, time.Minute, `starting any command needs the permission level "full"`},
		"start a command by name": {start("command", transporter.StartRequest{Command: "top"}), "fred", ticket.Place, time.Minute, `starting any command needs the permission level "full"`},
		"connect to one's own":    {own("connect"), "lea", ticket.Connect, 30 * time.Second, ""},
		"connect to another's":    {others("connect"), "anna", ticket.Connect, 30 * time.Second, `connecting to somebody else's session needs the permission level "admin"`},
		"end one's own":           {own("terminate"), "lea", ticket.Terminate, time.Minute, ""},
		"end another's":           {others("terminate"), "otto", ticket.Terminate, time.Minute, `needs the permission level "manager"`},
		"read one's own":          {own("read"), "lea", ticket.Read, time.Minute, ""},
		"read another's":          {others("read"), "otto", ticket.Read, time.Minute, `needs the permission level "manager"`},
		"see everyone's":          {plain("all"), "otto", "", 0, `needs the permission level "manager"`},
		"see the nodes":           {plain("nodes"), "anna", "", 0, `seeing the nodes needs the permission level "admin"`},
		"see the configuration":   {others("config"), "anna", ticket.Config, time.Minute, `needs the permission level "admin"`},
		"set log levels":          {others("loglevel"), "anna", ticket.LogLevel, time.Minute, `setting log levels needs the permission level "admin"`},
		"message one's own":       {own("message"), "lea", ticket.Message, time.Minute, ""},
		"message another's":       {others("message"), "otto", ticket.Message, time.Minute, `sending a message to somebody else's session needs the permission level "manager"`},
		"message everyone":        {plain("broadcast"), "otto", ticket.Message, time.Minute, `sending a message to everyone needs the permission level "manager"`},
		"drain":                   {others("drain"), "anna", ticket.Drain, time.Minute, `draining a node needs the permission level "admin"`},
	} {
		t.Run(name, func(t *testing.T) {
			allowed := false
			for i, user := range ladder {
				allowed = allowed || user == c.from
				reply, err := r.ask(tokens[user], c.req(user))
				if !allowed {
					wantError(t, err, transporter.Forbidden, c.refuse, `yours is "`+levels[i]+`"`)
					if reply.Ticket != "" {
						t.Errorf("%s is refused and gets a ticket", user)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", user, err)
					continue
				}
				if reply.Identity.User != user || reply.Identity.Level != levels[i] {
					t.Errorf("identity %+v of %s", reply.Identity, user)
				}
				r.checkTicket(t, reply, c.req(user), c.kind, c.life)
			}
		})
	}
}

// checkTicket verifies a ticket as a launcher of this machine does.
func (r *rig) checkTicket(t *testing.T, reply transporter.AuthorizeReply, req transporter.AuthorizeRequest, kind ticket.Kind, life time.Duration) {
	t.Helper()
	if kind == "" {
		if reply.Ticket != "" {
			t.Error("a ticket for what needs none")
		}
		return
	}
	keys, err := ticket.LoadKeys(filepath.Join(r.dirs.Local, ticket.KeysDir))
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.Verify(reply.Ticket, r.clock.now(), kind)
	if err != nil {
		t.Fatal(err)
	}
	now := r.clock.now()
	want := ticket.Claims{
		Kind: kind, Subject: reply.Identity.User, Session: req.Session, Owner: req.Owner, Node: req.Node, ID: got.ID,
		IssuedAt: now.Unix(), Expires: now.Add(life).Unix(),
	}
	if kind == ticket.Connect {
		want.Login, want.Stamp = reply.Identity.TokenID, got.Stamp
	}
	if req.Start != nil {
		want.Session, want.Owner, want.Order = req.Start.ID, reply.Identity.User, reply.Order
	}
	if !reflect.DeepEqual(got, want) || !ticket.IsID(got.ID) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if (reply.Order != nil) != (kind == ticket.Place) {
		t.Errorf("order %+v with a ticket of the kind %s", reply.Order, kind)
	}
}

func TestTicketsAreAllDifferent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.token("lea")
	seen := make(map[string]bool)
	for range 100 {
		reply, err := r.ask(token, transporter.AuthorizeRequest{Action: "connect", Session: sid, Owner: "lea"})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := ticket.Peek(reply.Ticket)
		if seen[c.ID] {
			t.Fatal("two one-time tickets are the same one")
		}
		seen[c.ID] = true
	}
}

func TestIncompleteRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tokens := r.everyone()
	for name, c := range map[string]struct {
		req  transporter.AuthorizeRequest
		want string
	}{
		"no action":                    {transporter.AuthorizeRequest{}, `no action ""`},
		"unknown action":               {transporter.AuthorizeRequest{Action: "fly"}, `no action "fly"`},
		"start nothing":                {transporter.AuthorizeRequest{Action: "start"}, "which application or command"},
		"command nothing":              {transporter.AuthorizeRequest{Action: "command"}, "which application or command"},
		"connect to nothing":           {transporter.AuthorizeRequest{Action: "connect", Owner: "sue"}, "not the id of a session"},
		"end by a path":                {transporter.AuthorizeRequest{Action: "terminate", Session: "../../etc/passwd", Owner: "sue"}, "not the id of a session"},
		"drain without a node":         {transporter.AuthorizeRequest{Action: "drain"}, "which node"},
		"log without a node":           {transporter.AuthorizeRequest{Action: "loglevel"}, "which node"},
		"say to everyone of a session": {transporter.AuthorizeRequest{Action: "broadcast", Session: sid, Owner: "lea"}, "names no session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, user := range []string{"sue", "root"} {
				_, err := r.ask(tokens[user], c.req)
				wantError(t, err, transporter.Invalid, c.want)
			}
		})
	}
}

func TestSessionWithoutAnOwnerIsNobodysOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, a := range []transporter.Action{"connect", "terminate", "read"} {
		reply, err := r.ask(r.token("lea"), transporter.AuthorizeRequest{Action: a, Session: sid})
		if err == nil || reply.Ticket != "" {
			t.Errorf("%s: %+v", a, reply)
		}
		// But those who look after everybody's sessions can rid themselves of it.
		if reply, err := r.ask(r.token("anna"), transporter.AuthorizeRequest{Action: a, Session: sid}); err != nil || reply.Ticket == "" {
			t.Errorf("%s by an administrator: %v", a, err)
		}
	}
}

func TestAppsAreThoseOneMayStart(t *testing.T) {
	t.Parallel()
	q := &questions{groups: map[string][]string{"fred": {"sport", "science"}, "lea": {"sport"}}}
	r := newRig(t, with(q))
	for user, want := range map[string]string{
		"lea": "editor xterm", "fred": "editor lab xterm", "otto": "editor lab xterm", "anna": "editor lab xterm",
	} {
		reply, err := r.apps(t.Context(), transporter.AppsRequest{Token: r.token(user)})
		if err != nil || ids(reply.Apps) != want {
			t.Errorf("%s sees %q, %v; want %q", user, ids(reply.Apps), err, want)
		}
		_, err = r.ask(r.token(user), transporter.AuthorizeRequest{Action: "start", Start: &transporter.StartRequest{ID: sid, App: "lab"}})
		if (err == nil) != strings.Contains(want, "lab") {
			t.Errorf("%s starts lab: %v", user, err)
		}
		if err != nil {
			wantError(t, err, transporter.Forbidden, `"lab" is for certain groups only`)
		}
	}
	reply, _ := r.apps(t.Context(), transporter.AppsRequest{Token: r.token("fred")})
	want := transporter.App{ID: "lab", Name: "Lab", Command: "lab", Groups: []string{"science", "staff"}}
	if !reflect.DeepEqual(reply.Apps[1], want) || reply.Apps[0].Groups == nil {
		t.Errorf("got %+v", reply.Apps)
	}
	r.reconfigure(func(c *spec.Config) { c.Apps = nil })
	if reply, err := r.apps(t.Context(), transporter.AppsRequest{Token: r.token("fred")}); err != nil || reply.Apps == nil || len(reply.Apps) != 0 {
		t.Errorf("without apps: %+v, %v; want an empty list", reply, err)
	}
}

func TestGroupsGiveLevels(t *testing.T) {
	t.Parallel()
	r := newRig(t, with(&questions{groups: map[string][]string{"lea": {"science"}}}))
	r.reconfigure(func(c *spec.Config) { c.Permissions.Groups = map[string]spec.Level{"science": spec.Admin} })
	id, err := r.who(r.token("lea"))
	if err != nil || id.Level != "admin" || !reflect.DeepEqual(id.Groups, []string{"science"}) {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestDecisionsAreAudited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.reconfigure(func(c *spec.Config) { c.Apps = append(c.Apps, spec.App{ID: "zz", Profile: "missing"}) })
	tokens := r.everyone()
	start := func(s transporter.StartRequest) transporter.AuthorizeRequest {
		s.ID = sid
		return transporter.AuthorizeRequest{Action: "start", Start: &s}
	}
	session := func(a transporter.Action, owner string) transporter.AuthorizeRequest {
		return transporter.AuthorizeRequest{Action: a, Session: sid, Owner: owner}
	}
	steps := []struct {
		user string
		req  transporter.AuthorizeRequest
		want audit.Event // without an action: none
	}{
		{"lea", start(transporter.StartRequest{App: "xterm"}), audit.Event{Action: audit.Start, Session: sid, Outcome: audit.Done, Detail: "application xterm"}},
		{"lea", start(transporter.StartRequest{App: "xtrem"}), audit.Event{Action: audit.Start, Session: sid, Outcome: audit.Refused, Detail: "application xtrem: not_found"}},
		{"lea", start(transporter.StartRequest{App: "zz"}), audit.Event{Action: audit.Start, Session: sid, Outcome: audit.Failed, Detail: "application zz"}},
		{"lea", start(transporter.StartRequest{Command: "top"}), audit.Event{Action: audit.Start, Session: sid, Outcome: audit.Refused, Detail: "a free command: forbidden"}},
		{"root", start(transporter.StartRequest{Command: "top"}), audit.Event{Action: audit.Start, Session: sid, Outcome: audit.Done, Detail: "a free command (local administrator)"}},
		{"lea", session("terminate", "lea"), audit.Event{Action: audit.Terminate, Session: sid, Outcome: audit.Done}},
		{"otto", session("terminate", "lea"), audit.Event{Action: audit.Terminate, Session: sid, Outcome: audit.Done, Detail: "a session of lea"}},
		{"lea", session("terminate", "otto"), audit.Event{Action: audit.Terminate, Session: sid, Outcome: audit.Refused, Detail: "a session of otto: forbidden"}},
		{"lea", session("connect", "lea"), audit.Event{}},
		{"otto", session("connect", "lea"), audit.Event{Action: audit.Connect, Session: sid, Outcome: audit.Refused, Detail: "a session of lea: forbidden"}},
		{"anna", session("connect", "lea"), audit.Event{Action: audit.Connect, Session: sid, Outcome: audit.Done, Detail: "a session of lea"}},
		{"otto", session("read", "lea"), audit.Event{}},
		{"otto", transporter.AuthorizeRequest{Action: "all"}, audit.Event{}},
		{"otto", transporter.AuthorizeRequest{Action: "fly"}, audit.Event{}},
		{"anna", transporter.AuthorizeRequest{Action: "drain", Node: "n2"}, audit.Event{Action: audit.Drain, Outcome: audit.Done, Detail: "node n2"}},
		{"otto", transporter.AuthorizeRequest{Action: "drain", Node: "n2"}, audit.Event{Action: audit.Drain, Outcome: audit.Refused, Detail: "node n2: forbidden"}},
		{"anna", transporter.AuthorizeRequest{Action: "loglevel", Node: "n2"}, audit.Event{Action: audit.LogLevel, Outcome: audit.Done, Detail: "node n2"}},
		{"otto", transporter.AuthorizeRequest{Action: "loglevel", Node: "n2"}, audit.Event{Action: audit.LogLevel, Outcome: audit.Refused, Detail: "node n2: forbidden"}},
		{"anna", transporter.AuthorizeRequest{Action: "config", Node: "n2"}, audit.Event{}},
		{"otto", session("message", "lea"), audit.Event{Action: audit.Message, Session: sid, Outcome: audit.Done, Detail: "a session of lea"}},
		{"lea", session("message", "otto"), audit.Event{Action: audit.Message, Session: sid, Outcome: audit.Refused, Detail: "a session of otto: forbidden"}},
		{"root", transporter.AuthorizeRequest{Action: "broadcast"}, audit.Event{Action: audit.Message, Outcome: audit.Done, Detail: "everyone (local administrator)"}},
	}
	var want []audit.Event
	for _, s := range steps {
		_, _ = r.ask(tokens[s.user], s.req)
		if s.want.Action != "" {
			s.want.User, s.want.Node, s.want.Time = s.user, "n1", r.clock.now().UTC()
			want = append(want, s.want)
		}
	}
	got := r.audited()[5:] // after five logins
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %+v", len(got), len(want), got)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("line %d\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
}
