package webserver

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// look is what theme.ini and the administrator's own pages make of every page. It is made once for
// each generation; pages that are open take over a new one without being loaded again:
//
//  1. its digest is in every page
//  2. a new one is told to those who listen for events
//  3. every page also asks for it now and then, and when it comes into view
//  4. where the digest is another, the page fetches the fragment "look" and swaps what is in it
type look struct {
	digest string // of all the rest
	title  string
	sheet  []byte // a style sheet that comes after the page's own
	logo   []byte // nil: our own
	ext    string // of the logo's name, such as ".png"

	motd, announcements template.HTML
	errors              map[int]template.HTML // by HTTP status
}

// plain is the look where nothing is configured.
var plain = newLook(&spec.Config{}, fileset.Set{})

// newLook trusts the HTML: it comes from the files of an administrator, closed and without what the
// policy of our pages forbids, which holds for it all the same.
func newLook(c *spec.Config, set fileset.Set) *look {
	l := &look{
		title: c.Theme.Title, sheet: append(palette(c.Theme), c.Theme.CSSIn(set)...), errors: make(map[int]template.HTML),
		motd: template.HTML(c.Pages.MOTD), announcements: template.HTML(c.Pages.Announcements),
	}
	for status, text := range c.Pages.Errors {
		l.errors[status] = template.HTML(text)
	}
	l.logo, l.ext, _ = c.Theme.LogoIn(set)
	l.digest = l.sum()
	return l
}

func (l *look) sum() string {
	h := sha256.New()
	for _, part := range []string{l.title, string(l.sheet), l.ext, string(l.logo), string(l.motd), string(l.announcements)} {
		fmt.Fprintf(h, "%d %s", len(part), part)
	}
	for _, status := range slices.Sorted(maps.Keys(l.errors)) {
		fmt.Fprintf(h, "%d %d %s", status, len(l.errors[status]), l.errors[status])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// legible is the contrast of text that can be read well.
const legible = 4.5

// palette writes the theme's colours as the variables of page.css.
func palette(t spec.Theme) []byte {
	var sheet []byte
	dark := t.AccentDark
	if dark == "" && t.Accent != "" {
		dark = t.Accent
		for share := 0.05; dark.Contrast(spec.SurfaceDark) < legible || dark.Contrast(wash(dark, spec.SurfaceDark)) < legible; share += 0.05 {
			dark = t.Accent.Mix("#ffffff", share)
		}
	}
	if t.Accent != "" {
		sheet = fmt.Appendf(sheet, ":root { %s }\n", variables(t.Accent, spec.SurfaceLight))
	}
	if dark != "" {
		sheet = fmt.Appendf(sheet, "@media (prefers-color-scheme: dark) { :root { %s } }\n", variables(dark, spec.SurfaceDark))
	}
	return sheet
}

// variables are an accent, what can be read on it, and a breath of it on the surface.
func variables(accent, surface spec.Colour) string {
	on := spec.Colour("#ffffff")
	if dark := spec.Colour("#10151c"); dark.Contrast(accent) > on.Contrast(accent) {
		on = dark
	}
	return fmt.Sprintf("--accent: %s; --on-accent: %s; --accent-wash: %s;", accent, on, wash(accent, surface))
}

// wash is a breath of an accent on a surface; links are read on it, too.
func wash(accent, surface spec.Colour) spec.Colour { return accent.Mix(surface, 0.86) }

// looks is a look as templates show it.
type looks struct {
	Look, Brand, Sheet  string // its digest; the name in the place of the node's; where the style sheet is
	Logo, LogoType      string
	Announcements, MOTD template.HTML
	Replaced            template.HTML // the administrator's text of an error page
}

// look is the one that holds now.
func (w *Webserver) look() *look {
	if s := w.settings.Load(); s != nil && s.look != nil {
		return s.look
	}
	return plain
}

// looks prepares the look for a page. The message of the day is for those who have signed in.
func (w *Webserver) looks(signedIn bool) looks {
	l, prefix := w.look(), w.base()+"/theme/"
	v := looks{
		Look: l.digest, Brand: cmp.Or(l.title, w.node()), Sheet: prefix + l.digest + "/theme.css", Announcements: l.announcements,
		Logo: w.base() + w.page.prefix + "icon.svg", LogoType: mimeTypes[".svg"],
	}
	if l.logo != nil {
		v.Logo, v.LogoType = prefix+l.digest+"/logo"+l.ext, mimeTypes[l.ext]
	}
	if signedIn {
		v.MOTD = l.motd
	}
	return v
}

// pictureAlone is the policy of an administrator's picture. Opened by itself it is a page of our origin, which may do
// nothing. The styles that drawing programs write into an SVG apply: Firefox asks this policy even where the
// picture stands in a page, and would draw it all black.
const pictureAlone = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"

// serveTheme serves the look's files. Another node, or a page that was open before a change, may ask by another
// digest: it gets what holds now and keeps it for no longer than that.
func (w *Webserver) serveTheme(rw http.ResponseWriter, r *http.Request) error {
	l := w.look()
	caching := "no-cache"
	if r.PathValue("digest") == l.digest {
		caching = "public, max-age=31536000, immutable"
	}
	var data []byte
	policy := "default-src 'none'; sandbox; frame-ancestors 'none'"
	name := r.PathValue("file")
	switch {
	case name == "theme.css":
		data = l.sheet
	case l.logo != nil && name == "logo"+l.ext:
		data, policy = l.logo, pictureAlone
	default:
		return errNoPage
	}
	rw.Header().Set("Cache-Control", caching)
	rw.Header().Set("Content-Security-Policy", policy)
	return servePlain(rw, r, name, data, time.Time{}) // below any digest, so it is not kept compressed
}

// lookFragment is what an open page takes over, or nothing when it has that already.
func (w *Webserver) lookFragment(rw http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if query.Get("have") == w.look().digest {
		rw.WriteHeader(http.StatusNoContent)
		return nil
	}
	who, _ := w.caller(r) // nobody, or somebody whom nobody can vouch for right now, sees what all see
	f := w.frame(r, "", "", who)
	if status, err := strconv.Atoi(query.Get("error")); err == nil {
		f.Replaced = w.look().errors[status]
	}
	return w.render(rw, http.StatusOK, "look", f)
}

// lookChanged tells open pages of a new look.
func (w *Webserver) lookChanged(now *look) {
	w.events.tell("page", struct {
		Look string `json:"look"`
	}{now.digest}, func(*stream) bool { return true })
}
