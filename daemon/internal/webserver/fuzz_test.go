package webserver

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// FuzzDecode reads anything as a request's body: it is either exactly one object with
// known fields, or an error that a client can be shown.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"app":"xterm"}`, `{"command":"x","params":{"a":"b"}}`, `{"x":1}`, `{}{}`, `null`, `[]`, "", `{"app":`, `{"app":7}`, "\xff", `{"a\u0000\"":1}`,
		strings.Repeat("[", 10_000), `{"params":{"a":{}}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var o order
		err := decode(strings.NewReader(body), &o)
		if err == nil {
			return
		}
		if fail := asFailure(err); fail.status != http.StatusBadRequest || fail.Code != string(transporter.Invalid) || fail.Message == "" {
			t.Errorf("%q became %+v", body, fail)
		}
	})
}

// FuzzCleanHost holds what may be repeated in a Location against the URL parser.
func FuzzCleanHost(f *testing.F) {
	for _, s := range []string{
		"fx.example", "FX:3300", "[::1]:3300", "[::1]", "[fe80::1%25eth0]:1", "127.0.0.1:1", "a b", "a@b", "a/b", "", ":1", "x:", "x:0", "x:99999", "[x]", "[::1", "a\r\nb", "a;b", "xn--bcher-kva.example", "::1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		clean, ok := cleanHost(host)
		if !ok {
			return
		}
		u, err := url.Parse("https://" + clean + "/x")
		if err != nil || u.Host != clean || u.Path != "/x" || u.User != nil || u.RawQuery != "" {
			t.Fatalf("%q became %q, which is %+v (%v)", host, clean, u, err)
		}
		if strings.ContainsAny(clean, " ;,'\"*\r\n\t<>\\@/") {
			t.Fatalf("%q became %q", host, clean)
		}
		if again, ok := cleanHost(clean); !ok || again != clean {
			t.Fatalf("%q became %q and then %q", host, clean, again)
		}
	})
}

// FuzzRedirect sends anything to the plain port: the answer leads to the same host over
// TLS or nowhere, and has no body.
func FuzzRedirect(f *testing.F) {
	f.Add("fx.example:3300", "/a?b=c")
	f.Add("fx", "//evil.example/%0d%0a")
	f.Add("fx", `/\evil?"><script>`)
	f.Add("evil@fx", "/")
	f.Add("fx", "/\xc3?\xc3\"<")
	f.Fuzz(func(t *testing.T, host, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		rec := httptest.NewRecorder()
		redirect(rec, &http.Request{Method: "GET", Host: host, URL: u, Header: http.Header{}})
		if rec.Body.Len() != 0 {
			t.Fatalf("the redirect has a body: %q", rec.Body)
		}
		to := rec.Header().Get("Location")
		if rec.Code == http.StatusBadRequest {
			if to != "" {
				t.Fatalf("an error leads to %q", to)
			}
			return
		}
		clean, ok := cleanHost(host)
		if !ok || !strings.HasPrefix(to, "https://"+clean+"/") {
			t.Fatalf("%q %q leads to %q", host, target, to)
		}
		for i := range len(to) {
			if to[i] <= ' ' || to[i] >= 0x7f {
				t.Fatalf("%q %q leads to %q", host, target, to)
			}
		}
	})
}

// FuzzCleanNext never leads out of our own pages.
func FuzzCleanNext(f *testing.F) {
	for _, s := range []string{"/", "/sessions/0123456789abcdef", "//x", "/sessions/../..", "https://x", `/\x`, "/sessions/0123456789abcdef?x"} {
		f.Add("", s)
		f.Add("/fastx", "/fastx"+s)
		f.Add("/fastx", s)
	}
	f.Fuzz(func(t *testing.T, base, next string) {
		if base != "" && base != "/fastx" { // what spec lets through
			return
		}
		got := cleanNext(base, next)
		if got != base+"/" && (got != next || len(got) != len(base+"/sessions/")+16 || strings.Count(got, "/") != strings.Count(base, "/")+2) {
			t.Fatalf("%q leads to %q", next, got)
		}
	})
}

// FuzzForwardedFor believes nothing but addresses.
func FuzzForwardedFor(f *testing.F) {
	f.Add("127.0.0.1:1", "1.2.3.4, 5.6.7.8")
	f.Add("[::1]:1", "x,,")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		w := &Webserver{}
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if got, want := w.clientAddress(r), peer(r).String(); got != want {
			t.Fatalf("without a trusted proxy %q is %q", want, got)
		}
		got, err := netip.ParseAddr(trusting("127.0.0.0/8").clientAddress(r))
		if err == nil && (got.Zone() != "" || got.Is4In6()) || err != nil && peer(r).IsValid() {
			t.Fatalf("behind a trusted proxy %q for %q is %s (%v)", forwarded, remote, got, err)
		}
	})
}
