package webserver

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// credentials are what a login request holds: a name and a password, or the answers
// to a challenge.
type credentials struct {
	Username  string   `json:"username"`
	Password  string   `json:"password"`
	Challenge string   `json:"challenge"`
	Answers   []string `json:"answers"`
}

func (c credentials) check() error {
	switch {
	case c.Challenge != "" && (c.Username != "" || c.Password != ""):
		return transporter.Errorf(transporter.Invalid, "send either username and password, or challenge and answers")
	case c.Challenge == "" && c.Username == "":
		return transporter.Errorf(transporter.Invalid, "the field \"username\" is missing")
	}
	return nil
}

// challengeReply asks for more before a login is good.
type challengeReply struct {
	Challenge *transporter.Challenge `json:"challenge"`
}

// login trades credentials for a token. It sets no cookie: that is for pages, and
// a program that wants a token must not be given a browser's session as well.
func (w *Webserver) login(rw http.ResponseWriter, r *http.Request, _ *caller) error {
	var c credentials
	if err := readJSON(r, &c); err != nil {
		return err
	}
	reply, err := w.signIn(r, c)
	if err != nil {
		return err
	}
	if reply.Challenge != nil {
		return writeJSON(rw, http.StatusUnauthorized, challengeReply{reply.Challenge})
	}
	return writeJSON(rw, http.StatusOK, struct {
		Token   string    `json:"token"`
		User    string    `json:"user"`
		Expires time.Time `json:"expires"`
	}{reply.Token, reply.User, reply.Expires})
}

// signIn asks the user component. A page of another site may not sign its visitor in
// as somebody else.
func (w *Webserver) signIn(r *http.Request, c credentials) (transporter.LoginReply, error) {
	if !w.sameOrigin(r) {
		return transporter.LoginReply{}, errOrigin
	}
	if err := c.check(); err != nil {
		return transporter.LoginReply{}, err
	}
	reply, err := transporter.Call(r.Context(), w.o.Conn, transporter.UserLogin, transporter.LoginRequest{
		User: c.Username, Password: c.Password,
		Challenge: c.Challenge, Answers: c.Answers, Address: w.clientAddress(r),
	})
	if err != nil {
		return transporter.LoginReply{}, err
	}
	if reply.Token == "" && reply.Challenge == nil {
		return transporter.LoginReply{}, transporter.Errorf(transporter.Unauthorized, "the user name or the password is wrong")
	}
	return reply, nil
}

// logout ends a login, also of somebody who may do nothing else any more. The browser loses its
// cookie in every case.
func (w *Webserver) logout(rw http.ResponseWriter, r *http.Request, _ *caller) error {
	who, err := w.bearer(r)
	if err != nil {
		return err
	}
	if who.fromCookie {
		w.dropCookie(rw, r)
	}
	if _, err := transporter.Call(r.Context(), w.o.Conn, transporter.UserLogout, transporter.LogoutRequest{Token: who.token}); err != nil {
		return err
	}
	if claims, err := ticket.Peek(who.token); err == nil { // the user component has verified it
		w.revoke(transporter.Revocation{TokenID: claims.ID, Expires: time.Unix(claims.Expires, 0).UTC()})
	}
	return writeJSON(rw, http.StatusOK, struct{}{})
}

// revoke forgets a token and ends what is streamed to its holder.
func (w *Webserver) revoke(r transporter.Revocation) {
	w.tokens.revoke(r)
	w.events.dropToken(r.TokenID)
	w.audience.dropLogin(r.TokenID)
}

func (w *Webserver) me(rw http.ResponseWriter, _ *http.Request, who *caller) error {
	return writeJSON(rw, http.StatusOK, struct {
		User    string               `json:"user"`
		Level   string               `json:"level"`
		Groups  []string             `json:"groups"`
		May     []transporter.Action `json:"may"`
		Expires time.Time            `json:"expires"`
	}{who.User, who.Level, list(who.Groups), list(who.May), who.Expires})
}

func (w *Webserver) apps(rw http.ResponseWriter, r *http.Request, who *caller) error {
	apps, err := w.appsOf(r, who)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, struct {
		Apps []transporter.App `json:"apps"`
	}{apps})
}

func (w *Webserver) appsOf(r *http.Request, who *caller) ([]transporter.App, error) {
	reply, err := transporter.Call(r.Context(), w.o.Conn, transporter.UserApps, transporter.AppsRequest{Token: who.token})
	for i := range reply.Apps {
		reply.Apps[i].Groups = list(reply.Apps[i].Groups)
	}
	return list(reply.Apps), err
}

// sameOrigin reports whether a request comes from one of our own pages or from no page
// at all. What a browser adds by itself, a cookie, is worth nothing without this.
func (w *Webserver) sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "" || site == "same-origin" || site == "none"
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !sameHost(u.Scheme, u.Host, w.host(r)) {
		return false
	}
	return u.Scheme == "https" || !w.overTLS(r)
}

// sameHost compares two hosts with their ports. Browsers leave the usual port out, some proxies write it.
func sameHost(scheme, a, b string) bool {
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// list is s, or an empty list that JSON does not write as null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
