package webserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// aCluster gives the fake a cluster in which several things are not as they should be.
func (f *fake) aCluster() {
	f.remember()
	f.mu.Lock()
	defer f.mu.Unlock()
	levels := map[string]string{"**": "info", "config": "", "launcher": "debug", "manager": "", "node": "", "transporter": "warn", "user": "", "webserver": ""}
	f.levels = levels
	config := func(shared string, problems ...diag.Diagnostic) transporter.ConfigState {
		return transporter.ConfigState{Generation: 12, Digest: "sha256:11", Shared: "sha256:" + shared, Accepted: true, Since: time.Now().Add(-3 * time.Hour), Problems: problems}
	}
	old := diag.Diagnostic{File: "performance/default.ini", Line: 4, Col: 1, Key: "max_geometry", Severity: diag.Warning, Code: "x", Summary: "is larger than any screen", Remedy: "write 3840x2160 or less"}
	f.others = []transporter.Node{
		{Beat: transporter.Beat{Node: "gpu-2.cluster.example", Version: "1.2.3", Services: []string{"launcher"}, Metadata: map[string]string{"gpu": "A100", "osId": "debian", "rack": "12"},
			Load: transporter.Load{Cores: 64, Load1: 70.25, MemTotal: 512 << 30, MemFree: 61 << 30}, Max: 60, Config: config("0011223344556677", old), Levels: levels}, Sessions: 43, Heard: time.Now()},
		{Beat: transporter.Beat{Node: "gpu-3.cluster.example", Version: "1.2.3", Services: []string{"launcher"}, Drain: true,
			Load: transporter.Load{Cores: 64, Load1: 3, MemTotal: 512 << 30, MemFree: 480 << 30}, Config: config("8899aabbccddeeff"), Levels: levels}, Sessions: 2, Heard: time.Now()},
		{Beat: transporter.Beat{Node: "old.cluster.example", Version: "1.1.0", Services: []string{"webserver", "manager", "user", "launcher"},
			Load: transporter.Load{Cores: 4, Load1: 1, MemTotal: 16 << 30, MemFree: 12 << 30}, Config: config("0011223344556677")}, Sessions: 1, Heard: time.Now().Add(-4 * time.Minute)},
	}
	f.diffs[0].Diff = "@@ -1,5 +1,5 @@\n name = Terminal\n-command = xterm\n+command = xterm -ls -geometry 120x40 -fa Monospace -fs 11 -bg black -fg grey90 -sb -sl 10000 -title Terminal\n geometry = rootless\n-token = sha256:0f47f1f9b5ce\n+token = sha256:99ac0be12d01\n"
	for n := 60; n > 2; n-- {
		f.past = append(f.past, transporter.Generation{Generation: n, When: time.Now().Add(-time.Duration(61-n) * time.Hour), Origin: "watch", Changed: []string{fmt.Sprintf("apps/app-%d.ini", n%7), "fastx.env"}[:1+n%2]})
	}
	f.past = append(f.past[2:], f.past[:2]...)
	f.past[0].Origin, f.past[0].Changed = "loglevel by boss", []string{"loglevel.ini"}
	f.past[1].Changed = nil
}

// signedIn opens a page as an administrator.
func signedIn(t *testing.T, w *world, path string) *browsertest.Tab {
	t.Helper()
	b := browsertest.Open(t, *shotsDir)
	b.Go(w.url + path)
	b.Do(chromedp.SendKeys(chromedp.CSS("#username"), "boss"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Until(`document.querySelector('nav.main')`)
	return b
}

// wide fails when a page is wider than a phone.
func wide(t *testing.T, b *browsertest.Tab, page string) {
	t.Helper()
	b.Look(browsertest.Phone)
	if w := browsertest.Evaluate[int](b, "document.documentElement.scrollWidth"); w > 390 {
		t.Errorf("%s is %d pixels wide on a phone of 390", page, w)
	}
	b.Look(browsertest.Desk)
}

// TestABrowserShowsTheNodes signs in to the page of the nodes, drains one by the keyboard, and sees one fall silent.
func TestABrowserShowsTheNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.aCluster()
	b := signedIn(t, w, "/admin/nodes")
	b.Until(`location.pathname == '/admin/nodes' && document.querySelectorAll('.node').length == 5`)
	b.Until(`document.querySelector('.node.silent [data-age]').textContent.includes('min ago')`)
	b.Shoot("admin-nodes")
	wide(t, b, "the page of the nodes")

	b.Click(`[data-key="gpu-2.cluster.example"] summary`)
	drained := func() bool {
		w.fake.mu.Lock()
		defer w.fake.mu.Unlock()
		return w.fake.drained["gpu-2.cluster.example"]
	}
	ask := func(button string) {
		t.Helper()
		b.Do(chromedp.Focus(chromedp.CSS(button)))
		press(b, "Enter", "Enter", 13, 0)
		b.Until(`document.querySelector('dialog').open && document.activeElement.value == 'no'`)
	}
	ask(`[data-drain="gpu-2.cluster.example"]`)
	b.Shoot("admin-drain")
	if err := b.Keys("\x1b"); err != nil { // Escape keeps the node as it is
		t.Fatal(err)
	}
	b.Until(`!document.querySelector('dialog').open`)
	if drained() {
		t.Error("a question that was not answered drained a node")
	}
	for _, c := range []struct {
		button, next string
		drained      bool
	}{{"drain", "undrain", true}, {"undrain", "drain", false}} {
		ask(`[data-` + c.button + `="gpu-2.cluster.example"]`)
		press(b, "Tab", "Tab", 9, 0)
		press(b, "Enter", "Enter", 13, 0)
		b.Until(`document.activeElement.dataset.` + c.next + ` == 'gpu-2.cluster.example'`) // the keyboard is where it was
		if drained() != c.drained {
			t.Errorf("after %sing the node is drained: %t", c.button, drained())
		}
	}
	w.fake.mu.Lock()
	w.fake.others[0].Load.Load1 = 12.5
	w.fake.mu.Unlock()
	b.Do(chromedp.Focus(chromedp.CSS(`[data-drain="gpu-2.cluster.example"]`)))
	if err := transporter.Publish(w.fake.news, transporter.NodeBeat, transporter.Beat{Node: "gpu-2.cluster.example"}); err != nil {
		t.Fatal(err)
	}
	b.Until(`document.querySelector('[data-key="gpu-2.cluster.example"]').textContent.includes('12.50 on 64')`)
	b.Until(`document.activeElement.dataset.drain == 'gpu-2.cluster.example'`)           // the keyboard stays
	b.Until(`document.querySelector('[data-key="gpu-2.cluster.example"] details').open`) // and what was unfolded
	b.Until(`document.querySelector('[data-key="` + thisNode + `"] [data-age]').textContent.includes(' s ago')`)
	w.fake.mu.Lock()
	w.fake.others[0].Heard = time.Now().Add(-time.Minute)
	w.fake.mu.Unlock()
	if err := transporter.Publish(w.fake.news, transporter.NodeBeat, transporter.Beat{Node: "bare"}); err != nil {
		t.Fatal(err)
	}
	b.Until(`document.querySelector('#news').textContent.includes('gpu-2.cluster.example: No word.')`)
	b.WantNoComplaints()
}

// TestABrowserFindsAndMessagesASession filters everyone's sessions, says something to one, and ends another.
func TestABrowserFindsAndMessagesASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i, user := range []string{"ann", "bob", "carla", "ann"} {
		w.fake.add(transporter.Session{User: user, Name: []string{"Simulation", "Terminal", "XFCE desktop with quite a long name for one line", "Old run"}[i],
			Geometry: "1280x800", Clients: i % 3, State: []transporter.State{"running", "starting", "running", "ended"}[i], Reason: []string{"", "", "", "the command ended with status 127"}[i],
			Node: []string{"gpu-2.cluster.example", "gpu-3.cluster.example", "gpu-2.cluster.example", "old"}[i]})
	}
	b := signedIn(t, w, "/admin/sessions")
	b.Until(`document.querySelectorAll('.one').length == 4 && document.querySelector('#filter button').hidden`)
	b.Shoot("admin-sessions")
	wide(t, b, "the page of everyone's sessions")
	b.Fill("#f-user", "ann")
	b.Until(`document.querySelectorAll('.one').length == 2 && location.search == '?user=ann'`)
	b.Until(`document.activeElement.id == 'f-user' && document.querySelector('.tally').textContent == '2 of 4 sessions'`)

	news := w.events(t, "", bearer(w.login("boss")))
	b.Click(`[data-tell]`)
	b.Until(`document.querySelector('#message').open && document.activeElement.id == 'message-text'`)
	b.Fill("#message-text", "Please save your work:\nthis node is restarted at noon.")
	b.Until(`document.querySelector('#message-left').textContent == '446 characters left'`)
	b.Shoot("admin-message")
	b.Click(`#message [value=yes]`)
	if name, data := news.next(); name != "message" || !strings.Contains(data, "your work: this node") {
		t.Errorf("heard %s %s", name, data)
	}
	b.Until(`document.querySelector('#toast').textContent != ''`)
	b.Click(`#tell-all`)
	b.Until(`document.querySelector('#message').open && document.querySelector('#message-text').value == ''`)
	b.Click(`#message [value=yes]`) // an empty one is not sent
	b.Until(`document.querySelector('#message').open && document.querySelector('#message-text').validationMessage != ''`)
	b.Click(`#message [value=no]`)
	b.Click(`[data-end]`)
	b.Until(`document.querySelector('#confirm').open && document.querySelector('#confirm-title').textContent == 'End “Simulation” of ann?'`)
	b.Click(`#confirm [value=yes]`)
	b.Until(`document.querySelectorAll('.one.ended').length == 2`)
	b.WantNoComplaints()
}

// TestABrowserLooksThroughTheConfiguration goes from a problem to the generations and what changed between
// two, and sets a log level where that is possible and where it is not.
func TestABrowserLooksThroughTheConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.aCluster()
	b := signedIn(t, w, "/admin/config")
	b.Until(`document.querySelectorAll('tbody tr').length == 5 && document.querySelectorAll('.problems li').length == 2`)
	b.Shoot("admin-config")
	b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector('#h-problems').scrollIntoView()`))
	b.Shoot("admin-config-below")
	wide(t, b, "the page of the configuration")

	b.Do(chromedp.Evaluate[chromedp.Void](`(() => { const s = document.querySelector('select[name=user]'); s.value = 'warn'; s.dispatchEvent(new Event('input', { bubbles: true })); })()`))
	b.Click(`.levels [type=submit]`)
	b.Until(`document.querySelector('.outcome').textContent.includes('generation 4 runs with it')`)
	b.Until(`document.querySelector('.levels [type=submit]').disabled && document.querySelector('.levels details pre').textContent.includes('user = warn')`)
	w.fake.failing("loglevel", &transporter.Error{Code: transporter.Conflict, Message: "/etc/fastx/loglevel.ini cannot be written (read-only file system); put this text there yourself", Detail: "# ours\n** = info\nuser = error\n"})
	b.Do(chromedp.Evaluate[chromedp.Void](`(() => { const s = document.querySelector('select[name=user]'); s.value = 'error'; s.dispatchEvent(new Event('input', { bubbles: true })); })()`))
	b.Click(`.levels [type=submit]`)
	b.Until(`document.querySelector('.outcome pre')?.textContent.includes('user = error')`)
	b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector('.outcome').scrollIntoView({ block: 'center' })`))
	b.Shoot("admin-loglevel")
	b.WantNoComplaints("409")

	b.Go(w.url + "/admin/config/" + thisNode)
	b.Until(`document.querySelectorAll('tbody tr').length == 50 && document.querySelector('time').title`)
	b.Shoot("admin-history")
	wide(t, b, "a node's history")
	b.Click(`form [type=submit]`)
	b.Until(`location.pathname.endsWith('/diff') && document.querySelectorAll('.diff .added').length == 3`)
	b.Shoot("admin-diff")
	wide(t, b, "a diff")
	b.Click(`.back a:last-child`)
	b.Until(`document.querySelector('tbody th a')`)
	b.Go(w.url + "/admin/config/" + thisNode + "/2")
	b.Until(`document.querySelector('details[open] pre').textContent == 'name = X\n'`)
	b.Shoot("admin-generation")
	wide(t, b, "a generation")
	b.WantNoComplaints()
}
