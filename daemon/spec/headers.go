package spec

import (
	"regexp"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// maxHeaders bounds all headers together: proxies refuse answers whose headers exceed a few KiB.
const maxHeaders = 2 << 10

// HSTS is the one header of headers.ini that is sent over TLS only.
const HSTS = "Strict-Transport-Security"

// ours are the headers that answers have already, and why no file changes them. A * ends what begins so.
var ours = []struct{ name, why string }{
	{"content-security-policy*", "it is what keeps scripts out of the page"},
	{"x-content-type-options", "it keeps browsers from guessing what a file is"},
	{"x-frame-options", "it keeps other sites from framing the page"},
	{"referrer-policy", "it keeps other sites from learning what was open"},
	{"cross-origin-*", "it keeps other sites away from the page"},
	{"access-control-*", "it would let other sites' pages read answers"},
	{"set-cookie*", "cookies are how somebody is signed in"},
	{"www-authenticate", "each answer has its own"}, {"x-csrf-token", "each page has its own"},
	{"cache-control", "each answer has its own"}, {"pragma", "each answer has its own"}, {"expires", "each answer has its own"},
	{"content-*", "each answer has its own"}, {"accept-ranges", "each answer has its own"}, {"etag", "each answer has its own"},
	{"last-modified", "each answer has its own"}, {"location", "each answer has its own"}, {"allow", "each answer has its own"},
	{"retry-after", "each answer has its own"}, {"date", "each answer has its own"}, {"refresh", "it leads away from the page"},
	{"connection", "it belongs to the connection"}, {"keep-alive", "it belongs to the connection"}, {"transfer-encoding", "it belongs to the connection"},
	{"upgrade", "it belongs to the connection"}, {"trailer", "it belongs to the connection"}, {"te", "it belongs to the connection"},
	{"proxy-*", "it belongs to the connection"}, {"sec-*", "it belongs to the connection"}, {"x-accel-*", "it directs the proxy in front"},
}

var (
	headerName  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")
	headerValue = regexp.MustCompile(`^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$`)
	hstsValue   = regexp.MustCompile(`(?i)^max-age="?[0-9]+"?\s*(;\s*(includeSubDomains|preload)\s*)*$`)
)

// headers reads headers.ini. Names do not differ by case alone.
func (l *loader) headers() {
	h := Headers{}
	doc := l.decode(headersFile, headersFile, &h)
	l.cfg.Headers = Headers{}
	first, size := map[string]syntax.Line{}, 0
	for _, line := range doc.Entries() {
		value, taken := h[line.Key]
		if !taken || line.Section != "" {
			continue
		}
		name := strings.ToLower(line.Key)
		f := l.checkHeader(name, value)
		if before, twice := first[name]; twice && f == nil && before.Key != line.Key {
			f = faultf("keep one of the two", "is the header of line %d", before.Num)
		}
		if size += len(line.Key) + len(value); f == nil && size > maxHeaders {
			f = faultf("shorten them: proxies refuse answers with more", "the headers are more than %d KiB together", maxHeaders>>10)
		}
		if f != nil {
			l.at(doc.Name, line, diag.Error, "bad-header", line.Key, f.summary, f.remedy)
			continue
		}
		first[name] = line
		l.cfg.Headers[line.Key] = value
	}
}

// checkHeader says what is wrong with a header, or nil; the name is in lower case.
func (l *loader) checkHeader(name, value string) *fault {
	if why := reserved(name); why != "" {
		return faultf("remove it", "cannot be set: %s", why)
	}
	switch {
	case !headerName.MatchString(name):
		return faultf("use letters, digits and -", "is not the name of a header")
	case !headerValue.MatchString(value):
		return faultf("write visible ASCII characters, at least one", "%s is not the value of a header", show(value))
	case name != strings.ToLower(HSTS):
		return nil
	case !hstsValue.MatchString(value):
		return faultf("write it such as max-age=31536000", "%s is not what browsers understand", show(value))
	case !l.cfg.HTTPS.Enabled && len(l.cfg.HTTPS.TrustedProxies) == 0:
		return faultf("remove it, or name the proxy in trusted_proxies of https.ini", "is sent over TLS only, and https.ini says that there is none")
	}
	return nil
}

// reserved says why a header cannot be set, or "".
func reserved(name string) string {
	for _, o := range ours {
		prefix, open := strings.CutSuffix(o.name, "*")
		if name == o.name || open && strings.HasPrefix(name, prefix) {
			return o.why
		}
	}
	return ""
}
