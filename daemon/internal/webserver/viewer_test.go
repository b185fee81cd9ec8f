package webserver

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// openViewer looks at a session of a world in a browser.
func openViewer(t *testing.T) (*world, *browsertest.Tab, *screen, transporter.Session) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(*novncDir, "core", "rfb.js")); err != nil {
		t.Skip("the distribution's noVNC is not on this machine; make test installs it")
	}
	b := browsertest.Open(t, *shotsDir)
	w := newWorld(t, func(s *setup) { s.NoVNC = os.DirFS(*novncDir) })
	seen := &screen{width: 800, height: 500, pixel: func(x, y int) [3]byte { return [3]byte{byte(30 + x/8), byte(60 + y/4), 120} }}
	w.fake.rfb = seen.serve
	s := w.fake.add(transporter.Session{User: "ann", App: "xterm", Name: "Wing, Reynolds 3e6"})
	b.Look(browsertest.Desk)
	b.Do(chromedp.Navigate(w.url), chromedp.SendKeys(chromedp.CSS("#username"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('#signout')`)
	b.Go(w.url + "/sessions/" + s.ID)
	b.Until(`document.body.dataset.connected`)
	return w, b, seen, s
}

// newsOf is a session's news with what other releases may add to it.
type newsOf struct {
	transporter.Session
	Clipboard string         `json:"clipboard,omitempty"`
	Warning   map[string]any `json:"warning,omitempty"`
}

// TestTheViewerTellsWhatIsToBeKnown sends a viewer a warning, and words of an administrator.
func TestTheViewerTellsWhatIsToBeKnown(t *testing.T) {
	t.Parallel()
	w, b, _, s := openViewer(t)
	mine := func(st *stream) bool { return st.user == "ann" }
	w.ws.events.tell("session", newsOf{Session: s, Warning: map[string]any{"at": time.Now().Add(5 * time.Minute), "text": "Nobody has typed for long: this session ends in"}}, mine)
	b.Until(`!document.querySelector('#warning').hidden && /^4:\d\d$/.test(document.querySelector('#warning .left').textContent)`)
	w.ws.events.tell("message", map[string]any{"text": `The node goes down at noon. <b onclick="x()">Save</b>`, "from": "boss", "at": time.Now()}, mine)
	w.ws.events.tell("message", map[string]any{"text": "for another session", "session": "0123456789abcdef"}, mine)
	b.Until(`document.querySelector('.banner').textContent.startsWith('From boss: The node goes down at noon. <b onclick')`)
	b.Shoot("viewer-told")
	b.Click(".banner button")
	b.Until(`document.querySelectorAll('.banner').length == 0`)
	w.ws.events.tell("session", newsOf{Session: s}, mine)
	b.Until(`document.querySelector('#warning').hidden`)
	s.State, s.Reason = transporter.Ended, "ended after 30m without input"
	w.fake.add(s)
	w.tell(s, false)
	b.Until(`document.querySelector('.outcome:not(.failed) .reason').textContent == 'Ended after 30m without input.'`)
	b.Shoot("ended-in-order")
	b.WantNoComplaints("willReadFrequently")
}

// TestTheClipboardKeepsItsDirection changes which way the clipboard may go while somebody looks on.
func TestTheClipboardKeepsItsDirection(t *testing.T) {
	t.Parallel()
	w, b, _, s := openViewer(t)
	for way, want := range map[string]string{
		"": "send copy write", "bidirectional": "send copy write", "local-to-remote": "send write", "remote-to-local": "copy", "disabled": "none",
	} {
		w.ws.events.tell("session", newsOf{Session: s, Clipboard: way}, func(*stream) bool { return true })
		b.Until(`(document.querySelector('#clip').hidden ? 'none' : [['send', !document.querySelector('#clip-send').hidden], ['copy', !document.querySelector('#clip-copy').hidden],
			['write', !document.querySelector('#clip-text').readOnly]].filter(([, on]) => on).map(([name]) => name).join(' ')) == '` + want + `'`)
	}
	b.WantNoComplaints("willReadFrequently")
}

// TestTheViewerRemembersItsSettings opens the connection's dialog and chooses a saving picture.
func TestTheViewerRemembersItsSettings(t *testing.T) {
	t.Parallel()
	w, b, seen, s := openViewer(t)
	b.Until(`/^\d+ ms$/.test(document.querySelector('#latency').textContent)`)
	b.Click("#link")
	b.Until(`document.querySelector('#view').open && document.querySelector('[value=auto]').checked && document.querySelector('#size').textContent == '800 × 500'`)
	b.Until(`document.querySelector('#rate-now').textContent.endsWith('B/s')`)
	b.Shoot("viewer-connection")
	b.Click("[value=low]")
	await(t, "a lower quality asked of the display", func() bool { return seen.asksFor(-32 + 2) })
	b.Go(w.url + "/sessions/" + s.ID)
	b.Until(`document.body.dataset.connected && document.querySelector('[value=low]').checked`)
	b.Click("#clip")
	b.Until(`document.querySelector('#clipboard').open`)
	b.Shoot("viewer-clipboard")
	b.WantNoComplaints("willReadFrequently")
}
