// Package ticket signs and verifies short-lived orders and login tokens with Ed25519.
//
// The user component alone signs. A ticket is four parts joined by dots:
//
//	fx1.<key id>.<base64url(JSON claims)>.<base64url(signature)>
//
// and the signature covers everything before the last dot. The key id is the first
// 16 hex digits of sha256 over the public key's SPKI DER.
package ticket

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Kind says what a ticket allows, so that one kind can never pass for another.
type Kind string

// The kinds of tickets.
const (
	Login     Kind = "login"     // a bearer token of the HTTP API
	Place     Kind = "place"     // find a node for one session exactly as Order says; no launcher takes it
	Start     Kind = "start"     // start that session, on Node alone
	Connect   Kind = "connect"   // open one display connection to one session, once
	Terminate Kind = "terminate" // end one session (or forget it, when ended)
	Read      Kind = "read"      // read one session's log
	Drain     Kind = "drain"     // drain or undrain one node
	Message   Kind = "message"   // say one thing, once, to who looks at one session, or at any
	Config    Kind = "config"    // read one node's generations
	LogLevel  Kind = "loglevel"  // write loglevel.ini through one node
)

// Claims is what a ticket says. Times are Unix seconds.
type Claims struct {
	Kind     Kind   `json:"kind"`
	Subject  string `json:"sub"`           // the user who asked
	Session  string `json:"sid,omitempty"` // the session it is for
	Owner    string `json:"own,omitempty"` // that session's user, as whoever asked for the ticket said; the launcher refuses when its record says otherwise
	Node     string `json:"aud,omitempty"` // the node it is for, where that is known when it is signed
	ID       string `json:"jti"`           // unique; a one-time ticket is spent by it
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Order    *Order `json:"order,omitempty"` // Kinds Place and Start only
	Local    bool   `json:"loc,omitempty"`   // Kind Login only: minted by LocalToken for an administrator of the node itself
	Login    string `json:"lid,omitempty"`   // Kind Connect only: the ID of the login that asked for it
	Stamp    string `json:"stp,omitempty"`   // Kinds Login and Connect: changes when the password does; "" where nobody knows
}

// Order is everything a launcher needs to start a session. It stands inside the
// signed ticket: a launcher starts what was signed and nothing else.
type Order struct {
	Session     string            `json:"session"`           // id chosen by the user component, 16 hex digits
	User        string            `json:"user"`              // login name
	Account     string            `json:"account,omitempty"` // the Unix account that the login stands for, "" when none; only where fastxd-launchd starts sessions they run as it
	Name        string            `json:"name"`
	App         string            `json:"app,omitempty"` // "" for a free command
	Command     string            `json:"command"`
	Geometry    string            `json:"geometry"` // "WxH" or "rootless"
	Params      map[string]string `json:"params,omitempty"`
	Profile     string            `json:"profile,omitempty"`
	StartDBus   bool              `json:"start_dbus"`
	Clean       bool              `json:"clean,omitempty"`        // without the user's own start-up files
	MaxGeometry string            `json:"max_geometry,omitempty"` // "WxH"; also limits later resizing
	PerUser     int               `json:"per_user,omitempty"`     // sessions per user, 0 = unlimited; counted by the manager
	Total       int               `json:"total,omitempty"`        // sessions in total, 0 = unlimited; counted by the manager
	Limits      Limits            `json:"limits,omitzero"`
}

// Limits are what the profile allows the session once it runs. Zero is no limit.
type Limits struct {
	Idle       time.Duration `json:"idle_ns,omitempty"`       // without input, until the viewers are disconnected
	Disconnect time.Duration `json:"disconnect_ns,omitempty"` // without a viewer, until the session is ended
	Clipboard  string        `json:"clipboard,omitempty"`     // as in the profile; "" is "bidirectional"
	Memory     uint64        `json:"memory,omitempty"`        // bytes
	CPU        int           `json:"cpu,omitempty"`           // percent of one core
	Tasks      int           `json:"tasks,omitempty"`         // processes and threads
	IOWeight   int           `json:"io_weight,omitempty"`     // 1 to 10000
}

// MaxSize is the most characters a ticket has; a longer one is neither signed nor looked at.
const MaxSize = 16 << 10

// Why a ticket is refused. None of them, nor anything that wraps them, repeats the ticket.
var (
	ErrMalformed  = errors.New("this is not a ticket")
	ErrSignature  = errors.New("the ticket's signature is wrong")
	ErrUnknownKey = errors.New("the ticket is signed with a key that this node does not trust")
	ErrKind       = errors.New("the ticket is for something else")
	ErrExpired    = errors.New("the ticket has expired")
	ErrNotYet     = errors.New("the ticket was issued in the future; check the clocks of the nodes")
	ErrTooLarge   = errors.New("the ticket would be too large")
)

// NewID returns 16 random hex digits: the id of a session, or a ticket's jti.
func NewID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// IsID reports whether id has the form that NewID gives: 16 lower-case hex digits.
func IsID(id string) bool {
	return len(id) == 16 && strings.Trim(id, "0123456789abcdef") == ""
}

// Peek reads a ticket's claims without verifying anything: anyone can have
// written them. It is for routing and for log lines, never for a decision.
func Peek(token string) (Claims, error) {
	p, err := parse(token)
	if err != nil {
		return Claims{}, err
	}
	return p.claims()
}

const (
	format       = "fx1"
	signatureLen = 86 // ed25519.SignatureSize in base64
)

// Strict, so that one ticket has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// parts is a ticket taken apart, with nothing verified.
type parts struct {
	signed    string // everything before the last dot
	key       string
	payload   string // still in base64: not decoded before the signature is known to be good
	signature []byte
}

func parse(token string) (parts, error) {
	if len(token) > MaxSize || strings.Count(token, ".") != 3 {
		return parts{}, ErrMalformed
	}
	f := strings.Split(token, ".")
	if f[0] != format || !IsID(f[1]) || len(f[3]) != signatureLen {
		return parts{}, ErrMalformed
	}
	// The exact length also shuts out line breaks, which the decoder would skip.
	sig, err := encoding.DecodeString(f[3])
	if err != nil || len(sig) != ed25519.SignatureSize {
		return parts{}, ErrMalformed
	}
	return parts{signed: token[:len(token)-signatureLen-1], key: f[1], payload: f[2], signature: sig}, nil
}

// claims decodes the payload. Fields of a newer release are skipped.
func (p parts) claims() (Claims, error) {
	var c Claims
	raw, err := encoding.DecodeString(p.payload)
	if err != nil || json.Unmarshal(raw, &c) != nil || c.Kind == "" || c.Subject == "" || c.ID == "" {
		return Claims{}, ErrMalformed
	}
	return c, nil
}
