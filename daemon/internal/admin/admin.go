// Package admin is the local admin socket of fastxd and its client: HTTP and JSON
// over the Unix socket FX_RUN_DIR/admin.sock.
//
// The socket is for root and for the account the daemon runs as. It is made with
// mode 0600, and each peer's uid is checked again by the kernel's word
// (SO_PEERCRED); everyone else is refused and logged. A peer acts in the cluster
// under its own login name, or under a name it asks for: either account could sign
// any ticket anyway.
//
// The package knows no other package's types, because fastxctl links it and has to
// stay small: the daemon hands in a Backend.
//
// # Calls
//
//	GET    /v1/status             Status
//	POST   /v1/reload             ReloadRequest → 200 ReloadReport, or 202 {} without "wait"
//	GET    /v1/config/history     {"generations": [Generation], "more": bool}; ?before=N&limit=N
//	GET    /v1/config/N           GenerationFiles
//	GET    /v1/config/diff        {"files": [FileDiff]}; ?from=N&to=N
//	POST   /v1/config/N/rollback  RollbackRequest → RollbackReport
//	GET    /v1/nodes              {"nodes": [Node]}
//	POST   /v1/nodes/NODE/drain   {}; DELETE undrains
//	GET    /v1/sessions[?all=1]   {"sessions": [Session]}
//	POST   /v1/sessions           StartRequest → 201 Session
//	GET    /v1/sessions/ID        Session
//	GET    /v1/sessions/ID/log    {"lines": [string]}
//	DELETE /v1/sessions/ID        Session
//	POST   /v1/sessions/ID/message  MessageRequest → Message
//	POST   /v1/message            MessageRequest → Message, to everyone
//	GET    /metrics               in the Prometheus text format
//
// The header Fastx-User names whom to act for. A failure is {"error": Error}.
package admin

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// SocketName is the socket's name inside FX_RUN_DIR.
const SocketName = "admin.sock"

// MaxSocketPath is the longest path a Unix socket can have, in bytes.
const MaxSocketPath = 107

// TransporterSocket is the name of that of fastxd transporter, which answers only what an Engine can.
const TransporterSocket = "transporter.sock"

// SocketPath returns where the daemon with this FX_RUN_DIR listens.
func SocketPath(runDir string) string { return filepath.Join(runDir, SocketName) }

// Engine is what every program with an admin socket can be asked: how it is, and to look at its files. An *Error
// it returns reaches the client whole, any other error as code "internal".
type Engine interface {
	// Status says how this node is. It answers even while the cluster is out of reach.
	Status(ctx context.Context) (Status, error)
	// Reload looks at the files now and returns when the outcome is settled.
	Reload(ctx context.Context, origin string) (ReloadReport, error)
}

// Backend is a node as its admin socket needs it.
type Backend interface {
	Engine
	// History lists this node's generations before one, newest first; before 0 begins at the newest.
	History(ctx context.Context, before, limit int) (History, error)
	// Generation shows one of them with its files.
	Generation(ctx context.Context, generation int) (GenerationFiles, error)
	// Diff says how two of them differ.
	Diff(ctx context.Context, from, to int) ([]FileDiff, error)
	// Rollback writes the files of one of them back, or says what that would do.
	Rollback(ctx context.Context, r RollbackRequest) (RollbackReport, error)
	// As returns the cluster with the rights of the named user.
	As(user string) Cluster
}

// Cluster is what fastxctl can ask of the whole cluster, with one user's rights.
type Cluster interface {
	Nodes(ctx context.Context) ([]Node, error)
	Sessions(ctx context.Context, all bool) ([]Session, error)
	Start(ctx context.Context, r StartRequest) (Session, error)
	Session(ctx context.Context, id string) (Session, error)
	Log(ctx context.Context, id string) ([]string, error)
	Terminate(ctx context.Context, id string) (Session, error)
	// Message says something to who looks at a session, with id "" at any.
	Message(ctx context.Context, id, text string) (Message, error)
	// Drain keeps new sessions from a node, or lets them come again.
	Drain(ctx context.Context, node string, drain bool) error
}

// Status is how one node is.
type Status struct {
	Version     string       `json:"version"`
	Node        string       `json:"node"`
	PID         int          `json:"pid"`
	Since       time.Time    `json:"since"`         // when this fastxd started
	URL         string       `json:"url"`           // of the webserver, "" when it does not run here
	Services    []string     `json:"services"`      // in the order of the data flow
	Ready       bool         `json:"ready"`         // as /readyz says
	Waiting     []string     `json:"waiting"`       // what Ready waits for, in plain words
	Config      ConfigStatus `json:"config"`        // of the configuration
	ShareLastOK time.Time    `json:"share_last_ok"` // when FX_CONFIG_DIR last answered
	LastGood    bool         `json:"last_good"`     // the node runs on an earlier configuration because the files at hand are broken
}

// ConfigStatus is how one node's configuration is.
type ConfigStatus struct {
	Generation int       `json:"generation"` // the one that runs
	Digest     string    `json:"digest"`     // of what was last seen, accepted or not
	Accepted   bool      `json:"accepted"`   // whether what was last seen is what runs
	Problems   diag.List `json:"problems"`   // of what was last seen
	Since      time.Time `json:"since"`      // when the running generation was accepted

	HeldBack []string `json:"held_back,omitempty"` // files with errors, which count as they last were good or not at all
	LeftOut  []string `json:"left_out,omitempty"`  // those of them that do not count at all
}

// ReloadRequest asks a node to look at its files now.
type ReloadRequest struct {
	Origin string `json:"origin"` // who asked, for the history; "" becomes "unknown"
	Wait   bool   `json:"wait"`   // answer when the outcome is settled
}

// Outcome says what became of a reload.
type Outcome string

// The outcomes. When the files hold nothing new, the outcome is that of the last look at them.
const (
	Applied  Outcome = "applied"   // the files are what runs
	Rejected Outcome = "rejected"  // the generation before still runs
	HeldBack Outcome = "held-back" // accepted, but files with errors count as they last were good, or not at all
	Restart  Outcome = "restart"   // accepted, but some keys wait for a restart of fastxd
)

// ExitCode is what fastxctl reload --wait exits with, so that systemctl reload and
// scripts can tell the outcomes apart.
func (o Outcome) ExitCode() int {
	switch o {
	case Applied:
		return 0
	case Rejected:
		return 2
	case HeldBack:
		return 3
	case Restart:
		return 4
	}
	return 1
}

// ReloadReport is a reload's outcome.
type ReloadReport struct {
	Outcome    Outcome   `json:"outcome"`
	Generation int       `json:"generation"` // the one that runs now
	Digest     string    `json:"digest"`     // of what was looked at
	Problems   diag.List `json:"problems"`
	HeldBack   []string  `json:"held_back,omitempty"` // files with errors, which count as they last were good or not at all
	LeftOut    []string  `json:"left_out,omitempty"`  // those of them that do not count at all

	Unchanged bool      `json:"unchanged"` // the files hold nothing new: Keys are those of the last change
	Origin    string    `json:"origin"`    // who asked for the generation that runs
	Accepted  time.Time `json:"accepted"`  // and when it was accepted
	Keys      []Key     `json:"keys"`      // what became of each key that was changed
}

// The results of a key.
const (
	KeyApplied  = "applied"        // it is in force
	KeyWaits    = "restart-needed" // a restart of fastxd brings it into force
	KeyHeldBack = "held-back"      // its file has an error and counts as it last was good, or not at all
	KeyRefused  = "refused"        // the files as a whole were rejected
)

// Key is what became of one key that was changed. A secret shows as "(secret)" on both sides.
type Key struct {
	File    string  `json:"file"`              // relative to FX_CONFIG_DIR, or absolute
	Line    int     `json:"line,omitempty"`    // 0 where the key is gone
	Key     string  `json:"key,omitempty"`     // with its section; absent where the file as a whole is meant
	Result  string  `json:"result"`            // "applied", "restart-needed", "held-back", "refused"
	Old     *string `json:"old"`               // null = it was not set. With "restart-needed", what runs
	New     *string `json:"new"`               // null = it is not set any more
	Problem string  `json:"problem,omitempty"` // what the checks say of it
}

// Load is how busy a node is.
type Load struct {
	Cores     int     `json:"cores"`
	Load1     float64 `json:"load1"`
	MemTotal  uint64  `json:"mem_total"` // bytes
	MemFree   uint64  `json:"mem_free"`  // bytes, available to new processes
	UptimeSec float64 `json:"uptime_s"`
}

// Node is a node of the cluster, as the HTTP API shows it.
type Node struct {
	Node     string            `json:"node"`
	Version  string            `json:"version"`
	Services []string          `json:"services"`
	Metadata map[string]string `json:"metadata"`
	Load     Load              `json:"load"`
	Sessions int               `json:"sessions"`
	Drain    bool              `json:"drain"`
	Age      float64           `json:"age_s"` // seconds since its last heartbeat
}

// Session is a session, as the HTTP API shows it.
type Session struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	User     string            `json:"user"`
	Node     string            `json:"node"`
	App      string            `json:"app"`
	Command  string            `json:"command"`
	Geometry string            `json:"geometry"`
	State    string            `json:"state"` // "pending", "starting", "running", "unknown", "ended"
	Reason   string            `json:"reason"`
	Created  time.Time         `json:"created"`
	Started  time.Time         `json:"started,omitzero"`
	Clients  int               `json:"clients"`
	Params   map[string]string `json:"params"`

	MaxGeometry string   `json:"max_geometry,omitempty"` // the largest that viewers can make its screen
	Clipboard   string   `json:"clipboard,omitempty"`    // "bidirectional", "local-to-remote", "remote-to-local", "disabled"
	Warning     *Warning `json:"warning,omitempty"`
}

// Warning announces what a limit is about to do to a session.
type Warning struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// StartRequest asks for a session: an app, or a command of one's own.
type StartRequest struct {
	App      string            `json:"app,omitempty"`
	Command  string            `json:"command,omitempty"`
	Geometry string            `json:"geometry,omitempty"` // "WxH", "rootless" or "" for the app's own
	Name     string            `json:"name,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
}

// Error is a failure that crosses the socket whole.
type Error struct {
	Code    string `json:"code"`             // as the HTTP API's: "invalid", "forbidden", "not_found", "unavailable" …
	Message string `json:"message"`          // one sentence for the person who asked
	Detail  string `json:"detail,omitempty"` // more, e.g. the last log lines; never a secret
}

func (e *Error) Error() string { return e.Message }
