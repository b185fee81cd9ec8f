package daemon_test

import (
	"flag"
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
)

// shots keeps what the browser tests saw.
var shots = flag.String("shots", os.Getenv("FX_SHOTS_DIR"), "keep screenshots in this folder")

// tab is a tab of a real browser, with the keys that are held in it.
type tab struct {
	*browsertest.Tab
	t         *testing.T
	modifiers int64 // as the debugging protocol counts them
}

func openTab(t *testing.T, url string) *tab {
	t.Helper()
	return show(t, browsertest.Open(t, *shots), url)
}

// another opens a tab beside this one, in the same browser.
func (b *tab) another(url string) *tab {
	b.t.Helper()
	return show(b.t, b.Another(), url)
}

func show(t *testing.T, b *browsertest.Tab, url string) *tab {
	t.Helper()
	n := &tab{Tab: b, t: t}
	n.look(1100, 860, false)
	n.Go(url)
	return n
}

// wantNoComplaints fails if the browser was unhappy with anything but what is expected.
func (b *tab) wantNoComplaints(expected ...string) {
	b.t.Helper()
	b.WantNoComplaints(append(expected, "willReadFrequently")...) // about how noVNC reads its own canvas
}

// eval evaluates a JavaScript expression, and waits where that is a promise.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	return browsertest.Evaluate[T](b.Tab, expression)
}

// connected waits until the page shows a display.
func (b *tab) connected() {
	b.t.Helper()
	b.Until(`document.body.dataset.connected && document.querySelector('canvas')`)
}

// look makes the tab's window this large, light or dark.
func (b *tab) look(width, height int64, dark bool) {
	b.t.Helper()
	b.Look(browsertest.View{Width: width, Height: height, Dark: dark})
}

// signIn signs in as the node's user.
func (b *tab) signIn(n *node) {
	b.t.Helper()
	b.Do(chromedp.SendKeys(chromedp.CSS("#username"), n.User), chromedp.SendKeys(chromedp.CSS("#password"), n.Password+"\r"))
	b.Until(`document.querySelector('#signout')`)
}

// permit grants or denies one of the browser's permissions.
func (b *tab) permit(permission string, setting browser.PermissionSetting) {
	b.t.Helper()
	browsertest.Tell(b.Tab, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: permission}, Setting: setting})
}

// key is one key of a keyboard: its place, and what is on it in the layout of its user.
type key struct{ code, name string }

// press presses and releases keys as a keyboard of another layout does.
func (b *tab) press(keys ...key) {
	b.t.Helper()
	for _, k := range keys {
		b.hold(k)
		b.release(k)
	}
}

func (b *tab) hold(k key) {
	b.t.Helper()
	b.modifiers |= modifier[k.name]
	browsertest.Tell(b.Tab, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Code: k.code, Key: k.name, Modifiers: b.modifiers})
}

func (b *tab) release(k key) {
	b.t.Helper()
	b.modifiers &^= modifier[k.name]
	browsertest.Tell(b.Tab, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Code: k.code, Key: k.name, Modifiers: b.modifiers})
}

var modifier = map[string]int64{"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// noVNC is where the distribution's noVNC lies.
func noVNC(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("FX_NOVNC_DIR")
	if dir == "" {
		dir = "/usr/share/novnc"
	}
	if _, err := os.Stat(filepath.Join(dir, "core", "rfb.js")); err != nil {
		t.Fatalf("the page needs the distribution's noVNC; make test fetches it: %v", err)
	}
	return dir
}

// redShare is which part of a picture is the red that a terminal calls colour 1.
func redShare(img image.Image) float64 {
	bounds, red := img.Bounds(), 0
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 > 180 && g>>8 < 60 && b>>8 < 60 {
				red++
			}
		}
	}
	return float64(red) / float64(bounds.Dx()*bounds.Dy())
}
