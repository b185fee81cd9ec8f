package natsconf

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultClusterName is what Render calls a cluster that has no name.
const DefaultClusterName = "fastx"

// DefaultClusterPort is where transporters wait for each other unless told otherwise.
const DefaultClusterPort = 6222

// Render writes the file in the one form that all front doors write: two spaces,
// fixed order, texts in double quotes, one user a line. What the Config
// does not hold (leafnodes) is not written.
//
// Parse reads the result back to the same Config, as Complete makes it.
func Render(c Config) []byte {
	c = c.Complete()
	w := &writer{}
	if c.Host != "" {
		w.line("host: %s", quote(c.Host))
	}
	w.line("port: %d", c.Port)
	w.tls(c.TLS)
	w.authorization(c.Authorization)
	w.cluster(*c.Cluster)
	return []byte(w.b.String())
}

// Complete returns the Config with all that Render writes of its own accord: the form of the authorization, the ports, the
// cluster's name, and the cluster itself. There is always one, because nats-server
// cannot be given one while it runs; a Config without gets one that only its own machine reaches.
func (c Config) Complete() Config {
	c.Port = cmp.Or(c.Port, DefaultPort)
	c.Authorization.Form = cmp.Or(c.Authorization.Form, c.Authorization.form())
	cluster := Cluster{Host: "127.0.0.1"}
	if c.Cluster != nil {
		cluster = *c.Cluster
	}
	cluster.Name = cmp.Or(cluster.Name, DefaultClusterName)
	cluster.Port = cmp.Or(cluster.Port, DefaultClusterPort)
	c.Cluster = &cluster
	return c
}

// form finds the form by what is there.
func (a Authorization) form() Form {
	switch {
	case len(a.Users) > 0:
		return Users
	case a.Token != "":
		return Token
	case a.User != "":
		return Password
	}
	return None
}

// writer writes lines at the depth of the open blocks.
type writer struct {
	b     strings.Builder
	depth int
}

func (w *writer) line(format string, args ...any) {
	w.b.WriteString(strings.Repeat("  ", w.depth))
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

func (w *writer) block(head string, body func()) {
	w.bracket(head+" {", "}", body)
}

func (w *writer) bracket(open, end string, body func()) {
	w.line("%s", open)
	w.depth++
	body()
	w.depth--
	w.line("%s", end)
}

// top is a block at the top level, set off by an empty line.
func (w *writer) top(head string, body func()) {
	w.b.WriteByte('\n')
	w.block(head, body)
}

// text writes a key that has a value.
func (w *writer) text(key, value string) {
	if value != "" {
		w.line("%s: %s", key, quote(value))
	}
}

func (w *writer) tls(t *TLS) {
	if t != nil {
		w.top("tls", func() { w.tlsKeys(t) })
	}
}

func (w *writer) tlsKeys(t *TLS) {
	w.text("cert_file", t.CertFile)
	w.text("key_file", t.KeyFile)
	w.text("ca_file", t.CAFile)
	if t.Verify {
		w.line("verify: true")
	}
}

func (w *writer) authorization(a Authorization) {
	if a.Form == None {
		return
	}
	w.top("authorization", func() {
		w.text("token", string(a.Token))
		w.text("user", a.User)
		w.text("password", string(a.Password))
		if a.Permissions != nil {
			w.line("default_permissions: %s", permissions(*a.Permissions))
		}
		if len(a.Users) > 0 {
			w.bracket("users = [", "]", func() {
				for _, u := range a.Users {
					w.line("%s", user(u))
				}
			})
		}
	})
}

func user(u User) string {
	parts := pairs("nkey", u.NKey, "user", u.Name, "password", string(u.Password))
	if u.Permissions != nil {
		parts = append(parts, "permissions: "+permissions(*u.Permissions))
	}
	return braces(parts)
}

func permissions(p Permissions) string {
	var parts []string
	parts = append(parts, subjects("publish", p.Publish)...)
	parts = append(parts, subjects("subscribe", p.Subscribe)...)
	switch r := p.Responses; {
	case r == nil:
	case *r == *DefaultResponses():
		parts = append(parts, "allow_responses: true")
	default:
		parts = append(parts, fmt.Sprintf("allow_responses: {max: %d, expires: %s}", r.Max, quote(seconds(r.Expires))))
	}
	return braces(parts)
}

// seconds writes a time in seconds, so that nobody has to know how Go writes minutes.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

func subjects(key string, s Subjects) []string {
	var parts []string
	if len(s.Allow) > 0 {
		parts = append(parts, "allow: "+list(s.Allow))
	}
	if len(s.Deny) > 0 {
		parts = append(parts, "deny: "+list(s.Deny))
	}
	if parts == nil {
		return nil
	}
	return []string{key + ": " + braces(parts)}
}

func (w *writer) cluster(c Cluster) {
	w.top("cluster", func() {
		w.text("name", c.Name)
		w.text("host", c.Host)
		w.line("port: %d", c.Port)
		if c.TLS != nil {
			w.block("tls", func() { w.tlsKeys(c.TLS) })
		}
		if c.User != "" {
			w.block("authorization", func() {
				w.text("user", c.User)
				w.text("password", string(c.Password))
			})
		}
		if len(c.Routes) > 0 {
			w.bracket("routes = [", "]", func() {
				for _, r := range c.Routes {
					w.line("%s", quote(string(r)))
				}
			})
		}
	})
}

// pairs writes the keys that have a value.
func pairs(kv ...string) []string {
	var parts []string
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			parts = append(parts, kv[i]+": "+quote(kv[i+1]))
		}
	}
	return parts
}

func braces(parts []string) string { return "{" + strings.Join(parts, ", ") + "}" }

func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

func quote(s string) string { return `"` + escapes.Replace(s) + `"` }
