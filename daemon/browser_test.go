package daemon_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestABrowserWorksInARealSession signs in, starts a terminal, types a command, and looks
// at the pixels and at the file that the command wrote.
func TestABrowserWorksInARealSession(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Start()
	b := openTab(t, n.URL)
	b.signIn(n)
	b.until(`document.querySelector('.notice').textContent.includes('runs as the Unix account')`)
	b.screenshot("home")

	b.do(chromedp.Click(chromedp.CSS(`[data-app="xterm"]`)))
	b.until(`document.body.dataset.connected && document.querySelector('canvas')`)
	n.AwaitState(n.Sessions()[0].ID, transporter.Running)
	proof := n.path("proof")
	typeUntil(t, ": > "+proof+"\r", b.keys, func() bool { return exists(proof) }) // the window has the keyboard
	if err := b.keys("clear; printf '\\033[41m\\033[2J\\033[H'; echo by hand > " + proof + "\r"); err != nil {
		t.Fatal(err)
	}
	await(t, "the file that the typed command writes", func() error {
		if data, err := os.ReadFile(proof); err != nil || string(data) != "by hand\n" {
			return fmt.Errorf("it holds %q (%v)", data, err)
		}
		return nil
	})
	await(t, "a red terminal on the page", func() error {
		if share := redShare(b.screenshot("terminal")); share < 0.4 {
			return fmt.Errorf("%.0f %% of the page are red", 100*share)
		}
		return nil
	})
}
