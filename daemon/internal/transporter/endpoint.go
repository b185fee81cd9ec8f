// Package transporter is the only user of the NATS client and server: the embedded
// server, connections, subjects as typed constants, request and reply.
package transporter

import (
	"context"
	"errors"
	"fmt"
)

// Endpoint is a subject that answers requests of one type with replies of another.
type Endpoint[Req, Resp any] struct {
	Subject string
	Queue   string // the component whose nodes share the work; "" for one addressed to a node
	Once    bool   // what a repeated request must not do again: it gets the reply of the first
}

// On addresses an endpoint without a queue to one node.
func (e Endpoint[Req, Resp]) On(node string) Endpoint[Req, Resp] {
	e.Subject += "." + Token(node)
	return e
}

// Event is a subject that carries news of one type to everyone who listens.
type Event[T any] struct{ Subject string }

// Code says what kind of failure an Error is; the webserver turns it into an HTTP status.
type Code string

// The codes, with the HTTP status each becomes.
const (
	Invalid      Code = "invalid"      // 400
	Unauthorized Code = "unauthorized" // 401
	Forbidden    Code = "forbidden"    // 403
	NotFound     Code = "not_found"    // 404
	Conflict     Code = "conflict"     // 409
	Limit        Code = "limit"        // 429: one of the administrator's limits, named with its value
	TooMany      Code = "too_many"     // 429: the rate limit
	Unavailable  Code = "unavailable"  // 503: nobody answers
	Internal     Code = "internal"     // 500
)

// Error is a failure that crosses the transporter whole.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`               // one sentence for the person who asked
	Detail  string `json:"detail,omitempty"`      // more, e.g. the last log lines; never a secret
	Retry   int    `json:"retry_after,omitempty"` // with TooMany: seconds after which to ask again, 0 = unsaid
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf builds an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError turns any error into an Error; what is none becomes Internal, a passed deadline Unavailable.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(Unavailable, "no answer in time")
	default:
		return Errorf(Internal, "%s", err)
	}
}

// Token makes a name safe to stand in a subject: everything but letters, digits,
// '-' and '_' becomes %XX, so that a host name's dots add no levels.
func Token(name string) string {
	var b []byte
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b = append(b, c)
		default:
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	return string(b)
}
