package drill

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// The secrets of the tree.
const (
	seedA = "SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEQ"
	seedB = "SUAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAN7EY"
	nkeyA = "UCREWIUM2UDROCLRDP67SZFTLCADWKRRPMSZ6O5D7EUBVNZVVLZVYXHY"
	nkeyB = "UDDOFD6ZYV3DOAL62BVN2AUEOCLZQVB5VAPSJXM6CRUA5V2D3ZEQIRDR"
	hash  = "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
)

// Conf is a nats-server.conf with nkeys, permissions and a cluster that asks for a password.
const Conf = `# FastX cluster configuration
port: 4222

authorization {
  users = [
    {nkey: "` + nkeyA + `", permissions: {publish: {allow: ["fx.>"]}, subscribe: {allow: ["fx.>"], deny: ["fx.admin.>"]}}}
    {nkey: "` + nkeyB + `", permissions: {publish: {allow: ["fx.launcher.>"]}, subscribe: {allow: ["fx.>"]}}}
  ]
}

cluster {
  name: "fastx"
  port: 6222
  authorization {
    user: "route"
    password: "a-long-one-of-our-own"
  }
  routes = [
    "nats://route:a-long-one-of-our-own@10.0.0.2:6222"
  ]
}
`

// texts is a tree with a file of every kind.
var texts = map[string]string{
	"fastx.env": "# shared\nFX_FORMAT=1\nFX_LISTEN=\"[::]:3300\"\nFX_MAX_SESSIONS=20\nFX_KEEP_ENDED=90m\nLOAD_BALANCER=round-robin\n",
	"transporter-secret.ini": "[transporter]\nurls = tls://t1:4222, tls://t2:4222\nseed = " + seedA +
		"\n\n[user]\nseed = " + seedB + "\nprevious_seed = " + seedA + "\n",
	"nats-server.conf": Conf,
	"apps/default.ini": "startDbus = true\ngeometry = 1280x800\n",
	"apps/xterm.ini": "name = Terminal\ncommand = xterm -ls\ngeometry = rootless\nicon = xterm.png\ngroups[] = staff\n" +
		"groups[] = students\nstartDbus = false\n",
	"apps/desktop.ini":            "name = Desktop\ncommand = mate-session\nprofile = big\n",
	"performance/default.ini":     "max_geometry = 1920x1200\nsessions_per_user = 2\n",
	"performance/big.ini":         "max_geometry = 4096x2160\nsessions_total = 50\nmemory_max = 4G\n",
	"permissions.ini":             "[permissions]\ndefault = limited\n\n[admin]\nusers = alice\ngroups = wheel\n\n[disabled]\nusers = mallory, oscar\n",
	"htpasswd":                    "# logins\nalice:" + hash + "\nbob:" + strings.Replace(hash, "2y", "2b", 1) + "\nmallory:" + strings.Replace(hash, "01234", "43210", 1) + "\n",
	"https.ini":                   "trusted_proxies = 10.1.0.0/16, 192.168.1.71\nbase_path = /apps/fastx\nenabled = true\n",
	"loglevel.ini":                "** = warn\nwebserver = debug\n",
	"removed.ini":                 "[removed]\nfiles = auth-saml.ini\n",
	"accounts.ini":                "alice@example.com = alice\nbob = bob.b\n",
	"auth-pam.ini":                "enabled = true\nservice = fastx-desktop\n",
	"auth-ssh.ini":                "enabled = true\nhost = 127.0.0.1\nport = 2222\n",
	"auth-oidc.ini":               "issuer = https://id.example\nclient_id = fastx\nclient_secret = not-for-everyone\n\n[map]\nann = ann\n",
	"auth-proxy.ini":              "enabled = true\nheader = X-Remote-User\ntrusted_proxies = 10.2.0.0/16\n",
	"admin.secret":                "of-the-superadmin-alone\n",
	"headers.ini":                 "Strict-Transport-Security = max-age=31536000; includeSubDomains\nX-Robots-Tag = noindex\n",
	"forward.ini":                 "[printer]\nport = 631\n",
	"theme.ini":                   "title = Example & Sons\naccent = #0B6B3A\naccent_dark = \"#7fd6a8\"\n",
	"smtp.ini":                    "host = mail.example\nport = 587\nuser = fastx\npassword = for-the-mail-alone\n",
	"weblink.ini":                 "[portal]\nurl = https://portal.example\n",
	"weblink-secret.ini":          "[portal]\nsecret = for-the-portal-alone\n",
	"forms/run.ini":               "title = Run\nhtml = <p>x</p>\n",
	"schedule/night/run":          "#!/bin/sh\nexit 0\n",
	"launcher-templates/pod.yaml": "kind: Pod\nmetadata: {}\n",
	"icons/xterm.svg":             "<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0h9\"/></svg>\n",
	"FastX.conf":                  "session-path=/usr\n",
	"motd.html":                   "<p>Welcome, <b>all</b></p>\n",
	"announcements.html":          "<h2>Maintenance</h2>\n<p>On Sunday.</p>\n",
	"error-403.html":              "<p>Ask <a href=\"mailto:help@example.com\">us</a>.</p>\n",
}

// secrets are what no text for people may hold.
var secrets = []string{seedA, seedB, "a-long-one-of-our-own", "not-for-everyone", "of-the-superadmin-alone",
	"for-the-mail-alone", "for-the-portal-alone", hash}

// Tree returns a tree with a file of every kind but auth-saml.ini, which removed.ini names. It loads without errors.
func Tree() fileset.Set {
	var files []fileset.File
	for name, text := range texts {
		files = append(files, fileset.File{Name: name, Data: []byte(text), Mode: Mode(name)})
	}
	return fileset.New(files...)
}

// Mode is the mode that a file of this name should have.
func Mode(name string) fs.FileMode {
	if k, _ := spec.KindOf(name); k.Secret || name == "nats-server.conf" { // it holds the password of the routes
		return 0o600
	}
	return 0o644
}

// mark begins the line that tells versions of a file apart.
const mark = "# version "

// Version returns a file that means what f means and differs from its other versions in a comment, where it can hold one.
func Version(f fileset.File, number int) fileset.File {
	k, _ := spec.KindOf(f.Name)
	if k.Dialect == spec.DialectOpaque {
		return f
	}
	text := f.Data
	if bytes.HasPrefix(text, []byte(mark)) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	f.Data = fmt.Appendf(nil, "%s%d\n%s", mark, number, text)
	return f
}
