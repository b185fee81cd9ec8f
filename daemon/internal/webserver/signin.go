package webserver

import (
	"errors"
	"mime"
	"net/http"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// pageLogin signs a browser in: it gets a cookie that scripts cannot read. It answers
// the page's script with JSON, and the form of a page without scripts with a page.
func (w *Webserver) pageLogin(rw http.ResponseWriter, r *http.Request) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		return w.formLogin(rw, r)
	}
	var c credentials
	if err := readJSON(r, &c); err != nil {
		w.fail(rw, r, err)
		return nil
	}
	reply, err := w.signIn(r, c)
	switch {
	case err != nil:
		w.fail(rw, r, err)
		return nil
	case reply.Challenge != nil:
		return writeJSON(rw, http.StatusUnauthorized, challengeReply{reply.Challenge})
	}
	w.setCookie(rw, r, reply.Token, reply.Expires)
	return writeJSON(rw, http.StatusOK, struct {
		User string `json:"user"`
	}{reply.User})
}

func (w *Webserver) formLogin(rw http.ResponseWriter, r *http.Request) error {
	var tooLarge *http.MaxBytesError
	if err := r.ParseForm(); errors.As(err, &tooLarge) {
		return errTooLarge
	} else if err != nil {
		return transporter.Errorf(transporter.Invalid, "the form could not be read; load the page again")
	}
	form := r.PostForm
	c := credentials{
		Username: form.Get("username"), Password: form.Get("password"),
		Challenge: form.Get("challenge"), Answers: form["answer"],
	}
	again := signInPage{Next: form.Get("next"), Username: c.Username}
	reply, err := w.signIn(r, c)
	switch {
	case err != nil:
		f := asFailure(err)
		setFailureHeaders(rw.Header(), f)
		again.Problem = sentence(f.Message)
		w.showSignIn(rw, r, f.status, again)
	case reply.Challenge != nil:
		again.Challenge = reply.Challenge
		w.showSignIn(rw, r, http.StatusUnauthorized, again)
	default:
		w.setCookie(rw, r, reply.Token, reply.Expires)
		http.Redirect(rw, r, cleanNext(w.base(), again.Next), http.StatusSeeOther)
	}
	return nil
}
