package spec

import (
	"path"
	"slices"
	"strings"
	"sync"
)

// Dialect is how a file is written.
type Dialect string

// The dialects. GRAMMAR.md in the package render states the first three.
const (
	DialectEnv      Dialect = "dotenv"
	DialectINI      Dialect = "ini"
	DialectHtpasswd Dialect = "htpasswd"
	DialectNATS     Dialect = "nats"
	DialectOpaque   Dialect = "opaque" // taken as it is
)

// Kind is one kind of file in FX_CONFIG_DIR.
type Kind struct {
	Pattern  string // as path.Match has it
	Dialect  Dialect
	Doc      string
	Secret   bool // nobody but root and the daemon may read it
	Security bool // it may vanish only when removed.ini says so
	Acted    bool // whether this version acts on it
}

var kinds = []Kind{
	{Pattern: "fastx.env", Dialect: DialectEnv, Doc: "settings shared by all nodes", Acted: true},
	{Pattern: "transporter-secret.ini", Dialect: DialectINI, Doc: "where the transporter is and who we are there", Secret: true, Security: true, Acted: true},
	{Pattern: "nats-server.conf", Dialect: DialectNATS, Doc: "the transporter's own configuration", Security: true, Acted: true},
	{Pattern: "apps/*.ini", Dialect: DialectINI, Doc: "one application each; default.ini holds what all share", Acted: true},
	{Pattern: "performance/*.ini", Dialect: DialectINI, Doc: "one session profile each; default.ini holds what all share", Acted: true},
	{Pattern: "permissions.ini", Dialect: DialectINI, Doc: "what users and groups may do", Security: true, Acted: true},
	{Pattern: "htpasswd", Dialect: DialectHtpasswd, Doc: "logins for try-outs", Secret: true, Security: true, Acted: true},
	{Pattern: accountsFile, Dialect: DialectINI, Doc: "the Unix accounts that logins stand for which are none themselves", Security: true, Acted: true},
	{Pattern: "https.ini", Dialect: DialectINI, Doc: "the webserver's TLS", Security: true, Acted: true},
	{Pattern: "loglevel.ini", Dialect: DialectINI, Doc: "log levels", Acted: true},
	{Pattern: "removed.ini", Dialect: DialectINI, Doc: "security-relevant files that are meant to be gone", Acted: true},
	{Pattern: pamFile, Dialect: DialectINI, Doc: "logins with the machines' accounts, through PAM", Secret: true, Security: true, Acted: true},
	{Pattern: "auth-ssh.ini", Dialect: DialectINI, Doc: "logins through sshd", Secret: true, Security: true, Acted: true},
	{Pattern: "auth-oidc.ini", Dialect: DialectINI, Doc: "logins through OpenID Connect", Secret: true, Security: true},
	{Pattern: "auth-proxy.ini", Dialect: DialectINI, Doc: "logins by a proxy in front", Secret: true, Security: true},
	{Pattern: "auth-saml.ini", Dialect: DialectINI, Doc: "logins through SAML", Secret: true, Security: true},
	{Pattern: "admin.secret", Dialect: DialectOpaque, Doc: "the superadmin's secret", Secret: true, Security: true},
	{Pattern: headersFile, Dialect: DialectINI, Doc: "HTTP headers to add", Acted: true},
	{Pattern: "forward.ini", Dialect: DialectINI, Doc: "forwards for sessions"},
	{Pattern: themeFile, Dialect: DialectINI, Doc: "the page's looks", Acted: true},
	{Pattern: "smtp.ini", Dialect: DialectINI, Doc: "outgoing mail", Secret: true},
	{Pattern: "weblink.ini", Dialect: DialectINI, Doc: "weblink clients"},
	{Pattern: "weblink-secret.ini", Dialect: DialectINI, Doc: "weblink client authentication", Secret: true, Security: true},
	{Pattern: "forms/*.ini", Dialect: DialectINI, Doc: "session forms"},
	{Pattern: "schedule/*/*", Dialect: DialectOpaque, Doc: "job schedulers, one directory each"},
	{Pattern: "launcher-templates/*", Dialect: DialectOpaque, Doc: "templates of container launchers"},
	{Pattern: "icons/*", Dialect: DialectOpaque, Doc: "icons of applications: .png and .svg", Acted: true},
	{Pattern: "FastX.conf", Dialect: DialectOpaque, Doc: "paths of the published product's sessions"},
	{Pattern: motdFile, Dialect: DialectOpaque, Doc: "message of the day, shown above a user's sessions", Acted: true},
	{Pattern: announcementsFile, Dialect: DialectOpaque, Doc: "announcements, shown on every page", Acted: true},
	{Pattern: errorFile, Dialect: DialectOpaque, Doc: "the text of an error page, such as error-404.html", Acted: true},
}

// Kinds returns every kind of file that is known.
func Kinds() []Kind { return slices.Clone(kinds) }

// KindOf finds the kind of a file by its name relative to FX_CONFIG_DIR.
func KindOf(name string) (Kind, bool) {
	if k, ok := namedKinds()[name]; ok {
		return k, true
	}
	for _, k := range openKinds()[path.Dir(name)] {
		if k.covers(name) {
			return k, true
		}
	}
	for _, k := range openKinds()[anyDir] {
		if k.covers(name) {
			return k, true
		}
	}
	return Kind{}, false
}

// covers is path.Match of the pattern, in a tenth of its time where nothing but one star has to be looked for.
func (k Kind) covers(name string) bool {
	before, after, star := strings.Cut(k.Pattern, "*")
	if !star || strings.ContainsAny(after, `*?[\`) || strings.ContainsAny(before, `?[\`) {
		ok, _ := path.Match(k.Pattern, name)
		return ok
	}
	inner, begins := strings.CutPrefix(name, before)
	inner, ends := strings.CutSuffix(inner, after)
	return begins && ends && !strings.Contains(inner, "/")
}

// Every file of a set is looked up, and more than once.
var (
	// namedKinds are the kinds of one file each, by its name.
	namedKinds = sync.OnceValue(func() map[string]Kind {
		out := map[string]Kind{}
		for _, k := range kinds {
			if !open(k.Pattern) {
				out[k.Pattern] = k
			}
		}
		return out
	})
	// openKinds are those of many files, by the directory that these lie in, or anyDir.
	openKinds = sync.OnceValue(func() map[string][]Kind {
		out := map[string][]Kind{}
		for _, k := range kinds {
			dir := path.Dir(k.Pattern)
			if open(dir) {
				dir = anyDir
			}
			if open(k.Pattern) {
				out[dir] = append(out[dir], k)
			}
		}
		return out
	})
	// kindDirs gives what each directory of files holds.
	kindDirs = sync.OnceValue(func() map[string]string {
		out := map[string]string{}
		for dir, kinds := range openKinds() {
			out[dir] = kinds[0].Pattern
		}
		delete(out, ".")
		delete(out, anyDir)
		return out
	})
)

const anyDir = "*"

func open(pattern string) bool { return strings.Contains(pattern, "*") }

// SecurityFiles lists the files that lower security by being gone: they may
// vanish, or become empty, only when removed.ini says so.
func SecurityFiles() []string {
	var out []string
	for _, k := range kinds {
		if k.Security {
			out = append(out, k.Pattern)
		}
	}
	slices.Sort(out)
	return out
}

// Object reports whether a file describes one object of many, or only what pages look like and say, so
// that a fault in it need not hold back the others.
func Object(file string) bool {
	dir, base := path.Split(file)
	if page, _ := path.Match(errorFile, file); page || file == motdFile || file == announcementsFile || file == themeFile || file == headersFile {
		return true
	}
	return (dir == "apps/" || dir == "performance/") && path.Ext(base) == ".ini" && base != "default.ini"
}
