package webserver

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/rfb"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const (
	// thumbFresh is how old a thumbnail may be, or word that there is none.
	thumbFresh = 15 * time.Second
	// thumbPatience is how long taking one may last, waiting for a turn included.
	thumbPatience = 5 * time.Second
	// thumbsAtOnce bounds what taking them costs.
	thumbsAtOnce = 2
	// maxThumbs is how many are kept, some 10 KiB each.
	maxThumbs    = 512
	thumbQuality = 80
)

var thumbSize = image.Pt(320, 200)

// thumbnails remembers each session's latest thumbnail, so that any number of pages that show
// a session cost one look at it in a while.
type thumbnails struct {
	now   func() time.Time
	turns chan struct{}
	mu    sync.Mutex
	known map[string]*thumb // by session
}

// thumb is one thumbnail, or one that is being taken.
type thumb struct {
	begun   time.Time
	done    chan struct{} // closed when what follows is set
	picture []byte
	err     error
}

func newThumbnails(now func() time.Time) *thumbnails {
	return &thumbnails{now: now, turns: make(chan struct{}, thumbsAtOnce), known: make(map[string]*thumb)}
}

// get returns a session's thumbnail, which is taken unless a fresh one is there. Taking it goes on
// under base when the one who asked leaves: others may wait for it.
func (t *thumbnails) get(ctx, base context.Context, id string, take func(context.Context) ([]byte, error)) ([]byte, error) {
	entry, mine, err := t.claim(id)
	if err != nil {
		return nil, err
	}
	if mine {
		go t.take(base, entry, take)
	}
	select {
	case <-entry.done:
		return entry.picture, entry.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// claim finds the thumbnail, or makes the caller the one who takes it.
func (t *thumbnails) claim(id string) (entry *thumb, mine bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if entry = t.known[id]; entry != nil && now.Sub(entry.begun) < thumbFresh {
		return entry, false, nil
	}
	for id, old := range t.known {
		if now.Sub(old.begun) >= thumbFresh {
			delete(t.known, id)
		}
	}
	if len(t.known) >= maxThumbs {
		return nil, false, transporter.Errorf(transporter.TooMany, "too many thumbnails are asked for; try again in a moment")
	}
	entry = &thumb{begun: now, done: make(chan struct{})}
	t.known[id] = entry
	return entry, true, nil
}

func (t *thumbnails) take(ctx context.Context, entry *thumb, take func(context.Context) ([]byte, error)) {
	defer close(entry.done)
	ctx, cancel := context.WithTimeout(ctx, thumbPatience)
	defer cancel()
	select {
	case t.turns <- struct{}{}:
		defer func() { <-t.turns }()
		entry.picture, entry.err = take(ctx)
	case <-ctx.Done():
		entry.err = ctx.Err()
	}
}

// thumbnail shows a session in small to whoever may connect to it.
func (w *Webserver) thumbnail(rw http.ResponseWriter, r *http.Request, who *caller) error {
	id, err := sessionID(r)
	if err != nil {
		return err
	}
	s, pass, err := w.as(who).ConnectTicket(r.Context(), id)
	if err != nil {
		return hidden(err)
	}
	if s.State != transporter.Running {
		return transporter.Errorf(transporter.Conflict, "this session does not run, so there is nothing to see")
	}
	picture, err := w.thumbs.get(r.Context(), w.stopping, id, func(ctx context.Context) ([]byte, error) {
		return w.glance(ctx, s.Node, pass)
	})
	if err != nil {
		return err
	}
	rw.Header().Set("Content-Type", "image/jpeg")
	rw.Header().Set("Cache-Control", fmt.Sprintf("private, max-age=%d", int(thumbFresh.Seconds())))
	rw.Write(picture)
	return nil
}

// glance looks at a display for as long as one picture takes.
func (w *Webserver) glance(ctx context.Context, node, pass string) ([]byte, error) {
	viewer, err := w.fetch(ctx, node, transporter.ConnectRequest{Ticket: pass, Peek: true})
	if err != nil {
		return nil, err
	}
	defer viewer.Close()
	defer context.AfterFunc(ctx, func() { viewer.Close() })()
	picture, err := takePicture(viewer.RFB)
	if err != nil {
		w.o.Log.Debug("no thumbnail", "error", err)
		return nil, transporter.Errorf(transporter.Unavailable, "the session's display could not be looked at")
	}
	return picture, nil
}

func takePicture(display io.ReadWriter) ([]byte, error) {
	client, err := rfb.New(display)
	if err != nil {
		return nil, err
	}
	img, err := client.Picture(thumbSize)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, img, &jpeg.Options{Quality: thumbQuality})
	return b.Bytes(), err
}
