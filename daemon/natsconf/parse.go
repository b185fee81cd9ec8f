package natsconf

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// parser reads one file and collects what is wrong with it.
type parser struct {
	file      string
	diags     diag.List
	resolving map[string]bool // variables being looked up
	values    int             // read so far
	depth     int             // blocks and lists that are open
	tooLarge  bool
	auth      *node // the authorization block, once found
	clients   int   // that may reconnect at once
}

// Parse reads a nats-server.conf in every form that upstream accepts and checks
// it. name is the file's name in the diagnostics. The Config is nil when the text
// cannot be read at all; with errors it is what could be understood. No
// diagnostic holds a secret.
func Parse(name string, data []byte) (*Config, diag.List) { return ParseFor(name, data, 0) }

// ParseFor is Parse for a cluster in which so many clients may reconnect at once; 0 stands for hundreds.
func ParseFor(name string, data []byte, clients int) (*Config, diag.List) {
	p := &parser{file: name, resolving: map[string]bool{}, clients: cmp.Or(clients, manyClients)}
	c := p.parse(string(data))
	p.diags.Sort()
	return c, p.diags
}

func (p *parser) parse(text string) *Config {
	if reserved.MatchString(text) {
		line := 1 + strings.Count(text[:reserved.FindStringIndex(text)[0]], "\n")
		p.errorAt(&node{line: line}, "control-character", "the file holds a control character", "write the file again; a torn or binary file looks like this")
		return nil
	}
	root, ok := p.syntax(text)
	if !ok {
		return nil
	}
	if len(root) == 0 && !p.diags.HasErrors() {
		p.errorAt(&node{}, "empty", "the file is empty, and nats-server would let anyone connect",
			"write it again, or take it away and name it in removed.ini")
		return nil
	}
	c := p.config(root)
	p.check(c, root)
	return c
}

// config takes what is known out of the tree.
func (p *parser) config(root block) *Config {
	c := &Config{Port: DefaultPort, Authorization: Authorization{Form: None}}
	p.listen(root, &c.Host, &c.Port)
	if b, ok := p.sub(root, "tls"); ok {
		c.TLS = p.tls(b, root["tls"])
	}
	if b, ok := p.sub(root, "authorization"); ok {
		p.auth = root["authorization"]
		c.Authorization = p.authorization(b)
	}
	if c.Authorization.Form == None {
		c.Authorization.Form = p.elsewhere(root)
	}
	if b, ok := p.sub(root, "cluster"); ok {
		c.Cluster = p.cluster(b)
	}
	_, c.LeafNodes = first(root, "leafnodes", "leaf")
	return c
}

// first returns the node of the first of several spellings that is there.
func first(b block, keys ...string) (*node, bool) {
	for _, k := range keys {
		if n, ok := b[k]; ok {
			return n, true
		}
	}
	return nil, false
}

// get returns a value of one type, and its zero when it is absent, unknown, or
// of another type, which is an error.
func get[T any](p *parser, b block, want string, keys ...string) T {
	n, ok := first(b, keys...)
	if !ok {
		return *new(T)
	}
	v, ok := n.value.(T)
	if _, isUnknown := n.value.(unknown); !ok && !isUnknown {
		p.errorAt(n, "wrong-type", "this is not "+want, "write "+want+"; text that looks like a number needs quotation marks")
	}
	return v
}

func (p *parser) text(b block, keys ...string) string {
	return get[string](p, b, "a text", keys...)
}

func (p *parser) sub(b block, key string) (block, bool) {
	_, ok := b[key]
	return get[block](p, b, "a block in braces", key), ok
}

func (p *parser) list(b block, keys ...string) []*node {
	return get[[]*node](p, b, "a list in brackets", keys...)
}

// listen reads listen, host, net and port as upstream does.
func (p *parser) listen(b block, host *string, port *int) {
	if n, ok := b["listen"]; ok {
		p.address(n, host, port)
	}
	if h := p.text(b, "host", "net"); h != "" {
		*host = h
	}
	if n, ok := b["port"]; ok {
		if v := get[int64](p, b, "a number", "port"); v != 0 {
			*port = p.port(n, v)
		}
	}
}

func (p *parser) address(n *node, host *string, port *int) {
	switch v := n.value.(type) {
	case int64:
		*port = p.port(n, v)
	case string:
		h, portText, err := net.SplitHostPort(v)
		number, perr := strconv.ParseInt(portText, 10, 32)
		if err != nil || perr != nil {
			p.errorAt(n, "listen", "the address is not HOST:PORT", `write it like "0.0.0.0:4222"`)
			return
		}
		*host, *port = h, p.port(n, number)
	case unknown:
	default:
		p.errorAt(n, "wrong-type", "this is not an address", `write HOST:PORT or a port`)
	}
}

func (p *parser) port(n *node, v int64) int {
	if v < -1 || v > 65535 {
		p.errorAt(n, "port", "a port lies between 1 and 65535", "write such a number, or -1 for any free port")
		return 0
	}
	return int(v)
}

func (p *parser) tls(b block, at *node) *TLS {
	t := &TLS{
		CertFile: p.text(b, "cert_file"), KeyFile: p.text(b, "key_file"), CAFile: p.text(b, "ca_file"),
		Verify: get[bool](p, b, "true or false", "verify") || get[bool](p, b, "true or false", "verify_and_map"),
	}
	_, stored := first(b, "certs", "certificates", "cert_store")
	_, cert := b["cert_file"]
	_, key := b["key_file"]
	if !stored && !(cert && key) {
		p.errorAt(at, "tls", "tls needs both cert_file and key_file", "name both files, or take the block away")
	}
	return t
}

func (p *parser) authorization(b block) Authorization {
	a := Authorization{
		Form: None, Token: Secret(p.text(b, "token")), User: p.text(b, "user", "username"),
		Password: Secret(p.text(b, "password", "pass")), Permissions: p.permissions(b, "permissions", "default_permissions", "default_permission"),
	}
	a.Users = p.users(b)
	switch {
	case given(b, "auth_callout", "auth_hook"):
		a.Form = External
	case len(a.Users) > 0:
		a.Form = Users
	case given(b, "token"):
		a.Form = Token
	case given(b, "user", "username"):
		a.Form = Password
	}
	return a
}

// given reports whether one of the keys is there with a value that is not empty, or not known.
func given(b block, keys ...string) bool {
	n, ok := first(b, keys...)
	return ok && n.value != ""
}

func (p *parser) users(b block) []User {
	var out []User
	for _, n := range p.list(b, "users") {
		entry, ok := n.value.(block)
		if !ok {
			p.errorAt(n, "wrong-type", "this is not a user", "write {nkey: …} or {user: …, password: …}")
			continue
		}
		u := User{
			NKey: p.text(entry, "nkey"), Name: p.text(entry, "user", "username"), Password: Secret(p.text(entry, "password", "pass")),
			Permissions: p.permissions(entry, "permissions", "permission", "authorization"),
		}
		p.checkUser(n, entry, u)
		out = append(out, u)
	}
	return out
}

func (p *parser) checkUser(n *node, entry block, u User) {
	key, hasKey := entry["nkey"]
	switch {
	case hasKey && strings.HasPrefix(u.NKey, "S"):
		p.errorAt(key, "seed", "this is a private seed, and the file needs the public key", `write the key that begins with U, and make a new pair: this seed is no longer secret`)
	case hasKey && known(key) && !nkeys.IsValidPublicUserKey(u.NKey):
		p.errorAt(key, "nkey", "this is not the public key of a user", "copy the whole key; it begins with U and has 56 characters")
	case hasKey && (given(entry, "user", "username") || given(entry, "password", "pass")):
		p.errorAt(n, "authorization-conflict", "a user has either an nkey or a name and a password", "keep one of them")
	case !hasKey && !given(entry, "user", "username"):
		p.errorAt(n, "user", "a user needs an nkey or a name", "write {nkey: …} or {user: …, password: …}")
	case !hasKey:
		p.password(n, entry)
	}
}

func known(n *node) bool { _, isUnknown := n.value.(unknown); return !isUnknown }

// password wants a user's password to be there.
func (p *parser) password(at *node, b block) {
	if !given(b, "password", "pass") {
		p.errorAt(at, "no-password", "the user has no password, and anyone may connect under that name", "set a long random password, or better an nkey")
	}
}

func (p *parser) permissions(b block, keys ...string) *Permissions {
	if _, ok := first(b, keys...); !ok {
		return nil
	}
	perms := get[block](p, b, "a block in braces", keys...)
	out := &Permissions{
		Publish:   p.subjects(perms, "publish", "pub", "import"),
		Subscribe: p.subjects(perms, "subscribe", "sub", "export"),
	}
	if n, ok := first(perms, "allow_responses", "publish_allow_responses"); ok {
		out.Responses = p.responses(n)
	}
	return out
}

func (p *parser) subjects(b block, keys ...string) Subjects {
	n, ok := first(b, keys...)
	if !ok {
		return Subjects{}
	}
	if rules, ok := n.value.(block); ok {
		return Subjects{Allow: p.strings(rules["allow"]), Deny: p.strings(rules["deny"])}
	}
	return Subjects{Allow: p.strings(n)}
}

// strings reads a text or a list of texts.
func (p *parser) strings(n *node) []string {
	if n == nil {
		return nil
	}
	switch v := n.value.(type) {
	case string:
		return []string{v}
	case unknown:
		return nil
	case []*node:
		var out []string
		for _, e := range v {
			out = append(out, p.strings(e)...)
		}
		return out
	}
	p.errorAt(n, "wrong-type", "this is not a subject or a list of subjects", `write "a.>" or ["a.>", "b.*"]`)
	return nil
}

func (p *parser) responses(n *node) *Responses {
	r := DefaultResponses()
	switch v := n.value.(type) {
	case bool:
		if !v {
			return nil
		}
	case block:
		if limit := get[int64](p, v, "a number", "max", "max_msgs", "max_messages", "max_responses"); limit != 0 {
			r.Max = int(limit)
		}
		if e := p.text(v, "expires", "expiration", "ttl"); e != "" {
			d, err := time.ParseDuration(e)
			if err != nil {
				p.errorAt(n, "duration", "expires is not a duration", `write it like "2m"`)
			}
			r.Expires = d
		}
	case unknown:
	default:
		p.errorAt(n, "wrong-type", "this is not true, false or a block", "write allow_responses: true")
	}
	return r
}

func (p *parser) cluster(b block) *Cluster {
	c := &Cluster{Name: p.text(b, "name")}
	p.listen(b, &c.Host, &c.Port)
	if t, ok := p.sub(b, "tls"); ok {
		c.TLS = p.tls(t, b["tls"])
	}
	if a, ok := p.sub(b, "authorization"); ok {
		c.User, c.Password = p.text(a, "user", "username"), Secret(p.text(a, "password", "pass"))
		if given(a, "user", "username") {
			p.password(b["authorization"], a)
		}
	}
	for _, n := range p.list(b, "routes") {
		route, ok := n.value.(string)
		if u, err := url.Parse(route); ok && (err != nil || u.Host == "") {
			p.errorAt(n, "route", "the route is not a URL", `write it like "nats://HOST:6222"`)
		}
		if ok {
			c.Routes = append(c.Routes, Secret(route))
		}
	}
	return c
}
