package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="9" fill="#0a7"/><path d="M10 28 20 10l10 18z" fill="#fff"/></svg>`

// TestTheHomePageShowsWhatRuns has a node with several applications and real sessions: cards with pictures of the
// sessions, favourites that another node of the cluster would find, and a search field, by keyboard alone.
func TestTheHomePageShowsWhatRuns(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	if err := os.Mkdir(n.path("config", "icons"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"icons/solver.svg": logo,
		"apps/solver.ini":  "name = Solver\ncommand = xterm -bg red -geometry 300x100\nicon = solver.svg\ncategory = Simulation\n",
		"apps/mesh.ini":    "name = Mesh editor with a name that is much longer than its place\ncommand = xterm\nicon = cube\ncategory = Simulation\n",
		"apps/firefox.ini": "name = Firefox\ncommand = xterm\nicon = firefox\ncategory = Office\n",
		"apps/calc.ini":    "name = Calculator\ncommand = xterm\nicon = calculator\ngeometry = rootless\ncategory = Office\n",
	} {
		n.Write(name, text, 0o644)
	}
	n.Start()
	red := n.StartSession(map[string]any{"app": "solver", "name": "Wing, Reynolds 3e6"})
	n.AwaitState(red.ID, transporter.Running)
	for _, name := range []string{"Übersicht", "A session with a name that goes on and on and on beyond its card"} {
		n.AwaitState(n.StartSession(map[string]any{"command": "xterm -e top", "name": name}).ID, transporter.Running)
	}
	n.AwaitState(n.StartSession(map[string]any{"command": "echo no licence >&2; exit 3", "name": "Broken"}).ID, transporter.Ended)
	n.AwaitState(n.StartSession(map[string]any{"command": "true", "name": "Done"}).ID, transporter.Ended)

	b := openTab(t, n.URL)
	b.signIn(n)
	b.Until(`document.querySelectorAll('.cards .session').length == 3 && document.querySelectorAll('.rows .session').length == 2`)
	b.Until(`document.querySelectorAll('.thumb:not([hidden])').length == 3`)
	pixels := fmt.Sprintf(`(() => { const img = document.querySelector('#s-%s .thumb'), c = document.createElement('canvas');
		[c.width, c.height] = [img.naturalWidth, img.naturalHeight]; const d = c.getContext('2d'); d.drawImage(img, 0, 0);
		const [r, g, b] = d.getImageData(100, 120, 1, 1).data; return c.width == 320 && c.height == 200 && r > 200 && g < 60 && b < 60 })()`, red.ID)
	await(t, "a thumbnail of a red terminal", func() error { // the first may have been taken before the terminal was there
		if ok, err := browsertest.TryEvaluate[bool](b.Tab, pixels); err != nil || !ok {
			b.Do(chromedp.Navigate(n.URL))
			b.Until(`document.querySelectorAll('.thumb:not([hidden])').length == 3`)
			return fmt.Errorf("not yet (%v)", err)
		}
		return nil
	})
	if s := n.AwaitState(red.ID, transporter.Running); s.Clients != 0 {
		t.Errorf("a thumbnail counts as %d who look on", s.Clients)
	}

	// Favourites: with the keyboard, and they are still there on a fresh page and in the file.
	b.Do(chromedp.Focus(chromedp.CSS(`[data-star="calc"]`)), chromedp.KeyEvent(kb.Enter))
	b.Until(`document.querySelector('#apps h3').textContent == 'Favourites' && document.activeElement.dataset.star == 'calc' && document.activeElement.getAttribute('aria-pressed') == 'true'`)
	if files, _ := filepath.Glob(n.path("var", "users", n.User, "preferences.ini")); len(files) != 1 {
		t.Error("there is no file of preferences")
	}
	b.Do(chromedp.Navigate(n.URL))
	b.Until(`document.querySelector('#apps ul [data-app]').dataset.app == 'calc'`)
	b.Until(`document.querySelectorAll('.thumb:not([hidden])').length == 3`)
	b.Shoot("home-real")

	// Search: "/" goes there, accents do not matter, Enter goes to what was found.
	b.Do(chromedp.KeyEvent("/"), chromedp.KeyEvent("ubers"))
	b.Until(`document.querySelectorAll('[data-find]:not([hidden])').length == 1 && document.querySelector('#found').textContent == '1 found.'`)
	b.Screenshot()
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.Until(`document.activeElement.textContent == 'Übersicht'`)
	b.Do(chromedp.KeyEvent("/"), chromedp.KeyEvent("nothing at all"))
	b.Until(`document.querySelector('#found').className == 'empty'`)
	b.Screenshot()
	b.Do(chromedp.KeyEvent(kb.Escape))
	b.Until(`document.querySelectorAll('[data-find]:not([hidden])').length > 8`)
	if loads := eval[int](b, `performance.getEntriesByType('resource').filter(e => e.name.includes('/icons/solver.svg')).length`); loads == 0 {
		t.Error("the application's own icon is not loaded")
	}

	// The session ends elsewhere: its card goes by itself.
	n.Call(n.Token(), "DELETE", "/api/v1/sessions/"+red.ID, nil, nil)
	b.Until(`document.querySelectorAll('.cards .session').length == 2 && document.querySelectorAll('.rows .session').length == 3`)
	b.wantNoComplaints()
}
