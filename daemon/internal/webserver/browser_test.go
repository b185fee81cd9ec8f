package webserver

import (
	"cmp"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

var (
	novncDir = flag.String("novnc", cmp.Or(os.Getenv("FX_NOVNC_DIR"), "/usr/share/novnc"), "where the distribution's noVNC is")
	shotsDir = flag.String("shots", os.Getenv("FX_SHOTS_DIR"), "keep screenshots of every page in this folder")
)

// realNoVNC shows displays with the distribution's noVNC, which make test fetches where it is not installed.
func realNoVNC(s *setup) { s.NoVNC = os.DirFS(*novncDir) }

// TestABrowserSignsInStartsAndSees goes the way of a user in a real browser: a wrong
// password, the right one, start, the display's pixels, typing, and the end.
func TestABrowserSignsInStartsAndSees(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, *shotsDir)
	display := &screen{width: 320, height: 200, pixel: func(x, y int) [3]byte {
		return [3]byte{byte(40 + x/4), byte(90 + y/2), 160}
	}}
	w := newWorld(t, func(s *setup) {
		realNoVNC(s)
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
	b.Until(`!document.querySelector('.thumb')`) // what everyone does is nobody's business
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
	b.Until(`location.pathname == '/' && document.querySelector('#sessions')`)
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
	b.WantNoComplaints("401") // the list may be asked for once more, with a login that has just ended
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

// TestABrowserTakesOverTheLook changes the administrator's files under open pages: one that nobody has
// signed in on, one that listens for events, and one of an error. None of them is loaded again.
func TestABrowserTakesOverTheLook(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, *shotsDir)
	w := newWorld(t, belowBase)
	mark := func() { browsertest.Evaluate[int](b, "window.mark = 7") }
	glance := func() { browsertest.Evaluate[bool](b, "document.dispatchEvent(new Event('visibilitychange'))") } // sooner than by itself
	unloaded := func() {
		t.Helper()
		if got := browsertest.Evaluate[int](b, "window.mark ?? 0"); got != 7 {
			t.Error("the page was loaded again")
		}
	}
	b.Go(w.url)
	mark()
	dressed(&setup{conf: &w.conf})
	w.conf.Theme.Logo = ""
	w.commit()
	glance()
	b.Until(`document.querySelector('#announcements').textContent == 'Sunday: no power'`)
	b.Until(`document.querySelector('h1').textContent == 'Example & Sons' && document.title.endsWith(' · Example & Sons')`)
	b.Until(`getComputedStyle(document.querySelector('button.primary')).backgroundColor == 'rgb(11, 107, 58)'`)
	unloaded()
	b.Shoot("look-signin")

	b.Fill("#username", "ann")
	b.Fill("#password", password+"\r")
	b.Until(`document.querySelector('#motd b')?.textContent == 'all'`)
	mark()
	b.Shoot("look-home")
	w.conf.Theme.Title, w.conf.Theme.Accent, w.conf.Theme.Logo = nasty, "#800000", "/srv/logo.svg"
	w.conf.Pages.MOTD, w.conf.Pages.Announcements = "", `<p>Now <a href="#main">later</a></p>`
	w.set = w.set.With(fileset.File{Name: "/srv/logo.svg", Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect style="fill:red" width="9" height="9"/></svg>`)})
	w.commit()
	b.Until(`document.querySelector('#announcements a')?.textContent == 'later' && !document.querySelector('#motd').hasChildNodes()`)
	b.Until(`document.querySelector('.brand span').textContent.startsWith('<script>')`)
	b.Until(`document.querySelectorAll('link#theme').length == 1 && getComputedStyle(document.querySelector('button.primary, .announcements a')).color == 'rgb(128, 0, 0)'`)
	b.Until(`(i => i.src.endsWith('/logo.svg') && i.complete && i.naturalWidth == 9)(document.querySelector('.brand img'))`)
	unloaded()
	b.WantNoComplaints("ERR_NETWORK_CHANGED")

	b.Go(w.url + "/nowhere")
	b.Until(`document.querySelector('#replaced').textContent == 'Lost?' && document.querySelector('#usual').hidden`)
	mark()
	b.Shoot("look-404")
	w.conf.Pages.Errors = nil
	w.commit()
	glance()
	b.Until(`!document.querySelector('#usual').hidden && !document.querySelector('#replaced').hasChildNodes()`)
	unloaded()
	b.WantNoComplaints("404", "ERR_NETWORK_CHANGED")
}

// TestNoScriptOfAnAdministratorRuns goes around the check that leaves scripts out: the page's policy alone stops them.
func TestNoScriptOfAnAdministratorRuns(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, "")
	const evil = `<img src="data:x" onerror="window.ran = 1"><script>window.ran = 2</script><b style="position: fixed">x</b><a href="javascript:window.ran = 3" id="evil">y</a>`
	w := newWorld(t, func(s *setup) { s.conf.Pages.Announcements = evil })
	b.Go(w.url)
	b.Until(`document.querySelector('#evil')`)
	b.Click("#evil")
	w.conf.Pages.Announcements = evil + "<p>again</p>"
	w.commit()
	browsertest.Evaluate[bool](b, "document.dispatchEvent(new Event('visibilitychange'))")
	b.Until(`document.querySelector('#announcements p')`)
	b.Click("#evil")
	if ran := browsertest.Evaluate[int](b, "window.ran ?? 0"); ran != 0 {
		t.Errorf("script %d ran", ran)
	}
	if position := browsertest.Evaluate[string](b, "getComputedStyle(document.querySelector('#announcements b')).position"); position != "static" {
		t.Errorf("an inline style applies: position %s", position)
	}
}
