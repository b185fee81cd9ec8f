package launchd

import (
	"github.com/fastx-kit/fastx-kit/daemon/internal/pam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// Request is what a launcher says.
type Request struct {
	Version int    `json:"version"`
	Type    string `json:"type"` // "lock" and "log": a descriptor rides along; "start"; "kill"; "login", and then "answers"

	Ticket  string `json:"ticket,omitempty"`   // start: the signed order
	Socket  string `json:"socket,omitempty"`   // start: where the supervisor is to report
	TempDir string `json:"temp_dir,omitempty"` // start: FX_TEMP_DIR
	Session string `json:"session,omitempty"`  // kill: the session's id

	Service  string   `json:"service,omitempty"`  // login: of PAM
	User     string   `json:"user,omitempty"`     // login
	Password string   `json:"password,omitempty"` // login
	Address  string   `json:"address,omitempty"`  // login: where it comes from
	Answers  []string `json:"answers,omitempty"`  // answers: one to each prompt
}

// Reply is what launchd answers.
type Reply struct {
	Refused string          `json:"refused,omitempty"` // it may not be done: why, in a sentence
	Failed  string          `json:"failed,omitempty"`  // it could not be done: why
	Process session.Process `json:"process,omitzero"`  // the supervisor; zero when it has ended already
	Login   *pam.Said       `json:"login,omitempty"`   // how far a login has come
	Busy    bool            `json:"busy,omitempty"`    // too many logins
}
