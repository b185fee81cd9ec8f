package webserver

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// openViewer looks at a session of a world in a browser.
func openViewer(t *testing.T) (*world, *browsertest.Tab, *screen, transporter.Session) {
	t.Helper()
	b := browsertest.Open(t, *shotsDir)
	w := newWorld(t, realNoVNC)
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

// TestTheViewerTellsWhatIsToBeKnown sends a viewer a warning, and words of an administrator.
func TestTheViewerTellsWhatIsToBeKnown(t *testing.T) {
	t.Parallel()
	w, b, _, s := openViewer(t)
	s.Warning = &transporter.Warning{At: time.Now().Add(5 * time.Minute), Text: "Nobody has typed for long: this session ends in"}
	w.tell(w.fake.add(s), false)
	b.Until(`!document.querySelector('#warning').hidden && /^4:\d\d$/.test(document.querySelector('#warning .left').textContent)`)
	w.say(transporter.Message{Text: `The node goes down at noon. <b onclick="x()">Save</b>`, From: "boss", At: time.Now()})
	other := w.fake.add(transporter.Session{User: "ann", Name: "Mesh"})
	w.say(transporter.Message{Text: "for another session", Session: other.ID, User: "ann", From: "boss", At: time.Now()})
	told := `document.querySelector('.banner').textContent.startsWith('From boss: The node goes down at noon. <b onclick')`
	b.Until(told)
	b.Shoot("viewer-told")
	b.Go(w.url + "/sessions/" + s.ID) // who changes the page has not read it yet
	b.Until(told)
	list := b.Another()
	list.Go(w.url)
	list.Until(`document.querySelectorAll('.banner').length == 2`)
	b.Click(".banner button")
	for tab, left := range map[*browsertest.Tab]string{b: "0", list: "1"} {
		tab.Until(`document.querySelectorAll('.banner').length == ` + left)
	}
	list.Go(w.url)
	list.Until(`document.querySelector('.banner').textContent.startsWith('From boss to “Mesh”: for another session') && document.querySelectorAll('.banner').length == 1`)
	s.Warning = nil
	w.tell(w.fake.add(s), false)
	b.Until(`document.querySelector('#warning').hidden`)
	s.State, s.Reason = transporter.Ended, "ended by disconnect_timeout = 2h in performance/p.ini: nobody was connected"
	w.fake.add(s)
	w.tell(s, false)
	b.Until(`document.querySelector('.outcome:not(.failed) .reason').textContent == 'Ended by disconnect_timeout = 2h in performance/p.ini: nobody was connected.'`)
	b.Shoot("ended-in-order")
	b.WantNoComplaints("willReadFrequently")
}

// TestTheClipboardKeepsItsDirection changes which way the clipboard may go while somebody looks on.
func TestTheClipboardKeepsItsDirection(t *testing.T) {
	t.Parallel()
	w, b, _, s := openViewer(t)
	for way, want := range map[string]string{
		"bidirectional": "send copy write", "local-to-remote": "send write", "remote-to-local": "copy", "disabled": "none",
	} {
		s.Clipboard = way
		w.tell(w.fake.add(s), false)
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

// TestAViewerTriesAgain meets a display that says nothing, and a program that comes without one of its parts.
func TestAViewerTriesAgain(t *testing.T) {
	t.Parallel()
	w, b, seen, s := openViewer(t)
	var calls atomic.Int32
	w.fake.mu.Lock()
	w.fake.rfb = func(c net.Conn) {
		if calls.Add(1) > 1 {
			seen.serve(c)
			return
		}
		_, _ = io.Copy(io.Discard, c) // until the page gives up
	}
	w.fake.mu.Unlock()
	block := func(pattern ...*network.BlockPattern) {
		browsertest.Tell(b, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: pattern})
	}
	browsertest.Tell(b, network.Enable, network.EnableParams{})
	for _, part := range []string{"meter.js", "words.en.js", "page.css"} {
		block(&network.BlockPattern{URLPattern: "*://*:*/*/" + part, Block: true})
		b.Go(w.url + "/sessions/" + s.ID)
		b.Until(`sessionStorage.getItem('tries') >= 1`)
		block()
		b.Until(`document.body.dataset.connected && sessionStorage.getItem('tries') == null`)
	}
	if n := calls.Load(); n < 4 {
		t.Errorf("connected %d times, want one in vain and one for each part", n)
	}
	b.WantNoComplaints("willReadFrequently", "BLOCKED_BY_CLIENT", "dynamically imported module")
}

// TestAViewerThatIsSentAwayStaysAway tells a viewer that it may not look on, and one that it cannot come: the page
// says why and comes back only when somebody asks it to.
func TestAViewerThatIsSentAwayStaysAway(t *testing.T) {
	t.Parallel()
	w, b, _, s := openViewer(t)
	w.fake.sendAway(s.ID, "disconnected by idle_timeout = 30m in performance/p.ini: nobody used the keyboard or mouse")
	told := `document.querySelector('#veil-text').textContent == 'Disconnected by idle_timeout = 30m in performance/p.ini: nobody used the keyboard or mouse.' && !document.querySelector('#again').hidden`
	b.Until(told)
	w.tell(s, false)
	b.Do(chromedp.Evaluate[chromedp.Void](`window.dispatchEvent(new Event('online')); document.dispatchEvent(new Event('visibilitychange')); undefined`))
	for range 20 {
		b.Until(told + ` && !document.body.dataset.connected`)
	}
	b.Shoot("viewer-sent-away")
	b.Click("#again")
	b.Until(`document.body.dataset.connected`)

	w.fake.failing("may connect", transporter.Errorf(transporter.Forbidden, "this is not your session"))
	b.Go(w.url + "/sessions/" + s.ID)
	b.Until(`document.querySelector('#veil-text').textContent == 'You may not look into this session.' && !document.querySelector('#again').hidden`)
	b.WantNoComplaints("willReadFrequently", "WebSocket connection", "403", "404")
}

// TestTheKeyboardCanBeHadAndLeft goes to full screen, where the session gets every key, and leaves with three keys.
func TestTheKeyboardCanBeHadAndLeft(t *testing.T) {
	t.Parallel()
	_, b, _, _ := openViewer(t)
	b.Do(chromedp.Evaluate[chromedp.Void](`navigator.keyboard.lock = async () => { document.body.dataset.locked = 'yes'; }; navigator.keyboard.unlock = () => { document.body.dataset.locked = 'no'; }; undefined`))
	b.Until(`document.activeElement.localName == 'canvas'`)
	b.Click("#full")
	b.Until(`document.fullscreenElement && document.body.dataset.locked == 'yes' && document.activeElement.localName == 'canvas'`)
	for modifiers, k := range []string{"Control", "Alt", "Shift"} {
		held := []int64{2, 3, 11}[modifiers]
		b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: k, Code: k + "Left", Modifiers: held})
			return chromedp.Void{}, err
		})
	}
	b.Until(`!document.fullscreenElement && document.body.dataset.locked == 'no'`)
	b.WantNoComplaints("willReadFrequently")
}

// TestACardWarns lets the list say what the session's own page does.
func TestACardWarns(t *testing.T) {
	t.Parallel()
	b := browsertest.Open(t, *shotsDir)
	w := newWorld(t, nil)
	s := w.fake.add(transporter.Session{User: "ann", App: "xterm", Name: "Night run", State: transporter.Starting})
	b.Do(chromedp.Navigate(w.url), chromedp.SendKeys(chromedp.CSS("#username"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('.cards .session') && document.querySelector('.session .warning').hidden`)
	s.Warning = &transporter.Warning{At: time.Now().Add(299 * time.Second), Text: "Ends soon:"}
	w.fake.add(s)
	w.tell(s, false)
	b.Until(`/^Ends soon: 4:\d\d$/.test(document.querySelector('.session .warning:not([hidden])').textContent)`)
	b.Shoot("home-warning")
	w.say(transporter.Message{Text: "Welcome back.", At: time.Now()})
	b.Until(`document.querySelector('.banner').textContent.startsWith('From an administrator: Welcome back.')`)
	b.WantNoComplaints("401")
}
