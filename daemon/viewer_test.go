package daemon_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// startViewer starts a node and a session that runs command, and looks at that in a browser.
func startViewer(t *testing.T, command string) (*node, *tab, transporter.Session) {
	t.Helper()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Start()
	s := n.StartSession(map[string]any{"command": command, "name": "At work", "geometry": "800x600"})
	b := openTab(t, n.URL)
	b.signIn(n)
	b.Do(chromedp.Navigate(n.URL + "/sessions/" + s.ID))
	b.connected()
	return n, b, n.AwaitState(s.ID, transporter.Running)
}

// inside makes a program of the machine see a session's display.
func (n *node) inside(id, name string, args ...string) *exec.Cmd {
	n.t.Helper()
	r := n.awaitRecord(id, "its display", func(r *session.Record) bool { return r.Display != "" })
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "DISPLAY=" + r.Display, "XAUTHORITY=" + session.XauthFile(r.Dir), "LANG=C.UTF-8", "HOME=" + n.path("home")}
	return cmd
}

const manyTongues = "Grüße €5 漢字 – zwei\nZeilen\nund drei"

// TestTextGoesBothWaysThroughTheClipboard copies text of many tongues in a real session and pastes it
// in the browser, and the other way round: by itself where the browser allows, by the dialog elsewhere.
func TestTextGoesBothWaysThroughTheClipboard(t *testing.T) {
	t.Parallel()
	n, b, s := startViewer(t, "exec xterm")
	b.permit("clipboard-read", browser.PermissionSettingGranted)
	b.permit("clipboard-write", browser.PermissionSettingGranted)

	copyIn := n.inside(s.ID, "xclip", "-selection", "clipboard", "-in")
	copyIn.Stdin = strings.NewReader(manyTongues)
	if err := copyIn.Run(); err != nil {
		t.Fatal(err)
	}
	await(t, "the session's text in the browser's clipboard", func() error {
		if got := eval[string](b, `navigator.clipboard.readText()`); got != manyTongues {
			return fmt.Errorf("it holds %q", got)
		}
		return nil
	})

	pasted := func(want string) func() error {
		return func() error {
			out, err := n.inside(s.ID, "xclip", "-selection", "clipboard", "-out").Output()
			if string(out) != want {
				return fmt.Errorf("the session reads %q (%v)", out, err)
			}
			return nil
		}
	}
	back := "zurück: " + manyTongues
	eval[any](b, fmt.Sprintf(`navigator.clipboard.writeText(%q).then(() => { window.dispatchEvent(new Event('focus')); })`, back))
	await(t, "the browser's text in the session", pasted(back))

	b.permit("clipboard-read", browser.PermissionSettingDenied)
	b.permit("clipboard-write", browser.PermissionSettingDenied)
	b.Click("#clip")
	b.Until(`document.querySelector('#clipboard').open && document.querySelector('#clip-text').value.startsWith('zurück')`)
	b.Do(chromedp.SetValue(chromedp.CSS("#clip-text"), "by hand: ä€漢"))
	b.Screenshot()
	b.Click("#clip-send")
	await(t, "the dialog's text in the session", pasted("by hand: ä€漢"))
	b.wantNoComplaints()
}

// TestKeysOfOtherLayoutsArrive types as a German and a French keyboard do. What the programs of the
// session read is what stands on the keys, though the X server knows an American keyboard only.
func TestKeysOfOtherLayoutsArrive(t *testing.T) {
	t.Parallel()
	n, b, _ := startViewer(t, `exec xterm -u8 -e sh -c 'cat > "$HOME/typed"'`)
	typed := func() string {
		data, _ := os.ReadFile(n.path("home", "typed"))
		return string(data)
	}
	typeUntil(t, "\r", b.Keys, func() bool { return strings.HasPrefix(typed(), "\n") }) // the window has the keyboard
	altGr, shift := key{"AltRight", "AltGraph"}, key{"ShiftLeft", "Shift"}

	b.press(key{"Semicolon", "ö"}, key{"Minus", "ß"}, key{"KeyY", "z"}) // German
	b.hold(altGr)
	b.press(key{"KeyE", "€"}, key{"Digit7", "{"}, key{"KeyQ", "@"}, key{"Minus", "\\"})
	b.release(altGr)
	b.hold(shift)
	b.press(key{"Quote", "Ä"}, key{"Digit7", "/"})
	b.release(shift)
	b.press(key{"Semicolon", "m"}, key{"Digit2", "é"}) // French: m and é where others have ; and 2

	// Dead keys: the browser says that one is dead, and what is printed on it.
	eval[any](b, `(() => { navigator.keyboard.getLayoutMap = async () => new Map([['BracketLeft', '^'], ['Equal', '´']]); window.dispatchEvent(new Event('focus')); })()`)
	b.press(key{"BracketLeft", "Dead"}, key{"KeyE", "e"})
	b.press(key{"Equal", "Dead"}, key{"KeyX", "x"}) // there is no x with an accent
	b.press(key{"BracketLeft", "Dead"}, key{"Space", " "})
	b.press(key{"BracketLeft", "Dead"}, key{"BracketLeft", "Dead"}) // twice is the sign itself
	b.hold(shift)
	b.press(key{"BracketLeft", "Dead"}) // ¨ in French
	b.press(key{"KeyI", "I"})
	b.release(shift)
	b.press(key{"Equal", "Dead"}, key{"KeyA", "á"}) // a browser that composes by itself
	b.press(key{"Enter", "Enter"})

	const want = "ößz€{@\\Ä/méê´x^^Ïá"
	await(t, "what was typed", func() error {
		if got := strings.Trim(typed(), "\n"); got != want {
			return fmt.Errorf("the session read %q, want %q", got, want)
		}
		return nil
	})
	b.wantNoComplaints()
}

// TestABrokenHomeIsShownAndLeftOut starts an application in a home whose start-up files break everything.
// The page tells what broke, and starts it without them.
func TestABrokenHomeIsShownAndLeftOut(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	for _, name := range []string{".profile", ".bash_profile", ".bashrc", ".xsessionrc", ".zshenv"} {
		if err := os.WriteFile(n.path("home", name), []byte("echo \"conda: command not found in ~/"+name+"\" >&2\nexit 1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n.Start()
	b := openTab(t, n.URL)
	b.signIn(n)
	b.Click(`[data-app="xterm"]`)
	b.Until(`document.querySelector('.outcome.failed')`)
	b.Until(`document.querySelector('.log').textContent.includes('conda: command not found')`)
	b.Shoot("failed")
	b.Click(`[data-order*="clean"]`)
	b.connected()
	proof := n.path("proof")
	typeUntil(t, ": > "+proof+"\r", b.Keys, func() bool { return exists(proof) })
	if s := n.Sessions(); len(s) != 2 || !s[0].Clean && !s[1].Clean {
		t.Errorf("the sessions are %+v", s)
	}
	b.wantNoComplaints("WebSocket connection") // to a session that fails just then
}

// TestAViewerComesBackByItself cuts the network, then kills the daemon, then ends the session. The last
// picture stays while there is no other, nobody loads the page again, and the end is told with its log.
func TestAViewerComesBackByItself(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Start()
	n.Env["FX_LISTEN"] = strings.TrimPrefix(n.URL, "https://") // the same after a restart
	s := n.StartSession(map[string]any{"command": `echo the last words; xterm -bg red -geometry 200x60 -e cat; exit 3`, "geometry": "800x600"})
	w := startWire(t, n.Env["FX_LISTEN"])
	b := openTab(t, w.url())
	b.signIn(n)
	b.Do(chromedp.Navigate(w.url() + "/sessions/" + s.ID))
	b.connected()
	eval[any](b, `document.body.dataset.loaded = 'once'`)
	red := func(what string, least float64) {
		t.Helper()
		await(t, what, func() error {
			if share := dullRedShare(b.Screenshot()); share < least {
				return fmt.Errorf("%.0f %% of the page are red", 100*share)
			}
			return nil
		})
	}
	red("a picture", 0.4)
	b.Until(`/^\d+ ms$/.test(document.querySelector('#latency').textContent) && document.querySelector('#link').dataset.health != 'away'`)

	w.cut()
	b.Until(`!document.body.dataset.connected && document.querySelector('#still canvas')`)
	b.Until(`document.querySelector('#link').dataset.health == 'away'`)
	red("the last picture dimmed", 0.2)
	w.mend()
	b.connected()
	b.Until(`!document.querySelector('#still canvas') && document.querySelector('#veil').hidden`)
	red("a picture after the network is back", 0.4)

	n.Kill()
	b.Until(`!document.body.dataset.connected`)
	n.Start()
	b.connected()
	red("a picture after the daemon is back", 0.4)
	b.Until(`document.body.dataset.loaded == 'once'`)

	// A connection that goes nowhere looks open for minutes: the viewer notices that nothing is answered.
	w.hold()
	b.Until(`!document.body.dataset.connected`)
	w.mend()
	b.connected()

	if out, err := n.inside(s.ID, "pkill", "-f", "xterm -bg red -geometry 200x60").CombinedOutput(); err != nil {
		t.Fatalf("pkill: %v %s", err, out)
	}
	b.Until(`document.querySelector('.outcome.failed') && document.querySelector('.log').textContent.includes('the last words')`)
	b.wantNoComplaints("net::ERR", "WebSocket connection", "502", "503")
}

// dullRedShare is which part of a picture is some red, bright or dimmed.
func dullRedShare(img image.Image) float64 {
	bounds, red := img.Bounds(), 0
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 > 70 && r > 2*g && r > 2*b {
				red++
			}
		}
	}
	return float64(red) / float64(bounds.Dx()*bounds.Dy())
}

// TestASessionFollowsTheWindow makes the window smaller and larger. A session with a limit follows up to that, and
// the page says so.
func TestASessionFollowsTheWindow(t *testing.T) {
	t.Parallel()
	n, b, _ := startViewer(t, "exec xterm")
	size := func(width, height int) string {
		return fmt.Sprintf(`(c => c.width == %d && c.height == document.querySelector('#screen').clientHeight && c.height < %d)(document.querySelector('canvas'))`, width, height)
	}
	b.Until(size(1100, 860))
	b.look(900, 700, false)
	b.Until(size(900, 700))
	second := b.another(eval[string](b, "location.href"))
	second.connected() // two tabs on one session, the other smaller: one size, both see it
	second.look(700, 500, false)
	second.Until(size(700, 500))
	b.Until(`document.querySelector('canvas').width == 700`)
	b.Click("#fit")
	b.Until(`document.querySelector('#fit').getAttribute('aria-pressed') == 'false'`)

	n.Write("performance/small.ini", "max_geometry = 640x480\n", 0o644)
	n.Write("apps/small.ini", "command = xterm\nprofile = small\n", 0o644)
	if out, errs, code := n.Ctl("reload", "--wait"); code != 0 {
		t.Fatal(out, errs)
	}
	limited := n.StartSession(map[string]any{"app": "small"})
	b.Go(n.URL + "/sessions/" + limited.ID)
	b.connected()
	b.Until(`document.querySelector('#fit').getAttribute('aria-pressed') == 'false'`) // as it was left
	b.look(500, 400, false)
	b.Click("#fit")
	b.Until(size(500, 400))
	b.look(900, 700, false)
	b.Until(`document.querySelector('canvas').width == 640 && document.querySelector('canvas').height == 480`)
	for range 2 {
		b.Click("#fit")
	}
	b.Until(`document.querySelector('#toast').textContent.includes('at most 640 × 480 pixels')`)
	b.Until(`document.querySelector('#fit').getAttribute('aria-pressed') == 'true'`)
	b.wantNoComplaints()
	second.wantNoComplaints()
}

// TestAnOpenPageOutlivesItsCertificate changes the certificate twice, by another setting and by other files, while somebody
// works: new connections get the new one, and the page goes on as if nothing had happened.
func TestAnOpenPageOutlivesItsCertificate(t *testing.T) {
	t.Parallel()
	n, b, s := startViewer(t, "exec xterm")
	b.Do(chromedp.Evaluate[chromedp.Void](`document.body.dataset.loaded = 'once'; undefined`))
	dir := t.TempDir()
	cert, key, _ := keyPair(t, dir)
	n.Write("https.ini", "cert_file = "+cert+"\nkey_file = "+key+"\n", 0o644)
	served := func(want []byte) {
		t.Helper()
		block, _ := pem.Decode(want)
		n.Await("the new certificate", func() error {
			conn, err := tls.Dial("tcp", strings.TrimPrefix(n.URL, "https://"), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				return err
			}
			defer conn.Close()
			if got := conn.ConnectionState().PeerCertificates[0].Raw; !bytes.Equal(got, block.Bytes) {
				return errors.New("the old one is served")
			}
			return nil
		})
	}
	for range 2 {
		pair, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		served(pair)
		b.Until(`document.body.dataset.connected && document.body.dataset.loaded == 'once'`)
		if status := eval[int](b, `fetch('/api/v1/sessions/`+s.ID+`', { cache: 'no-store' }).then((r) => r.status)`); status != 200 {
			t.Errorf("the page is answered %d", status)
		}
		keyPair(t, dir)
	}
	fresh := b.another(n.URL + "/sessions/" + s.ID)
	fresh.connected()
	b.Until(`document.body.dataset.connected && document.body.dataset.loaded == 'once'`)
	b.wantNoComplaints()
}
