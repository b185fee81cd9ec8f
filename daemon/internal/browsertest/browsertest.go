// Package browsertest lets tests look at the page as a person does: in a real browser, which
// complains when something is wrong with it. Only tests import it.
package browsertest

import (
	"bytes"
	"context"
	_ "embed" // the rules of accessibility
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for something the page has to do.
const patience = 60 * time.Second

// Tab is a tab of a browser of its own. It notes every complaint: a violated
// Content-Security-Policy, a failed request, an exception.
type Tab struct {
	t     testing.TB
	ctx   context.Context
	shots string

	mu         sync.Mutex
	complaints []string
}

// Open starts a browser, which ends with the test. Shoot keeps its pictures in the folder
// shots; "" keeps none.
func Open(t testing.TB, shots string) *Tab {
	t.Helper()
	temp, err := os.MkdirTemp("/tmp", "fxb") // short: the browser makes a socket there
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.Env("TMPDIR="+temp), chromedp.ModifyCmdFunc(steady))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, leave := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		leave()
		cancel()
		if c := chromedp.FromContext(ctx); c != nil && c.Allocator != nil {
			c.Allocator.Wait()
		}
		_ = os.RemoveAll(temp)
	})
	return newTab(t, ctx, shots)
}

func newTab(t testing.TB, ctx context.Context, shots string) *Tab {
	t.Helper()
	b := &Tab{t: t, ctx: ctx, shots: shots}
	Tell(b, log.Enable, cdp.Empty{})
	Tell(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.Look(Desk)
	return b
}

// Another opens a tab beside this one, in the same browser.
func (b *Tab) Another() *Tab {
	b.t.Helper()
	ctx, leave := chromedp.NewContext(b.ctx)
	b.t.Cleanup(leave)
	return newTab(b.t, ctx, b.shots)
}

// Tell gives the browser a command of its debugging protocol.
func Tell[P, R any](b *Tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, command, params)
		return chromedp.Void{}, err
	})
}

func (b *Tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, string(e.Entry.Level)+" "+e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.complaints = append(b.complaints, text)
	}
}

// WantNoComplaints fails the test if the browser was unhappy with anything but what is expected,
// and forgets what it heard.
func (b *Tab) WantNoComplaints(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(c, e) }) {
			b.t.Errorf("the browser complains: %s", c)
		}
	}
	b.complaints = nil
}

// Do runs actions, all of which have to succeed.
func (b *Tab) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Go opens a page.
func (b *Tab) Go(url string) { b.t.Helper(); b.Do(chromedp.Navigate(url)) }

// Click clicks on the element that a CSS selector names. A page that is drawn anew in the same moment can make
// a click miss, as it does a person's; then it is tried again.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	for range 3 {
		watch := fmt.Sprintf(`{ window.hit = false; const at = (e) => e.target.closest?.(%q); addEventListener('click', (e) => { window.hit ||= Boolean(at(e)); }, { capture: true, once: true }); true }`, selector)
		b.Do(chromedp.Evaluate[chromedp.Void](watch), chromedp.Click(chromedp.CSS(selector)))
		if hit, err := TryEvaluate[bool](b, `window.hit ?? true`); hit || err != nil { // a click that leads elsewhere leaves nothing
			return
		}
	}
}

// Fill types into the element that a CSS selector names.
func (b *Tab) Fill(selector, text string) {
	b.t.Helper()
	b.Do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Keys types where the keyboard is.
func (b *Tab) Keys(text string) error { return chromedp.Do(b.ctx, chromedp.KeyEvent(text)) }

// Until waits for an expression to be true; the page's own policy forbids to poll from within.
func (b *Tab) Until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.keep("waited-in-vain")
			b.t.Fatalf("waited in vain for %s (%v); the page says %q", expression, err, b.text())
		}
		<-time.After(10 * time.Millisecond)
	}
}

// text is what the page says, for a test that fails.
func (b *Tab) text() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return text
}

// Evaluate runs an expression in the page and waits for what it promises.
func Evaluate[T any](b *Tab, expression string) T {
	b.t.Helper()
	v, err := TryEvaluate[T](b, expression)
	if err != nil {
		b.t.Fatalf("%.80s: %v", expression, err)
	}
	return v
}

// TryEvaluate is Evaluate for what may fail, for instance because the page is just being left.
func TryEvaluate[T any](b *Tab, expression string) (T, error) {
	return chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// View is how a page is looked at.
type View struct {
	Name          string
	Width, Height int64
	Dark          bool
	Calm          bool // prefers-reduced-motion
}

// The views that every page is shown in.
var (
	Desk  = View{Name: "light", Width: 1100, Height: 760}
	Night = View{Name: "dark", Width: 1100, Height: 760, Dark: true}
	Phone = View{Name: "phone", Width: 390, Height: 780}
	Pitch = View{Name: "phone-dark", Width: 390, Height: 780, Dark: true}
)

// Views are all of them.
var Views = []View{Desk, Night, Phone, Pitch}

// Look changes how the page is looked at.
func (b *Tab) Look(v View) {
	b.t.Helper()
	scheme, motion := "light", "no-preference"
	if v.Dark {
		scheme = "dark"
	}
	if v.Calm {
		motion = "reduce"
	}
	b.Do(chromedp.EmulateViewport(v.Width, v.Height))
	Tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}},
	})
}

// Screenshot takes a picture of the tab.
func (b *Tab) Screenshot() image.Image {
	b.t.Helper()
	img, _, err := b.picture()
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}

func (b *Tab) picture() (image.Image, []byte, error) {
	data, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return nil, nil, err
	}
	img, err := png.Decode(bytes.NewReader(data))
	return img, data, err
}

//go:embed accessibility.js
var accessibility string

// Accessibility lists what is wrong with the page for people who see little, hear it read aloud,
// or have no mouse; each line begins with its rule.
func (b *Tab) Accessibility() []string {
	b.t.Helper()
	return Evaluate[[]string](b, accessibility)
}

// Shoot looks at the page in every view: everybody has to be able to use it, and a picture is kept.
// That is only for eyes, so that it cannot be taken is no failure. It returns to the first view.
func (b *Tab) Shoot(name string) {
	b.t.Helper()
	for _, v := range Views {
		b.Look(v)
		for _, problem := range b.Accessibility() {
			b.t.Errorf("%s, %s: %s", name, v.Name, problem)
		}
		b.keep(name + "-" + v.Name)
	}
	b.Look(Desk)
}

func (b *Tab) keep(name string) {
	if b.shots == "" {
		return
	}
	_, data, err := b.picture()
	if err == nil {
		err = errors.Join(os.MkdirAll(b.shots, 0o755), os.WriteFile(filepath.Join(b.shots, name+".png"), data, 0o644))
	}
	if err != nil {
		b.t.Logf("no picture of %s: %v", name, err)
	}
}
