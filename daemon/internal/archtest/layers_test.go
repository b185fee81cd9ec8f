package archtest

// reasons says why a package may import each of what it may import.
type reasons map[string]string

// components are the guide's components as packages.
var components = []string{
	"daemon/internal/webserver", "daemon/internal/manager", "daemon/internal/user", "daemon/internal/launcher",
}

// layers is the table of allowed imports beyond the standard library. Imports point
// one way: a package stands below all that import it. A package that is not here fails.
var layers = map[string]reasons{
	// The shared core, which the provider and testenv may import too.
	"daemon/diag":    {},
	"daemon/fileset": {},
	"daemon/natsconf": {
		"daemon/diag":                            "problems are diagnostics",
		"github.com/nats-io/nats-server/v2/conf": "upstream's own parser decides what is syntax; the server itself stays out",
		"github.com/nats-io/nkeys":               "a public key is checked for its form",
		"golang.org/x/crypto/bcrypt":             "tokens and passwords may be hashed",
	},
	"daemon/spec/syntax": {
		"daemon/diag":     "problems have positions",
		"gopkg.in/ini.v1": "the parser that users' existing files were written for",
	},
	"daemon/spec": {
		"daemon/diag":                "problems are diagnostics",
		"daemon/fileset":             "what is loaded is a set of files",
		"daemon/natsconf":            "nats-server.conf is one of the files",
		"daemon/spec/syntax":         "bytes become sections and keys there",
		"gopkg.in/ini.v1":            "the parser that users' existing files were written for",
		"golang.org/x/crypto/bcrypt": "a login's hash is checked for its form",
		"github.com/nats-io/nkeys":   "a seed is checked for its form",
		"golang.org/x/crypto/ssh":    "a known_hosts is checked for its form",
		"golang.org/x/net/html":      "what administrators put on the page is read as browsers read it",
		"golang.org/x/net/html/atom": "its names of elements",
	},
	"daemon/render": {
		"daemon/diag":        "what cannot be written is a diagnostic",
		"daemon/fileset":     "the result is a set of files",
		"daemon/natsconf":    "it writes nats-server.conf",
		"daemon/spec":        "the settings table gives order and defaults",
		"daemon/spec/syntax": "what is written is read back by the same grammar",
	},

	// What the settings table is made into for people and programs.
	"daemon/internal/manpages": {
		"github.com/spf13/cobra":     "the commands whose pages it writes",
		"github.com/spf13/cobra/doc": "writes them",
	},

	"daemon/internal/manual": {
		"daemon/spec":   "it is made from the settings table",
		"daemon/render": "a schema's values are of the types that are rendered",
	},

	"daemon/internal/document": {
		"daemon/spec":              "what a document shows is judged by the checker",
		"daemon/fileset":           "as a set of files",
		"github.com/nats-io/nkeys": "keys stand where a document leaves them open",
	},

	// The config engine.
	"daemon/internal/watch": {
		"daemon/fileset":               "it hands over settled sets",
		"github.com/fsnotify/fsnotify": "events hint when to look; nobody else watches",
	},
	"daemon/internal/machine": {
		"daemon/fileset": "what is mounted decides who can change files",
		"daemon/spec":    "it finds out what a check has to know of the machine",
	},
	"daemon/internal/generation": {
		"daemon/diag":     "a rejected set is told by its diagnostics",
		"daemon/fileset":  "a generation is an effective set",
		"daemon/spec":     "and what it means",
		"daemon/natsconf": "what nats-server.conf asked for must not be lost",
	},
	"daemon/internal/history": {
		"daemon/fileset":                                        "it records and restores sets",
		"daemon/internal/generation":                            "of accepted generations",
		"daemon/spec":                                           "the settings table says what is secret",
		"github.com/go-git/go-git/v5":                           "each generation is a commit; nobody else speaks git",
		"github.com/go-git/go-git/v5/config":                    "go-git",
		"github.com/go-git/go-git/v5/plumbing":                  "go-git",
		"github.com/go-git/go-git/v5/plumbing/cache":            "go-git",
		"github.com/go-git/go-git/v5/plumbing/filemode":         "go-git",
		"github.com/go-git/go-git/v5/plumbing/object":           "go-git",
		"github.com/go-git/go-git/v5/plumbing/storer":           "go-git",
		"github.com/go-git/go-git/v5/storage/filesystem":        "go-git",
		"github.com/go-git/go-git/v5/storage/filesystem/dotgit": "go-git",
		"github.com/go-git/go-git/v5/storage/memory":            "what was never committed is compared there",
		"github.com/go-git/go-billy/v5":                         "go-git's file system",
		"github.com/go-git/go-billy/v5/osfs":                    "go-git's file system",
	},
	"daemon/internal/reload": {
		"daemon/diag":                "what refuses a generation is told by its diagnostics",
		"daemon/fileset":             "what is offered is a set of files",
		"daemon/internal/generation": "it takes one through all services",
		"daemon/spec":                "the settings table says which keys a change consists of",
	},

	"daemon/internal/nudge": {
		"golang.org/x/time/rate": "looks that others ask for are limited",
	},

	// What the components are made of.
	"daemon/internal/ticket": {},
	"daemon/internal/transporter": {
		"daemon/diag":                              "a heartbeat carries a node's problems",
		"daemon/internal/ticket":                   "orders are signed tickets",
		"daemon/natsconf":                          "what the embedded server is told",
		"daemon/spec":                              "the transporter's settings and the components' names",
		"github.com/nats-io/nats.go":               "the only user of the client",
		"github.com/nats-io/nats-server/v2/server": "the only user of the server",
		"github.com/nats-io/nkeys":                 "connections are signed with a role's seed",
	},
	"daemon/internal/cluster": {
		"daemon/internal/transporter": "it asks other components over it",
	},
	"daemon/internal/audit":   {},
	"daemon/internal/session": {},
	"daemon/internal/session/supervise": {
		"daemon/internal/session": "the record, the lock and the protocol; nothing else, to stay small",
	},
	"daemon/internal/account": {
		"daemon/internal/session": "the account a session runs as",
	},
	"daemon/internal/spawn": {
		"daemon/internal/ticket":                "a session is what was ordered and signed",
		"daemon/internal/session":               "the descriptors and limits of a supervisor",
		"github.com/coreos/go-systemd/v22/dbus": "sessions with limits are transient services",
		"github.com/godbus/dbus/v5":             "the types of their properties",
	},
	"daemon/internal/rfb": {},
	"daemon/internal/display": {
		"daemon/internal/rfb":         "what viewers say is limited",
		"daemon/internal/session":     "descriptors travel as they do from a supervisor",
		"daemon/internal/transporter": "a rendezvous is part of the messages",
		"github.com/coder/websocket":  "viewers come by WebSocket",
	},

	// The components. They never import one another.
	"daemon/internal/webserver": {
		"daemon/diag":                 "/config shows diagnostics",
		"daemon/fileset":              "files are written whole",
		"daemon/internal/audit":       "logins and deeds are recorded",
		"daemon/internal/cluster":     "every call is asked of the cluster",
		"daemon/internal/display":     "viewers meet displays there",
		"daemon/internal/generation":  "it serves what one says",
		"daemon/internal/reload":      "it is a service",
		"daemon/internal/rfb":         "it takes thumbnails of displays",
		"daemon/internal/ticket":      "display tickets",
		"daemon/internal/transporter": "the way to all other components",
		"daemon/spec":                 "what the files mean",
		"github.com/coder/websocket":  "the display's WebSocket",
		"golang.org/x/time/rate":      "requests are limited",
		"golang.org/x/sys/unix":       "sockets' options",
	},
	"daemon/internal/manager": {
		"daemon/internal/audit":       "deeds are recorded",
		"daemon/internal/generation":  "it balances as one says",
		"daemon/internal/reload":      "it is a service",
		"daemon/internal/ticket":      "orders are read out of tickets",
		"daemon/internal/transporter": "the way to all other components",
		"daemon/spec":                 "what the files mean",
	},
	"daemon/internal/user": {
		"daemon/internal/account":            "a user of the machine is in the groups that the name service says",
		"daemon/internal/session":            "an account of the machine",
		"daemon/internal/launchd":            "PAM is asked by way of fastxd-launchd",
		"daemon/internal/audit":              "logins are recorded",
		"daemon/internal/generation":         "it judges as one says",
		"daemon/internal/reload":             "it is a service",
		"daemon/internal/ticket":             "it alone signs",
		"daemon/internal/transporter":        "the way to all other components",
		"daemon/spec":                        "what the files mean",
		"daemon/spec/syntax":                 "preferences are files of the same grammar",
		"daemon/fileset":                     "a file that a key names is in the set",
		"golang.org/x/crypto/bcrypt":         "htpasswd",
		"golang.org/x/crypto/ssh":            "logins through sshd",
		"golang.org/x/crypto/ssh/knownhosts": "by its host key",
		"golang.org/x/sys/unix":              "a file that is only in memory, for a library that reads files alone",
		"golang.org/x/time/rate":             "guesses are limited",
	},
	"daemon/internal/launcher": {
		"daemon/fileset":              "records are written whole",
		"daemon/internal/audit":       "starts and ends are recorded",
		"daemon/internal/display":     "it brings displays to webservers",
		"daemon/internal/generation":  "it obeys the limits of one",
		"daemon/internal/reload":      "it is a service",
		"daemon/internal/session":     "records and supervisors",
		"daemon/internal/spawn":       "starts supervisors",
		"daemon/internal/ticket":      "it starts what was signed and nothing else",
		"daemon/internal/transporter": "the way to all other components",
		"daemon/spec":                 "what the files mean",
		"golang.org/x/sys/unix":       "a node's load",
	},

	// The programs and what they are made of.
	"daemon/internal/admin": {
		"daemon/diag": "a status carries problems; nothing else, for fastxctl links it",
	},
	"daemon/internal/ctl": {
		"daemon/diag":                "check prints diagnostics",
		"daemon/fileset":             "it reads and writes sets",
		"daemon/internal/admin":      "it asks the daemon",
		"daemon/internal/machine":    "check judges the directories of the machine it runs on",
		"daemon/natsconf":            "secret new writes nats-server.conf",
		"daemon/render":              "init writes what it renders",
		"daemon/spec":                "check loads what is there",
		"daemon/internal/manpages":   "the packages get their pages from the commands",
		"daemon/internal/ticket":     "key show makes and shows the node's key",
		"daemon/internal/manual":     "schema prints what it makes",
		"github.com/nats-io/nkeys":   "secret new makes keys",
		"github.com/spf13/cobra":     "commands, help and completion",
		"golang.org/x/crypto/bcrypt": "init hashes the first password",

		"github.com/rogpeppe/go-internal/diff": "fmt shows what it would change",
	},
	"daemon/internal/pam": {
		"daemon/internal/session": "lines travel as they do from a supervisor",
	},
	"daemon/internal/pam/libpam": {
		"daemon/internal/pam":          "what it says and hears",
		"daemon/internal/session":      "lines travel as they do from a supervisor",
		"github.com/ebitengine/purego": "calls libpam without cgo; it makes a program a dynamic one, so fastxd-pam alone may link it",
	},
	"daemon/cmd/fastxd-pam": {
		"daemon/internal/pam/libpam": "all it does",
		"daemon/internal/session":    "the connection it is started with",
	},
	"daemon/internal/launchd": {
		"daemon/spec/syntax":      "the node file may name the node",
		"daemon/internal/pam":     "logins are judged by PAM, in a process of its own",
		"golang.org/x/time/rate":  "guesses are limited",
		"daemon/fileset":          "what is noted survives a power cut",
		"daemon/internal/account": "accounts are those that the machine knows",
		"daemon/internal/audit":   "refusals are recorded",
		"daemon/internal/session": "descriptors travel as they do from a supervisor",
		"daemon/internal/spawn":   "starts supervisors",
		"daemon/internal/ticket":  "it starts what was signed and nothing else",
		"golang.org/x/sys/unix":   "a record that nobody changes lies in sealed memory",
	},
	"daemon": {
		"daemon/diag":                 "it logs problems",
		"daemon/fileset":              "it writes what other programs read, whole",
		"daemon/internal/account":     "the account it runs as",
		"daemon/internal/launchd":     "asks fastxd-launchd to start sessions",
		"daemon/internal/admin":       "the local socket",
		"daemon/internal/audit":       "the audit log",
		"daemon/internal/cluster":     "the local socket acts in the cluster",
		"daemon/internal/generation":  "the keeper",
		"daemon/internal/history":     "records what the keeper accepts",
		"daemon/internal/launcher":    "a component",
		"daemon/internal/machine":     "the directories are judged by where they lie",
		"daemon/internal/manager":     "a component",
		"daemon/internal/nudge":       "nodes tell each other of new files",
		"daemon/internal/reload":      "brings generations to services",
		"daemon/internal/session":     "the account a session runs as",
		"daemon/internal/spawn":       "chooses how supervisors are started",
		"daemon/internal/ticket":      "the local administrator's login",
		"daemon/internal/transporter": "the hub and the connections",
		"daemon/internal/user":        "a component",
		"daemon/internal/watch":       "the watcher",
		"daemon/internal/webserver":   "a component",
		"daemon/natsconf":             "the certificates that a transporter needs",
		"daemon/render":               "loglevel.ini is edited",
		"daemon/spec":                 "what the files mean",
		"golang.org/x/sys/unix":       "the clock that systemd reads",
	},
	"daemon/cmd/fastxd": {
		"daemon":                   "the node",
		"daemon/internal/manpages": "the packages get the page from the command",
		"github.com/coreos/go-systemd/v22/daemon": "tells systemd how the node is",
		"github.com/spf13/cobra":                  "flags and help",
		"github.com/spf13/pflag":                  "flags that go by their variables' names, too",
	},
	"daemon/cmd/fastxctl": {"daemon/internal/ctl": "all it does"},
	"daemon/cmd/fastxd-session": {
		"daemon/internal/session":           "descriptors it is started with",
		"daemon/internal/session/supervise": "all it does",
	},
	"daemon/cmd/fastxd-launchd": {
		"daemon/internal/account":                     "whom it listens to",
		"daemon/internal/audit":                       "the audit log",
		"daemon/internal/launchd":                     "all it does",
		"daemon/internal/manpages":                    "the packages get the page from the command",
		"github.com/spf13/cobra":                      "flags and help",
		"daemon/internal/spawn":                       "how supervisors are started",
		"github.com/coreos/go-systemd/v22/activation": "systemd passes the socket",
	},
	"daemon/internal/archtest": {},
	"daemon/internal/drill": {
		"daemon/diag":                  "it plants problems",
		"daemon/fileset":               "what it damages is a set of files",
		"daemon/natsconf":              "what must go on being asked for",
		"daemon/spec":                  "what the files mean",
		"daemon/internal/generation":   "the keeper is part of the engine",
		"daemon/internal/history":      "so is the history",
		"daemon/internal/reload":       "and the loop",
		"daemon/internal/watch":        "and the watcher",
		"github.com/fsnotify/fsnotify": "its disk tells what a file system tells",
	},
	"daemon/internal/browsertest": {
		"github.com/chromedp/chromedp":          "tests look at the page in a real browser",
		"github.com/chromedp/cdproto/cdp":       "chromedp",
		"github.com/chromedp/cdproto/emulation": "dark, small and calm views",
		"github.com/chromedp/cdproto/log":       "what the browser complains of",
		"github.com/chromedp/cdproto/runtime":   "exceptions",
		"golang.org/x/sys/unix":                 "a browser is kept from hearing of networks",
	},

	// Folders that later work fills keep the fixed libraries in go.mod.
	"terraform-provider": {
		"github.com/hashicorp/terraform-plugin-framework/providerserver": "kept in go.mod from the start",
	},
	"testenv": {
		"github.com/ory/dockertest/v3": "kept in go.mod from the start",
	},
}
