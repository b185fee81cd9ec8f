package transporter

import (
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

// The endpoints: who answers what. An Endpoint with a queue is answered by any
// one of the nodes that run the component; one without is addressed to a node
// with Endpoint.On(node). Those that change something answer a request once.
var (
	UserLogin     = Endpoint[LoginRequest, LoginReply]{Subject: "fx.v1.user.login", Queue: "user", Once: true}
	UserVerify    = Endpoint[VerifyRequest, Identity]{Subject: "fx.v1.user.verify", Queue: "user"}
	UserLogout    = Endpoint[LogoutRequest, Empty]{Subject: "fx.v1.user.logout", Queue: "user"}
	UserApps      = Endpoint[AppsRequest, AppsReply]{Subject: "fx.v1.user.apps", Queue: "user"}
	UserAuthorize = Endpoint[AuthorizeRequest, AuthorizeReply]{Subject: "fx.v1.user.authorize", Queue: "user"}
	UserPlace     = Endpoint[PlaceRequest, PlaceReply]{Subject: "fx.v1.user.place", Queue: "user"}
	UserStanding  = Endpoint[StandingRequest, Empty]{Subject: "fx.v1.user.standing", Queue: "user"}
	UserPrefers   = Endpoint[PreferencesRequest, Preferences]{Subject: "fx.v1.user.prefers", Queue: "user"}

	ManagerStart     = Endpoint[TicketRequest, Session]{Subject: "fx.v1.manager.start", Queue: "manager", Once: true}
	ManagerTerminate = Endpoint[TicketRequest, Session]{Subject: "fx.v1.manager.terminate", Queue: "manager", Once: true}
	ManagerSessions  = Endpoint[SessionsRequest, SessionsReply]{Subject: "fx.v1.manager.sessions", Queue: "manager"}
	ManagerSession   = Endpoint[SessionRequest, Session]{Subject: "fx.v1.manager.session", Queue: "manager"}
	ManagerNodes     = Endpoint[Empty, NodesReply]{Subject: "fx.v1.manager.nodes", Queue: "manager"}
	ManagerDrain     = Endpoint[DrainRequest, Empty]{Subject: "fx.v1.manager.drain", Queue: "manager", Once: true}
	ManagerMessage   = Endpoint[MessageRequest, Message]{Subject: "fx.v1.manager.message", Queue: "manager", Once: true}

	LauncherStart     = Endpoint[TicketRequest, Session]{Subject: "fx.v1.launcher.start", Once: true}
	LauncherTerminate = Endpoint[TicketRequest, Session]{Subject: "fx.v1.launcher.terminate", Once: true}
	LauncherConnect   = Endpoint[ConnectRequest, Empty]{Subject: "fx.v1.launcher.connect", Once: true}
	LauncherLog       = Endpoint[TicketRequest, LogReply]{Subject: "fx.v1.launcher.log"}
	LauncherDrain     = Endpoint[DrainRequest, Empty]{Subject: "fx.v1.launcher.drain", Once: true}
	LauncherMessage   = Endpoint[MessageRequest, Message]{Subject: "fx.v1.launcher.message", Once: true}

	// What a node answers for itself, whatever components run there.
	NodeHistory    = Endpoint[HistoryRequest, HistoryReply]{Subject: "fx.v1.node.history"}
	NodeGeneration = Endpoint[GenerationRequest, GenerationReply]{Subject: "fx.v1.node.generation"}
	NodeDiff       = Endpoint[DiffRequest, DiffReply]{Subject: "fx.v1.node.diff"}
	NodeLogLevel   = Endpoint[LogLevelRequest, LogLevelReply]{Subject: "fx.v1.node.loglevel", Once: true}

	// NodeBeat is a node's heartbeat; SessionList a launcher's whole list;
	// SessionChanged one session's news; WhoIsThere asks all to send theirs at once;
	// StartReserved tells the other managers of a start under way; MessageSaid what viewers are to read;
	// ConfigAccepted that there are new files to be seen.
	NodeBeat       = Event[Beat]{Subject: "fx.v1.event.node"}
	SessionList    = Event[SessionsOf]{Subject: "fx.v1.event.sessions"}
	SessionChanged = Event[SessionNews]{Subject: "fx.v1.event.session"}
	WhoIsThere     = Event[Empty]{Subject: "fx.v1.event.hello"}
	StartReserved  = Event[Reservation]{Subject: "fx.v1.event.reserved"}
	TokenRevoked   = Event[Revocation]{Subject: "fx.v1.event.revoked"}
	MessageSaid    = Event[Message]{Subject: "fx.v1.event.message"}
	ConfigAccepted = Event[Announcement]{Subject: "fx.v1.event.config"}
)

// Empty is a request or reply that says nothing.
type Empty struct{}

// LoginRequest is either a name and password or the answers to a challenge.
type LoginRequest struct {
	User      string   `json:"user,omitempty"`
	Password  string   `json:"password,omitempty"`
	Challenge string   `json:"challenge,omitempty"`
	Answers   []string `json:"answers,omitempty"`
	Address   string   `json:"address"` // the client's, for the rate limit and the audit log
}

// LoginReply holds a token, or a challenge to answer first.
type LoginReply struct {
	Token     string     `json:"token,omitempty"`
	User      string     `json:"user,omitempty"`
	Expires   time.Time  `json:"expires,omitzero"`
	Challenge *Challenge `json:"challenge,omitempty"`
}

// Challenge is a set of prompts that a login must answer.
type Challenge struct {
	ID      string   `json:"id"`
	Prompts []Prompt `json:"prompts"`
}

// Prompt is one question; Echo says whether the answer may be shown while it is typed.
type Prompt struct {
	Text string `json:"text"`
	Echo bool   `json:"echo"`
}

// VerifyRequest asks who holds a token.
type VerifyRequest struct {
	Token string `json:"token"`
}

// Identity is who holds a token and what that person may do.
type Identity struct {
	User    string    `json:"user"`
	Level   string    `json:"level"` // "limited", "full", "manager", "admin", "superadmin"
	Groups  []string  `json:"groups"`
	TokenID string    `json:"token_id"` // the token's jti; also the CSRF secret's base
	Expires time.Time `json:"expires"`
	May     []Action  `json:"may"`
}

// LogoutRequest ends a token before its time.
type LogoutRequest struct {
	Token string `json:"token"`
}

// Revocation tells every user component that a token is no longer good.
type Revocation struct {
	TokenID string    `json:"token_id"`
	Expires time.Time `json:"expires"` // after this it need not be remembered
}

// AppsRequest asks which applications the holder of a token may start.
type AppsRequest struct {
	Token string `json:"token"`
}

// AppsReply lists them, sorted by id.
type AppsReply struct {
	Apps []App `json:"apps"`
}

// App is an application as the HTTP API shows it.
type App struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Command  string   `json:"command"`
	Geometry string   `json:"geometry"`
	Icon     string   `json:"icon"`
	Category string   `json:"category"`
	Groups   []string `json:"groups"`
}

// PreferencesRequest asks what the holder of a token likes on the page, or with Set changes it.
type PreferencesRequest struct {
	Token string       `json:"token"`
	Set   *Preferences `json:"set,omitempty"`
}

// Preferences are what a user likes on the page.
type Preferences struct {
	Favourites []string `json:"favourites"` // ids of applications, in the user's order
}

// Action is something a user may be allowed to do.
type Action string

// The actions.
const (
	ActStart     Action = "start"     // start an application
	ActCommand   Action = "command"   // start any command
	ActConnect   Action = "connect"   // connect to a session
	ActTerminate Action = "terminate" // end a session
	ActRead      Action = "read"      // see a session and its log
	ActMessage   Action = "message"   // say something to who looks at a session
	ActAll       Action = "all"       // see everyone's sessions
	ActBroadcast Action = "broadcast" // say something to who looks at any session
	ActNodes     Action = "nodes"     // see the nodes
	ActConfig    Action = "config"    // see the configuration's state and its generations
	ActDrain     Action = "drain"     // drain and undrain nodes
	ActLogLevel  Action = "loglevel"  // write loglevel.ini
)

// AuthorizeRequest asks for a ticket for one action.
type AuthorizeRequest struct {
	Token   string        `json:"token"`
	Action  Action        `json:"action"`
	Session string        `json:"session,omitempty"` // with ActConnect, ActTerminate, ActRead, ActMessage
	Owner   string        `json:"owner,omitempty"`   // that session's user, as the manager says
	Node    string        `json:"node,omitempty"`    // that session's node, or the one to drain or to ask
	Start   *StartRequest `json:"start,omitempty"`   // with ActStart
}

// StandingRequest asks whether what a ticket allowed once is allowed still: the login it came
// from may have ended, and its holder be disabled or hold a lower level by now.
type StandingRequest struct {
	User   string `json:"user"`
	Login  string `json:"login"`           // the login's token id
	Stamp  string `json:"stamp,omitempty"` // and its stamp
	Action Action `json:"action"`
	Owner  string `json:"owner,omitempty"` // of the session it is about
}

// StartRequest is what a user asks to start: an app, or a command of one's own.
type StartRequest struct {
	ID       string            `json:"id"` // of the session, 16 hex digits, chosen by the asker so that a retry starts nothing twice
	App      string            `json:"app,omitempty"`
	Command  string            `json:"command,omitempty"`
	Geometry string            `json:"geometry,omitempty"`
	Name     string            `json:"name,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
	Clean    bool              `json:"clean,omitempty"` // without the user's own start-up files
}

// AuthorizeReply holds the signed ticket ("" for actions that need none) and who asked.
type AuthorizeReply struct {
	Ticket   string        `json:"ticket,omitempty"`
	Identity Identity      `json:"identity"`
	Order    *ticket.Order `json:"order,omitempty"`
}

// TicketRequest carries a ticket that says everything.
type TicketRequest struct {
	Ticket string `json:"ticket"`
}

// PlaceRequest asks to have the session that a ticket orders on a node.
type PlaceRequest struct {
	Ticket string `json:"ticket"` // of the kind Place
	Node   string `json:"node"`
}

// PlaceReply holds the ticket that this node's launcher takes.
type PlaceReply struct {
	Ticket string `json:"ticket"` // of the kind Start
}

// DrainRequest drains (or undrains) the node its ticket names.
type DrainRequest struct {
	Ticket string `json:"ticket"`
	Drain  bool   `json:"drain"`
}

// ConnectRequest asks a launcher to bring a display to the webserver that waits at Meet.
type ConnectRequest struct {
	Ticket string     `json:"ticket"`
	Meet   Rendezvous `json:"meet"`
	Peek   bool       `json:"peek,omitempty"` // for a glance of seconds: nobody counts as looking on
}

// Rendezvous is where a webserver waits for a launcher to bring it a display,
// and the secret by which it knows which viewer the display is for.
type Rendezvous struct {
	Network string `json:"network"` // "unix"
	Address string `json:"address"`
	Secret  string `json:"secret"`
}

// LogReply is a session's last log lines, oldest first.
type LogReply struct {
	Lines []string `json:"lines"`
}

// State is what is known of a session; it is never guessed.
type State string

// The states.
const (
	Pending  State = "pending"  // ordered, not yet started
	Starting State = "starting" // its supervisor runs, its display does not answer yet
	Running  State = "running"  // its supervisor says so
	Unknown  State = "unknown"  // its supervisor holds its lock but has not spoken to this daemon yet
	Ended    State = "ended"    // over, for the reason given
)

// Session is a session as every component and the HTTP API show it.
type Session struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	User     string            `json:"user"`
	Node     string            `json:"node"`
	App      string            `json:"app"`
	Command  string            `json:"command"`
	Geometry string            `json:"geometry"`
	State    State             `json:"state"`
	Reason   string            `json:"reason"`
	Created  time.Time         `json:"created"`
	Started  time.Time         `json:"started,omitzero"`
	Clients  int               `json:"clients"`
	Params   map[string]string `json:"params"`
	Clean    bool              `json:"clean,omitempty"` // started without the user's own start-up files

	// MaxGeometry is the largest that viewers can make its screen, "WxH"; "" is no limit.
	MaxGeometry string `json:"max_geometry,omitempty"`
	// Clipboard is which way it may go: "bidirectional", "local-to-remote" (to the session),
	// "remote-to-local" or "disabled". A node of an older version says nothing.
	Clipboard string   `json:"clipboard,omitempty"`
	Warning   *Warning `json:"warning,omitempty"` // nil when nothing is about to happen
}

// Warning announces what a limit is about to do to a session, unless somebody prevents it. It is
// made anew when it changes, never altered.
type Warning struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"` // a sentence that names the limit and its value
}

// SessionsRequest asks for one user's sessions, or with User "" for everyone's,
// in pages: After is the last id of the page before.
type SessionsRequest struct {
	User  string `json:"user,omitempty"`
	After string `json:"after,omitempty"`
}

// SessionsReply is one page of sessions, sorted by id; More says that another page follows.
type SessionsReply struct {
	Sessions []Session `json:"sessions"`
	More     bool      `json:"more,omitempty"`
}

// SessionRequest asks for one session.
type SessionRequest struct {
	ID string `json:"id"`
}

// Load is how busy a node is.
type Load struct {
	Cores     int     `json:"cores"`
	Load1     float64 `json:"load1"`
	MemTotal  uint64  `json:"mem_total"` // bytes
	MemFree   uint64  `json:"mem_free"`  // bytes, available to new processes
	UptimeSec float64 `json:"uptime_s"`
}

// Beat is a node's heartbeat.
type Beat struct {
	Node     string            `json:"node"`
	Instance string            `json:"instance"` // new at every start of the process
	Seq      uint64            `json:"seq"`
	Version  string            `json:"version"`
	Services []string          `json:"services"`
	Metadata map[string]string `json:"metadata"`
	Load     Load              `json:"load"`
	Drain    bool              `json:"drain"`
	Max      int               `json:"max_sessions"` // 0 = unlimited
	Config   ConfigState       `json:"config"`
	Levels   map[string]string `json:"levels,omitempty"`  // each component's log level as loglevel.ini says; "" = as "**"
	Leaving  bool              `json:"leaving,omitempty"` // the last beat before a stop
}

// ConfigState is a node's configuration as /api/v1/config shows it.
type ConfigState struct {
	Generation int       `json:"generation"`
	Digest     string    `json:"digest"`
	Accepted   bool      `json:"accepted"`
	Problems   diag.List `json:"problems"`

	Since  time.Time `json:"since,omitzero"`   // when what runs was accepted, or the files were first rejected
	Shared string    `json:"shared,omitempty"` // digest of the files of FX_CONFIG_DIR that run: equal on nodes that run the same
}

// Announcement says that a node runs new files of FX_CONFIG_DIR, and nothing of what stands in them.
type Announcement struct {
	Node     string `json:"node"`
	Instance string `json:"instance"` // a node passes over its own
	Digest   string `json:"digest"`   // of the shared files as they were read, without modes and owners
}

// Node is a node as the manager knows it.
type Node struct {
	Beat
	Sessions int       `json:"sessions"`
	Heard    time.Time `json:"heard"` // when the last beat came
}

// NodesReply lists the nodes, sorted by name.
type NodesReply struct {
	Nodes []Node `json:"nodes"`
}

// SessionsOf is a launcher's whole list, in parts below the message limit.
type SessionsOf struct {
	Node     string    `json:"node"`
	Instance string    `json:"instance"`
	Seq      uint64    `json:"seq"`  // one list's parts share it; a higher one replaces a lower one's sessions
	Part     int       `json:"part"` // from 0
	Last     bool      `json:"last"`
	Sessions []Session `json:"sessions"`
}

// SessionNews is one session's change.
type SessionNews struct {
	Node     string  `json:"node"`
	Instance string  `json:"instance"`
	Seq      uint64  `json:"seq"` // in the same count as SessionsOf
	Session  Session `json:"session"`
	Gone     bool    `json:"gone,omitempty"` // forgotten: no longer listed
}

// Reservation is a start under way, or with Released one that is over, whatever
// became of it. Other managers count it, and send a repeated request to the same node.
type Reservation struct {
	Manager  string  `json:"manager"` // the instance that made it
	Session  Session `json:"session"` // as pending on the node chosen
	Released bool    `json:"released,omitempty"`
}
