package spec

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	seed := "SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEQ"
	const pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	const cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	tests := []struct{ name, file, text, want string }{
		{"no secrets", "apps/x.ini", "# note\ncommand = x\n", "# note\ncommand = x\n"},
		{"seeds", "transporter-secret.ini", "# bus\n[transporter]\nurls = tls://a\nform = nkey\nseed = " + seed + "\n[user]\nprevious_seed = \"" + seed + "\"\n",
			"# <3>\n[transporter]\nurls = tls://a\nform = nkey\nseed = <58>\n[user]\nprevious_seed = <58>\n"},
		{"a mistyped secret", "transporter-secret.ini", "[transporter]\ntokn = abc\n", "[transporter]\ntokn = <3>\n"},
		{"a token in a foreign section", "transporter-secret.ini", "[nats]\ntoken = abc\n", "[nats]\ntoken = <3>\n"},
		{"a secret as key", "transporter-secret.ini", "[transporter]\n" + seed + " = 1\n", "<77>\n"},
		{"a secret as section", "transporter-secret.ini", "[" + seed + "]\na = 1\n", "<67>\n"},
		{"credentials in a URL", "transporter-secret.ini", "[transporter]\nurls = tls://u:p@a\n", "[transporter]\nurls = <11>\n"},
		{"set twice", "transporter-secret.ini", "token = a\ntoken = bb\n", "token = <1>\ntoken = <2>\n"},
		{"a broken line", "transporter-secret.ini", "[transporter]\nabc\n", "<18>\n"},
		{"a broken file without secrets", "apps/x.ini", "command\n", "<8>\n"},
		{"hashes", "htpasswd", "# users\nalice:$2y$x\n", "# <5>\nalice:<5>\n"},
		{"a broken htpasswd", "htpasswd", "alice\n", "<6>\n"},
		{"the admin's secret", "admin.secret", "abc\n", "<4>\n"},
		{"a page", "motd.html", "<p>hello\n", "<p>hello\n"},
		{"a stray private key", "notes.txt", pem, fmt.Sprintf("<%d>\n", len(pem))},
		{"a private key", "/etc/ssl/fx.key", pem, fmt.Sprintf("<%d>\n", len(pem))},
		{"a certificate", "/etc/ssl/fx.pem", cert, cert},
		{"a certificate with its key", "/etc/ssl/fx.pem", cert + pem, fmt.Sprintf("<%d>\n", len(cert+pem))},
		{"the node file", "/etc/default/fastx4", "FX_LISTEN=:1\nexport SERVICES=user\n", "FX_LISTEN=:1\nexport SERVICES=user\n"},
		{"the node's own secret", "/etc/fastx-node/secret.ini", "token = abc\n", "<12>\n"},
		{"a script", "/usr/local/bin/balance", "#!/bin/sh\nKEY=abc\n", "<18>\n"},
		{"a foreign key in fastx.env", "fastx.env", "FX_LISTEN=:1\nDB_PASSWORD=abc\n", "FX_LISTEN=:1\nDB_PASSWORD=<3>\n"},
		{"nats", "nats-server.conf", "port: 4222\nauthorization {\n  token: \"abcdefgh-abcdefgh-abcdefgh\"\n}\n# token: old\n" +
			"cluster {\n  name: c\n  port: 6222\n  authorization { user: r, password: 'geheim-geheim-geheim' }\n  routes = [\n    nats://r:geheim-geheim-geheim@10.0.0.1:6222\n  ]\n}\n",
			"port: 4222\nauthorization {\n  token: <26>\n}\n# <10>\n" +
				"cluster {\n  name: c\n  port: 6222\n  authorization { user: r, password: <20> }\n  routes = [\n    nats://<22>@10.0.0.1:6222\n  ]\n}\n"},
		{"an old token behind a comment sign", "transporter-secret.ini", Header + "\n[transporter]\n# token = OLD\n;seed=OLD\n#\nform = nkey\n",
			Header + "\n[transporter]\n# <11>\n; <8>\n#\nform = nkey\n"},
		{"an old login behind a comment sign", "htpasswd", "#old:$2y$x\r\nalice:$2y$x\n", "# <9>\r\nalice:<5>\n"},
		{"a backup copy", "transporter-secret.ini.bak", "token = abc\n", "<12>\n"},
		{"a key without its frame", "server.key", "AAAA\n", "<5>\n"},
		{"a variable in nats", "nats-server.conf", "T = \"abc\"\nauthorization {\n  token: $T\n}\n", "<40>\n"},
		{"a hash in nats", "nats-server.conf", "authorization {\n  token: \"$2a$11$PWIFAL8RsWyGI3jVZtO9Nu8.6jOxzxfZo7c/W0eLk017hjgUKWrhx\"\n}\n", "authorization {\n  token: <60>\n}\n"},
		{"an escaped quote in nats", "nats-server.conf", "authorization {\n  user: u\n  password: \"quo\\\"REST\"\n}\n", "<52>\n"},
		{"a password with an @ in nats", "nats-server.conf", "cluster {\n  name: c\n  routes: [ nats://r:p@TAIL@h:1 ]\n}\n", "<56>\n"},
		{"broken nats", "nats-server.conf", "authorization {\n", "<16>\n"},
		{"nothing", "permissions.ini", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := fileset.File{Name: test.file, Data: []byte(test.text)}
			got := Redact(f, func(secret []byte) string { return fmt.Sprintf("<%d>", len(secret)) })
			if string(got) != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
	if got := Redact(fileset.File{Name: "htpasswd", Err: errors.New("denied")}, nil); got != nil {
		t.Errorf("an unreadable file is %q", got)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"fastx.env":           "LOAD_BALANCER_SCRIPT=/opt/balance\nLAUNCHER_SCRIPT=relative\n",
		"/etc/default/fastx4": "FX_TRANSPORTER_SECRET=/node/secret.ini\nFX_LOCAL_DIR=/srv\n",
		"/node/secret.ini":    "[transporter]\ntls_ca_file = /ssl/node-ca.pem\n",
		"https.ini":           "cert_file = /ssl/fx.pem\nkey_file = \"/ssl/fx.key\"\n",
		"/ssl/fx.pem":         "-----BEGIN CERTIFICATE-----\nA=\n",
		"nats-server.conf":    "tls {\n  cert_file: /ssl/nats.pem\n  key_file: /ssl/nats.key\n}\n",
		"apps/x.ini":          "command = /bin/x\nscheduleDir = /opt/sched\n",
		"unknown.ini":         "cert_file = /x\n",
	}
	in := probeInput(files)
	want := []string{"/node/secret.ini", "/opt/balance", "/opt/sched", "/ssl/fx.key", "/ssl/fx.pem", "/ssl/nats.key", "/ssl/nats.pem", "/ssl/node-ca.pem"}
	if got := References(in.Set); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	in = Input{Environ: map[string]string{"FX_TRANSPORTER_SECRET": "/own.ini", "FX_VAR_DIR": "/v", "HOME": "/root"}}
	in.Set = in.Set.With(newFile("/own.ini", []byte("[transporter]\ntls_ca_file = /ca.pem\n")))
	if got := in.References(); !slices.Equal(got, []string{"/ca.pem", "/own.ini"}) {
		t.Errorf("the process environment names %v", got)
	}
}
