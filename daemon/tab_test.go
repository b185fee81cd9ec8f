package daemon_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// shots keeps what the browser tests saw.
var shots = flag.String("shots", os.Getenv("FX_SHOTS_DIR"), "keep screenshots in this folder")

// tab is a tab of a real browser. It notes every complaint: a violated
// Content-Security-Policy, a failed request, an exception.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	modifiers  int64 // that are held, as the debugging protocol counts them
}

func openTab(t *testing.T, url string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.WindowSize(1100, 860))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	return (&tab{t: t, ctx: alloc}).another(url)
}

// another opens a tab beside this one, in the same browser.
func (b *tab) another(url string) *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	n := &tab{t: b.t, ctx: ctx}
	tell(n, log.Enable, cdp.Empty{})
	if err := chromedp.Listen(ctx, n.hear); err != nil {
		b.t.Fatal(err)
	}
	tell(n, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	n.look(1100, 860, false)
	n.do(chromedp.Navigate(url))
	return n
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, string(e.Entry.Level)+" "+e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	}
}

// wantNoComplaints fails if the browser was unhappy with anything but what is expected.
func (b *tab) wantNoComplaints(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	expected = append(expected, "willReadFrequently") // about how noVNC reads its own canvas
	for _, c := range b.complaints {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(c, e) }) {
			b.t.Errorf("the browser complains: %s", c)
		}
	}
	b.complaints = nil
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// tell gives the browser a command of its debugging protocol.
func tell[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, command, params)
		return chromedp.Void{}, err
	})
}

// eval evaluates a JavaScript expression, and waits where that is a promise.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for a JavaScript expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	await(b.t, expression, func() error {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && !ok {
			err = fmt.Errorf("not yet")
		}
		return err
	})
}

// connected waits until the page shows a display.
func (b *tab) connected() {
	b.t.Helper()
	b.until(`document.body.dataset.connected && document.querySelector('canvas')`)
}

// look makes the tab's window this large, light or dark.
func (b *tab) look(width, height int64, dark bool) {
	b.t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	b.do(chromedp.EmulateViewport(width, height))
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// signIn signs in as the node's user.
func (b *tab) signIn(n *node) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), n.User), chromedp.SendKeys(chromedp.CSS("#password"), n.Password+"\r"))
	b.until(`document.querySelector('#signout')`)
}

// permit grants or denies one of the browser's permissions.
func (b *tab) permit(permission string, setting browser.PermissionSetting) {
	b.t.Helper()
	tell(b, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: permission}, Setting: setting})
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
	tell(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Code: k.code, Key: k.name, Modifiers: b.modifiers})
}

func (b *tab) release(k key) {
	b.t.Helper()
	b.modifiers &^= modifier[k.name]
	tell(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Code: k.code, Key: k.name, Modifiers: b.modifiers})
}

var modifier = map[string]int64{"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}

// screenshot takes a picture of the tab, and keeps it where -shots says.
func (b *tab) screenshot(name string) image.Image {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if *shots != "" {
		if err := os.WriteFile(filepath.Join(*shots, cmp.Or(name, b.t.Name())+".png"), png, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	img, _, err := image.Decode(bytes.NewReader(png))
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keys types into the page.
func (b *tab) keys(text string) error { return chromedp.Do(b.ctx, chromedp.KeyEvent(text)) }

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

// shoot looks at a page as a desk and a phone, light and dark, show it: everybody has to be able to use
// it, and a screenshot is kept.
func (b *tab) shoot(name string) {
	b.t.Helper()
	script, err := os.ReadFile("internal/webserver/testdata/a11y.js")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, l := range []struct {
		name          string
		width, height int64
		dark          bool
	}{{"desk", 1100, 860, false}, {"desk-dark", 1100, 860, true}, {"phone", 390, 780, false}, {"phone-dark", 390, 780, true}} {
		b.look(l.width, l.height, l.dark)
		b.screenshot(name + "-" + l.name)
		for _, problem := range eval[[]string](b, string(script)) {
			b.t.Errorf("%s, %s: %s", name, l.name, problem)
		}
	}
	b.look(1100, 860, false)
}
