// Package pam is how fastxd-launchd asks fastxd-pam to judge a login.
//
// PAM modules are other people's code: they block, crash, and need more of the machine than a helper that runs as
// root should have. So each conversation is a process of its own, fastxd-pam, that systemd starts for each connection to Socket,
// in a sandbox of its own and for a limited time. What it says and hears are lines of JSON as a session.Link carries
// them: a Request comes in, then each Said with prompts is answered by Answers, until one says how it ended.
//
// This package holds what both sides agree on. What calls libpam is the package libpam, which fastxd-pam alone links.
package pam

import (
	"regexp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// Socket is where systemd listens for conversations. Root alone may connect.
const Socket = "/run/fastxd-pam.sock"

// Service is the name of the PAM service, below /etc/pam.d, where nothing else is said.
const Service = "fastx"

var service = regexp.MustCompile(`^fastx(-[a-z0-9_-]{1,40})?$`)

// IsService reports whether a PAM service may judge logins. Its name begins with fastx, so that its file was written for
// this: conversations run as root, whom services such as su let in without a password.
func IsService(name string) bool { return service.MatchString(name) && name != "fastx-session" }

// Request begins a conversation.
type Request struct {
	Service  string `json:"service"`
	User     string `json:"user"`
	Password string `json:"password"` // answers the first question that is not to be shown
	Address  string `json:"address,omitempty"`
}

// Prompt is one question; Echo says whether the answer may be shown while it is typed.
type Prompt struct {
	Text string `json:"text"`
	Echo bool   `json:"echo"`
}

// Said is what a conversation says: it has Prompts to be answered, or ends with exactly one of Account, Denied and Failed.
type Said struct {
	Notes   []string `json:"notes,omitempty"` // what modules have to say to the person
	Prompts []Prompt `json:"prompts,omitempty"`
	Account string   `json:"account,omitempty"` // the person is let in, and is this one, as PAM spells it
	Denied  string   `json:"denied,omitempty"`  // the person is not let in: why, for administrators
	Proved  bool     `json:"proved,omitempty"`  // with Denied: but has proved who it is
	Failed  string   `json:"failed,omitempty"`  // that could not be found out: why
}

// Ended reports whether nothing comes after it.
func (s Said) Ended() bool { return s.Account != "" || s.Denied != "" || s.Failed != "" }

// Answers answers the prompts, one each.
type Answers struct {
	Answers []string `json:"answers"`
}

// Begin starts a conversation and returns what it says first.
func Begin(link *session.Link, r Request) (Said, error) { return turn(link, r) }

// Go answers what a conversation has asked and returns what it says next.
func Go(link *session.Link, answers []string) (Said, error) { return turn(link, Answers{answers}) }

func turn(link *session.Link, v any) (Said, error) {
	if err := link.Send(v, nil); err != nil {
		return Said{}, err
	}
	var said Said
	file, err := link.Receive(&said)
	if file != nil {
		file.Close()
	}
	return said, err
}
