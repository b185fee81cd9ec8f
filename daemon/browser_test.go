package daemon_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// shots keeps what the browser tests saw.
var shots = flag.String("shots", "", "keep screenshots in this folder")

// tab is a tab of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func openTab(t *testing.T, url string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.WindowSize(1100, 860))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &tab{t, ctx}
	b.do(chromedp.Navigate(url))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
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

// screenshot takes a picture of the tab, and keeps it where -shots says.
func (b *tab) screenshot(name string) image.Image {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if *shots != "" {
		if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	img, _, err := image.Decode(bytes.NewReader(png))
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}

// TestABrowserWorksInARealSession signs in, starts a terminal, types a command, and looks
// at the pixels and at the file that the command wrote.
func TestABrowserWorksInARealSession(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Start()
	b := openTab(t, n.URL)
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), n.User), chromedp.SendKeys(chromedp.CSS("#password"), n.Password+"\r"))
	b.until(`document.querySelector('[data-app="xterm"]')`)
	b.until(`document.querySelector('.notice').textContent.includes('runs as the Unix account')`)
	b.screenshot("home")

	b.do(chromedp.Click(chromedp.CSS(`[data-app="xterm"]`)))
	b.until(`document.body.dataset.connected && document.querySelector('canvas')`)
	n.AwaitState(n.Sessions()[0].ID, transporter.Running)
	proof := n.path("proof")
	typeUntil(t, ": > "+proof+"\r", b.keys, func() bool { return exists(proof) }) // the window has the keyboard
	if err := b.keys("clear; printf '\\033[41m\\033[2J\\033[H'; echo by hand > " + proof + "\r"); err != nil {
		t.Fatal(err)
	}
	await(t, "the file that the typed command writes", func() error {
		if data, err := os.ReadFile(proof); err != nil || string(data) != "by hand\n" {
			return fmt.Errorf("it holds %q (%v)", data, err)
		}
		return nil
	})
	await(t, "a red terminal on the page", func() error {
		if share := redShare(b.screenshot("terminal")); share < 0.4 {
			return fmt.Errorf("%.0f %% of the page are red", 100*share)
		}
		return nil
	})
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
