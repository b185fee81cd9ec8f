package webserver

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwarded is what the proxy next to us says in a header, or "" when it is none that is trusted.
// Of several values it is the last: what stands before it may have come with the request.
func (w *Webserver) forwarded(r *http.Request, key string) string {
	lines := r.Header.Values(key)
	if len(lines) == 0 || !w.trusts(peer(r)) {
		return ""
	}
	last := lines[len(lines)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// overTLS reports whether the client's own connection is encrypted: ours is, or a
// proxy that is trusted says that its is.
func (w *Webserver) overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(w.forwarded(r, "X-Forwarded-Proto"), "https")
}

// host is the host that the client asked, which a trusted proxy may have had to replace.
func (w *Webserver) host(r *http.Request) string {
	if h, ok := cleanHost(w.forwarded(r, "X-Forwarded-Host")); ok {
		return h
	}
	return r.Host
}

// clientAddress is the client's IP address. Behind trusted proxies it is the last one
// in X-Forwarded-For that is not a trusted proxy's: what stands before it anyone can claim.
func (w *Webserver) clientAddress(r *http.Request) string {
	addr := peer(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && w.trusts(addr); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		addr = hop
	}
	return addr.String()
}

// parseHop reads an address of X-Forwarded-For, which some proxies write with its port.
func parseHop(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(s)
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}

func (w *Webserver) trusts(addr netip.Addr) bool {
	s := w.settings.Load()
	if s == nil {
		return false
	}
	for _, p := range s.https.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap().WithZone("")
}
