package webserver

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	// verifyFor is how long the user component's word about a token is believed.
	verifyFor = 5 * time.Second
	// maxKnown bounds how many tokens are remembered.
	maxKnown = 4096
)

// caller is who makes a request.
type caller struct {
	transporter.Identity
	token      string
	fromCookie bool // the browser added it by itself
}

func (c *caller) may(a transporter.Action) bool { return slices.Contains(c.May, a) }

// mayConnect reports whether the caller may connect to anybody's session, which takes the same level as the nodes.
func (c *caller) mayConnect() bool { return c.may(transporter.ActNodes) }

// csrf is what a page has to repeat to change anything. It follows from the token, so
// that every webserver of a cluster finds the same, and tells nothing about it.
func (c *caller) csrf() string {
	mac := hmac.New(sha256.New, []byte(c.token))
	mac.Write([]byte("fastx csrf v1"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// caller finds out who makes a request.
func (w *Webserver) caller(r *http.Request) (*caller, error) {
	c, err := w.bearer(r)
	if err != nil {
		return nil, err
	}
	if c.Identity, err = w.verify(r.Context(), c.token); err != nil {
		return nil, err
	}
	return c, nil
}

// bearer takes the token out of a request, whoever it may belong to.
func (w *Webserver) bearer(r *http.Request) (*caller, error) {
	c := &caller{}
	if c.token, c.fromCookie = w.tokenOf(r); c.token == "" || len(c.token) > ticket.MaxSize {
		return nil, errSignIn
	}
	if c.fromCookie && !safe(r.Method) && !hmac.Equal([]byte(r.Header.Get("X-CSRF-Token")), []byte(c.csrf())) {
		return nil, errCSRF
	}
	return c, nil
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// tokenOf returns the token a request carries. One in a header was put there on
// purpose and wins over the cookie, which a browser sends with everything.
func (w *Webserver) tokenOf(r *http.Request) (token string, fromCookie bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false
		}
		return strings.TrimSpace(token), false
	}
	c, err := r.Cookie(w.cookieName(r))
	if err != nil {
		return "", false
	}
	return c.Value, true
}

// cookieName has the prefix that makes a browser refuse the cookie from anywhere but
// this host over TLS; without TLS browsers do not allow it, and with a path they allow only
// the one that asks for TLS.
func (w *Webserver) cookieName(r *http.Request) string {
	switch {
	case !w.overTLS(r):
		return "fastx"
	case w.base() != "":
		return "__Secure-fastx"
	default:
		return "__Host-fastx"
	}
}

// cookiePath keeps the cookie from whatever else a proxy serves on our host.
func (w *Webserver) cookiePath() string { return cmp.Or(w.base(), "/") }

func (w *Webserver) setCookie(rw http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	http.SetCookie(rw, &http.Cookie{
		Name: w.cookieName(r), Value: token, Path: w.cookiePath(), Expires: expires,
		Secure: w.overTLS(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

func (w *Webserver) dropCookie(rw http.ResponseWriter, r *http.Request) {
	http.SetCookie(rw, &http.Cookie{
		Name: w.cookieName(r), Path: w.cookiePath(), MaxAge: -1,
		Secure: w.overTLS(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// verify asks the user component whose token it is, and believes the answer for a moment.
func (w *Webserver) verify(ctx context.Context, token string) (transporter.Identity, error) {
	if id, ok := w.tokens.known(token); ok {
		return id, nil
	}
	id, err := transporter.Call(ctx, w.o.Conn, transporter.UserVerify, transporter.VerifyRequest{Token: token})
	if err != nil {
		return transporter.Identity{}, err
	}
	if !w.tokens.learn(token, id) {
		return transporter.Identity{}, errSignIn
	}
	return id, nil
}

// tokens remembers for a moment whose a token is, and for as long as it matters
// which ones were revoked: an answer that was under way may come after the news.
type tokens struct {
	now     func() time.Time
	mu      sync.Mutex
	holders map[[sha256.Size]byte]holder
	revoked map[string]time.Time // token id → when it would have expired
}

type holder struct {
	identity transporter.Identity
	until    time.Time
}

func newTokens(now func() time.Time) *tokens {
	return &tokens{now: now, holders: make(map[[sha256.Size]byte]holder), revoked: make(map[string]time.Time)}
}

func (t *tokens) known(token string) (transporter.Identity, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.holders[sha256.Sum256([]byte(token))]
	if now := t.now(); !ok || !now.Before(h.until) || !now.Before(h.identity.Expires) {
		return transporter.Identity{}, false
	}
	return h.identity, true
}

// learn remembers whose a token is and reports whether it is still good.
func (t *tokens) learn(token string, id transporter.Identity) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if _, gone := t.revoked[id.TokenID]; gone || !now.Before(id.Expires) {
		return false
	}
	if len(t.holders) >= maxKnown {
		clear(t.holders)
	}
	t.holders[sha256.Sum256([]byte(token))] = holder{identity: id, until: now.Add(verifyFor)}
	return true
}

// revoke forgets a token and refuses to learn it again.
func (t *tokens) revoke(r transporter.Revocation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for id, expires := range t.revoked {
		if expires.Before(now) {
			delete(t.revoked, id)
		}
	}
	t.revoked[r.TokenID] = r.Expires
	for key, h := range t.holders {
		if h.identity.TokenID == r.TokenID {
			delete(t.holders, key)
		}
	}
}
