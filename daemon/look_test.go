package daemon_test

import (
	"os"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestLooksChangeUnderOpenPages writes an administrator's files under a page with a session's display
// and one with the list, breaks them, and changes them once more while the daemon is away. Nothing is loaded again.
func TestLooksChangeUnderOpenPages(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"], n.Env["FX_LISTEN"] = noVNC(t), freeAddress(t)
	n.Start()
	s := n.StartSession(map[string]any{"command": "exec xterm -e cat", "geometry": "640x480"})
	n.AwaitState(s.ID, transporter.Running)
	list, display := openPage(t, n), openPage(t, n)
	display.Go(n.URL + "/sessions/" + s.ID)
	display.Until(`document.body.dataset.connected`)
	for _, b := range []*browsertest.Tab{list, display} {
		browsertest.Evaluate[int](b, "window.mark = 7")
	}

	logo := n.path("logo.svg")
	if err := os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`), 0o644); err != nil {
		t.Fatal(err)
	}
	n.Write("theme.ini", "title = Our place\naccent = \"#0b6b3a\"\nlogo = "+logo+"\n", 0o644)
	n.Write("announcements.html", "<p>Sunday: no power", 0o644)
	n.Write("motd.html", "<p>Hello</p>", 0o644)
	n.Write("headers.ini", "X-Robots-Tag = noindex\n", 0o644)
	list.Until(`document.querySelector('#motd').textContent == 'Hello' && document.querySelector('.brand').textContent == 'Our place'`)
	list.Until(`document.querySelector('.brand img').naturalWidth == 9`)
	display.Until(`document.querySelector('#announcements').textContent == 'Sunday: no power' && document.title.endsWith('Our place')`)
	n.Await("the header of headers.ini", func() error {
		resp, err := n.Client.Get(n.URL + "/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.Header.Get("X-Robots-Tag") != "noindex" {
				err = os.ErrNotExist
			}
		}
		return err
	})

	n.Write("motd.html", "<p>Gr\xfc\xdfe</p>", 0o644) // as an old editor saves it
	if stdout, _, code := n.Ctl("reload", "--wait"); code != 3 || !strings.Contains(stdout, "motd.html:1:6: the text is not UTF-8") {
		t.Errorf("a broken page: exit %d, %s", code, stdout)
	}

	n.Stop()
	n.Write("motd.html", "<p>Hello again</p>", 0o644)
	n.Write("announcements.html", "<p>All is well</p>", 0o644)
	n.Start()
	list.Until(`document.querySelector('#motd').textContent == 'Hello again'`)
	display.Until(`document.querySelector('#announcements').textContent == 'All is well'`)
	display.Until(`document.body.dataset.connected`)
	for _, b := range []*browsertest.Tab{list, display} {
		if mark := browsertest.Evaluate[int](b, "window.mark ?? 0"); mark != 7 {
			t.Error("a page was loaded again")
		}
	}
}
