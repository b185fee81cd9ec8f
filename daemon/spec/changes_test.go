package spec

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// told prints changes as one line each.
func told(changes []KeyChange) string {
	var b strings.Builder
	side := func(s *string) string {
		if s == nil {
			return "-"
		}
		return "<" + *s + ">"
	}
	for _, c := range changes {
		fmt.Fprintf(&b, "%s:%d %s %s %s\n", c.File, c.Line, c.Key, side(c.Old), side(c.New))
	}
	return b.String()
}

func TestChangesAreToldKeyByKey(t *testing.T) {
	t.Parallel()
	file := func(name, data string) fileset.File {
		return fileset.File{Name: name, Data: []byte(data), Mode: 0o600}
	}
	const hash = "$2a$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
	tests := map[string]struct {
		before, after []fileset.File
		want          string
	}{
		"nothing":      {[]fileset.File{file("fastx.env", "A=1\n")}, []fileset.File{file("fastx.env", "A=1\n")}, ""},
		"a value":      {[]fileset.File{file("fastx.env", "FX_KEEP_ENDED=24h\n")}, []fileset.File{file("fastx.env", "\nFX_KEEP_ENDED=48h\n")}, "fastx.env:2 FX_KEEP_ENDED <24h> <48h>\n"},
		"a key more":   {[]fileset.File{file("apps/x.ini", "name = X\n")}, []fileset.File{file("apps/x.ini", "name = X\ngroups =\n")}, "apps/x.ini:2 groups - <>\n"},
		"a key less":   {[]fileset.File{file("apps/x.ini", "name = X\ngroups = a\n")}, []fileset.File{file("apps/x.ini", "name = X\n")}, "apps/x.ini:0 groups <a> -\n"},
		"an array":     {[]fileset.File{file("apps/x.ini", "groups[] = a\n")}, []fileset.File{file("apps/x.ini", "groups[] = a\ngroups[] = b\n")}, "apps/x.ini:1 groups <a> <a, b>\n"},
		"a new file":   {nil, []fileset.File{file("permissions.ini", "[admin]\nusers = ann\n")}, "permissions.ini:2 admin.users - <ann>\n"},
		"a file less":  {[]fileset.File{file("motd.html", "hello\n")}, nil, "motd.html:0  <6 bytes, sha256:5891b5b522d5> -\n"},
		"a text":       {[]fileset.File{file("motd.html", "hello\n")}, []fileset.File{file("motd.html", "bye\n")}, "motd.html:0  <6 bytes, sha256:5891b5b522d5> <4 bytes, sha256:abc6fd595fc0>\n"},
		"a secret":     {[]fileset.File{file("transporter-secret.ini", "[transporter]\ntoken = hunter2\n")}, []fileset.File{file("transporter-secret.ini", "[transporter]\ntoken = hunter3\n")}, "transporter-secret.ini:2 transporter.token <(secret)> <(secret)>\n"},
		"a login":      {[]fileset.File{file("htpasswd", "")}, []fileset.File{file("htpasswd", "ann:"+hash+"\n")}, "htpasswd:1 ann - <(secret)>\n"},
		"a whole file": {[]fileset.File{file("admin.secret", "hunter2")}, []fileset.File{file("admin.secret", "hunter3")}, "admin.secret:0  <(secret)> <(secret)>\n"},
		"only the mode": {[]fileset.File{file("fastx.env", "A=1\n")}, []fileset.File{{Name: "fastx.env", Data: []byte("A=1\n"), Mode: 0o644, UID: 7, GID: 8}},
			"fastx.env:0  <mode 0600, owner 0:0> <mode 0644, owner 7:8>\n"},
		"unreadable": {[]fileset.File{file("fastx.env", "A=1\n")}, []fileset.File{{Name: "fastx.env", Err: fs.ErrPermission}},
			"fastx.env:0  <(secret)> <unreadable: permission denied>\n"},
		"the node's own file": {[]fileset.File{file("/etc/default/fastx4", "FX_LISTEN=:1\n")}, []fileset.File{file("/etc/default/fastx4", "FX_LISTEN=:2\n")}, "/etc/default/fastx4:1 FX_LISTEN <:1> <:2>\n"},
		"credentials in a URL": {[]fileset.File{file("/etc/default/fastx4", "FX_LISTEN=a://u:hunter2@h\n")}, []fileset.File{file("/etc/default/fastx4", "FX_LISTEN=a://u:hunter3@h\n")},
			"/etc/default/fastx4:1 FX_LISTEN <(secret)> <(secret)>\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := told(Changes(fileset.New(test.before...), fileset.New(test.after...)))
			if got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if strings.Contains(got, "hunter") || strings.Contains(got, "masked-") {
				t.Errorf("it shows a secret, or what stands for one")
			}
		})
	}
}
