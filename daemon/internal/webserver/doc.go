// Package webserver answers HTTP: the page, the API, the display WebSocket.
//
// It holds no state that a restart must not lose: who somebody is and what they may do
// is asked of the user component, what runs where of the manager, and a display is
// brought by the launcher that has it. All three are reached over the transporter. For ten
// minutes it keeps the messages that were said, for who comes later, and the Idempotency-Keys
// of orders; after its restart, and on another webserver, neither is known.
//
// # One port
//
//	TCP ── front ──┬─ first byte 0x16 ── TLS ──┬─ HTTP/2, HTTP/1.1 ── guard ── routes
//	               │                           └─ WebSocket (HTTP/1.1) ── display.Pump
//	               └─ anything else ── a redirect to https, and nothing more
//
// # Who somebody is
//
// A request carries a bearer token or the page's cookie, never both in effect: a
// bearer token wins. The cookie is HttpOnly and SameSite=Strict, and every request
// that changes something has to repeat a value derived from the token that only the page
// could read. A display WebSocket may carry a one-time ticket instead.
//
// # Where it is
//
// All paths begin with the base path of https.ini, for a proxy that has other things to
// serve; PROXY.md has the proxies' side of it. What such a proxy says of the client is believed
// when it is one of trusted_proxies: of several values the last.
//
// # What it looks like
//
// An administrator's files dress the page, see PAGE.md. Their HTML is the only one that is not escaped,
// and the same policy holds for it. Pages that are open take over what changes (look.go).
//
// # What it does not do
//
// It decides nothing about permissions beyond what the user component said, keeps no
// list of sessions, and starts nothing.
package webserver
