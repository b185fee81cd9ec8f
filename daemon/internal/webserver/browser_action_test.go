package webserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
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

// TestTheKeyboardKeepsItsPlace ends and removes sessions by the keyboard, in one's own list and in everyone's.
func TestTheKeyboardKeepsItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i, name := range []string{"one", "two", "three"} {
		w.fake.add(transporter.Session{ID: fmt.Sprintf("000000000000000%d", i), User: "boss", Name: name, Created: time.Now().Add(-time.Duration(i+1) * time.Hour)})
	}
	b := usersPage(t, w, "boss")
	card := func(i int) string {
		return fmt.Sprintf(`document.querySelector('#s-000000000000000%d, [data-key="000000000000000%d"]')`, i, i)
	}
	at := func(i int, control string) {
		t.Helper()
		b.Until(card(i) + `?.contains(document.activeElement) && document.activeElement.matches('` + control + `')`)
	}
	act := func(i int, control string) {
		t.Helper()
		browsertest.Evaluate[bool](b, card(i)+`.querySelector('`+control+`').focus() ?? true`)
		press(b, "Enter", "Enter", 13, 0)
	}
	end := func(i int) {
		t.Helper()
		act(i, "[data-end]")
		b.Until(`document.querySelector('#confirm').open`)
		press(b, "Tab", "Tab", 9, 0)
		press(b, "Enter", "Enter", 13, 0)
		at(i, "[data-remove]")
	}
	end(1) // the card goes to those that have ended, below
	w.tell(transporter.Session{ID: "0000000000000000", User: "boss"}, false)
	b.Until(`document.querySelectorAll('.session').length == 3`)
	act(1, "[data-remove]")
	at(2, "h2 a")
	end(2)
	act(2, "[data-remove]")
	at(0, "h2 a")
	end(0)
	act(0, "[data-remove]")
	b.Until(`document.activeElement.localName == 'h1' && !document.querySelector('.session')`)

	for i, state := range []transporter.State{transporter.Ended, transporter.Running} {
		w.fake.add(transporter.Session{ID: fmt.Sprintf("000000000000000%d", i), User: "boss", State: state})
	}
	b.Go(w.url + "/admin/sessions")
	awaken(b)
	end(1)
	act(1, "[data-remove]")
	at(0, "a.button")
	act(0, "[data-remove]")
	b.Until(`document.activeElement.localName == 'h1' && !document.querySelector('.one')`)
	b.WantNoComplaints("401")
}

// TestALateAnswerChangesNothing answers what a page asked first after what it asked then.
func TestALateAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.add(transporter.Session{User: "ann", Name: "one"})
	bobs := w.fake.add(transporter.Session{User: "bob", Name: "two"})
	b := usersPage(t, w, "boss")
	late := func(changed string, change func()) {
		t.Helper()
		asked, answer := w.fake.hold("list")
		w.tell(bobs, false)
		happens(t, "the list to be asked for", asked)
		change()
		b.Until(changed)
		before := strings.Count(w.log.String(), "path=/fragments/")
		answer()
		await(t, "the late answer", func() bool { return strings.Count(w.log.String(), "path=/fragments/") > before })
		browsertest.Evaluate[int](b, `fetch('/healthz').then((r) => r.status)`)
		if !browsertest.Evaluate[bool](b, changed) {
			t.Errorf("a late answer has taken the place of a newer one: no longer %s", changed)
		}
	}
	b.Go(w.url + "/?all=1")
	awaken(b)
	late(`document.querySelectorAll('.session').length == 1`, func() {
		w.fake.mu.Lock()
		delete(w.fake.sessions, bobs.ID)
		w.fake.mu.Unlock()
		w.tell(bobs, true)
	})
	bobs = w.fake.add(bobs)
	b.Go(w.url + "/admin/sessions")
	awaken(b)
	late(`document.querySelectorAll('.one').length == 1`, func() { b.Fill("#f-user", "ann") })
	b.WantNoComplaints("401")
}

// TestAPageOfAnEarlierLoginIsRenewed signs in again behind the back of an open page, once for good and once so that
// loading the page again does not help.
func TestAPageOfAnEarlierLoginIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := usersPage(t, w, "ann")
	again := func() {
		browsertest.Evaluate[int](b, `fetch('/login', { method: 'POST', headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ username: 'ann', password: '`+password+`' }) }).then((r) => { window.old = 1; return r.status; })`)
	}
	again()
	b.Click(`[data-star="xterm"]`)
	b.Until(`window.old == undefined && document.querySelector('#toast').textContent.startsWith('You have signed in again')`)
	awaken(b)
	b.Click(`[data-star="xterm"]`)
	b.Until(`document.querySelector('[data-star="xterm"]').ariaPressed == 'true' && sessionStorage.getItem('stale') == null`)
	b.WantNoComplaints("403")

	browsertest.Evaluate[bool](b, `sessionStorage.setItem('stale', 'told') ?? true`) // it has just been loaded again
	again()
	b.Click(`[data-star="xterm"]`)
	b.Until(`window.old == 1 && document.querySelector('#toast').textContent.startsWith('The X-CSRF-Token header')`)
	b.WantNoComplaints("403")
}

// TestADraftIsForItsRecipientOnly begins a message to one person, leaves it, and writes to another, to everyone, and on.
func TestADraftIsForItsRecipientOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	anns := w.fake.add(transporter.Session{User: "ann"})
	bobs := w.fake.add(transporter.Session{User: "bob"})
	b := usersPage(t, w, "boss")
	b.Go(w.url + "/admin/sessions")
	awaken(b)
	write := func(to, found, text, button string) {
		t.Helper()
		b.Click(to)
		b.Until(`document.querySelector('#message').open`)
		if got := browsertest.Evaluate[string](b, `document.querySelector('#message-text').value`); got != found {
			t.Errorf("a message to %s begins with %q, want %q", to, got, found)
		}
		b.Fill("#message-text", text)
		b.Click("#message [value=" + button + "]")
		b.Until(`!document.querySelector('#message').open`)
	}
	toAnn, toBob := `[data-tell="`+anns.ID+`"]`, `[data-tell="`+bobs.ID+`"]`
	write(toAnn, "", "Your licence", "no")
	write(toAnn, "Your licence", " has expired", "no")
	write(toBob, "", "Hello", "no")
	write("#tell-all", "", "Power is off at noon", "no")
	w.fake.failing("message", transporter.Errorf(transporter.Unavailable, "nobody answers"))
	write("#tell-all", "Power is off at noon", "!", "yes")
	b.Until(`document.querySelector('#toast').textContent == 'Nobody answers.'`)
	w.fake.failing("message", nil)
	write("#tell-all", "Power is off at noon!", "!", "yes")
	b.Until(`document.querySelector('#toast').textContent.includes('sent') && document.querySelector('#message-text').value == ''`)
	write(toAnn, "", "x", "no")
	b.WantNoComplaints("503", "401")
}

// TestTimesOfAdministratorsStay shows times in an administrator's own texts, one of them a date of no calendar, and one in the page.
func TestTimesOfAdministratorsStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.conf.Pages.MOTD = `<p>Down on <time datetime="2031-03-01">Saturday, 1 March</time></p>`
		s.conf.Pages.Announcements = `<p>Back <time datetime="soon">soon</time></p>`
	})
	w.fake.add(transporter.Session{User: "ann", Created: time.Now().Add(-3 * time.Hour)})
	b := usersPage(t, w, "ann")
	b.Until(`document.querySelector('.session time').textContent == '3 hours ago'`)
	if got := browsertest.Evaluate[string](b, `[...document.querySelectorAll('.prose time')].map((e) => e.textContent + e.title).join()`); got != "soon,Saturday, 1 March" {
		t.Errorf("an administrator's times are %q", got)
	}
	browsertest.Evaluate[bool](b, `(document.querySelector('.session time').dateTime = 'never', document.querySelector('.session time').textContent = '-', true)`)
	browsertest.Evaluate[bool](b, `import(document.querySelector('script[src$="look.js"]').src.replace('look.js', 'api.js')).then((api) => (api.tellTimes(), true))`)
	b.Until(`document.querySelector('.session time').textContent == '-'`)
	b.WantNoComplaints("401")
}
