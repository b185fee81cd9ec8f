package spec

import (
	"path"
	"slices"
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
	{Pattern: "https.ini", Dialect: DialectINI, Doc: "the webserver's TLS", Security: true, Acted: true},
	{Pattern: "loglevel.ini", Dialect: DialectINI, Doc: "log levels", Acted: true},
	{Pattern: "removed.ini", Dialect: DialectINI, Doc: "security-relevant files that are meant to be gone", Acted: true},
	{Pattern: "auth-ssh.ini", Dialect: DialectINI, Doc: "logins through sshd", Secret: true, Security: true},
	{Pattern: "auth-oidc.ini", Dialect: DialectINI, Doc: "logins through OpenID Connect", Secret: true, Security: true},
	{Pattern: "auth-proxy.ini", Dialect: DialectINI, Doc: "logins by a proxy in front", Secret: true, Security: true},
	{Pattern: "auth-saml.ini", Dialect: DialectINI, Doc: "logins through SAML", Secret: true, Security: true},
	{Pattern: "admin.secret", Dialect: DialectOpaque, Doc: "the superadmin's secret", Secret: true, Security: true},
	{Pattern: "headers.ini", Dialect: DialectINI, Doc: "HTTP headers to add"},
	{Pattern: "forward.ini", Dialect: DialectINI, Doc: "forwards for sessions"},
	{Pattern: "theme.ini", Dialect: DialectINI, Doc: "the page's looks"},
	{Pattern: "smtp.ini", Dialect: DialectINI, Doc: "outgoing mail", Secret: true},
	{Pattern: "weblink.ini", Dialect: DialectINI, Doc: "weblink clients"},
	{Pattern: "weblink-secret.ini", Dialect: DialectINI, Doc: "weblink client authentication", Secret: true, Security: true},
	{Pattern: "forms/*.ini", Dialect: DialectINI, Doc: "session forms"},
	{Pattern: "schedule/*/*", Dialect: DialectOpaque, Doc: "job schedulers, one directory each"},
	{Pattern: "launcher-templates/*", Dialect: DialectOpaque, Doc: "templates of container launchers"},
	{Pattern: "icons/*", Dialect: DialectOpaque, Doc: "icons of applications: .png and .svg", Acted: true},
	{Pattern: "FastX.conf", Dialect: DialectOpaque, Doc: "paths of the published product's sessions"},
	{Pattern: "motd.html", Dialect: DialectOpaque, Doc: "message of the day"},
	{Pattern: "announcements.html", Dialect: DialectOpaque, Doc: "announcements"},
	{Pattern: "error-*.html", Dialect: DialectOpaque, Doc: "error pages"},
}

// Kinds returns every kind of file that is known.
func Kinds() []Kind { return slices.Clone(kinds) }

// KindOf finds the kind of a file by its name relative to FX_CONFIG_DIR.
func KindOf(name string) (Kind, bool) {
	for _, k := range kinds {
		if ok, _ := path.Match(k.Pattern, name); ok {
			return k, true
		}
	}
	return Kind{}, false
}

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

// Object reports whether a file describes one object of many, so that a fault in it
// need not hold back the others.
func Object(file string) bool {
	dir, base := path.Split(file)
	return (dir == "apps/" || dir == "performance/") && path.Ext(base) == ".ini" && base != "default.ini"
}
