package webserver

import (
	"context"
	"net/http"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func (w *Webserver) preferences(rw http.ResponseWriter, r *http.Request, who *caller) error {
	return w.prefer(rw, r, who, nil)
}

func (w *Webserver) setPreferences(rw http.ResponseWriter, r *http.Request, who *caller) error {
	var p transporter.Preferences
	if err := readJSON(r, &p); err != nil {
		return err
	}
	return w.prefer(rw, r, who, &p)
}

func (w *Webserver) prefer(rw http.ResponseWriter, r *http.Request, who *caller, set *transporter.Preferences) error {
	p, err := w.preferencesOf(r.Context(), who, set)
	if err != nil {
		return err
	}
	p.Favourites = list(p.Favourites)
	return writeJSON(rw, http.StatusOK, p)
}

// preferencesOf asks the user component what the caller likes, or with set changes it.
func (w *Webserver) preferencesOf(ctx context.Context, who *caller, set *transporter.Preferences) (transporter.Preferences, error) {
	return transporter.Call(ctx, w.o.Conn, transporter.UserPrefers, transporter.PreferencesRequest{Token: who.token, Set: set})
}
