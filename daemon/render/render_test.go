package render

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestLoadMeansWhatWasRendered(t *testing.T) {
	t.Parallel()
	command := `sh -c 'a; b "c" # \d' `
	set, problems := Render(
		File{Path: "apps/x.ini", Settings: Settings{"": {"command": command, "geometry": "", "startDbus": true, "groups": []string{"a", "b"}}}},
		File{Path: "apps/default.ini", Settings: Settings{"": {"geometry": "800x600"}}},
		File{Path: "performance/default.ini", Settings: Settings{"": {"sessions_per_user": int64(3)}}},
	)
	if len(problems) > 0 {
		t.Fatal(problems.Text())
	}
	cfg, problems := spec.Load(spec.Input{Set: set})
	if len(problems) > 0 {
		t.Fatal(problems.Text())
	}
	want := spec.App{ID: "x", Name: "x", Command: command, StartDBus: true, Groups: []string{"a", "b"}}
	if !reflect.DeepEqual(cfg.Apps, []spec.App{want}) || cfg.Profiles[0].SessionsPerUser != 3 {
		t.Errorf("got %+v and %+v", cfg.Apps, cfg.Profiles)
	}
}

// TestRefused holds what no JSON can say; the other refusals are vectors.
func TestRefused(t *testing.T) {
	t.Parallel()
	users := func(users ...natsconf.User) natsconf.Authorization { return natsconf.Authorization{Users: users} }
	key := natsconf.User{NKey: "UCVDPPL5OH6PJP6AX2XMMZFPJWMMC2XDLNRLSTEZJ5G4RLSFZHEG4NTK"}
	const (
		unwritable = "nats-server.conf: holds something that is not UTF-8, or a control character; leave it out\n"
		noForm     = "nats-server.conf: holds something that has no form here; give one form of authorization, and no leafnodes or lists that are empty\n"
	)
	for name, test := range map[string]struct {
		file File
		want string
	}{
		"a value that is not UTF-8":   {one("apps/x.ini", "", "name", "a\xff"), "apps/x.ini: name: cannot be written; a value is UTF-8 without line breaks or other control characters\n"},
		"a path that is not":          {one("apps/\xff.ini", "", "name", "a"), "apps/\xff.ini: is not a plain path; write it from FX_CONFIG_DIR or from / on, without .., . and empty parts\n"},
		"a comment that is not":       {File{Path: "apps/x.ini", Comment: "\xff"}, "apps/x.ini: has a comment that cannot be written; leave out all control characters but line breaks\n"},
		"a value of a type of Go":     {one("apps/x.ini", "", "name", struct{}{}), "apps/x.ini: name: is of the type struct {}; give a string, a bool, an integer or a list of strings\n"},
		"a list that is not UTF-8":    {one("apps/x.ini", "", "groups", []string{"\xff"}), "apps/x.ini: groups: cannot be written; a value is UTF-8 without line breaks or other control characters\n"},
		"a password that is not":      {nats(natsconf.Config{Authorization: users(natsconf.User{Name: "a", Password: "\xff"})}), unwritable},
		"a comment of nats that ends": {File{Path: "nats-server.conf", Comment: "a\rb", NATS: &natsconf.Config{Authorization: users(key)}}, unwritable},
		"a secret for a key":          {one("transporter-secret.ini", "transporter", "hunter2-hunter2", "x"), "transporter-secret.ini: has a key or a section that is not known; look for a secret that was given in the place of its key\n"},
		"a secret for a section":      {one("auth-oidc.ini", "hunter2-hunter2", "client_id", "x"), "auth-oidc.ini: has a key or a section that is not known; look for a secret that was given in the place of its key\n"},
		"leafnodes":                   {nats(natsconf.Config{Authorization: users(key), LeafNodes: true}), noForm},
		"an operator's JWTs":          {nats(natsconf.Config{Authorization: natsconf.Authorization{Form: natsconf.External, Users: []natsconf.User{key}}}), noForm},
		"a time that is no time":      {nats(natsconf.Config{Authorization: users(natsconf.User{NKey: key.NKey, Permissions: &natsconf.Permissions{Responses: &natsconf.Responses{}}})}), noForm},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, problems := Render(test.file, File{Path: "loglevel.ini"})
			if got := problems.Text(); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if set.Len() != 1 {
				t.Errorf("written were %v, want the good file alone", set.Names())
			}
		})
	}
}

func nats(c natsconf.Config) File { return File{Path: "nats-server.conf", NATS: &c} }

func one(path, section, key string, value any) File {
	return File{Path: path, Settings: Settings{section: {key: value}}}
}

func TestParseKeepsWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	set := fileset.New(
		fileset.File{Name: "apps/x.ini", Data: []byte("; mine\ncommand = 'x'\ngroups[] = a\ngroups[] = b\nstartDbus = maybe\nnew = 1\n"), Mode: 0o600},
		fileset.File{Name: "motd.html", Data: []byte("hello")},
		fileset.File{Name: "nats-server.conf", Data: []byte("authorization {"), Mode: 0o600},
		fileset.File{Name: "notes.txt", Data: []byte("hello")})
	files, problems := Parse(set, nil)
	want := []File{
		{Path: "apps/x.ini", Mode: 0o600, Settings: Settings{"": {"command": "x", "groups": []string{"a", "b"}, "startDbus": "maybe", "new": "1"}}},
		{Path: "motd.html", Content: []byte("hello")},
	}
	if !reflect.DeepEqual(files, want) || len(problems) != 1 || problems[0].File != "nats-server.conf" {
		t.Errorf("got %+v\n%s", files, problems.Text())
	}
}

// fileOf is a file with the one key of a row of the settings table. name is what a * stands for.
func fileOf(s spec.Setting, name, value string) File {
	path, key, section := strings.ReplaceAll(s.File, "*", "x"), strings.ReplaceAll(s.Key, "*", name), strings.ReplaceAll(s.Section, "*", name)
	out := one(path, section, key, value)
	if s.Scope == spec.ScopeNode || s.Scope == spec.ScopeBefore || s.Scope == spec.ScopeProcess {
		out.Path, out.Kind = spec.NodeFile, path
	}
	return out
}

// FuzzRender: whatever a key of any file is set to is refused, or read back as it is and written again to the same bytes.
func FuzzRender(f *testing.F) {
	rows := spec.Settings()
	for _, dir := range vectors(f, false) {
		for _, file := range readVector(f, dir).Files {
			for section, settings := range file.Settings {
				for key, value := range settings {
					items, _, _ := itemsOf(value)
					k, _ := spec.KindOf(file.kind())
					s, _ := spec.Lookup(k.Pattern, section, key)
					which := slices.IndexFunc(rows, func(r spec.Setting) bool { return r.File == s.File && r.Name() == s.Name() })
					f.Add(uint(max(which, 0)), strings.TrimPrefix(key, strings.TrimSuffix(s.Key, "*")), strings.Join(items, ","), file.Comment)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint, name, value, comment string) {
		s := rows[which%uint(len(rows))]
		file := fileOf(s, name, value)
		file.Comment = comment
		set, problems := Render(file)
		if set.Len() == 0 {
			if !problems.HasErrors() {
				t.Fatal("nothing was written, and nobody says why")
			}
			return
		}
		parsed := sameAgain(t, set, map[string]string{spec.NodeFile: file.Kind})
		want := plain(Settings{"": {"": Typed(s, value)}})["."]
		for _, got := range plain(parsed[0].Settings) {
			if got != want {
				t.Errorf("%s: %q is read back as %q", s.Name(), value, got)
			}
		}
	})
}

// FuzzRenderNATS: whatever a nats-server.conf is to hold is refused, or read back as it is and written again to the same bytes.
func FuzzRenderNATS(f *testing.F) {
	for _, dir := range vectors(f, false) {
		for _, file := range readVector(f, dir).Files {
			if c := file.NATS; c != nil {
				c := c.Complete()
				a := append(c.Authorization.Users, natsconf.User{})[0]
				route := append(c.Cluster.Routes, "")[0]
				f.Add(c.Host, c.Port, string(c.Authorization.Token), a.NKey, a.Name, string(a.Password), "fx.>", c.Cluster.Name, string(route), 3, int64(1e9), file.Comment)
			}
		}
	}
	f.Fuzz(func(t *testing.T, host string, port int, token, nkey, user, password, subject, cluster, route string, most int, expires int64, comment string) {
		c := natsconf.Config{Host: host, Port: port, Cluster: &natsconf.Cluster{Name: cluster, User: user, Password: natsconf.Secret(password)}}
		switch {
		case token != "":
			c.Authorization.Token = natsconf.Secret(token)
		case nkey == "" && subject == "":
			c.Authorization.User, c.Authorization.Password = user, natsconf.Secret(password)
		default:
			c.Authorization.Users = []natsconf.User{{NKey: nkey, Name: user, Password: natsconf.Secret(password), Permissions: &natsconf.Permissions{
				Publish: natsconf.Subjects{Allow: []string{subject}}, Responses: &natsconf.Responses{Max: most, Expires: time.Duration(expires)}}}}
		}
		if route != "" {
			c.Cluster.Routes = []natsconf.Secret{natsconf.Secret(route)}
		}
		set, problems := Render(File{Path: "nats-server.conf", NATS: &c, Comment: comment})
		if set.Len() == 0 {
			if !problems.HasErrors() {
				t.Fatal("nothing was written, and nobody says why")
			}
			return
		}
		if parsed := sameAgain(t, set, nil); !reflect.DeepEqual(*parsed[0].NATS, c.Complete()) {
			t.Errorf("%#v is read back as %#v", c.Complete(), *parsed[0].NATS)
		}
	})
}
