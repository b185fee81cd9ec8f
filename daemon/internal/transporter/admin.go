package transporter

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxMessage is the most characters a message to viewers has.
const MaxMessage = 500

// MessageRequest says something to who looks at the session that its ticket names, or at any
// session where the ticket names none.
type MessageRequest struct {
	Ticket string `json:"ticket"`
	Text   string `json:"text"`
}

// Message is what viewers are to read.
type Message struct {
	Session string    `json:"session"` // "" is to everyone
	User    string    `json:"user"`    // whose session it is
	Text    string    `json:"text"`
	From    string    `json:"from"` // who says it
	At      time.Time `json:"at"`
}

// CheckMessage says what is wrong with a text for viewers.
func CheckMessage(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return Errorf(Invalid, "the message is empty; send \"text\"")
	case utf8.RuneCountInString(text) > MaxMessage:
		return Errorf(Invalid, "the message has %d characters; at most %d are sent", utf8.RuneCountInString(text), MaxMessage)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return Errorf(Invalid, "a message is one line of printable characters")
	}
	return nil
}

// Generation is an accepted configuration in a node's history.
type Generation struct {
	Generation int       `json:"generation"`
	When       time.Time `json:"when"`
	Origin     string    `json:"origin"`
	Changed    []string  `json:"changed"` // the files that differ from the generation before, by name
}

// HistoryRequest asks a node for its generations, newest first.
type HistoryRequest struct {
	Ticket string `json:"ticket"`
	Before int    `json:"before,omitempty"` // only what was recorded before this generation; 0 = all
	Limit  int    `json:"limit,omitempty"`  // 0 = as many as one reply holds
}

// HistoryReply is one page of a node's history; More says that another page follows.
type HistoryReply struct {
	Generations []Generation `json:"generations"`
	More        bool         `json:"more,omitempty"`
}

// GenerationRequest asks a node for the files of one generation in pages: After is the
// last name of the page before.
type GenerationRequest struct {
	Ticket     string `json:"ticket"`
	Generation int    `json:"generation"`
	After      string `json:"after,omitempty"`
}

// GenerationReply is one page of a generation's files, sorted by name.
type GenerationReply struct {
	Generation
	Files []GenerationFile `json:"files"`
	More  bool             `json:"more,omitempty"`
}

// GenerationFile is a file as the history holds it, each secret replaced by a digest.
type GenerationFile struct {
	Name string `json:"name"` // relative to FX_CONFIG_DIR, or absolute
	Text string `json:"text"`
	Cut  bool   `json:"cut"` // the text goes on, and is not shown
}

// DiffRequest asks a node how two generations differ, in pages as GenerationRequest.
type DiffRequest struct {
	Ticket string `json:"ticket"`
	From   int    `json:"from"`
	To     int    `json:"to"`
	After  string `json:"after,omitempty"`
}

// DiffReply is one page of the files that differ, sorted by name.
type DiffReply struct {
	Files []FileDiff `json:"files"`
	More  bool       `json:"more,omitempty"`
}

// FileDiff is how one file differs, as a unified diff.
type FileDiff struct {
	Name   string `json:"name"`
	Change string `json:"change"` // "added", "removed" or "changed"
	Diff   string `json:"diff"`
	Cut    bool   `json:"cut"` // the diff goes on, and is not shown
}

// LogLevelRequest has a node write levels into loglevel.ini. "" takes a component's line out.
type LogLevelRequest struct {
	Ticket string            `json:"ticket"`
	Levels map[string]string `json:"levels"`
}

// LogLevelReply says what became of it.
type LogLevelReply struct {
	File       string            `json:"file"`       // that was written
	Outcome    string            `json:"outcome"`    // of the reload after it: "applied", "unchanged", "rejected", "held-back", "restart-needed"
	Generation int               `json:"generation"` // the one that runs now
	Levels     map[string]string `json:"levels"`     // those that hold now
}
