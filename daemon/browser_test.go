package daemon_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestABrowserWorksInARealSession signs in, starts a terminal, types a command, and looks
// at the pixels and at the file that the command wrote.
func TestABrowserWorksInARealSession(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Start()
	b := openPage(t, n)
	b.Until(`document.querySelector('.notice').textContent.includes('runs as the Unix account')`)
	b.Shoot("real-home")

	b.Click(`[data-app="xterm"]`)
	b.Until(`document.body.dataset.connected && document.querySelector('canvas')`)
	n.AwaitState(n.Sessions()[0].ID, transporter.Running)
	proof := n.path("proof")
	typeUntil(t, ": > "+proof+"\r", b.Keys, func() bool { return exists(proof) }) // the window has the keyboard
	if err := b.Keys("clear; printf '\\033[41m\\033[2J\\033[H'; echo by hand > " + proof + "\r"); err != nil {
		t.Fatal(err)
	}
	await(t, "the file that the typed command writes", func() error {
		if data, err := os.ReadFile(proof); err != nil || string(data) != "by hand\n" {
			return fmt.Errorf("it holds %q (%v)", data, err)
		}
		return nil
	})
	await(t, "a red terminal on the page", func() error {
		if share := redShare(b.Screenshot()); share < 0.4 {
			return fmt.Errorf("%.0f %% of the page are red", 100*share)
		}
		return nil
	})
	b.Shoot("real-terminal")
}

// openPage signs in as a person does.
func openPage(t *testing.T, n *node) *browsertest.Tab {
	t.Helper()
	b := browsertest.Open(t, *shots)
	b.Go(n.URL)
	b.Fill("#username", n.User)
	b.Fill("#password", n.Password+"\r")
	b.Until(`document.querySelector('[data-app="xterm"]')`)
	return b
}
