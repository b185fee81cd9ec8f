package webserver

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestThePageSpeaksGerman looks at the pages with a browser that asks for German: the words are longer, and
// everybody has to be able to use them all the same.
func TestThePageSpeaksGerman(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, *shotsDir)
	w := newWorld(t, realNoVNC)
	w.fake.rfb = (&screen{width: 640, height: 480, pixel: func(x, y int) [3]byte { return [3]byte{40, 90, 160} }}).serve
	browsertest.Tell(b, network.Enable, network.EnableParams{})
	browsertest.Tell(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": "de-AT,de;q=0.9"}})
	b.Go(w.url)
	b.Until(`document.documentElement.lang == 'de'`)
	b.Shoot("german-signin")
	b.Do(chromedp.SendKeys(chromedp.CSS("#username"), "boss"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('#signout')`)
	s := w.fake.add(transporter.Session{User: "boss", Name: "Flügel", App: "xterm", MaxGeometry: "640x480"})
	w.fake.add(transporter.Session{User: "boss", Name: "Netz", App: "xterm", State: transporter.Ended, Reason: "the command ended with status 3", Created: time.Now().Add(-time.Hour)})
	w.tell(s, false)
	b.Until(`document.querySelectorAll('.session').length == 2 && document.querySelector('.session.ended time').textContent == 'vor 1 Stunde'`)
	b.Shoot("german-home")
	for name, path := range map[string]string{"german-nodes": "/admin/nodes", "german-config": "/admin/config", "german-everyone": "/admin/sessions"} {
		b.Go(w.url + path)
		b.Until(`document.querySelector('h1')`)
		b.Shoot(name)
	}
	b.Go(w.url + "/sessions/" + s.ID)
	b.Until(`document.body.dataset.connected`)
	b.Until(`document.querySelector('#toast').textContent.includes('höchstens 640 × 480 Pixel')`)
	b.Shoot("german-viewer")
	b.WantNoComplaints("willReadFrequently")
}

// TestNothingMovesForWhoWantsRest asks for reduced motion where things move otherwise: a session that starts, and a
// display that is waited for.
func TestNothingMovesForWhoWantsRest(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, *shotsDir)
	w := newWorld(t, realNoVNC)
	s := w.fake.add(transporter.Session{User: "ann", App: "xterm", State: transporter.Starting})
	b.Go(w.url)
	b.Do(chromedp.SendKeys(chromedp.CSS("#username"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('.state.starting')`)
	const moves = `document.getAnimations({ subtree: true }).some((a) => a.playState == 'running')`
	for _, path := range []string{"/", "/sessions/" + s.ID} {
		b.Look(browsertest.Desk)
		b.Go(w.url + path)
		b.Until(moves)
		b.Look(browsertest.View{Name: "calm", Width: 1100, Height: 760, Calm: true})
		b.Until(`!(` + moves + `)`)
	}
	b.WantNoComplaints()
}
