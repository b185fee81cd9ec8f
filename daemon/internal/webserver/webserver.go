package webserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// urlFile is where the page can be found, relative to FX_LOCAL_DIR; written by rename.
const urlFile = "webserver.url"

// lobbySocket is where launchers bring displays, relative to FX_RUN_DIR.
const lobbySocket = "display.sock"

// stopPatience is how long requests that are being answered may take once the webserver stops.
const stopPatience = 5 * time.Second

// Options say what a Webserver is made of. Conn, Dirs, Log and Ready have to be set.
type Options struct {
	Conn     *transporter.Conn
	Dirs     spec.Dirs
	Version  string
	Log      *slog.Logger
	Announce func(url string)                   // told the URL when it can be opened, and again when it changes
	Ready    func() (ok bool, waiting []string) // the whole node's readiness, for /readyz
	NoVNC    fs.FS                              // where the distribution's noVNC is once it is installed; nil for nowhere
	Account  string                             // the Unix account that all sessions of this node run as; "" where each has its own
	Now      func() time.Time
}

// Webserver is the component. Its life is New, Prepare and Commit of a first
// generation, and Run, the last two in either order.
type Webserver struct {
	o        Options
	limits   limits
	front    *front
	settings atomic.Pointer[settings]
	tokens   *tokens
	repeats  *repeats
	events   *hub
	audience *audience
	thumbs   *thumbnails
	packed   *packed
	lobby    *display.Lobby
	page     *page
	handler  http.Handler

	changed  chan struct{} // holds one: the URL may have changed
	running  atomic.Bool
	stopping context.Context // done when Run ends: what streams is cut
	stop     context.CancelFunc
	displays sync.WaitGroup
}

var _ reload.Service = (*Webserver)(nil)

// settings is what a generation means to the webserver.
type settings struct {
	node   string // this node's name
	listen string
	https  spec.HTTPS
	cert   *certificate // nil when TLS is off
	routes http.Handler // below its base path
	look   *look
	extra  spec.Headers
	icons  map[string]icon
	iconOf map[string]string // by application
}

// New opens the place where displays arrive and listens for the news of the other
// components. No port is open before the first generation is committed.
func New(o Options) (*Webserver, error) { return newWebserver(o.withDefaults(), usual) }

func newWebserver(o Options, l limits) (*Webserver, error) {
	page, err := newPage()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(o.Dirs.Local, urlFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the URL of an earlier run: %w", err)
	}
	lobby, err := display.OpenLobby(filepath.Join(o.Dirs.Run, lobbySocket), o.Log)
	if err != nil {
		return nil, err
	}
	w := &Webserver{
		o: o, limits: l, page: page, lobby: lobby,
		front:  newFront(o.Log, l.first),
		tokens: newTokens(o.Now), repeats: newRepeats(o.Now), events: newHub(), audience: newAudience(), thumbs: newThumbnails(o.Now), packed: newPacked(),
		changed: make(chan struct{}, 1),
	}
	w.stopping, w.stop = context.WithCancel(context.Background())
	w.handler = w.guard(http.HandlerFunc(w.route))
	if err := w.subscribe(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (o Options) withDefaults() Options {
	if o.Announce == nil {
		o.Announce = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Name is "webserver".
func (w *Webserver) Name() string { return string(spec.Webserver) }

// Ready reports whether the port is open and requests are answered.
func (w *Webserver) Ready() bool { return w.running.Load() && w.front.isOpen() }

// Prepare loads the certificate and opens the address when either changes; what
// fails there refuses the generation while the old address goes on being served.
func (w *Webserver) Prepare(_ context.Context, gen *generation.Generation) (reload.Change, error) {
	next := &settings{
		node: gen.Config.Env.NodeName, listen: gen.Config.Env.Listen, https: gen.Config.HTTPS,
		look: newLook(gen.Config, gen.Set), extra: gen.Config.Headers,
	}
	next.icons, next.iconOf = iconsOf(gen.Config)
	if next.listen == "" {
		next.listen = defaultListen
	}
	if next.https.Enabled {
		var err error
		if next.cert, err = loadCertificate(w.o.Dirs, next.https, namesOf(next.node), w.o.Now()); err != nil {
			return nil, err
		}
	}
	old := w.settings.Load()
	if old != nil && old.https.BasePath == next.https.BasePath {
		next.routes = old.routes
	} else {
		next.routes = w.routes(next.https.BasePath)
	}
	door, err := w.front.prepare(next.listen)
	if err != nil {
		return nil, err
	}
	return reload.Steps{
		OnCommit: func() {
			w.settings.Store(next)
			w.front.commit(door, next.cert)
			w.note()
			if old != nil && old.look.digest != next.look.digest {
				w.lookChanged(next.look)
			}
		},
		OnAbort: door.abort,
	}, nil
}

// node is this node's name, "" before there is a generation.
func (w *Webserver) node() string {
	if s := w.settings.Load(); s != nil {
		return s.node
	}
	return ""
}

// route serves a request as the generation says that is current when it comes.
func (w *Webserver) route(rw http.ResponseWriter, r *http.Request) {
	w.settings.Load().routes.ServeHTTP(rw, r)
}

// note wakes Run to announce the URL.
func (w *Webserver) note() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Run serves until ctx is done. Then requests that are being answered get a few
// seconds, and whoever looks at a display is told that the server stops.
func (w *Webserver) Run(ctx context.Context) error {
	defer w.close()
	content, redirect := w.servers()
	failed := make(chan error, 2)
	go func() { failed <- content.Serve(w.front.content) }()
	go func() { failed <- redirect.Serve(w.front.plain) }()
	go w.watchCertificate(ctx)
	w.running.Store(true)
	defer w.running.Store(false)
	for {
		select {
		case <-w.changed:
			w.announce()
		case err := <-failed:
			return fmt.Errorf("serve HTTP: %w", err)
		case <-ctx.Done():
			w.shutdown(content, redirect)
			return nil
		}
	}
}

func (w *Webserver) shutdown(servers ...*http.Server) {
	w.stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	w.front.close()
	for _, s := range servers {
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
	}
	w.displays.Wait()
}

// close gives back what New took. It may be called more than once.
func (w *Webserver) close() {
	w.stop()
	w.front.close()
	if err := w.lobby.Close(); err != nil {
		w.o.Log.Warn("cannot close the display rendezvous", "error", err)
	}
	os.Remove(filepath.Join(w.o.Dirs.Local, urlFile))
}

// announce tells where the page is: first the file, so that whoever hears of it can read it.
func (w *Webserver) announce() {
	url := w.front.url() + w.base()
	path := filepath.Join(w.o.Dirs.Local, urlFile)
	if old, err := os.ReadFile(path); err == nil && string(old) == url+"\n" {
		return
	}
	if _, err := fileset.WriteFile(path, []byte(url+"\n"), 0o644); err != nil {
		w.o.Log.Error("cannot write the URL down", "file", path, "error", err)
	}
	w.o.Log.Info("the page is open", "url", url)
	w.o.Announce(url)
}
