package webserver

import (
	"net/http"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// messageEvent is what viewers are told: Session "" is to everyone.
type messageEvent struct {
	Session string    `json:"session"`
	Text    string    `json:"text"`
	From    string    `json:"from"`
	At      time.Time `json:"at"`
}

func newMessageEvent(m transporter.Message) messageEvent {
	return messageEvent{m.Session, m.Text, m.From, m.At}
}

func (w *Webserver) messageNews(m transporter.Message) {
	if transporter.CheckMessage(m.Text) != nil {
		return // of a release that allows more; a page is not prepared for it
	}
	w.events.say(m)
}

// text is the body of a message.
type text struct {
	Text string `json:"text"`
}

func (w *Webserver) messageSession(rw http.ResponseWriter, r *http.Request, who *caller) error {
	id, err := sessionID(r)
	if err != nil {
		return err
	}
	var body text
	if err := readJSON(r, &body); err != nil {
		return err
	}
	said, err := w.as(who).Message(r.Context(), id, body.Text)
	if err != nil {
		return hidden(err)
	}
	return writeJSON(rw, http.StatusOK, newMessageEvent(said))
}

func (w *Webserver) messageAll(rw http.ResponseWriter, r *http.Request, who *caller) error {
	var body text
	if err := readJSON(r, &body); err != nil {
		return err
	}
	said, err := w.as(who).Broadcast(r.Context(), body.Text)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, newMessageEvent(said))
}
