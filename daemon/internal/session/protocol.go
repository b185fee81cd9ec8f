package session

import "time"

// The protocol between a supervisor and its launcher is one JSON object a line over
// a stream Unix socket, a descriptor riding on the line that names it (SCM_RIGHTS).
// The supervisor dials FX_RUN_DIR/launcher.sock, says hello, and dials again, for as long
// as it lives, whenever the connection ends. Both sides ignore fields they do not know.

// Report is what a supervisor says.
type Report struct {
	Type string `json:"type"` // "hello", "state", "viewer", "input"
	ID   string `json:"id"`   // the session
	// hello and state
	State     string    `json:"state,omitempty"` // "starting", "running", "ended"
	Reason    string    `json:"reason,omitempty"`
	Display   string    `json:"display,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	PID       int       `json:"pid,omitempty"`
	Processes []Process `json:"processes,omitempty"`
	// hello and input: when the keyboard or mouse was last used; only where Limits.Idle asks for it
	Input time.Time `json:"input,omitzero"`
	// hello and state: which limits cannot be held, and why, a sentence each
	Unheld []string `json:"unheld,omitempty"`
	// viewer: answers the Order of the same Seq; a descriptor rides along unless Error is set
	Seq   uint64 `json:"seq,omitempty"`
	Error string `json:"error,omitempty"`
}

// Order is what a launcher says.
type Order struct {
	Type   string `json:"type"`          // "viewer": open an RFB connection and send its descriptor; "terminate"; "goodbye": the end was heard, exit
	Seq    uint64 `json:"seq,omitempty"` // viewer
	Reason string `json:"reason,omitempty"`
}
