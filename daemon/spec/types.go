package spec

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
)

// Type says what values a setting takes.
type Type string

// The types. Their text is what the documentation and the diagnostics say.
const (
	TypeText     Type = "text"
	TypeCommand  Type = "command line"
	TypeBool     Type = "true or false"
	TypeCount    Type = "whole number"
	TypeDuration Type = "duration such as 90s, 30m or 24h"
	TypeList     Type = "list, separated by commas"
	TypePath     Type = "absolute path"
	TypeGeometry Type = "WIDTHxHEIGHT or rootless"
	TypeSize     Type = "WIDTHxHEIGHT"
	TypeLevel    Type = "permission level"
	TypeAddress  Type = "HOST:PORT"
	TypeURLs     Type = "list of transporter URLs"
	TypeNetworks Type = "list of addresses or networks"
	TypeServices Type = "list of components"
	TypeNode     Type = "node name"
	TypeSeed     Type = "NATS nkey seed"
	TypeToken    Type = "secret"
	TypeMemory   Type = "amount of memory such as 512M or 8G"
	TypePercent  Type = "percentage"
	TypeBase     Type = "path of a URL such as /fastx"
	TypeColour   Type = "colour such as #1160c9"
)

// fault is why a value is refused: what is wrong and what to do. It never holds a secret.
type fault struct{ summary, remedy string }

func (f *fault) Error() string { return f.summary + "; " + f.remedy }

// Fault takes what Setting.Check, CheckHash or CheckUserName returned apart: what is wrong, and what to do.
func Fault(err error) (summary, remedy string) {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.summary, f.remedy
	}
	return err.Error(), ""
}

func faultf(remedy, format string, args ...any) *fault {
	return &fault{fmt.Sprintf(format, args...), remedy}
}

// Check says what is wrong with a value, or nil. A list is given item by item.
func (s Setting) Check(values ...string) error {
	if _, f := s.parse(values); f != nil {
		return f
	}
	return nil
}

// parse makes a typed value of the text of one; the type of the result is the one
// that the setting's binding takes.
func (s Setting) parse(values []string) (any, *fault) {
	if s.IsList() {
		return s.parseList(values)
	}
	if len(values) != 1 {
		return nil, faultf("write "+s.Key+" = value, without []", "is not a list")
	}
	v := values[0]
	if f := s.allowed(v); f != nil {
		return nil, f
	}
	if v == "" && s.Default == "" && slices.Contains([]Type{TypePath, TypeAddress, TypeBase}, s.Type) {
		return v, nil
	}
	if v == "" && s.Default == "" && s.Type == TypeColour {
		return Colour(v), nil
	}
	return s.parseOne(v)
}

func (s Setting) parseList(values []string) (any, *fault) {
	for _, v := range values {
		if f := s.item(v); f != nil {
			return nil, f
		}
	}
	switch s.Type {
	case TypeNetworks:
		return parseNetworks(values), nil
	case TypeServices:
		return parseServices(values)
	default:
		return values, nil
	}
}

// item says what is wrong with one item of a list, or nil.
func (s Setting) item(v string) *fault {
	switch s.Type {
	case TypeURLs:
		return checkURL(v)
	case TypeNetworks:
		_, err := parseNetwork(v)
		return faultIf(err != nil, "write it such as 10.0.0.0/8 or 127.0.0.1", "%s is not an address or network", show(v))
	default:
		return s.allowed(v)
	}
}

func (s Setting) parseOne(v string) (any, *fault) {
	switch s.Type {
	case TypeCommand:
		return v, faultIf(strings.TrimSpace(v) == "", "write the command to run", "is empty")
	case TypeBool:
		return v == "true", faultIf(v != "true" && v != "false", "write true or false", "%s is neither true nor false", show(v))
	case TypeCount:
		return s.parseCount(v)
	case TypeDuration:
		d, err := time.ParseDuration(v)
		return d, faultIf(err != nil || d < 0, "write it with its unit, such as 90s, 30m or 24h", "%s is not a duration", show(v))
	case TypePath:
		return path.Clean(v), faultIf(!path.IsAbs(v), "write the whole path from / on", "%s is not an absolute path", show(v))
	case TypeGeometry:
		return v, faultIf(CheckGeometry(v) != nil, "write a size such as 1280x800, or rootless", "%s is not a geometry", show(v))
	case TypeSize:
		size, err := ParseSize(v)
		return size, faultIf(err != nil, "write a size such as 1920x1200", "%s is not a size", show(v))
	case TypeLevel:
		l, err := ParseLevel(v)
		return l, faultIf(err != nil, "write one of "+strings.Join(levelNames[:], ", "), "%s is not a level", show(v))
	case TypeAddress:
		return v, checkAddress(v)
	case TypeNode:
		return v, faultIf(!nodeName.MatchString(v), "use letters, digits, dots, - and _ only", "%s is not a node name", show(v))
	case TypeSeed, TypeToken:
		return v, checkSecret(s.Type, v)
	case TypeMemory:
		return parseMemory(v)
	case TypePercent:
		n, err := strconv.Atoi(strings.TrimSuffix(v, "%"))
		return n, faultIf(err != nil || !percent.MatchString(v), "write it such as 200%", "%s is not a percentage", show(v))
	case TypeBase:
		return v, checkBase(v)
	case TypeColour:
		if v == "" {
			return Colour(""), nil
		}
		return Colour(strings.ToLower(v)), faultIf(!colour.MatchString(v), "write # and six hexadecimal digits, such as #1160c9", "%s is not a colour", show(v))
	default:
		return v, nil
	}
}

var (
	basePath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)
	colour   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	nodeName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$`)
	percent  = regexp.MustCompile(`^[1-9][0-9]{0,6}%$`)
	seed     = regexp.MustCompile(`^SU[A-Z2-7]{56}$`)
	bcrypt   = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)
)

// parseCount reads a whole number and holds it against the setting's bounds.
func (s Setting) parseCount(v string) (any, *fault) {
	n, err := strconv.Atoi(v)
	switch {
	case err != nil || n < 0:
		return n, faultf("write a whole number such as 10", "%s is not a whole number", show(v))
	case n < s.least && v != s.Default:
		return n, faultf(fmt.Sprintf("write %d or more%s", s.least, s.orNone()), "%d is too small", n)
	case s.most > 0 && n > s.most:
		return n, faultf(fmt.Sprintf("write %d or less", s.most), "%d is too large", n)
	}
	return n, nil
}

// orNone says how to do without a limit.
func (s Setting) orNone() string {
	if s.Default == "" {
		return ", or remove the line"
	}
	return ", or " + s.Default + " for no limit"
}

func faultIf(bad bool, remedy, format string, args ...any) *fault {
	if !bad {
		return nil
	}
	return faultf(remedy, format, args...)
}

// show quotes a value for a message and cuts it to what fits one.
func show(v string) string {
	const most = 60
	if r := []rune(v); len(r) > most {
		v = string(r[:most]) + "…"
	}
	return strconv.Quote(v)
}

func (s Setting) allowed(v string) *fault {
	if len(s.Allowed) == 0 || slices.Contains(s.Allowed, v) {
		return nil
	}
	remedy := "write one of " + strings.Join(s.Allowed, ", ")
	if near := Suggest(v, s.Allowed); near != "" {
		remedy = fmt.Sprintf("did you mean %q? The choice is %s", near, strings.Join(s.Allowed, ", "))
	}
	return faultf(remedy, "%s is not known", show(v))
}

func checkAddress(v string) *fault {
	host, port, err := net.SplitHostPort(v)
	n, portErr := strconv.ParseUint(port, 10, 16)
	bad := err != nil || portErr != nil || strconv.FormatUint(n, 10) != port || strings.ContainsFunc(host, unicode.IsSpace)
	return faultIf(bad, "write it such as 0.0.0.0:3300, [::1]:3300 or :3300", "%s is not HOST:PORT", show(v))
}

// checkBase accepts a path that looks the same in a URL, a cookie and a proxy's configuration.
func checkBase(v string) *fault {
	const remedy = "write it such as /fastx or /apps/fastx"
	switch {
	case !strings.HasPrefix(v, "/"):
		return faultf(remedy, "%s does not begin with /", show(v))
	case strings.HasSuffix(v, "/"):
		return faultf("leave the last / out; without base_path everything is served below /", "%s ends with /", show(v))
	case len(v) > 200:
		return faultf("shorten it", "the path is longer than 200 bytes")
	case !basePath.MatchString(v):
		return faultf(remedy+", with letters, digits, - and _ only", "%s is not a plain path", show(v))
	}
	return nil
}

// checkURL accepts what the NATS client does, but for credentials: those have their own keys.
func checkURL(v string) *fault {
	full := v
	if !strings.Contains(v, "://") {
		full = "nats://" + v
	}
	u, err := url.Parse(full)
	const remedy = "write it such as tls://transporter.example.com:4222"
	switch {
	case strings.Contains(v, "@"):
		return faultf("put the seed or token under its own key", "a URL cannot hold a user or password")
	case err != nil || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return faultf(remedy, "%s is not a transporter URL", show(v))
	case !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
		return faultf(remedy, "%s begins with none of nats://, tls://, ws://, wss://", show(v))
	}
	return nil
}

func parseNetworks(values []string) []netip.Prefix {
	out := []netip.Prefix{}
	for _, v := range values {
		p, _ := parseNetwork(v) // item has judged it
		out = append(out, p)
	}
	return out
}

// parseNetwork reads 10.0.0.0/8 or a single address.
func parseNetwork(v string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(v); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(v)
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 { // peers are looked at as the IPv4 addresses they are
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}

// parseServices puts the components into the order of the data flow; socket and
// forward, which published examples name, are no components of ours.
func parseServices(values []string) ([]Component, *fault) {
	out := []Component{}
	for _, c := range Components() {
		if slices.Contains(values, string(c)) {
			out = append(out, c)
		}
	}
	return out, faultIf(len(out) == 0, "name at least one of webserver, manager, user, launcher", "names no component")
}

// checkSecret looks at a secret without ever saying it.
func checkSecret(t Type, v string) *fault {
	switch {
	case v == "":
		return faultf("write the secret, or remove the key", "is empty")
	case natsconf.Published(v):
		return faultf("make a new one", "is an example that stands in public documentation")
	case bcryptLike(v):
		return faultf("write the clear text here; the hash belongs into nats-server.conf", "holds a bcrypt hash")
	case t == TypeSeed && strings.HasPrefix(v, "U"):
		return faultf("write the seed, which begins with SU", "holds a public key")
	case t == TypeSeed && !seed.MatchString(v):
		return faultf("write the whole seed: SU and 56 more capital letters or digits", "is not an nkey seed of a user")
	case t == TypeSeed && PublicKey(v) == "":
		return faultf("copy the whole seed once more", "is mistyped: its checksum does not fit")
	}
	return nil
}

func bcryptLike(v string) bool {
	return len(v) > 3 && strings.HasPrefix(v, "$2") && strings.Contains(v[2:4], "$")
}

// CheckUserName says what is wrong with a login name, or nil.
func CheckUserName(name string) error {
	bad := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == ':' || r == ',' || r == '='
	}
	switch {
	case name == "":
		return faultf("write a name", "the user name is empty")
	case len(name) > 256:
		return faultf("shorten it", "the user name is longer than 256 bytes")
	case strings.ContainsFunc(name, bad) || strings.ContainsAny(name[:1], "#;-[\"'`"):
		return faultf("use letters, digits, dots, - and _", "%s is not a user name", show(name))
	}
	return nil
}
