package webserver

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
)

// press sends a key with those that are held down with it: 1 Alt, 2 Control, 8 Shift, added up.
func press(b *browsertest.Tab, key, code string, number, held int64) {
	text := map[string]string{"Enter": "\r"}[key]
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key, Code: code, Text: text, Modifiers: held, WindowsVirtualKeyCode: number})
			return chromedp.Void{}, err
		})
	}
}

// TestTheKeyboardComesAndGoes leaves the session with three keys, out of full screen too, and comes back with Tab.
func TestTheKeyboardComesAndGoes(t *testing.T) {
	t.Parallel()
	_, b, seen, _ := openViewer(t)
	const inSession, inBar = `document.activeElement.localName == 'canvas'`, `document.activeElement.closest('.tools')`
	leave := func() {
		press(b, "Control", "ControlLeft", 17, 2)
		press(b, "Alt", "AltLeft", 18, 2+1)
		press(b, "Shift", "ShiftLeft", 16, 2+1+8)
	}
	b.Until(inSession)
	b.Click("#full")
	b.Until(`document.fullscreenElement && ` + inSession)
	leave()
	b.Until(`!document.fullscreenElement && ` + inBar)
	browsertest.Evaluate[bool](b, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`) // full screen's end has been told
	if !browsertest.Evaluate[bool](b, `!!`+inBar) {
		t.Error("the end of full screen gives the keyboard back to the session")
	}

	for range 10 {
		press(b, "Tab", "Tab", 9, 0)
		if browsertest.Evaluate[bool](b, inSession) {
			break
		}
	}
	b.Until(inSession + ` && document.activeElement.ariaLabel.includes('Wing')`)
	press(b, "a", "KeyA", 65, 0)
	await(t, "a key of who came with Tab", func() bool { return len(seen.pressed()) > 0 })
	b.Shoot("viewer-keyboard")
	b.WantNoComplaints("willReadFrequently")
}
