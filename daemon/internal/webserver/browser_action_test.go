package webserver

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
)

// usersPage signs somebody in, who then sees their list.
func usersPage(t *testing.T, w *world, user string) *browsertest.Tab {
	t.Helper()
	b := browsertest.Open(t, *shotsDir)
	b.Do(chromedp.Navigate(w.url), chromedp.SendKeys(chromedp.CSS("#username"), user), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('#signout') && document.querySelector('#sessions')`)
	awaken(b)
	return b
}

// awaken waits until the page's script does what it is there for.
func awaken(b *browsertest.Tab) {
	browsertest.Evaluate[bool](b, `import(document.querySelector('script[type=module]:not([src$="look.js"])').src).then(() => true)`)
}

// happens waits for something that a test has brought about.
func happens(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	await(t, what, func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	})
}

// TestADoubleClickStartsOneSession clicks on while the new session's page is on its way.
func TestADoubleClickStartsOneSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := usersPage(t, w, "ann")
	asked, answer := w.fake.hold("session")
	browsertest.Evaluate[int](b, `setInterval(() => { document.querySelector('[data-app="xterm"]').click(); fetch('/healthz'); }, 20)`)
	happens(t, "the session's page to be asked for", asked)
	clicks := func() int { return strings.Count(w.log.String(), "path=/healthz") }
	before := clicks()
	await(t, "more clicks", func() bool { return clicks() > before+5 })
	answer()
	b.Until(`location.pathname.startsWith('/sessions/')`)
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	if w.fake.starts != 1 {
		t.Errorf("many clicks have started %d sessions", w.fake.starts)
	}
}

// TestAPageThatComesBackCanBeUsed goes back to a page as the browser kept it, with a button that is at work.
func TestAPageThatComesBackCanBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := usersPage(t, w, "ann")
	asked, answer := w.fake.hold("start")
	b.Click(`[data-app="xterm"]`)
	happens(t, "a session to be ordered", asked)
	b.Until(`document.querySelector('[data-app="xterm"]').ariaDisabled == 'true' && document.activeElement.dataset.app == 'xterm'`)
	browsertest.Evaluate[bool](b, `window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))`)
	b.Until(`document.querySelector('[data-app="xterm"]').ariaDisabled == null`)
	answer()
	b.Until(`location.pathname.startsWith('/sessions/')`)
}
