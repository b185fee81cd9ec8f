package webserver

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// tile is the small picture before a name: an icon of the configuration, else a
// built-in one, else a letter.
type tile struct {
	Image   string        // an URL
	Drawing template.HTML // a built-in SVG
	Initial string
	Tone    uint32
}

//go:embed icons/*.svg
var drawingFiles embed.FS

// drawings are the built-in icons by name. They are ours, so they may stand in a page as markup.
var drawings = readDrawings()

func readDrawings() map[string]template.HTML {
	out := make(map[string]template.HTML)
	files, err := drawingFiles.ReadDir("icons")
	if err != nil {
		panic(err) // embedded
	}
	for _, f := range files {
		data, err := drawingFiles.ReadFile("icons/" + f.Name())
		if err != nil {
			panic(err)
		}
		out[strings.TrimSuffix(f.Name(), ".svg")] = template.HTML(bytes.TrimSpace(data))
	}
	return out
}

// alike are names of programs and desktops that a built-in icon stands for.
var alike = map[string][]string{
	"terminal": {"xterm", "gnome-terminal", "konsole", "xfce4-terminal", "shell"},
	"desktop":  {"xfce", "xfce4", "mate", "gnome", "kde", "plasma", "cinnamon", "lxde", "lxqt", "openbox"},
	"browser":  {"firefox", "chromium", "chrome", "web"},
	"editor":   {"gedit", "kate", "emacs", "vim", "gvim", "code", "vscode", "mousepad"},
	"files":    {"nautilus", "thunar", "dolphin", "pcmanfm", "folder"},
	"chart":    {"matlab", "rstudio", "octave", "gnuplot", "spyder", "jupyter"},
	"cube":     {"paraview", "blender", "freecad", "vmd", "ansys", "comsol", "visit", "3d"},
	"image":    {"gimp", "inkscape", "eog", "picture"},
	"chip":     {"vivado", "virtuoso", "quartus", "eda", "cadence"},
	"office":   {"libreoffice", "writer", "document"},
}

// drawing finds a built-in icon for a name such as terminal, xterm or xterm.png.
func drawing(name string) template.HTML {
	name = strings.ToLower(strings.TrimSuffix(name, path.Ext(name)))
	if d, ok := drawings[name]; ok {
		return d
	}
	for builtIn, names := range alike {
		if slices.Contains(names, name) {
			return drawings[builtIn]
		}
	}
	return ""
}

// icon is a picture of the configuration, with a digest by which its address changes when it does.
type icon struct {
	spec.Icon
	digest string
}

func iconsOf(c *spec.Config) (icons map[string]icon, byApp map[string]string) {
	icons, byApp = make(map[string]icon), make(map[string]string)
	for _, i := range c.Icons {
		h := fnv.New64a()
		h.Write(i.Data)
		icons[i.Name] = icon{i, hex.EncodeToString(h.Sum(nil))}
	}
	for _, a := range c.Apps {
		byApp[a.ID] = a.Icon
	}
	return icons, byApp
}

func (w *Webserver) tileOfApp(a transporter.App) tile { return w.tile(a.Icon, a.Name, a.ID) }

func (w *Webserver) tileOfSession(s transporter.Session) tile {
	name := ""
	if set := w.settings.Load(); set != nil {
		name = set.iconOf[s.App]
	}
	return w.tile(name, title(s), cmp.Or(s.App, title(s)))
}

func (w *Webserver) tile(name, title, seed string) tile {
	t := tile{Initial: initial(title), Tone: tone(seed), Drawing: drawing(name)}
	if set := w.settings.Load(); set != nil {
		if i, ok := set.icons[name]; ok {
			t.Image = w.base() + "/icons/" + url.PathEscape(name) + "?" + i.digest
		}
	}
	return t
}

// serveIcon serves a picture of the configuration. It comes from memory, by its exact name, and only
// what was found to be a picture: there is no path to climb. A script in an SVG runs nowhere.
func (w *Webserver) serveIcon(rw http.ResponseWriter, r *http.Request) error {
	if _, err := w.caller(r); err != nil {
		w.fail(rw, r, err)
		return nil
	}
	set := w.settings.Load()
	if set == nil {
		return errNoPage
	}
	i, ok := set.icons[r.PathValue("name")]
	if !ok {
		return errNoPage
	}
	h := rw.Header()
	h.Set("Content-Type", i.Type)
	h.Set("Content-Security-Policy", pictureAlone)
	h.Set("Cache-Control", "private, max-age=3600")
	h.Set("ETag", fmt.Sprintf("%q", i.digest))
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(i.Data))
	return nil
}

func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	if r == utf8.RuneError || !unicode.IsPrint(r) {
		return "?"
	}
	return string(unicode.ToUpper(r))
}

// tone gives each name one of eight colours, always the same.
func tone(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32() % 8
}
