package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// restorer knows the secrets of the files at hand, as the history does.
func restorer(keep bool, now ...fileset.File) Restorer {
	set, held := fileset.New(now...), map[string][]byte{}
	mask := func(secret []byte) string {
		sum := sha256.Sum256(secret)
		return "sha256:" + hex.EncodeToString(sum[:6])
	}
	for _, f := range set.Files() {
		Redact(f, func(secret []byte) string { held[mask(secret)] = slices.Clone(secret); return mask(secret) })
	}
	return Restorer{Mask: mask, Keep: keep, Now: set.Lookup,
		Secret: func(m string) ([]byte, bool) { s, ok := held[m]; return s, ok }}
}

func TestSecretsThatAreAtHandComeBack(t *testing.T) {
	t.Parallel()
	const hash, other = "$2a$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "$2a$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ98765"
	const routes = "authorization { token: \"hunter1hunter1\" }\ncluster {\n  name: x\n  port: 6222\n  routes: [\n    \"nats://u:hunter2@h:1\"\n  ]\n}\n"
	const secretFile = "transporter-secret.ini"
	tests := map[string]struct {
		name, then, now string
		keep            bool
		want            string // "" = as then
		kept, missing   string
	}{
		"no secret at all":                    {name: "apps/x.ini", then: "# one\nname = X\n", now: "name = Y\n"},
		"the same secret, another key":        {name: secretFile, then: "[transporter]\nurls = nats://a\ntoken = hunter2\n", now: "[transporter]\nurls = nats://b\ntoken = hunter2\n"},
		"one that has to be quoted":           {name: secretFile, then: "[transporter]\ntoken = \"a # b\"\n", now: "[transporter]\nform = token\ntoken = \"a # b\"\n"},
		"a comment that is still there":       {name: secretFile, then: "# was hunter1\n[transporter]\ntoken = hunter2\n", now: "[transporter]\n# was hunter1\ntoken = hunter2\n"},
		"a comment that is gone":              {name: secretFile, then: "# was hunter1\n[transporter]\ntoken = hunter2\n", now: "[transporter]\ntoken = hunter2\n", want: "# " + unheld + "\n[transporter]\ntoken = hunter2\n"},
		"another secret":                      {name: secretFile, then: "[transporter]\ntoken = hunter2\n", now: "[transporter]\ntoken = hunter3\n", missing: "transporter.token"},
		"another secret, kept":                {name: secretFile, then: "[transporter]\nurls = nats://a\ntoken = hunter2\n", now: "[transporter]\ntoken = 'hunter 3'\n", keep: true, want: "[transporter]\nurls = nats://a\ntoken = 'hunter 3'\n", kept: "transporter.token"},
		"another secret that is not set now":  {name: secretFile, then: "[transporter]\ntoken = hunter2\n", now: "[transporter]\n", keep: true, missing: "transporter.token"},
		"a login less":                        {name: "htpasswd", then: "ann:" + hash + "\n", now: "ann:" + hash + "\nbob:" + other + "\n"},
		"a login more":                        {name: "htpasswd", then: "ann:" + hash + "\nbob:" + other + "\n", now: "ann:" + hash + "\n", missing: "bob"},
		"a whole file":                        {name: "admin.secret", then: "hunter2\n", now: "hunter3\n", missing: "(file)"},
		"a whole file, kept":                  {name: "admin.secret", then: "hunter2\n", now: "hunter3\n", keep: true, want: "hunter3\n", kept: "(file)"},
		"an unknown variable":                 {name: "fastx.env", then: "FOO=hunter2\nFX_KEEP_ENDED=1h\n", now: "FOO=hunter2\n"},
		"nats-server.conf with a hash":        {name: "nats-server.conf", then: "port: 1\nauthorization { token: \"" + hash + "\" }\n", now: "port: 2\nauthorization { token: \"" + hash + "\" }\n"},
		"nats-server.conf with a route":       {name: "nats-server.conf", then: routes + "port: 1\n", now: routes + "port: 2\n"},
		"nats-server.conf with another token": {name: "nats-server.conf", then: "authorization { token: hunter2 }\n", now: "authorization { token: hunter3 }\n", missing: "(file)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := restorer(test.keep, fileset.File{Name: test.name, Data: []byte(test.now)})
			text := r.redacted(test.name, []byte(test.then))
			got := r.Restore(test.name, text)
			show := func(keys []string) string {
				if slices.Equal(keys, []string{""}) {
					return "(file)"
				}
				return strings.Join(keys, " ")
			}
			if show(got.Kept) != test.kept || show(got.Missing) != test.missing {
				t.Fatalf("kept %q, missing %q; of %s", got.Kept, got.Missing, text)
			}
			want := test.want
			if want == "" {
				want = test.then
			}
			if test.missing == "" && string(got.Data) != want {
				t.Errorf("got\n%swant\n%sfrom\n%s", got.Data, want, text)
			}
		})
	}
}

// FuzzRestore holds that what comes back is what the text stood for, whatever is at hand.
func FuzzRestore(f *testing.F) {
	f.Add(uint8(0), "[transporter]\ntoken = a\n", "[transporter]\ntoken = b\n")
	f.Add(uint8(1), "A=\"x y\"\n", "A='x y'\n")
	f.Add(uint8(2), "ann:$2a$04$x\n", "# c\nann:$2a$04$x\n")
	f.Add(uint8(3), "authorization { token: \"$2a$\" }\n", "authorization { token: \"$2a$\" }\n# x\n")
	names := []string{"transporter-secret.ini", "fastx.env", "htpasswd", "nats-server.conf", "admin.secret", "apps/x.ini", "other"}
	f.Fuzz(func(t *testing.T, which uint8, then, now string) {
		name := names[int(which)%len(names)]
		r := restorer(false, fileset.File{Name: name, Data: []byte(now)})
		text := r.redacted(name, []byte(then))
		got := r.Restore(name, text)
		if len(got.Missing) > 0 {
			return
		}
		want, ok := parseKeys(name, []byte(text))
		if !ok {
			if back := r.redacted(name, got.Data); back != text {
				t.Errorf("came back as %q, which stands for %q and not for %q", got.Data, back, text)
			}
			return
		}
		if !r.agrees(name, want, got) {
			t.Errorf("came back as %q, which does not stand for %q", got.Data, text)
		}
	})
}
