package webserver

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// redirect answers plain HTTP on a port that speaks TLS: it names the same address
// with https and says nothing else. A cached redirect would outlive https.ini.
func redirect(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	w.Header().Set("Cache-Control", "no-store")
	host, ok := cleanHost(r.Host)
	if !ok || !strings.HasPrefix(r.URL.Path, "/") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	target := "https://" + host + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + cleanQuery(r.URL.RawQuery)
	}
	w.Header().Set("Location", target)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	w.WriteHeader(http.StatusPermanentRedirect)
}

// cleanQuery keeps what may stand in a URL as it is and escapes everything else.
func cleanQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c > ' ' && c < 0x7f && !strings.ContainsRune(`"<>\^{|}`+"`#", rune(c)) {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)+0x100, 16)[1:]))
		}
	}
	return b.String()
}

// cleanHost returns a Host header in the one form that may be repeated in a Location
// or a Content-Security-Policy, and whether it is a host with an optional port at all.
func cleanHost(s string) (string, bool) {
	host, port := s, ""
	if h, p, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", false
		}
		host, port = h, ":"+strconv.FormatUint(n, 10)
		if strings.Contains(host, ":") != strings.HasPrefix(s, "[") {
			return "", false
		}
	} else if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") && strings.Contains(s, ":") {
		host = s[1 : len(s)-1]
	} else if strings.Contains(s, ":") {
		return "", false
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		return "[" + ip.WithZone("").String() + "]" + port, true
	}
	return strings.ToLower(host) + port, isHost(host)
}

// isHost reports whether s is a host name or an IPv4 address.
func isHost(s string) bool {
	if s == "" || len(s) > 253 || strings.HasPrefix(s, "-") || strings.HasPrefix(s, ".") {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	}) < 0
}
