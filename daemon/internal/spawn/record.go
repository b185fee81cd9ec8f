package spawn

import (
	"maps"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

// Place is where a session is to run, and as whom.
type Place struct {
	Account session.Account
	Dir     string // the supervisor's own
}

// Site is what a session's record tells of the node beside its place.
type Site struct {
	Node    string
	Socket  string // where the supervisor reports
	TempDir string // FX_TEMP_DIR
	BootID  string
	Now     time.Time
}

// Record is the record of a session that is about to be started.
func Record(o *ticket.Order, p Place, s Site) session.Record {
	return session.Record{
		Format: session.Format, ID: o.Session, Node: s.Node, User: o.User, Name: o.Name, App: o.App,
		Command: o.Command, Geometry: o.Geometry, MaxGeometry: o.MaxGeometry, Params: maps.Clone(o.Params),
		Limits:    limitsOf(o),
		StartDBus: o.StartDBus, Clean: o.Clean, WindowManager: session.NeedsWindowManager(o.Command, o.Geometry),
		Created: s.Now.UTC(), Account: p.Account, Dir: p.Dir, Socket: s.Socket, TempDir: s.TempDir,
		BootID: s.BootID, State: "pending", Alone: s.Now.UTC(),
	}
}

// limitsOf are the limits that the record keeps, so that they hold whatever becomes of the profile.
func limitsOf(o *ticket.Order) session.Limits {
	l := o.Limits
	return session.Limits{
		Profile: o.Profile, Idle: l.Idle, Disconnect: l.Disconnect, Clipboard: l.Clipboard,
		Memory: l.Memory, CPU: l.CPU, Tasks: l.Tasks, IOWeight: l.IOWeight,
	}
}
