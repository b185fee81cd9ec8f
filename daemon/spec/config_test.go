package spec

import (
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const defaults, shared, node = "FX_LISTEN=:1\n", "FX_LISTEN=:2\n", "FX_LISTEN=:3\n"
	tests := []struct {
		name, defaults, shared, node, process, want string
	}{
		{"built in", "", "", "", "", ":3300"},
		{"package", defaults, "", "", "", ":1"},
		{"shared over package", defaults, shared, "", "", ":2"},
		{"node over shared", defaults, shared, node, "", ":3"},
		{"process over node", defaults, shared, node, ":4", ":4"},
		{"process over package", defaults, "", "", ":4", ":4"},
		{"empty process variable is none", defaults, shared, "", "", ":2"},
		{"bad value falls back", defaults, "FX_LISTEN=x\n", "", "", ":1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := probeInput(map[string]string{"/defaults": test.defaults, "fastx.env": test.shared, "/etc/default/fastx4": test.node})
			in.Defaults, in.Environ = "/defaults", map[string]string{"FX_LISTEN": test.process}
			if cfg, _ := Load(in); cfg.Env.Listen != test.want {
				t.Errorf("FX_LISTEN is %q, want %q", cfg.Env.Listen, test.want)
			}
		})
	}
}

func TestEmptyProcessVariablesAreAbsent(t *testing.T) {
	t.Parallel()
	cfg, problems := Load(Input{Environ: map[string]string{"FX_LISTEN": "", "SERVICES": "", "METADATA_x": "", "SERVICEDIR": ""}})
	if len(problems) > 0 || len(cfg.Env.Metadata) > 0 || len(cfg.Env.Services) != 4 {
		t.Errorf("they mean %+v\n%s", cfg.Env, problems.Text())
	}
}

func TestNewNameWinsOverOldInOneFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"SERVICES=user\nSERVICEDIR=manager\n", "SERVICEDIR=manager\nSERVICES=user\n"} {
		cfg, _ := Load(probeInput(map[string]string{"/etc/default/fastx4": text}))
		if !slices.Equal(cfg.Env.Services, []Component{User}) {
			t.Errorf("%q means %v", text, cfg.Env.Services)
		}
	}
	cfg, _ := Load(Input{Environ: map[string]string{"SERVICES": "user", "SERVICEDIR": "manager"}})
	if !slices.Equal(cfg.Env.Services, []Component{User}) {
		t.Errorf("the process environment means %v", cfg.Env.Services)
	}
}

func TestErrorsLeaveTheRestUsable(t *testing.T) {
	t.Parallel()
	cfg, problems := Load(probeInput(map[string]string{
		"apps/bad.ini":  "command = x\ngeometry = huge\n",
		"apps/good.ini": "command = y\n",
		"fastx.env":     "FX_MAX_SESSIONS=many\nFX_KEEP_ENDED=1h\n",
	}))
	if good, ok := cfg.App("good"); !ok || good.Command != "y" {
		t.Errorf("the good application is %+v", good)
	}
	if bad, ok := cfg.App("bad"); !ok || bad.Command != "x" || bad.Geometry != "" {
		t.Errorf("the bad application is %+v", bad)
	}
	if _, ok := cfg.App("none"); ok {
		t.Error("there is an application none")
	}
	if cfg.Env.MaxSessions != 0 || cfg.Env.KeepEnded.Hours() != 1 {
		t.Errorf("the environment is %+v", cfg.Env)
	}
	var files []string
	for _, p := range problems {
		files = append(files, p.File)
	}
	if want := []string{"apps/bad.ini", "fastx.env"}; !slices.Equal(files, want) {
		t.Errorf("to blame are %v, want %v", files, want)
	}
}

func TestInputOfAnotherSet(t *testing.T) {
	t.Parallel()
	in := probeInput(map[string]string{"apps/a.ini": "command = a\n"})
	other := probeInput(map[string]string{"apps/b.ini": "command = b\n", "https.ini": "cert_file = /c\nkey_file = /k\n"}).Set
	if cfg, _ := in.Load(other); len(cfg.Apps) != 1 || cfg.Apps[0].ID != "b" {
		t.Errorf("the other set's applications are %+v", cfg.Apps)
	}
	if got := in.ReferencesOf(other); !slices.Equal(got, []string{"/c", "/k"}) {
		t.Errorf("the other set's references are %v", got)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	in := probeInput(map[string]string{"fastx.env": "FX_FORMAT=3\nFX_NEWS=1\n"})
	if cfg, problems := Load(in); problems.HasErrors() || len(problems) != 2 || cfg.Env.Format != 3 {
		t.Errorf("a node of format 1 says of a tree of format %d:\n%s", cfg.Env.Format, problems.Text())
	}
	in.Format = 3
	if _, problems := Load(in); !problems.HasErrors() || len(problems) != 1 {
		t.Errorf("a node of format 3 says:\n%s", problems.Text())
	}
}

// TestNoDiagnosticHoldsASecret plants secrets in every place that a file for secrets has, well and badly written.
func TestNoDiagnosticHoldsASecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2-hunter2"
	texts := []string{
		"token = X\ntoken = X\n", "[transporter]\nseed = X\n", "[transporter]\nX\n", "[transporter]\nX = 1\n", "[X]\na = 1\n",
		"[transporter]\nurls = tls://u:X@host\n", "[transporter]\ntokn = X\n", "[transporter]\nseed = \"X\n", "[transporter]\nseed = X # Y\n",
		"[webserver]\nseed = U X\n", "client_secret = X\n", "alice:X\n", "alice:$1$X\n", "password = \"X\" X\n", "[transporter]\ntoken[] = X\n",
	}
	for _, name := range []string{"transporter-secret.ini", "auth-oidc.ini", "htpasswd", "smtp.ini", "weblink-secret.ini", "admin.secret"} {
		for _, text := range texts {
			_, problems := Load(probeInput(map[string]string{name: strings.ReplaceAll(text, "X", secret)}))
			if said := problems.Text(); strings.Contains(said, "hunter2") {
				t.Errorf("%s with %q says:\n%s", name, text, said)
			}
		}
	}
}

func TestCheckDirs(t *testing.T) {
	t.Parallel()
	good := Dirs{Config: "/etc/fastx", Var: "/var/fastx", Local: "/var/fastx-local", Temp: "/tmp", Run: "/run/fastx"}
	if problems := CheckDirs(good, sharedVar); len(problems) > 0 {
		t.Errorf("good directories:\n%s", problems.Text())
	}
	inside := good
	inside.Local = "/var/fastx/local"
	if problems := CheckDirs(inside, &Machine{}); len(problems) != 1 || problems[0].Severity != diag.Warning {
		t.Errorf("LOCAL inside VAR of one node:\n%s", problems.Text())
	}
	if problems := CheckDirs(inside, sharedVar); len(problems) != 1 || problems[0].Severity != diag.Error {
		t.Errorf("LOCAL inside a shared VAR:\n%s", problems.Text())
	}
	relative, long := good, good
	relative.Temp = "tmp"
	long.Run = "/" + strings.Repeat("r", 84)
	for name, dirs := range map[string]Dirs{"relative": relative, "long": long} {
		if problems := CheckDirs(dirs, &Machine{}); len(problems) != 1 || !problems.HasErrors() {
			t.Errorf("%s:\n%s", name, problems.Text())
		}
	}
}

func TestDirsFrom(t *testing.T) {
	t.Parallel()
	flags := map[string]string{"FX_TEMP_DIR": "/t"}
	process := map[string]string{"FX_TEMP_DIR": "/other", "FX_VAR_DIR": "", "FX_CONFIG_DIR": "/c"}
	defaults, problems := ParseEnv("defaults.env", []byte("FX_LOCAL_DIR=/var/lib/fastx-local\nFX_CONFIG_DIR=/d\n"))
	got := DirsFrom(flags, process, defaults)
	want := Dirs{Config: "/c", Var: "/var/fastx", Local: "/var/lib/fastx-local", Temp: "/t"}
	if got != want || len(problems) > 0 {
		t.Errorf("got %+v, want %+v\n%s", got, want, problems.Text())
	}
}

func TestLevelOf(t *testing.T) {
	t.Parallel()
	p := Permissions{
		Default: Limited,
		Users:   map[string]Level{"root": Superadmin, "mallory": Disabled, "lim": Limited, "boss": Admin},
		Groups:  map[string]Level{"wheel": Admin, "staff": Full, "gone": Disabled},
	}
	tests := []struct {
		user   string
		groups []string
		want   Level
	}{
		{"nobody", nil, Limited},
		{"nobody", []string{"unlisted"}, Limited},
		{"nobody", []string{"staff"}, Full},
		{"nobody", []string{"staff", "wheel"}, Admin},
		{"root", []string{"staff"}, Superadmin},
		{"lim", []string{"wheel"}, Limited},
		{"mallory", []string{"wheel"}, Disabled},
		{"nobody", []string{"wheel", "gone"}, Disabled},
		{"boss", []string{"gone"}, Disabled},
	}
	for _, test := range tests {
		if got := p.LevelOf(test.user, test.groups); got != test.want {
			t.Errorf("LevelOf(%s, %v) = %s, want %s", test.user, test.groups, got, test.want)
		}
	}
	if got := (Permissions{Default: Full, Groups: map[string]Level{"g": Limited}}).LevelOf("u", []string{"g"}); got != Limited {
		t.Errorf("a listed group below the default gives %s", got)
	}
}

func TestLevelText(t *testing.T) {
	t.Parallel()
	for _, l := range Levels() {
		if got, err := ParseLevel(l.String()); err != nil || got != l {
			t.Errorf("ParseLevel(%q) = %v, %v", l.String(), got, err)
		}
	}
	for _, l := range Levels() {
		text, err := l.MarshalText()
		var back Level
		if err != nil || back.UnmarshalText(text) != nil || back != l {
			t.Errorf("%s is written %s and read %s", l, text, back)
		}
	}
	if _, err := ParseLevel("Admin"); err == nil {
		t.Error("ParseLevel accepts Admin")
	}
	if got := Level(9).String(); got != "Level(9)" {
		t.Errorf("Level(9) prints %s", got)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{"1024x768": {1024, 768}, "16x32767": {16, 32767}} {
		if got, err := ParseSize(text); err != nil || got != want || got.String() != text {
			t.Errorf("ParseSize(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1024", "1024x", "x768", "1024X768", "01024x768", "+1x1", "-16x16", "16x15", "99999x16", "16x32768", " 16x16", "1024x768x24", "rootless"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %v", text, got)
		}
	}
	limit := Size{1920, 1080}
	for size, want := range map[Size]bool{limit: false, {1921, 100}: true, {100, 1081}: true, {1, 1}: false} {
		if size.Exceeds(limit) != want {
			t.Errorf("%v exceeds %v: %t", size, limit, !want)
		}
	}
	if (Size{30000, 30000}).Exceeds(Size{}) {
		t.Error("no limit is exceeded")
	}
	if CheckGeometry("") != nil || CheckGeometry(Rootless) != nil || CheckGeometry("1x1") == nil {
		t.Error("CheckGeometry is wrong")
	}
}

func TestProfileOf(t *testing.T) {
	t.Parallel()
	c := &Config{Profiles: []Profile{{ID: "big", SessionsTotal: 5}, {ID: "default", SessionsTotal: 9}}}
	for profile, want := range map[string]int{"": 9, "default": 9, "big": 5, "none": 0} {
		if got := c.ProfileOf(App{Profile: profile}); got.SessionsTotal != want {
			t.Errorf("ProfileOf(%q) = %+v", profile, got)
		}
	}
	if got := (&Config{}).ProfileOf(App{}); got != (Profile{ID: "default"}) {
		t.Errorf("without files the profile is %+v", got)
	}
}

func TestSeedOf(t *testing.T) {
	t.Parallel()
	tr := Transporter{Default: Seed{Current: "d"}, Seeds: map[Component]Seed{User: {Current: "u"}, Manager: {Previous: "old"}}}
	for c, want := range map[Component]string{User: "u", Manager: "d", Launcher: "d"} {
		if got := tr.SeedOf(c).Current; got != want {
			t.Errorf("SeedOf(%s) = %q, want %q", c, got, want)
		}
	}
}

func TestCheckUserName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"alice", "a.b-c_d", `DOM\alice`, "alice@example.com", "größe", "x$"} {
		if err := CheckUserName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "a b", "a:b", "a,b", "-a", "#a", "a\n", "a=b", "'a", strings.Repeat("a", 257)} {
		if CheckUserName(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func FuzzLoad(f *testing.F) {
	names := []string{"fastx.env", "transporter-secret.ini", "apps/a.ini", "apps/default.ini", "performance/default.ini", "permissions.ini",
		"htpasswd", "https.ini", "loglevel.ini", "removed.ini", "auth-oidc.ini", "/etc/default/fastx4",
		"theme.ini", "headers.ini", "nats-server.conf", "motd.html", "error-404.html", "icons/a.svg", "forms/a.ini"}
	for i, text := range []string{"FX_FORMAT=2\n", "token = a\n", "command = x\ngeometry = 9x9\n", "groups[] = a\n", "max_geometry = 8x8\n",
		"[admin]\nusers = a, b\n", "a:b\n", "cert_file = /x\n", "** = info\n", "[removed]\nfiles = htpasswd\n", "issuer = x\n", "SERVICES=socket\n",
		"accent = #112233\nlogo = /l.svg\n", "X-A = b\n", "authorization { token: longrandom }\n", "<p>", "<b>&", "<svg/>", "title = x\n"} {
		f.Add(i, text)
	}
	f.Fuzz(func(t *testing.T, which int, text string) {
		name := names[uint(which)%uint(len(names))]
		in := probeInput(map[string]string{name: text, "apps/b.ini": "command = b\n"})
		cfg, problems := Load(in)
		if cfg == nil || cfg.Env.Metadata == nil || cfg.Permissions.Users == nil || cfg.Transporter.Seeds == nil || len(cfg.Env.Services) == 0 {
			t.Errorf("the Config is incomplete: %+v", cfg)
		}
		if again, _ := Load(in); again.Env.Listen != cfg.Env.Listen || len(again.Apps) != len(cfg.Apps) {
			t.Error("the same input means two things")
		}
		for _, p := range problems {
			if p.Summary == "" || p.Remedy == "" || p.Code == "" || strings.ContainsAny(p.String(), "\n\x00") {
				t.Errorf("incomplete: %#v", p)
			}
		}
		References(in.Set)
		for _, file := range in.Set.Files() {
			Redact(file, func([]byte) string { return "" })
		}
	})
}
