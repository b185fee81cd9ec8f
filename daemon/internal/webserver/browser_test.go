package webserver

import (
	"cmp"
	"context"
	"flag"
	"os"
	"os/exec"
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

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

var (
	novncDir = flag.String("novnc", cmp.Or(os.Getenv("FX_NOVNC_DIR"), "/usr/share/novnc"), "where the distribution's noVNC is")
	shotsDir = flag.String("shots", os.Getenv("FX_SHOTS_DIR"), "keep screenshots of every page in this folder")
)

// browser is a tab of a real one. It notes every complaint: a violated
// Content-Security-Policy, a failed request, an exception.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium on this machine; make test installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.IgnoreCertErrors, chromedp.ExecPath(path))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		if _, err := cdp.Call(ctx, t, log.Enable, cdp.Empty{}); err != nil {
			return chromedp.Void{}, err
		}
		_, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return chromedp.Void{}, err
	})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, string(e.Entry.Level)+" "+e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for an expression to be true; the page's own policy forbids to poll from within.
func (b *browser) until(expression string) {
	b.t.Helper()
	await(b.t, expression, func() bool {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return ok && err == nil
	})
}

func (b *browser) look(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(width, height), func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	})
}

// shoot looks at a page as a desk and a phone, light and dark, show it: everybody has to be able to
// use it, and a screenshot is kept.
func (b *browser) shoot(name string) {
	b.t.Helper()
	for _, look := range []struct {
		name          string
		width, height int64
		dark          bool
	}{{"light", 1100, 760, false}, {"dark", 1100, 760, true}, {"phone", 390, 780, false}, {"phone-dark", 390, 780, true}} {
		b.look(look.width, look.height, look.dark)
		for _, problem := range b.accessibility() {
			b.t.Errorf("%s, %s: %s", name, look.name, problem)
		}
		if *shotsDir == "" {
			continue
		}
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*shotsDir, name+"-"+look.name+".png"), png, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	b.look(1100, 760, false)
}

// wantNoComplaints fails if the browser was unhappy with anything but what is expected.
func (b *browser) wantNoComplaints(expected ...string) {
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

// TestABrowserSignsInStartsAndSees goes the way of a user in a real browser: a wrong
// password, the right one, start, the display's pixels, typing, and the end.
func TestABrowserSignsInStartsAndSees(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(*novncDir, "core", "rfb.js")); err != nil {
		t.Skip("the distribution's noVNC is not on this machine; make test installs it")
	}
	b := newBrowser(t)
	display := &screen{width: 320, height: 200, pixel: func(x, y int) [3]byte {
		return [3]byte{byte(40 + x/4), byte(90 + y/2), 160}
	}}
	w := newWorld(t, func(s *setup) {
		s.NoVNC = os.DirFS(*novncDir)
		s.Account = "root"
	})
	w.fake.rfb = display.serve
	w.fake.apps = append(w.fake.apps,
		transporter.App{ID: "xfce", Name: "XFCE desktop", Geometry: "1600x900"},
		transporter.App{ID: "evil", Name: `<script>alert(1)</script>`, Geometry: "rootless"})

	b.look(1100, 760, false)
	b.do(chromedp.Navigate(w.url))
	b.shoot("signin")
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), "boss"), chromedp.SendKeys(chromedp.CSS("#password"), "wrong\r"))
	b.until(`!document.getElementById('problem').hidden`)
	b.shoot("signin-wrong")
	b.wantNoComplaints("401")
	b.do(chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.until(`document.querySelector('#signout')`)
	b.shoot("home-empty")

	w.fake.add(transporter.Session{User: "boss", Name: "Yesterday’s run", App: "xfce", Geometry: "1600x900", State: transporter.Ended,
		Reason: "the command ended with status 127: it was not found", Created: time.Now().Add(-26 * time.Hour)})
	w.fake.add(transporter.Session{User: "ann", Name: "Ann’s desktop with quite a long name for one line of a phone", App: "xfce", Geometry: "1920x1080", Clients: 2})
	starting := w.fake.add(transporter.Session{User: "boss", Name: `<b onclick="x()">"bold"</b>`, App: "xterm", State: transporter.Starting, Geometry: "rootless"})
	w.tell(starting, false)
	b.until(`document.querySelector('#s-` + starting.ID + `')`)
	b.shoot("home")
	b.do(chromedp.Navigate(w.url + "/?all=1"))
	b.until(`document.querySelectorAll('.session').length == 3`)
	b.until(`!document.querySelector('.thumb')`) // what everyone does is nobody's business
	b.do(chromedp.Click(chromedp.CSS("summary")))
	b.shoot("home-all")

	b.do(chromedp.Click(chromedp.CSS(`[data-app="xterm"]`)))
	b.until(`location.pathname.startsWith('/sessions/') && document.body.dataset.connected`)
	b.until(`(() => { const c = document.querySelector('canvas');
		return c.width == 320 && String(c.getContext('2d').getImageData(200, 100, 1, 1).data) == '90,140,160,255' })()`)
	b.shoot("display")
	b.do(chromedp.KeyEvent("hi"))
	await(t, "the keys", func() bool { return slices.Equal(display.pressed(), []uint32{'h', 'i'}) })
	b.wantNoComplaints("willReadFrequently") // about this test's own reading

	id, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.dataset.session"))
	if err != nil {
		t.Fatal(err)
	}
	w.fake.add(transporter.Session{ID: id, User: "boss", Name: "Terminal", App: "xterm", Command: "xterm -ls", State: transporter.Ended, Reason: "the command ended with status 1"})
	b.do(chromedp.Navigate(w.url + "/sessions/" + id))
	b.until(`document.querySelector('.log')?.textContent.includes('line two')`)
	b.shoot("ended")
	b.do(chromedp.Click(chromedp.CSS(`[data-remove]`)))
	b.until(`location.pathname == '/' && document.querySelector('#sessions')`)
	b.until(`!document.querySelector('#s-` + id + `')`)

	b.do(chromedp.Click(chromedp.CSS(`#s-` + starting.ID + ` [data-end]`)))
	b.until(`document.querySelector('dialog').open`)
	b.shoot("confirm")
	b.do(chromedp.Click(chromedp.CSS(`dialog [value=yes]`)))
	b.until(`document.querySelector('#s-` + starting.ID + ` .state.ended')`)
	b.do(chromedp.Navigate(w.url + "/nowhere"))
	b.shoot("nowhere")
	b.wantNoComplaints("404")
	b.do(chromedp.Navigate(w.url), chromedp.Click(chromedp.CSS("#signout")))
	b.until(`document.querySelector('#password')`)
	b.wantNoComplaints()
}

// TestABrowserIsToldWhatToInstall opens a session where noVNC is missing.
func TestABrowserIsToldWhatToInstall(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	w := newWorld(t, func(s *setup) { s.NoVNC = nil })
	s := w.fake.add(transporter.Session{User: "ann", Name: "Terminal"})
	b.do(chromedp.Navigate(w.url),
		chromedp.SendKeys(chromedp.CSS("#username"), "otp"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.until(`document.querySelector('#answer-1')`)
	b.shoot("challenge")
	b.do(chromedp.SendKeys(chromedp.CSS("#answer-0"), "42"), chromedp.SendKeys(chromedp.CSS("#answer-1"), "Rex\r"))
	b.until(`document.querySelector('#signout')`)
	b.do(chromedp.Navigate(w.url + "/sessions/" + s.ID))
	b.until(`document.body.textContent.includes('apt install novnc')`)
	b.shoot("no-novnc")
	b.wantNoComplaints("401")
}
