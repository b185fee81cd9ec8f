package natsconf

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// samples are the secrets that the guide and the manual print. A copied example
// protects nothing: everyone can read it.
func samples() []string {
	return []string{
		"$2a$11$PWIFAL8RsWyGI3jVZtO9Nu8.6jOxzxfZo7c/W0eLk017hjgUKWrhy", "dag0HTXl4RGg7dXdaJwbC8",
		"thisisasecret", "T0pS3cr3t",
	}
}

// slowCost is the bcrypt cost from which a few hundred clients that reconnect at once run into their time-out.
const slowCost = 7

// check applies the rules that go beyond one value.
func (p *parser) check(c *Config, root block) {
	p.checkAuthorization(c, root)
	p.checkSecrets(&node{value: root})
	p.checkCluster(c.Cluster, root["cluster"])
}

// elsewhere finds the ways to let clients in that do not need the authorization block.
func (p *parser) elsewhere(root block) Form {
	if given(root, "operator", "operators", "roots", "root", "trusted", "trusted_keys", "trusted_operators") {
		return External
	}
	if n, ok := first(root, "accounts"); ok {
		accounts, _ := n.value.(block)
		for _, a := range accounts {
			if b, ok := a.value.(block); ok && len(p.users(b)) > 0 {
				return Accounts
			}
		}
	}
	return None
}

func (p *parser) checkAuthorization(c *Config, root block) {
	at := &node{key: "authorization"}
	var b block
	if p.auth != nil {
		at = p.auth
		b, _ = at.value.(block)
	}
	if c.Authorization.Form == None {
		p.errorAt(at, "no-authorization", "nothing here asks clients for a secret, so anyone may connect",
			"add authorization { users = [{nkey: …}] }; if it was there, the file is only half written")
	}
	if n, ok := root["no_auth_user"]; ok {
		p.errorAt(n, "no-auth-user", "no_auth_user lets anyone in without a secret", "take the line away")
	}
	single := given(b, "user", "username") || given(b, "password", "pass")
	_, list := b["users"]
	if token := given(b, "token"); single && token || single && list || token && list {
		p.errorAt(at, "authorization-conflict", "token, user and users exclude each other", "keep one; only users allows two live keys")
	}
	if c.Authorization.Form == Password {
		p.password(at, b)
	}
}

// checkSecrets looks at every text of the file.
func (p *parser) checkSecrets(n *node) {
	switch v := n.value.(type) {
	case block:
		for _, e := range v {
			p.checkSecrets(e)
		}
	case []*node:
		for _, e := range v {
			p.checkSecrets(e)
		}
	case string:
		p.checkSecret(n, v)
	}
}

func (p *parser) checkSecret(n *node, v string) {
	for _, s := range samples() {
		if v == s || strings.Contains(v, ":"+s+"@") {
			p.errorAt(n, "sample-secret", "this is the example secret that the guide prints; everyone knows it", "make a new one of your own")
		}
	}
	if !bcryptHash.MatchString(v) {
		return
	}
	switch cost, err := bcrypt.Cost([]byte(v)); {
	case err != nil:
		p.errorAt(n, "hash", "the bcrypt hash is not complete", "copy the whole hash; it has 60 characters")
	case cost > maxCost:
		p.errorAt(n, "hash-cost", fmt.Sprintf("one comparison of a hash of cost %d takes longer than clients wait", cost), "use an nkey, or a long random token in plain text")
	case cost >= slowCost:
		p.warnAt(n, "hash-cost", fmt.Sprintf("a hash of cost %d lets hundreds of nodes time out when they reconnect at once", cost), "use nkeys, or a long random token in plain text")
	}
}

func (p *parser) checkCluster(c *Cluster, at *node) {
	if c == nil {
		p.warnAt(&node{key: "cluster"}, "no-cluster", "there is no cluster block, and adding one later needs a restart of nats-server", `add cluster { name: "…", port: 6222 }`)
		return
	}
	if b, ok := at.value.(block); ok && !given(b, "name") {
		p.warnAt(at, "no-cluster-name", "the cluster has no name, so every server makes one up", "give all servers the same name")
	}
	if c.Port != 0 && c.User == "" && (c.TLS == nil || !c.TLS.Verify) && !local(c.Host) {
		p.warnAt(at, "open-cluster", "whoever reaches the cluster port joins the cluster and sees everything", "add authorization { user, password } to the cluster block")
	}
}

func local(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }
