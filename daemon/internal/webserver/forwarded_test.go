package webserver

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.conf.HTTPS.Enabled = false
		s.conf.HTTPS.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")}
	})
	if !strings.HasPrefix(w.url, "http://127.0.0.1:") {
		t.Errorf("the URL is %s", w.url)
	}
	c := credentials{Username: "ann", Password: password}
	plain := w.do("POST", "/login", c).want(t, 200).Cookies()[0]
	if plain.Name != "fastx" || plain.Secure || !plain.HttpOnly {
		t.Errorf("without TLS the cookie is %v", plain)
	}
	behind := w.do("POST", "/login", c, header("X-Forwarded-Proto", "https")).want(t, 200).Cookies()[0]
	if behind.Name != "__Host-fastx" || !behind.Secure {
		t.Errorf("behind TLS the cookie is %v", behind)
	}
	public := header("Origin", "https://public.example")
	w.do("POST", "/login", c, public).want(t, 403)
	w.do("POST", "/login", c, public, header("X-Forwarded-Host", "public.example")).want(t, 200)
	w.do("POST", "/login", c, header("Origin", "http://public.example"), header("X-Forwarded-Host", "public.example"), header("X-Forwarded-Proto", "https")).want(t, 403)
	for forwarded, want := range map[string]string{
		"": "127.0.0.1", "203.0.113.9": "203.0.113.9", "6.6.6.6, 203.0.113.9": "203.0.113.9", "203.0.113.9, 10.1.2.3": "203.0.113.9",
		"rubbish": "127.0.0.1", "6.6.6.6, rubbish, 10.1.2.3": "10.1.2.3", "2001:db8::1": "2001:db8::1",
	} {
		w.do("POST", "/api/v1/login", c, header("X-Forwarded-For", forwarded)).want(t, 200)
		if got := w.fake.logins[len(w.fake.logins)-1].Address; got != want {
			t.Errorf("X-Forwarded-For %q gives the client %q, want %q", forwarded, got, want)
		}
	}
}

func TestNobodyButATrustedProxyIsBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := credentials{Username: "ann", Password: password}
	w.do("POST", "/api/v1/login", c, header("Origin", "https://evil.example"), header("X-Forwarded-Host", "evil.example")).want(t, 403)
	w.do("POST", "/api/v1/login", c, header("X-Forwarded-For", "203.0.113.9")).want(t, 200)
	if got := w.fake.logins[0].Address; got != "127.0.0.1" {
		t.Errorf("the client's address is %q", got)
	}
}

// trusted is https.ini behind a proxy on this machine.
var trusted = spec.HTTPS{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// forwardedBy is a request as it comes from a peer, with headers that it may have made up.
func forwardedBy(peer string, headers ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Host: "inside:3300", Header: http.Header{}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// trusting is a webserver that believes some networks.
func trusting(networks ...string) *Webserver {
	w := &Webserver{}
	s := &settings{}
	for _, n := range networks {
		s.https.TrustedProxies = append(s.https.TrustedProxies, netip.MustParsePrefix(n))
	}
	w.settings.Store(s)
	return w
}

// TestWhatAProxySaysIsItsLastWord sends each header as a chain of proxies leaves it: with what the
// client made up before what the nearest proxy wrote, in one line and in several.
func TestWhatAProxySaysIsItsLastWord(t *testing.T) {
	t.Parallel()
	const near, far = "10.0.0.1:1", "192.0.2.7:1"
	w := trusting("10.0.0.0/8", "2001:db8:aa::/48")
	for _, c := range []struct {
		name    string
		request *http.Request
		client  string
		tls     bool
		host    string
	}{
		{"no proxy", forwardedBy(far), "192.0.2.7", false, "inside:3300"},
		{"a stranger claims all", forwardedBy(far, "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil"), "192.0.2.7", false, "inside:3300"},
		{"a proxy says all", forwardedBy(near, "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "Public.Example:8443"), "203.0.113.9", true, "public.example:8443"},
		{"a proxy says nothing", forwardedBy(near), "10.0.0.1", false, "inside:3300"},
		{"appended in one line", forwardedBy(near, "X-Forwarded-For", "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "evil, public.example"), "203.0.113.9", false, "public.example"},
		{"appended as a line", forwardedBy(near, "X-Forwarded-For", "6.6.6.6", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "http", "X-Forwarded-Proto", "HTTPS", "X-Forwarded-Host", "evil", "X-Forwarded-Host", "public.example"), "203.0.113.9", true, "public.example"},
		{"two proxies", forwardedBy(near, "X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.9.9.9"), "203.0.113.9", false, "inside:3300"},
		{"nobody but proxies", forwardedBy(near, "X-Forwarded-For", "10.3.3.3, 10.2.2.2"), "10.3.3.3", false, "inside:3300"},
		{"garbage on the way", forwardedBy(near, "X-Forwarded-For", "6.6.6.6, rubbish, 10.2.2.2"), "10.2.2.2", false, "inside:3300"},
		{"nothing but garbage", forwardedBy(near, "X-Forwarded-For", "unknown,,", "X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "a b;c"), "10.0.0.1", false, "inside:3300"},
		{"with a port", forwardedBy(near, "X-Forwarded-For", "203.0.113.9:4711"), "203.0.113.9", false, "inside:3300"},
		{"IPv6", forwardedBy("[2001:db8:aa::1]:1", "X-Forwarded-For", "2001:db8:1::7", "X-Forwarded-Host", "[2001:DB8::1]:443"), "2001:db8:1::7", false, "[2001:db8::1]:443"},
		{"IPv6 in brackets", forwardedBy("[2001:db8:aa::1]:1", "X-Forwarded-For", "[2001:db8:1::7]"), "2001:db8:1::7", false, "inside:3300"},
		{"IPv6 with a port", forwardedBy("[2001:db8:aa::1]:1", "X-Forwarded-For", "[2001:db8:1::7]:99"), "2001:db8:1::7", false, "inside:3300"},
		{"IPv6 with a zone", forwardedBy(near, "X-Forwarded-For", "fe80::1%eth0"), "fe80::1", false, "inside:3300"},
		{"IPv4 as IPv6", forwardedBy("[::ffff:10.0.0.1]:1", "X-Forwarded-For", "::ffff:203.0.113.9"), "203.0.113.9", false, "inside:3300"},
	} {
		if got := w.clientAddress(c.request); got != c.client {
			t.Errorf("%s: the client is %s, want %s", c.name, got, c.client)
		}
		if got := w.overTLS(c.request); got != c.tls {
			t.Errorf("%s: over TLS is %t", c.name, got)
		}
		if got := w.host(c.request); got != c.host {
			t.Errorf("%s: the host is %s, want %s", c.name, got, c.host)
		}
	}
}

// TestTheUsualPortMayBeLeftOut holds origins against hosts as browsers and proxies write them.
func TestTheUsualPortMayBeLeftOut(t *testing.T) {
	t.Parallel()
	w := trusting("10.0.0.0/8")
	for _, c := range []struct {
		origin, host string
		same         bool
	}{
		{"https://fx.example", "fx.example:443", true}, {"https://fx.example:443", "fx.example", true}, {"https://FX.example", "fx.example", true},
		{"https://[2001:db8::1]", "[2001:db8::1]:443", true}, {"https://fx.example:8443", "fx.example:8443", true},
		{"https://fx.example", "fx.example:80", false}, {"https://fx.example:8443", "fx.example", false}, {"http://fx.example", "fx.example", false},
		{"https://fx.example.evil", "fx.example", false}, {"https://fx.example:4430", "fx.example:443", false},
	} {
		r := forwardedBy("10.0.0.1:1", "Origin", c.origin, "X-Forwarded-Host", c.host, "X-Forwarded-Proto", "https")
		if w.sameOrigin(r) != c.same {
			t.Errorf("origin %s and host %s: the same is %t", c.origin, c.host, !c.same)
		}
	}
}

// TestEachForwardedHeaderNeedsATrustedPeer makes whole requests from an address that nobody trusts,
// one header at a time: cookies, policy, origin check and the address that is throttled stay our own.
func TestEachForwardedHeaderNeedsATrustedPeer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) {
		s.conf.HTTPS = spec.HTTPS{Enabled: false, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	})
	c := credentials{Username: "ann", Password: password}
	if got := w.do("POST", "/login", c, header("X-Forwarded-Proto", "https")).want(t, 200).Cookies()[0]; got.Name != "fastx" || got.Secure {
		t.Errorf("the cookie is %v", got)
	}
	policy := w.do("GET", "/", nil, header("X-Forwarded-Proto", "https"), header("X-Forwarded-Host", "evil.example")).Header.Get("Content-Security-Policy")
	if strings.Contains(policy, "evil") || strings.Contains(policy, "wss:") {
		t.Errorf("the policy is %s", policy)
	}
	w.do("POST", "/login", c, header("Origin", "https://evil.example"), header("X-Forwarded-Host", "evil.example")).want(t, 403)
	w.do("POST", "/login", c, header("X-Forwarded-For", "203.0.113.9")).want(t, 200)
	if got := w.fake.logins[len(w.fake.logins)-1].Address; got != "127.0.0.1" {
		t.Errorf("the client's address is %q", got)
	}
	if strings.Contains(w.log.String(), "client=203.0.113.9") {
		t.Error("the access log names an address that was made up")
	}
}
