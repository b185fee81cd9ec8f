package spec

import (
	"net/netip"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
)

// Dirs are the five directories of a node. They come from the process
// environment or from flags and cannot change while the process runs.
type Dirs struct {
	Config string // FX_CONFIG_DIR, shared
	Var    string // FX_VAR_DIR, shared
	Local  string // FX_LOCAL_DIR, this node's own
	Temp   string // FX_TEMP_DIR, this node's own, never a network mount
	Run    string // FX_RUN_DIR, sockets
}

// Component is one of the guide's components as SERVICES names it.
type Component string

// The components that a node can run. The transporter is its own process or lives inside fastxd.
const (
	Webserver Component = "webserver"
	Manager   Component = "manager"
	User      Component = "user"
	Launcher  Component = "launcher"
)

// Components lists all of them in the order of the data flow.
func Components() []Component { return []Component{Webserver, Manager, User, Launcher} }

// Config is what all the files of a node mean together. It is built by Load and
// never changed afterwards.
type Config struct {
	Env         Env
	Transporter Transporter
	NATS        *natsconf.Config // nil when there is no nats-server.conf
	Apps        []App            // sorted by ID, without apps/default.ini
	Profiles    []Profile        // sorted by ID; performance/*.ini
	Permissions Permissions
	Htpasswd    map[string]string // login name → bcrypt hash
	Accounts    Accounts
	PAM         PAM
	HTTPS       HTTPS
	LogLevel    LogLevel
	Theme       Theme
	Pages       Pages
	Headers     Headers
	Icons       []Icon   `json:"-"` // icons/*, sorted by name
	AuthSSH     *AuthSSH // nil when there is no auth-ssh.ini
	Removed     []string // removed.ini: security-relevant files that are meant to be gone
}

// Env is the effective environment of the node: process environment over node
// file over fastx.env over the package's defaults.
type Env struct {
	Format        int               // FX_FORMAT, 1 when absent
	Services      []Component       // SERVICES, all when absent
	Listen        string            // FX_LISTEN, HOST:PORT
	MetricsListen string            // FX_METRICS_LISTEN, "" = off
	MaxSessions   int               // FX_MAX_SESSIONS on this node, 0 = unlimited
	LoadBalancer  string            // LOAD_BALANCER
	Metadata      map[string]string // METADATA_*, prefix cut
	NodeName      string            // FX_NODE_NAME, the host's name when absent
	KeepEnded     time.Duration     // FX_KEEP_ENDED: how long an ended session stays listed

	// TransporterSecret is FX_TRANSPORTER_SECRET: a file of this node that is read
	// in the place of the shared transporter-secret.ini; "" = none.
	TransporterSecret string
}

// Transporter is transporter-secret.ini: where the transporter is and who we are there.
type Transporter struct {
	URLs      []string // empty: an embedded transporter without a listener
	TLSCAFile string
	Form      string // "nkey" or "token"
	Seeds     map[Component]Seed
	Default   Seed // the section [transporter] of a one-key cluster; with Form "token" it holds the tokens
}

// Seed is one role's secret and the one before it.
type Seed struct {
	Current, Previous string
}

// App is one application of apps/*.ini.
type App struct {
	ID        string // the file's base name without .ini
	Name      string
	Command   string
	Geometry  string // "WxH", "rootless" or "" for the default desktop size
	Icon      string // a file of icons/, or the name of a built-in picture
	Category  string `json:",omitempty"` // under which heading it stands; "" = no heading of its own
	Groups    []string
	Profile   string
	StartDBus bool
}

// Icon is one file of icons/: a picture that browsers may be shown.
type Icon struct {
	Name string // of the file
	Type string // "image/png" or "image/svg+xml"
	Data []byte `json:"-"`
}

// Profile is one file of performance/*.ini.
type Profile struct {
	ID              string // the file's base name without .ini; "default" applies where an app names none
	MaxGeometry     Size   // zero = unlimited
	SessionsPerUser int    // 0 = unlimited
	SessionsTotal   int    // 0 = unlimited

	IdleTimeout       time.Duration // without input, until the viewers are disconnected; 0 = never
	DisconnectTimeout time.Duration // without a viewer, until the session is ended; 0 = never
	Clipboard         string        // "bidirectional", "local-to-remote", "remote-to-local" or "disabled"
	MemoryMax         Memory        // 0 = unlimited
	CPUQuota          int           // percent of one core, 0 = unlimited
	TasksMax          int           // processes and threads, 0 = unlimited
	IOWeight          int           // 1 to 10000, 0 = as everyone
}

// Accounts is accounts.ini: the Unix account of a login that is none itself.
type Accounts map[string]string

// PAM is auth-pam.ini.
type PAM struct {
	Enabled bool
	Service string // a file of /etc/pam.d
}

// HTTPS is https.ini.
type HTTPS struct {
	Enabled        bool   // false behind a proxy that ends TLS itself
	CertFile       string // "" = VAR/fastx.crt when there, else a generated one in LOCAL
	KeyFile        string
	TrustedProxies []netip.Prefix
	BasePath       string // what everything is served below, such as "/fastx"; "" = the root
}

// AuthSSH is auth-ssh.ini: the sshd that users log in through. The file with its host keys is read by
// References; its content is in the set.
type AuthSSH struct {
	Enabled    bool
	Host       string
	Port       int
	KnownHosts string // "" = the host is this machine, and the keys are its own
}

// LogLevel is loglevel.ini: a level per component, "**" for all others.
type LogLevel map[string]string

// Theme is theme.ini. The files it names are read by References; their content is in the set.
type Theme struct {
	Title      string // in the place of the node's name; "" = none
	Logo       string // an svg, png or jpg file; "" = our own
	CSS        string // a style sheet that comes after ours; "" = none
	Accent     Colour // of buttons and links on a light page; "" = ours
	AccentDark Colour // and on a dark one; "" = made of Accent
}

// Pages is what administrators put on the page, as HTML in which every element is closed and
// from which what the page's policy forbids anyway is left out.
type Pages struct {
	MOTD          string         // motd.html
	Announcements string         // announcements.html
	Errors        map[int]string // error-STATUS.html, by HTTP status
}

// Headers is headers.ini: a header of every answer, by its name.
type Headers map[string]string

// TokenLifetime is how long a login lasts.
const TokenLifetime = 12 * time.Hour
