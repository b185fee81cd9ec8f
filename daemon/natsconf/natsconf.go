// Package natsconf holds nats-server.conf as a value: read it, check it, write it.
//
// The syntax is nats-server's own, read by its own parser. The package knows the
// part of the file that a FastX cluster depends on; everything else is left to
// nats-server, which judges the whole file when it starts.
//
// Two things are deliberately not done. An include directive is never followed:
// the included file would be neither watched nor part of the digest, and its path
// could lead anywhere; it is an error. A $VARIABLE is looked up in the file alone
// and never in the process environment, since a check must come out the same on
// every machine; one that the file does not define is a warning and its value
// counts as unknown.
package natsconf

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// DefaultPort is where nats-server listens when the file names no port.
const DefaultPort = 4222

// Config is what of a nats-server.conf matters to a FastX cluster.
type Config struct {
	Host          string // "" = all interfaces
	Port          int
	TLS           *TLS // nil = clients connect in the clear
	Authorization Authorization
	Cluster       *Cluster // nil = a single transporter
	LeafNodes     bool     // there is a leafnodes block
}

// Form is how the file lets clients in.
type Form string

// The forms that upstream knows.
const (
	None     Form = "none"     // anyone may connect
	Token    Form = "token"    // authorization { token }
	Password Form = "user"     // authorization { user, password }
	Users    Form = "users"    // authorization { users }, passwords or nkeys
	Accounts Form = "accounts" // users inside accounts {}
	External Form = "external" // an operator's JWTs or an auth callout decide
)

// Authorization is the block of that name.
type Authorization struct {
	Form        Form
	Token       Secret       // of the form Token: plain, or a bcrypt hash
	User        string       // of the form Password
	Password    Secret       // of the form Password: plain, or a bcrypt hash
	Users       []User       // of the form Users, in the order of the file
	Permissions *Permissions // of users that have none of their own
}

// User is one entry of users: either a public nkey, or a name and a password.
type User struct {
	NKey        string // "U…"
	Name        string
	Password    Secret
	Permissions *Permissions // nil = everything, or what Authorization.Permissions says
}

// Permissions says which subjects a user may use.
type Permissions struct {
	Publish   Subjects
	Subscribe Subjects
	Responses *Responses // nil = the user may not answer where it may not publish
}

// Subjects are lists of NATS subjects with wildcards; both empty = no restriction.
type Subjects struct{ Allow, Deny []string }

// Responses is allow_responses: how often and how long a request may be answered.
type Responses struct {
	Max     int
	Expires time.Duration
}

// DefaultResponses is what upstream takes "allow_responses: true" for.
func DefaultResponses() *Responses { return &Responses{Max: 1, Expires: 2 * time.Minute} }

// TLS is the tls block for clients.
type TLS struct {
	CertFile, KeyFile, CAFile string
	Verify                    bool // clients need a certificate too
}

// Cluster is how transporters find each other.
type Cluster struct {
	Name     string // "" = made up by the servers
	Host     string
	Port     int
	User     string // "" = routes are not authorized
	Password Secret
	TLS      *TLS
	Routes   []Secret // URLs; they may hold a password, so show RouteHosts instead
}

// RouteHosts returns the routes as "host:port", without what else the URLs hold.
func (c *Cluster) RouteHosts() []string {
	var hosts []string
	for _, r := range c.Routes {
		if u, err := url.Parse(string(r)); err == nil && u.Host != "" {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

// NKeys returns the public keys of all nkey users, in the order of the file.
func (c *Config) NKeys() []string {
	var keys []string
	for _, u := range c.Authorization.Users {
		if u.NKey != "" {
			keys = append(keys, u.NKey)
		}
	}
	return keys
}

// ClearSecret reports whether the file holds a secret that whoever reads it can use: a token or password
// that is not hashed, or one in a route. Public nkeys and hashes are none.
func (c *Config) ClearSecret() bool {
	secrets := []Secret{c.Authorization.Token, c.Authorization.Password}
	for _, u := range c.Authorization.Users {
		secrets = append(secrets, u.Password)
	}
	if c.Cluster != nil {
		secrets = append(secrets, c.Cluster.Password)
		for _, r := range c.Cluster.Routes {
			if u, err := url.Parse(string(r)); err == nil && u.User != nil {
				password, _ := u.User.Password()
				secrets = append(secrets, Secret(password))
			}
		}
	}
	return slices.ContainsFunc(secrets, func(s Secret) bool { return s != "" && !bcryptHash.MatchString(string(s)) })
}

// maxCost bounds the bcrypt hashes that Opens tries: each step doubles the time, and cost 14 takes about a second.
const maxCost = 14

var bcryptHash = regexp.MustCompile(`^\$2[abxy]\$\d{2}\$`)

// Opens reports whether a client that presents token is let in. It is about the
// token form alone, and false for every other. A plain token is compared in
// constant time, a bcrypt one by its hash, unless its cost is beyond reason.
func (c *Config) Opens(token string) bool {
	want := string(c.Authorization.Token)
	if c.Authorization.Form != Token || want == "" {
		return false
	}
	if !bcryptHash.MatchString(want) {
		a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(token))
		return subtle.ConstantTimeCompare(a[:], b[:]) == 1
	}
	if cost, err := bcrypt.Cost([]byte(want)); err != nil || cost > maxCost {
		return false
	}
	return bcrypt.CompareHashAndPassword([]byte(want), []byte(token)) == nil
}

// Secret is a string that no printer shows. string(s) reveals it.
type Secret string

const masked = "[secret]"

// Format prints the mask for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, masked) }

// MarshalText keeps the secret out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// LogValue keeps the secret out of the log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }
