package webserver

import (
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

var (
	novncDir = flag.String("novnc", cmp.Or(os.Getenv("FX_NOVNC_DIR"), "/usr/share/novnc"), "where the distribution's noVNC is")
	shotsDir = flag.String("shots", os.Getenv("FX_SHOTS_DIR"), "keep screenshots of every page in this folder")
)

// TestABrowserSignsInStartsAndSees goes the way of a user in a real browser: a wrong
// password, the right one, start, the display's pixels, typing, and the end.
func TestABrowserSignsInStartsAndSees(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(*novncDir, "core", "rfb.js")); err != nil {
		t.Skip("the distribution's noVNC is not on this machine; make test installs it")
	}
	b := browsertest.Open(t, *shotsDir)
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

	b.Go(w.url)
	b.Shoot("signin")
	b.Do(chromedp.SendKeys(chromedp.CSS("#username"), "boss"), chromedp.SendKeys(chromedp.CSS("#password"), "wrong\r"))
	b.Until(`!document.getElementById('problem').hidden`)
	b.Shoot("signin-wrong")
	b.WantNoComplaints("401")
	b.Do(chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('#signout')`)
	b.Shoot("home-empty")

	w.fake.add(transporter.Session{User: "boss", Name: "Yesterday’s run", App: "xfce", Geometry: "1600x900", State: transporter.Ended,
		Reason: "the command ended with status 127: it was not found", Created: time.Now().Add(-26 * time.Hour)})
	w.fake.add(transporter.Session{User: "ann", Name: "Ann’s desktop with quite a long name for one line of a phone", App: "xfce", Geometry: "1920x1080", Clients: 2})
	starting := w.fake.add(transporter.Session{User: "boss", Name: `<b onclick="x()">"bold"</b>`, App: "xterm", State: transporter.Starting, Geometry: "rootless"})
	w.tell(starting, false)
	b.Until(`document.querySelector('#s-` + starting.ID + `')`)
	b.Shoot("home")
	b.Go(w.url + "/?all=1")
	b.Until(`document.querySelectorAll('.session').length == 3`)
	b.Click("summary")
	b.Shoot("home-all")

	b.Click(`[data-app="xterm"]`)
	b.Until(`location.pathname.startsWith('/sessions/') && document.body.dataset.connected`)
	b.Until(`(() => { const c = document.querySelector('canvas');
		return c.width == 320 && String(c.getContext('2d').getImageData(200, 100, 1, 1).data) == '90,140,160,255' })()`)
	b.Shoot("display")
	b.Do(chromedp.KeyEvent("hi"))
	await(t, "the keys", func() bool { return slices.Equal(display.pressed(), []uint32{'h', 'i'}) })
	b.WantNoComplaints("willReadFrequently") // about this test's own reading

	id := browsertest.Evaluate[string](b, "document.body.dataset.session")
	w.fake.add(transporter.Session{ID: id, User: "boss", Name: "Terminal", App: "xterm", Command: "xterm -ls", State: transporter.Ended, Reason: "the command ended with status 1"})
	b.Go(w.url + "/sessions/" + id)
	b.Until(`document.querySelector('.log')?.textContent.includes('line two')`)
	b.Shoot("ended")
	b.Click(`[data-remove]`)
	b.Until(`location.pathname == '/' && document.querySelector('.sessions')`)
	b.Until(`!document.querySelector('#s-` + id + `')`)

	b.Click(`#s-` + starting.ID + ` [data-end]`)
	b.Until(`document.querySelector('dialog').open`)
	b.Shoot("confirm")
	b.Click(`dialog [value=yes]`)
	b.Until(`document.querySelector('#s-` + starting.ID + ` .state.ended')`)
	b.Go(w.url + "/nowhere")
	b.Shoot("nowhere")
	b.WantNoComplaints("404")
	b.Go(w.url)
	b.Click("#signout")
	b.Until(`document.querySelector('#password')`)
	b.WantNoComplaints()
}

// TestABrowserIsToldWhatToInstall opens a session where noVNC is missing.
func TestABrowserIsToldWhatToInstall(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, *shotsDir)
	w := newWorld(t, func(s *setup) {
		belowBase(s)
		s.NoVNC = nil
	})
	s := w.fake.add(transporter.Session{User: "ann", Name: "Terminal"})
	b.Do(chromedp.Navigate(w.url),
		chromedp.SendKeys(chromedp.CSS("#username"), "otp"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('#answer-1')`)
	b.Shoot("challenge")
	b.Do(chromedp.SendKeys(chromedp.CSS("#answer-0"), "42"), chromedp.SendKeys(chromedp.CSS("#answer-1"), "Rex\r"))
	b.Until(`document.querySelector('#signout')`)
	b.Go(w.url + "/sessions/" + s.ID)
	b.Until(`document.body.textContent.includes('apt install novnc')`)
	b.Shoot("no-novnc")
	b.WantNoComplaints("401")
}
