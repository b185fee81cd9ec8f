package natsconf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

const (
	keyA = "UCREWIUM2UDROCLRDP67SZFTLCADWKRRPMSZ6O5D7EUBVNZVVLZVYXHY"
	keyB = "UDDOFD6ZYV3DOAL62BVN2AUEOCLZQVB5VAPSJXM6CRUA5V2D3ZEQIRDR"
)

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, diags := Parse("nats-server.conf", []byte(text))
	if err := diags.Err(); err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return c
}

func codes(l diag.List) []string {
	var out []string
	for _, d := range l {
		out = append(out, fmt.Sprintf("%d:%d %s %s", d.Line, d.Col, d.Key, d.Code))
	}
	return out
}

func TestParseReadsEveryFormOfAuthorization(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want Form
	}{
		"token":              {"authorization { token: longrandom }", Token},
		"token quoted":       {`authorization: { token = "longrandom" }`, Token},
		"token JSON":         {`{"authorization": {"token": "longrandom"}}`, Token},
		"token upper case":   {"AUTHORIZATION { Token: longrandom }", Token},
		"user":               {"authorization { user: a, password: longrandom }", Password},
		"user, other words":  {"authorization { username: a\n pass: longrandom }", Password},
		"users":              {"authorization { users = [ {user: a, password: x1}, {user: b, password: x2} ] }", Users},
		"nkey users":         {"authorization { users: [{nkey: " + keyA + "}, {nkey: " + keyB + "}] }", Users},
		"accounts":           {"accounts { A { users: [{nkey: " + keyA + "}] } }", Accounts},
		"operator":           {"operator: /etc/nats/op.jwt", External},
		"callout":            {"authorization { auth_callout { issuer: x, auth_users: [a] } }", External},
		"variable in file":   {"T: longrandom\nauthorization { token: $T }", Token},
		"unquoted 2a hash":   {"authorization { token: $2a$04$abcdefghijklmnopqrstuuwTeo6bCrLDPzBfTdqQbUOHyPx8dQFDm }", Token},
		"comments, brackets": {"# hello\nauthorization { // x\n token: longrandom # y\n}\n", Token},
	} {
		c, diags := Parse("f", []byte(tc.text))
		if diags.HasErrors() {
			t.Errorf("%s: %s", name, diags.Text())
			continue
		}
		if c.Authorization.Form != tc.want {
			t.Errorf("%s: form %s, want %s", name, c.Authorization.Form, tc.want)
		}
	}
}

func TestParseTakesWhatTheClusterNeeds(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `
listen: 10.0.0.1:4333
tls { cert_file: /c.pem, key_file: /k.pem, ca_file: /ca.pem, verify: true }
PERMS = { publish: {allow: ["a.>", b], deny: c}, subscribe: "_INBOX.>", allow_responses: {max: 5, expires: "1m"} }
authorization {
  users = [
    {nkey: `+keyA+`, permissions: $PERMS}
    {user: old, password: longrandom}
  ]
}
cluster {
  name: fastx
  listen: "0.0.0.0:6222"
  authorization { user: r, password: routepass, timeout: 2 }
  routes = [ nats://r:routepass@10.0.0.2:6222, "nats://10.0.0.3:6222" ]
}
leafnodes { port: 7422 }
`)
	if c.Host != "10.0.0.1" || c.Port != 4333 || !c.LeafNodes {
		t.Errorf("listen %s:%d, leafnodes %v", c.Host, c.Port, c.LeafNodes)
	}
	if got := (TLS{"/c.pem", "/k.pem", "/ca.pem", true}); *c.TLS != got {
		t.Errorf("tls = %+v", *c.TLS)
	}
	if got := c.NKeys(); !slices.Equal(got, []string{keyA}) {
		t.Errorf("nkeys = %v", got)
	}
	p := c.Authorization.Users[0].Permissions
	if !slices.Equal(p.Publish.Allow, []string{"a.>", "b"}) || !slices.Equal(p.Publish.Deny, []string{"c"}) ||
		!slices.Equal(p.Subscribe.Allow, []string{"_INBOX.>"}) || p.Responses.Max != 5 || p.Responses.Expires.Minutes() != 1 {
		t.Errorf("permissions = %+v %+v", *p, *p.Responses)
	}
	cl := c.Cluster
	if cl.Name != "fastx" || cl.Host != "0.0.0.0" || cl.Port != 6222 || cl.User != "r" || string(cl.Password) != "routepass" {
		t.Errorf("cluster = %s %s %d %s", cl.Name, cl.Host, cl.Port, cl.User)
	}
	if got := cl.RouteHosts(); !slices.Equal(got, []string{"10.0.0.2:6222", "10.0.0.3:6222"}) {
		t.Errorf("routes = %v", got)
	}
}

func TestParseReportsEveryFaultAtItsPlace(t *testing.T) {
	t.Parallel()
	const ok = "authorization { token: longrandom }\ncluster { name: x, host: localhost, port: 6222 }\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"no fault":              {ok, nil},
		"empty":                 {"", []string{"0:0  empty"}},
		"only comments":         {"# port: 4222\n\n", []string{"0:0  empty"}},
		"only the first line":   {"port: 14222\n", []string{"0:0 authorization no-authorization", "0:0 cluster no-cluster"}},
		"torn in a block":       {"port: 4222\nauthorization {\n  token: \"longr", []string{"3:0  syntax"}},
		"torn behind a block":   {"cluster { name: x, host: localhost }\nauthorization {", []string{"2:0  syntax"}},
		"unbalanced":            {"}\n}\n", []string{"0:0 authorization no-authorization", "0:0 cluster no-cluster"}},
		"binary":                {"port: 4222\n\x00\x00", []string{"2:0  control-character"}},
		"empty authorization":   {"authorization {}\ncluster { name: x, host: localhost }", []string{"1:1 authorization no-authorization"}},
		"only a time-out":       {"\n authorization { timeout: 2 }\ncluster { name: x, host: localhost }", []string{"2:2 authorization no-authorization"}},
		"empty token":           {`authorization { token: "" }` + "\ncluster { name: x, host: localhost }", []string{"1:1 authorization no-authorization"}},
		"empty users":           {`authorization { users: [] }` + "\ncluster { name: x, host: localhost }", []string{"1:1 authorization no-authorization"}},
		"password, no user":     {`authorization { password: longrandom }` + "\ncluster { name: x, host: localhost }", []string{"1:1 authorization no-authorization"}},
		"user, no password":     {`authorization { user: a }` + "\ncluster { name: x, host: localhost }", []string{"1:1 authorization no-password"}},
		"users, no password":    {`authorization { users: [{user: a}] }` + "\ncluster { name: x, host: localhost }", []string{"1:26 authorization.users[0] no-password"}},
		"token and users":       {"authorization {\n token: longrandom\n users: [{nkey: " + keyA + "}]\n}\ncluster { name: x, host: localhost }", []string{"1:1 authorization authorization-conflict"}},
		"token and user":        {"authorization { token: longrandom, user: a, password: b }\ncluster { name: x, host: localhost }", []string{"1:1 authorization authorization-conflict"}},
		"no_auth_user":          {ok + "no_auth_user: guest\n", []string{"3:1 no_auth_user no-auth-user"}},
		"guide's hash":          {"authorization {\n    token: \"" + samples()[0] + "\"\n}\ncluster { name: x, host: localhost }", []string{"2:5 authorization.token hash-cost", "2:5 authorization.token sample-secret"}},
		"guide's token":         {"authorization {\n   token: thisisasecret\n}\ncluster { name: x, host: localhost }", []string{"2:4 authorization.token sample-secret"}},
		"manual's token":        {"authorization {\n   token: dag0HTXl4RGg7dXdaJwbC8\n}\ncluster { name: x, host: localhost }", []string{"2:4 authorization.token sample-secret"}},
		"guide's route secret":  {"authorization { token: longrandom }\ncluster {\n  name: x\n  port: 6222\n  authorization {\n    user: ruser\n    password: T0pS3cr3t\n  }\n}", []string{"7:5 cluster.authorization.password sample-secret"}},
		"secret in a route":     {"authorization { token: longrandom }\ncluster {\n  name: x\n  routes: [nats://r:T0pS3cr3t@h:1]\n}", []string{"4:12 cluster.routes[0] sample-secret"}},
		"unnamed cluster":       {"authorization { token: longrandom }\ncluster { host: localhost, port: 6222 }", []string{"2:1 cluster no-cluster-name"}},
		"open cluster":          {"authorization { token: longrandom }\ncluster { name: x, port: 6222 }", []string{"2:1 cluster open-cluster"}},
		"TLS for clients only":  {"tls { cert_file: a, key_file: b }\nauthorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s } }", []string{"3:1 cluster routes-without-tls"}},
		"TLS for both":          {"tls { cert_file: a, key_file: b }\nauthorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s }, tls { cert_file: a, key_file: b } }", nil},
		"TLS, one machine":      {"tls { cert_file: a, key_file: b }\n" + ok, nil},
		"route without secret":  {"authorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s }\n  routes: [nats://r:s@a:1, nats://b:1] }", []string{"3:28 cluster.routes[1] route-credentials"}},
		"manual's seed":         {"authorization { users: [{nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4}] }\ncluster { name: x, host: localhost }", []string{"1:26 authorization.users[0].nkey sample-secret"}},
		"cost too slow":         {"authorization { token: \"$2a$07$abcdefghijklmnopqrstuuwTeo6bCrLDPzBfTdqQbUOHyPx8dQFDm\" }\ncluster { name: x, host: localhost }", []string{"1:17 authorization.token hash-cost"}},
		"cost fast enough":      {"authorization { token: \"$2a$06$abcdefghijklmnopqrstuuwTeo6bCrLDPzBfTdqQbUOHyPx8dQFDm\" }\ncluster { name: x, host: localhost }", nil},
		"no cluster":            {"authorization { token: longrandom }", []string{"0:0 cluster no-cluster"}},
		"include":               {ok + "include ./auth.conf\n", []string{"3:0  include"}},
		"include, quoted":       {ok + "include '/etc/passwd'\n", []string{"3:1 include include"}},
		"include, upper case":   {ok + "INCLUDE x\n", []string{"3:1 INCLUDE include"}},
		"include, dotted":       {ok + "İnclude x\n", []string{"3:1 İnclude include"}},
		"include in a block":    {"authorization {\n  include x.conf\n  token: longrandom }\ncluster { name: x, host: localhost }", []string{"2:3 authorization.include include"}},
		"not an include":        {ok + "server_name: \"include me\" # include x\n", nil},
		"variable from outside": {"authorization { token: $HOME }\ncluster { name: x, host: localhost }", []string{"1:17 authorization.token variable"}},
		"variable of itself":    {ok + "A: $A\n", []string{"3:1 A variable"}},
		"dollar in quotes":      {ok + "server_name: \"$HOME\"\n", nil},
		"unquoted 2b hash":      {"authorization { token: $2b$04$abc }\ncluster { name: x, host: localhost }", []string{"1:17 authorization.token unquoted-hash"}},
		"short hash":            {"authorization { token: \"$2b$04$abc\" }\ncluster { name: x, host: localhost }", []string{"1:17 authorization.token hash"}},
		"token is a number":     {"authorization { token: 12345678 }\ncluster { name: x, host: localhost }", []string{"1:17 authorization.token wrong-type"}},
		"two cases of a key":    {"authorization { token: longrandom, Token: other }\ncluster { name: x, host: localhost }", []string{"1:17 authorization.token duplicate-key"}},
		"seed for a key":        {"authorization { users: [{nkey: SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4}] }\ncluster { name: x, host: localhost }", []string{"1:26 authorization.users[0].nkey seed"}},
		"torn key":              {"authorization { users: [{nkey: " + keyA[:50] + "}] }\ncluster { name: x, host: localhost }", []string{"1:26 authorization.users[0].nkey nkey"}},
		"key and password":      {"authorization { users: [{nkey: " + keyA + ", password: x}] }\ncluster { name: x, host: localhost }", []string{"1:26 authorization.users[0] authorization-conflict"}},
		"half a tls":            {ok + "tls { cert_file: a }\n", []string{"3:1 tls tls"}},
		"port out of range":     {ok + "port: 70000\n", []string{"3:1 port port"}},
		"listen without a port": {ok + "listen: here\n", []string{"3:1 listen listen"}},
		"route without a host":  {"authorization { token: longrandom }\ncluster { name: x, routes: [here] }", []string{"2:29 cluster.routes[0] route"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, diags := Parse("nats-server.conf", []byte(tc.text))
			if got := codes(diags); !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q\n%s", got, tc.want, diags.Text())
			}
		})
	}
}

func TestNoDiagnosticHoldsASecret(t *testing.T) {
	t.Parallel()
	const secret = "Xy7SecretXy7"
	for _, text := range []string{
		"authorization { token: $" + secret + " }",
		"authorization { token: 99999999999999999999999" + secret,
		"authorization { token: 2026-11-22T10:00:00" + secret + " }",
		"authorization { token: \"" + secret,
		"authorization { token: \"\\x" + secret + "\" }",
		"authorization { token: \"\\q" + secret + "\" }",
		"authorization { user: a, password: " + secret + "\n" + secret,
		"authorization { users: [{nkey: " + secret + "}, " + secret + "] }",
		"authorization { users: [{nkey: S" + secret + "}] }",
		"cluster { routes: [\"//" + secret + "@\", " + secret + "] }",
		"include " + secret, "listen: " + secret, "port: " + secret, "tls: " + secret,
		"authorization { token: \"$2b$04$" + secret + "\" }",
		"authorization { token: $2b$04$" + secret + " }",
		secret, "'" + secret, "a [ \"b\" " + secret,
	} {
		_, diags := Parse("f", []byte(text))
		if len(diags) == 0 {
			t.Errorf("no diagnostics for %q", text)
		}
		if out := diags.Text(); strings.Contains(out, secret[:2]) {
			t.Errorf("%q leaks: %s", text, out)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	t.Parallel()
	var doubling strings.Builder
	doubling.WriteString("V0 { a: 1 }\n")
	for i := range 25 {
		fmt.Fprintf(&doubling, "V%d { a: $V%d, b: $V%d }\n", i+1, i, i)
	}
	const deep = 1 << 19
	for name, text := range map[string]string{
		"variables within variables": doubling.String(),
		"lists within lists":         "a: " + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "\n",
		"blocks within blocks":       strings.Repeat("a {", deep) + strings.Repeat("}", deep) + "\n",
	} {
		_, diags := Parse("f", []byte(text+"authorization { token: longrandom }\n"))
		if !slices.ContainsFunc(diags, func(d diag.Diagnostic) bool { return d.Code == "too-large" || d.Code == "syntax" }) {
			t.Errorf("%s: diagnostics %v", name, codes(diags))
		}
	}
}

func TestWhatAHashCostsDependsOnHowManyReconnect(t *testing.T) {
	t.Parallel()
	const text = "authorization { token: \"$2a$11$abcdefghijklmnopqrstuuwTeo6bCrLDPzBfTdqQbUOHyPx8dQFDm\" }\ncluster { name: x, host: localhost }"
	for clients, want := range map[int]string{
		14: "",
		15: "f:1:17: warning: authorization.token: a bcrypt hash of cost 11 lets some 14 clients in before the others give up, and 15 may reconnect at once; use nkeys, or a long random token in plain text\n",
	} {
		if _, diags := ParseFor("f", []byte(text), clients); diags.Text() != want {
			t.Errorf("%d clients:\n%s", clients, diags.Text())
		}
	}
}

func TestClearSecret(t *testing.T) {
	t.Parallel()
	const hash = "$2a$04$abcdefghijklmnopqrstuuwTeo6bCrLDPzBfTdqQbUOHyPx8dQFDm"
	for text, want := range map[string]bool{
		"authorization { token: longrandom }":                                 true,
		"authorization { token: \"" + hash + "\" }":                           false,
		"authorization { user: a, password: longrandom }":                     true,
		"authorization { users: [{user: a, password: longrandom}] }":          true,
		"authorization { users: [{nkey: " + keyA + "}] }":                     false,
		"cluster { authorization { user: r, password: s } }":                  true,
		"cluster { routes: [nats://r:s@h:1] }":                                true,
		"cluster { routes: [nats://h:1], tls { cert_file: a, key_file: b } }": false,
	} {
		if c, _ := Parse("f", []byte(text)); c.ClearSecret() != want {
			t.Errorf("%s: ClearSecret = %t", text, !want)
		}
	}
}

func TestOpens(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		auth  Authorization
		token string
		want  bool
	}{
		"plain":               {Authorization{Form: Token, Token: "right"}, "right", true},
		"plain, wrong":        {Authorization{Form: Token, Token: "right"}, "wrong", false},
		"plain, longer":       {Authorization{Form: Token, Token: "right"}, "right ", false},
		"hash":                {Authorization{Form: Token, Token: Secret(hash)}, "right", true},
		"hash, wrong":         {Authorization{Form: Token, Token: Secret(hash)}, "wrong", false},
		"the hash itself":     {Authorization{Form: Token, Token: Secret(hash)}, string(hash), false},
		"unknown token":       {Authorization{Form: Token}, "", false},
		"another form":        {Authorization{Form: Password, Password: "right"}, "right", false},
		"a hash without end":  {Authorization{Form: Token, Token: "$2a$31$" + Secret(hash[7:])}, "right", false},
		"a hash with a wound": {Authorization{Form: Token, Token: "$2a$04$abc"}, "right", false},
	} {
		c := &Config{Authorization: tc.auth}
		if got := c.Opens(tc.token); got != tc.want {
			t.Errorf("%s: Opens = %v", name, got)
		}
	}
}

func TestTheGuidesHashIsThePublishedToken(t *testing.T) {
	t.Parallel()
	c := &Config{Authorization: Authorization{Form: Token, Token: Secret(samples()[0])}}
	if !c.Opens(samples()[1]) {
		t.Error("the sample secrets do not belong together")
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "authorization { user: a, password: hunter2 }\ncluster { name: x, routes: [nats://u:hunter2@h:1], authorization { user: r, password: hunter2 } }")
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "p", c.Authorization.Password, "all", c.Authorization)
	for _, out := range []string{
		fmt.Sprint(c.Authorization), fmt.Sprintf("%v %+v %#v", *c.Cluster, *c.Cluster, *c.Cluster),
		fmt.Sprintf("%s %q %x %d", c.Authorization.Password, c.Authorization.Password, c.Authorization.Password, c.Authorization.Password),
		string(js), log.String(),
	} {
		if strings.Contains(out, "hunter2") || strings.Contains(out, "68756e746572") || !strings.Contains(out, masked) {
			t.Errorf("printed %s", out)
		}
	}
}
