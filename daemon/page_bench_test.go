package daemon_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fastx-kit/fastx-kit/daemon/internal/browsertest"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// flipping is a command whose whole window changes its colour at every key.
const flipping = `exec xterm -geometry 120x40+0+0 -e bash -c 'i=1; while read -rsN1; do i=$((3-i)); printf "\033[4%dm\033[2J" $i; done'`

// TestReportPage measures the page in a real browser beside noVNC's own page behind websockify: how
// soon it shows something, how much it loads, how soon a desktop is there, how fast a key comes back.
func TestReportPage(t *testing.T) {
	n := newNode(t)
	n.Env["FX_NOVNC_DIR"] = noVNC(t)
	n.Start()
	s := n.StartSession(map[string]any{"command": flipping, "geometry": "1024x768"})
	n.AwaitState(s.ID, transporter.Running)
	peer := "https://" + startWebsockify(t, n, n.path("run", "s", s.ID, "rfb"), "--web", noVNC(t)).address + "/vnc_lite.html?path=websockify"
	ours, theirs := openPage(t, n), browsertest.Open(t, "")
	reportFirstPaint(ours, theirs, n.URL, peer)
	reportFirstPixel(n, ours, theirs, peer)
	reportTyping(ours, theirs, n.URL+"/sessions/"+s.ID, peer)
}

// reportFirstPaint loads both pages with an empty cache, again and again.
func reportFirstPaint(ours, theirs *browsertest.Tab, url, peer string) {
	var paint, bytes [2][]float64
	for range rounds(15) {
		for i, at := range []struct {
			tab *browsertest.Tab
			url string
		}{{ours, url}, {theirs, peer}} {
			p, b := loadCold(at.tab, at.url)
			paint[i], bytes[i] = append(paint[i], p), append(bytes[i], b)
		}
	}
	line("page_first_contentful_paint_ms", middle(paint[0]), middle(paint[1]), "session-list peer-is=novnc-lite-page")
	line("page_bytes_kib", middle(bytes[0])/1024, middle(bytes[1])/1024, "session-list,cold peer-is=novnc-lite-page")
}

// loadCold opens a page with an empty cache and returns when it first showed something, in ms, and
// how many bytes it loaded.
func loadCold(b *browsertest.Tab, url string) (paint, bytes float64) {
	b.Do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, network.ClearBrowserCache, cdp.Empty{})
		return chromedp.Void{}, err
	})
	b.Go("about:blank")
	b.Go(url)
	b.Until(`performance.getEntriesByName('first-contentful-paint').length`)
	got := browsertest.Evaluate[[]float64](b, `[performance.getEntriesByName('first-contentful-paint')[0].startTime,
		performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')).reduce((sum, e) => sum + e.transferSize, 0)]`)
	return got[0], got[1]
}

// pixelThere is true when a page's canvas shows anything but black.
const pixelThere = `(() => { const c = document.querySelector('canvas'); if (!c || c.width < 300) return false;
	return c.getContext('2d').getImageData(0, 0, c.width, 100).data.some((v, i) => i % 4 < 3 && v > 0); })()`

// reportFirstPixel measures from the click on an application to its first pixel: the start of the
// session is in it. The peer only opens its page on a session that runs already.
func reportFirstPixel(n *node, ours, theirs *browsertest.Tab, peer string) {
	var took [2][]float64
	for range rounds(10) {
		ours.Go(n.URL)
		ours.Until(`document.querySelector('[data-app="xterm"]')`)
		took[0] = append(took[0], untilPixel(n.t, ours, func() { ours.Click(`[data-app="xterm"]`) }))
		took[1] = append(took[1], untilPixel(n.t, theirs, func() {
			theirs.Go("about:blank")
			theirs.Go(peer)
		}))
		ours.Go("about:blank") // a page whose session ends goes elsewhere, which would cut the next visit short
		for _, s := range n.Sessions() {
			if s.App != "" {
				n.Call(n.Token(), "DELETE", "/api/v1/sessions/"+s.ID, nil, nil)
			}
		}
	}
	line("page_click_to_first_pixel_ms", middle(took[0]), middle(took[1]), "start-included peer-is=novnc-lite-on-a-running-session")
}

// untilPixel acts and returns how many milliseconds it took until the canvas showed something.
func untilPixel(t testing.TB, b *browsertest.Tab, act func()) float64 {
	t.Helper()
	begin := time.Now()
	act()
	await(t, "a pixel", func() error {
		if ok, err := browsertest.TryEvaluate[bool](b, pixelThere); err != nil || !ok {
			return fmt.Errorf("none yet (%v)", err)
		}
		return nil
	})
	return ms(time.Since(begin))
}

// typingTimes presses a key so many times and measures in the page itself, from the key's event to
// the changed pixel, in ms; -1 is a key whose picture did not come.
const typingTimes = `(async (count) => {
	const canvas = document.querySelector('canvas'), context = canvas.getContext('2d');
	const pixel = () => context.getImageData(canvas.width >> 2, canvas.height >> 2, 1, 1).data.join();
	const soon = () => new Promise((done) => { const c = new MessageChannel(); c.port1.onmessage = done; c.port2.postMessage(0); });
	const press = (type) => canvas.dispatchEvent(new KeyboardEvent(type, { key: 'a', code: 'KeyA', keyCode: 65, bubbles: true, cancelable: true }));
	const times = [];
	for (let i = 0; i < count; i++) {
		const before = pixel(), begin = performance.now();
		press('keydown');
		press('keyup');
		while (pixel() === before) {
			if (performance.now() - begin > 3000) break;
			await soon();
		}
		times.push(pixel() === before ? -1 : performance.now() - begin);
	}
	return times;
})(%d)`

// reportTyping types into the same session from both pages, taking turns.
func reportTyping(ours, theirs *browsertest.Tab, url, peer string) {
	ours.Go(url)
	theirs.Go("about:blank")
	theirs.Go(peer)
	var took [2][]float64
	var missed [2]int
	ours.Until(pixelThere)
	theirs.Until(pixelThere)
	for range rounds(10) {
		for i, b := range []*browsertest.Tab{ours, theirs} {
			for _, t := range browsertest.Evaluate[[]float64](b, fmt.Sprintf(typingTimes, rounds(20))) {
				if t < 0 {
					missed[i]++
				} else {
					took[i] = append(took[i], t)
				}
			}
		}
	}
	o, p := middle(took[0]), middle(took[1])
	line("page_typing_echo_ms", o, p, fmt.Sprintf("extra=%+.2fms missed=%d peer-missed=%d peer-is=novnc-through-websockify", o-p, missed[0], missed[1]))
}

func middle(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// TestReportViewers measures what a viewer of a moving screen costs the server, beside websockify
// with as many viewers of the same session.
func TestReportViewers(t *testing.T) {
	n := startNode(t)
	s := n.StartSession(map[string]any{"command": movingScreen, "geometry": "800x600"})
	n.AwaitState(s.ID, transporter.Running)
	w := startWebsockify(t, n, n.path("run", "s", s.ID, "rfb"))
	for _, count := range []int{10, 50} {
		count = min(count, rounds(count)*2)
		ours := cpuPerUpdate(t, []int{n.cmd.Process.Pid}, func() []*watcher { return n.watch(t, s.ID, count) })
		theirs := cpuPerUpdate(t, []int{w.pid}, func() []*watcher { return watchBare(t, w.address, count) })
		line(fmt.Sprintf("viewer_cpu_us_per_update_at_%d", count), ours, theirs, "peer-is=websockify")
	}
}

// watchBare lets many viewers look on through websockify.
func watchBare(t *testing.T, address string, count int) []*watcher {
	t.Helper()
	var all []*watcher
	for range count {
		conn := dialWebSocket(t, "wss://"+address)
		v, err := newViewer(conn)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, follow(&liveViewer{viewer: v, conn: conn}))
	}
	return all
}

// cpuPerUpdate is the CPU time that processes and their children took for each update that a crowd saw, in µs.
func cpuPerUpdate(t *testing.T, pids []int, gather func() []*watcher) float64 {
	t.Helper()
	crowd := gather()
	awaitFrames(t, crowd, int64(rounds(20)))
	seen := func() (total int64) {
		for _, w := range crowd {
			total += w.frames.Load()
		}
		return total
	}
	spent, frames := familyTime(t, pids), seen()
	awaitFrames(t, crowd, int64(rounds(200)))
	spent, frames = familyTime(t, pids)-spent, seen()-frames
	for _, w := range crowd {
		w.conn.Close()
	}
	return float64(spent) / float64(time.Microsecond) / float64(frames)
}

// familyTime is the CPU time that processes and their children have taken so far, those that live.
func familyTime(t *testing.T, pids []int) (spent time.Duration) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if st, err := session.StatOf(pid); err == nil && (slices.Contains(pids, pid) || slices.Contains(pids, st.Parent)) {
			spent += threadsTime(dir)
		}
	}
	return spent
}

// threadsTime adds up the first field of every thread's schedstat, the nanoseconds it has run.
func threadsTime(dir string) (spent time.Duration) {
	threads, _ := filepath.Glob(filepath.Join(dir, "task", "*", "schedstat"))
	for _, path := range threads {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		first, _, _ := strings.Cut(string(data), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		spent += time.Duration(ns)
	}
	return spent
}
