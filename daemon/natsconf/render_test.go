package natsconf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func full() Config {
	return Config{
		Host: "127.0.0.1", Port: 4333,
		Authorization: Authorization{Form: Users, Users: []User{
			{NKey: keyA, Permissions: &Permissions{
				Publish: Subjects{Allow: []string{"fx.launcher.>"}}, Subscribe: Subjects{Allow: []string{"fx.>"}, Deny: []string{"fx.admin.>"}},
				Responses: DefaultResponses(),
			}},
			{NKey: keyB, Permissions: &Permissions{Responses: &Responses{Max: -1, Expires: 5 * time.Second}}},
			{Name: `od"d`, Password: `back\slash and $dollar 'n "quotes"`},
		}},
		Cluster: &Cluster{Name: "fastx", Host: "127.0.0.1", Port: 6333, User: "r", Password: "p#{}[],;", Routes: []Secret{"nats://r:p@10.0.0.2:6222", "nats://10.0.0.3:6222"}},
	}
}

func TestRenderWritesOneForm(t *testing.T) {
	t.Parallel()
	const want = `host: "127.0.0.1"
port: 4333

authorization {
  users = [
    {nkey: "` + keyA + `", permissions: {publish: {allow: ["fx.launcher.>"]}, subscribe: {allow: ["fx.>"], deny: ["fx.admin.>"]}, allow_responses: true}}
    {nkey: "` + keyB + `", permissions: {allow_responses: {max: -1, expires: "5s"}}}
    {user: "od\"d", password: "back\\slash and $dollar 'n \"quotes\""}
  ]
}

cluster {
  name: "fastx"
  host: "127.0.0.1"
  port: 6333
  authorization {
    user: "r"
    password: "p#{}[],;"
  }
  routes = [
    "nats://r:p@10.0.0.2:6222"
    "nats://10.0.0.3:6222"
  ]
}
`
	if got := string(Render(full())); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRenderAlwaysWritesAClusterBlock(t *testing.T) {
	t.Parallel()
	text := Render(Config{Authorization: Authorization{Form: Token, Token: "longrandom"}})
	c, diags := Parse("f", text)
	if len(diags) != 0 {
		t.Errorf("diagnostics: %s", diags.Text())
	}
	if c.Port != DefaultPort || c.Cluster.Name != DefaultClusterName || c.Cluster.Port != DefaultClusterPort || c.Cluster.Host != "127.0.0.1" {
		t.Errorf("%d, %+v", c.Port, *c.Cluster)
	}
}

func TestParseReadsBackWhatRenderWrote(t *testing.T) {
	t.Parallel()
	perms := &Permissions{Publish: Subjects{Deny: []string{"x"}}}
	for name, auth := range map[string]Authorization{
		"users":   full().Authorization,
		"token":   {Form: Token, Token: "$2a$04$abcdefghijklmnopqrstuuwTeo6bCrLDPzBfTdqQbUOHyPx8dQFDm"},
		"user":    {Form: Password, User: "a", Password: "longrandom"},
		"default": {Form: Users, Users: []User{{NKey: keyA}}, Permissions: perms},
	} {
		c := full()
		c.Authorization = auth
		c.TLS = &TLS{CertFile: "/a b", KeyFile: "/k", CAFile: "/ca", Verify: true}
		if got := mustParse(t, string(Render(c))); !reflect.DeepEqual(*got, c) {
			t.Errorf("%s:\ngot  %#v\nwant %#v", name, *got, c)
		}
	}
}

// certificate writes a self-signed one and its key.
func certificate(t *testing.T, dir string) TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	out := TLS{CertFile: filepath.Join(dir, "c.pem"), KeyFile: filepath.Join(dir, "k.pem")}
	for file, block := range map[string]*pem.Block{out.CertFile: {Type: "CERTIFICATE", Bytes: cert}, out.KeyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func upstream(t *testing.T, dir string, text []byte) (*server.Options, error) {
	t.Helper()
	path := filepath.Join(dir, "nats-server.conf")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.ProcessConfigFile(path)
}

func TestUpstreamReadsTheSameMeaning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := full()
	tls := certificate(t, dir)
	c.TLS = &tls
	o, err := upstream(t, dir, Render(c))
	if err != nil {
		t.Fatal(err)
	}
	if o.Host != c.Host || o.Port != c.Port || o.TLSConfig == nil || o.TLSCert != tls.CertFile && len(o.TLSConfig.Certificates) != 1 {
		t.Errorf("host %s, port %d, tls %v", o.Host, o.Port, o.TLSConfig)
	}
	if o.Cluster.Name != "fastx" || o.Cluster.Host != c.Cluster.Host || o.Cluster.Port != c.Cluster.Port || o.Cluster.Username != "r" || o.Cluster.Password != string(c.Cluster.Password) {
		t.Errorf("cluster = %+v", o.Cluster)
	}
	if len(o.Routes) != 2 || o.Routes[0].Host != "10.0.0.2:6222" || o.Routes[0].User.String() != "r:p" {
		t.Errorf("routes = %v", o.Routes)
	}
	if len(o.Nkeys) != 2 || o.Nkeys[0].Nkey != keyA || o.Nkeys[1].Nkey != keyB || len(o.Users) != 1 {
		t.Fatalf("nkeys = %v, users = %v", o.Nkeys, o.Users)
	}
	a, b := o.Nkeys[0].Permissions, o.Nkeys[1].Permissions
	if !slices.Equal(a.Publish.Allow, []string{"fx.launcher.>"}) || !slices.Equal(a.Subscribe.Deny, []string{"fx.admin.>"}) ||
		a.Response.MaxMsgs != 1 || a.Response.Expires != 2*time.Minute || b.Response.MaxMsgs != -1 || b.Response.Expires != 5*time.Second {
		t.Errorf("permissions = %+v %+v", a, b)
	}
	if u := o.Users[0]; u.Username != full().Authorization.Users[2].Name || u.Password != string(full().Authorization.Users[2].Password) {
		t.Errorf("user = %+v", u)
	}
}

func TestUpstreamAgreesOnTheGuidesExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tls := certificate(t, dir)
	text := `# Client port of 4222 on all interfaces
port: 4222

authorization {
   token: thisisasecret
}
tls {
  cert_file: ` + tls.CertFile + `
  key_file: ` + tls.KeyFile + `
}
# This is for clustering multiple servers together.
cluster {
  # Route connections to be received on any interface on port 6222
  port: 6222
  # Routes are protected, so need to use them with --routes flag
  authorization {
    user: ruser
    password: T0pS3cr3t
    timeout: 2
  }
  # Routes are actively solicited and connected to from this server.
  routes = [
    nats://10.211.55.9:6222,
    nats://10.211.55.4:6222,
    nats://10.211.55.8:6222
  ]
}
`
	o, err := upstream(t, dir, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, diags := Parse("nats-server.conf", []byte(text))
	if c.Port != o.Port || string(c.Authorization.Token) != o.Authorization || c.Cluster.Port != o.Cluster.Port || c.Cluster.User != o.Cluster.Username ||
		string(c.Cluster.Password) != o.Cluster.Password || len(c.Cluster.Routes) != len(o.Routes) || c.TLS.CertFile != tls.CertFile {
		t.Errorf("read %+v", c)
	}
	want := []string{"5:4 authorization.token sample-secret", "12:1 cluster no-cluster-name", "12:1 cluster routes-without-tls", "18:5 cluster.authorization.password sample-secret",
		"23:5 cluster.routes[0] route-credentials", "24:5 cluster.routes[1] route-credentials", "25:5 cluster.routes[2] route-credentials"}
	if got := codes(diags); !slices.Equal(got, want) {
		t.Errorf("diagnostics = %q, want %q", got, want)
	}
}

// FuzzParse holds Parse to three promises: it never panics, it never lets an
// error-free file open the cluster, and Render writes what it read.
func FuzzParse(f *testing.F) {
	f.Add([]byte(""))
	f.Add(Render(full()))
	f.Add([]byte("authorization { token: longrandom }\ninclude /etc/passwd\nA: $HOME"))
	f.Add([]byte(`{"authorization": {"user": "a", "password": "b\x41"}, "cluster": {"name": "x", "routes": ["nats://h:1"]}}`))
	f.Add([]byte("a (\nblock $x\n)\nauthorization { users: [{nkey: " + keyA + ", permissions: {pub: [a, b], allow_responses: {max: 2, ttl: \"3s\"}}}] }"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, diags := Parse("f", data)
		if diags.HasErrors() {
			return
		}
		if c == nil || c.Authorization.Form == None || len(strings.TrimSpace(string(data))) == 0 {
			t.Fatalf("accepted %q as %+v", data, c)
		}
		if slices.Contains([]Form{Accounts, External}, c.Authorization.Form) || len(diags) > 0 {
			return // parts that Render does not write, or whose value is unknown
		}
		again, diags := Parse("f", Render(*c))
		if diags.HasErrors() || !reflect.DeepEqual(again.Authorization, c.Authorization) {
			t.Fatalf("%q\nread as %#v\nrendered %s\nread back %#v\n%s", data, c.Authorization, Render(*c), again, diags.Text())
		}
	})
}
