package webserver

import (
	"bytes"
	"context"
	"image/jpeg"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestAThumbnailIsASmallPictureOfTheDisplay asks for one often: the display is looked at once, as a
// glance, and comes out at most 320 pixels wide.
func TestAThumbnailIsASmallPictureOfTheDisplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.rfb = plainScreen.serve
	s := w.fake.add(transporter.Session{User: "ann"})
	token := bearer(w.login("ann"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			a := w.do("GET", "/api/v1/sessions/"+s.ID+"/thumbnail", nil, token)
			img, err := jpeg.Decode(strings.NewReader(a.body))
			if err != nil || a.Header.Get("Content-Type") != "image/jpeg" || !strings.HasPrefix(a.Header.Get("Cache-Control"), "private") {
				t.Errorf("%v: %d %v", err, a.StatusCode, a.Header)
				return
			}
			if size := img.Bounds().Size(); size != thumbSize {
				t.Errorf("a screen of 640x400 becomes %v", size)
			}
			if r, g, b, _ := img.At(100, 100).RGBA(); r>>8 > 60 || g>>8 > 60 || b>>8 < 180 { // the fake's red is RFB's blue
				t.Errorf("a pixel is %d %d %d", r>>8, g>>8, b>>8)
			}
		})
	}
	all.Wait()
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	if w.fake.peeks != 1 {
		t.Errorf("the display was looked at %d times", w.fake.peeks)
	}
}

// TestADisplayThatShowsNothingKeepsNobodyWaiting has sessions whose displays are broken in several ways.
func TestADisplayThatShowsNothingKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token := bearer(w.login("ann"))
	ask := func(s transporter.Session) answer {
		return w.do("GET", "/api/v1/sessions/"+s.ID+"/thumbnail", nil, token)
	}
	ask(w.fake.add(transporter.Session{User: "ann", State: transporter.Starting})).want(t, http.StatusConflict)
	ask(w.fake.add(transporter.Session{User: "ann", State: transporter.Ended})).want(t, http.StatusConflict)
	ask(transporter.Session{ID: "no-id"}).want(t, http.StatusNotFound)
	for name, rfb := range map[string]func(net.Conn){
		"an echo":       echoRFB,
		"silence":       func(c net.Conn) { c.Read(make([]byte, 1)); <-w.ws.stopping.Done() },
		"a huge screen": (&screen{width: 65535, height: 65535}).serve,
		"nonsense":      func(c net.Conn) { c.Write(bytes.Repeat([]byte("x"), 1<<16)) },
	} {
		w.fake.mu.Lock()
		w.fake.rfb = rfb
		w.fake.mu.Unlock()
		begun := time.Now()
		if a := ask(w.fake.add(transporter.Session{User: "ann"})); a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		if took := time.Since(begun); took > 3*thumbPatience {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// TestThumbnailsAreTakenTwoAtATime lets many be asked for at once, and time pass.
func TestThumbnailsAreTakenTwoAtATime(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	thumbs := newThumbnails(func() time.Time { return now })
	var mu sync.Mutex
	at, most, taken := 0, 0, 0
	take := func(context.Context) ([]byte, error) {
		mu.Lock()
		at++
		taken++
		most = max(most, at)
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			at--
		}()
		return []byte("picture"), nil
	}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if b, err := thumbs.get(t.Context(), t.Context(), string(rune('a'+i%20)), take); string(b) != "picture" || err != nil {
				t.Errorf("%q %v", b, err)
			}
		})
	}
	all.Wait()
	if most > thumbsAtOnce || taken != 20 {
		t.Errorf("%d were taken at once and %d in all", most, taken)
	}
	now = now.Add(thumbFresh)
	thumbs.get(t.Context(), t.Context(), "a", take)
	if len(thumbs.known) != 1 || taken != 21 {
		t.Errorf("later %d are kept, %d were taken", len(thumbs.known), taken)
	}
	for range maxThumbs {
		thumbs.claim(strings.Repeat("x", len(thumbs.known)))
	}
	if _, _, err := thumbs.claim("one too many"); transporter.AsError(err).Code != transporter.TooMany {
		t.Errorf("without a bound: %v", err)
	}
}
