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
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
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
//
// Its JSON form is that of the vectors of the package render.
type Config struct {
	Host          string        `json:"host,omitempty"` // "" = all interfaces
	Port          int           `json:"port,omitempty"`
	TLS           *TLS          `json:"tls,omitempty"` // nil = clients connect in the clear
	Authorization Authorization `json:"authorization"`
	Cluster       *Cluster      `json:"cluster,omitempty"`   // nil = a single transporter
	LeafNodes     bool          `json:"leafnodes,omitempty"` // there is a leafnodes block
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
	Form        Form         `json:"form,omitempty"`
	Token       Secret       `json:"token,omitempty"`               // of the form Token: plain, or a bcrypt hash
	User        string       `json:"user,omitempty"`                // of the form Password
	Password    Secret       `json:"password,omitempty"`            // of the form Password: plain, or a bcrypt hash
	Users       []User       `json:"users,omitempty"`               // of the form Users, in the order of the file
	Permissions *Permissions `json:"default_permissions,omitempty"` // of users that have none of their own
}

// User is one entry of users: either a public nkey, or a name and a password.
type User struct {
	NKey        string       `json:"nkey,omitempty"` // "U…"
	Name        string       `json:"user,omitempty"`
	Password    Secret       `json:"password,omitempty"`
	Permissions *Permissions `json:"permissions,omitempty"` // nil = everything, or what Authorization.Permissions says
}

// Permissions says which subjects a user may use.
type Permissions struct {
	Publish   Subjects   `json:"publish,omitzero"`
	Subscribe Subjects   `json:"subscribe,omitzero"`
	Responses *Responses `json:"allow_responses,omitempty"` // nil = the user may not answer where it may not publish
}

// Subjects are lists of NATS subjects with wildcards; both empty = no restriction.
type Subjects struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// Responses is allow_responses: how often and how long a request may be answered.
type Responses struct {
	Max     int
	Expires time.Duration
}

// responses is the JSON form of Responses.
type responses struct {
	Max     int     `json:"max"`
	Expires float64 `json:"expires"` // seconds
}

// MarshalJSON writes true for what upstream takes true for, else both numbers, the time in seconds.
func (r Responses) MarshalJSON() ([]byte, error) {
	if r == *DefaultResponses() {
		return []byte("true"), nil
	}
	return json.Marshal(responses{r.Max, r.Expires.Seconds()})
}

// UnmarshalJSON reads true, or the two numbers; one that is absent is as with true.
func (r *Responses) UnmarshalJSON(data []byte) error {
	*r = *DefaultResponses()
	if string(data) == "true" {
		return nil
	}
	v := responses{r.Max, r.Expires.Seconds()}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("allow_responses is neither true nor {max, expires}: %w", err)
	}
	*r = Responses{v.Max, time.Duration(v.Expires * float64(time.Second))}
	return nil
}

// DefaultResponses is what upstream takes "allow_responses: true" for.
func DefaultResponses() *Responses { return &Responses{Max: 1, Expires: 2 * time.Minute} }

// TLS is the tls block for clients.
type TLS struct {
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	CAFile   string `json:"ca_file,omitempty"`
	Verify   bool   `json:"verify,omitempty"` // clients need a certificate too
}

// Cluster is how transporters find each other.
type Cluster struct {
	Name     string   `json:"name,omitempty"` // "" = made up by the servers
	Host     string   `json:"host,omitempty"`
	Port     int      `json:"port,omitempty"`
	User     string   `json:"user,omitempty"` // "" = routes are not authorized
	Password Secret   `json:"password,omitempty"`
	TLS      *TLS     `json:"tls,omitempty"`
	Routes   []Secret `json:"routes,omitempty"` // URLs; they may hold a password, so show RouteHosts instead
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
