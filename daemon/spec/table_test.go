package spec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
)

// probes are a value of each type that is no setting's default.
var probes = map[Type]string{
	TypeText: "probe", TypeCommand: "probe", TypeBool: "true", TypeCount: "77", TypeDuration: "7m", TypeList: "p, q",
	TypePath: "/probe", TypeGeometry: "77x77", TypeSize: "77x77", TypeLevel: "manager", TypeAddress: "probe:77",
	TypeURLs: "tls://probe:77", TypeNetworks: "10.7.0.0/16", TypeServices: "manager", TypeNode: "probe",
	TypeSeed: "SUAAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAEHM", TypeToken: "probe-probe", TypeMemory: "7G", TypePercent: "77%",
	TypeBase: "/probe", TypeColour: "#777777",
}

// probe is a valid value of a setting that differs from its default.
func (s Setting) probe() string {
	switch {
	case s.Type == TypeServices, s.Type == TypeLevel:
		return probes[s.Type]
	case len(s.Allowed) > 0:
		return s.Allowed[1]
	case s.Type == TypeBool && s.Default == "true":
		return "false"
	}
	return probes[s.Type]
}

// probeFile is where a probe of a setting stands: the file that a * leaves open, the
// node file for what every node has of its own.
func (s Setting) probeFile() string {
	if s.File == envFile {
		return "/etc/default/fastx4"
	}
	return strings.ReplaceAll(s.File, "*", "file")
}

func probeInput(files map[string]string) Input {
	in := Input{NodeFile: "/etc/default/fastx4", Hostname: "host"}
	for name, text := range files {
		in.Set = in.Set.With(newFile(name, []byte(text)))
	}
	return in
}

// probeText is a file that sets nothing but one key.
func (s Setting) probeText() string {
	section := s.Section
	if section == "*" {
		section = "any"
	}
	key := strings.ReplaceAll(s.Key, "*", "probe")
	text := key + " = " + s.probe() + "\n"
	if section != "" {
		text = "[" + section + "]\n" + text
	}
	return text
}

// TestEveryActedSettingLandsInConfig is the parity of table and Config: each acted setting changes
// the Config, no other does, and every field is reached by some setting or file.
func TestEveryActedSettingLandsInConfig(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{}
	for _, s := range Settings() {
		if s.Scope == ScopeBefore || s.Scope == ScopeProcess {
			continue
		}
		base := map[string]string{"apps/file.ini": "", "performance/file.ini": ""}
		with := maps.Clone(base)
		with[s.probeFile()] = s.probeText()
		if s.File == "transporter-secret.ini" && strings.HasSuffix(s.Key, "token") {
			base[s.probeFile()], with[s.probeFile()] = "[transporter]\nform = token\n", s.probeText()+"[transporter]\nform = token\n"
		}
		changed := difference(t, base, with)
		if s.Acted != (len(changed) > 0) {
			t.Errorf("%s %s: acted on is %t, and it changed %v", s.File, s.Name(), s.Acted, changed)
		}
		for _, field := range changed {
			reached[field] = true
		}
	}
	nothing := map[string]string{}
	for _, files := range []map[string]string{
		{"apps/probe.ini": "command = x\n"},
		{"performance/probe.ini": "sessions_total = 1\n"},
		{"htpasswd": "alice:$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n"},
		{"nats-server.conf": "port: 4222\n"},
		{"motd.html": "probe"}, {"announcements.html": "probe"}, {"error-404.html": "probe"},
		{"icons/probe.svg": "<svg/>"},
	} {
		for _, field := range difference(t, nothing, files) {
			reached[field] = true
		}
	}
	for _, field := range fields(reflect.TypeFor[Config](), "") {
		if !reached[field] {
			t.Errorf("nothing sets Config%s", field)
		}
	}
}

// difference lists the fields in which two configurations differ.
func difference(t *testing.T, a, b map[string]string) []string {
	t.Helper()
	before, _ := Load(probeInput(a))
	after, _ := Load(probeInput(b))
	x, y := map[string][]string{}, map[string][]string{}
	flatten(reflect.ValueOf(*before), "", x)
	flatten(reflect.ValueOf(*after), "", y)
	var out []string
	for _, field := range fields(reflect.TypeFor[Config](), "") {
		if !slices.Equal(x[field], y[field]) {
			out = append(out, field)
		}
	}
	return out
}

var leaves = []reflect.Type{reflect.TypeFor[Size](), reflect.TypeFor[*natsconf.Config]()}

// fields names the fields of a type, elements of lists and maps included.
func fields(typ reflect.Type, path string) []string {
	if slices.Contains(leaves, typ) {
		return []string{path}
	}
	switch typ.Kind() {
	case reflect.Slice, reflect.Map:
		if typ.Elem().Kind() == reflect.Struct && typ.Elem().NumField() > 0 && typ.Elem().Field(0).IsExported() {
			return fields(typ.Elem(), path+"[]")
		}
	case reflect.Struct:
		var out []string
		for f := range typ.NumField() {
			out = append(out, fields(typ.Field(f).Type, path+"."+typ.Field(f).Name)...)
		}
		return out
	}
	return []string{path}
}

// flatten collects the values of every field that fields names.
func flatten(v reflect.Value, path string, out map[string][]string) {
	switch {
	case len(fields(v.Type(), "")) == 1 && v.Kind() != reflect.Struct || slices.Contains(leaves, v.Type()):
		out[path] = append(out[path], fmt.Sprint(v.Interface()))
	case v.Kind() == reflect.Struct:
		for f := range v.NumField() {
			flatten(v.Field(f), path+"."+v.Type().Field(f).Name, out)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			flatten(v.Index(i), path+"[]", out)
		}
	case v.Kind() == reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			flatten(v.MapIndex(k), path+"[]", out)
		}
	}
}

func TestTableIsConsistent(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range Settings() {
		id := s.File + " " + s.Name()
		k, known := kindOfPattern(s.File)
		switch {
		case seen[id]:
			t.Errorf("%s stands twice in the table", id)
		case !known:
			t.Errorf("%s: there is no kind of file %s", id, s.File)
		case s.Acted && !k.Acted:
			t.Errorf("%s is acted on, its file is not", id)
		case s.Doc == "" || !strings.HasSuffix(s.Doc, "."):
			t.Errorf("%s: the doc is no sentence: %q", id, s.Doc)
		case probes[s.Type] == "":
			t.Errorf("%s: no probe for type %s", id, s.Type)
		case s.Default != "" && s.Check(s.split(s.Default)...) != nil:
			t.Errorf("%s: the default is refused: %v", id, s.Check(s.split(s.Default)...))
		case s.Check(s.split(s.probe())...) != nil:
			t.Errorf("%s: the probe is refused: %v", id, s.Check(s.split(s.probe())...))
		case s.Secret && !k.Secret:
			t.Errorf("%s is a secret in a file that everyone may read", id)
		case (s.Type == TypeSeed || s.Type == TypeToken) != s.Secret:
			t.Errorf("%s: type %s, secret %t", id, s.Type, s.Secret)
		}
		seen[id] = true
	}
}

func kindOfPattern(pattern string) (Kind, bool) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Pattern == pattern })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds()[i], true
}

func TestEveryIniFileHasSettings(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		if (k.Dialect == DialectINI || k.Dialect == DialectEnv) != (len(SettingsOf(k.Pattern)) > 0) {
			t.Errorf("%s: dialect %s and %d settings", k.Pattern, k.Dialect, len(SettingsOf(k.Pattern)))
		}
	}
}

// TestDesignFilesAreKnown holds the kinds against the files that the design and the guide name.
func TestDesignFilesAreKnown(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"fastx.env", "transporter-secret.ini", "nats-server.conf", "apps/xterm.ini", "apps/default.ini", "performance/x.ini",
		"permissions.ini", "htpasswd", "auth-ssh.ini", "auth-oidc.ini", "auth-proxy.ini", "auth-saml.ini", "admin.secret",
		"https.ini", "headers.ini", "forward.ini", "loglevel.ini", "theme.ini", "forms/x.ini", "schedule/x/start",
		"motd.html", "announcements.html", "error-403.html", "removed.ini", "smtp.ini", "weblink.ini", "weblink-secret.ini",
		"FastX.conf", "launcher-templates/docker.tpl",
	} {
		if _, ok := KindOf(name); !ok {
			t.Errorf("%s is not known", name)
		}
	}
	for _, name := range []string{"", "apps", "apps/x", "apps/x/y.ini", "xapps/x.ini", "/etc/fastx/fastx.env"} {
		if k, ok := KindOf(name); ok {
			t.Errorf("%q is taken for %s", name, k.Pattern)
		}
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"apps/xterm.ini": true, "performance/p.ini": true, "apps/default.ini": false, "performance/default.ini": false,
		"apps/x.conf": false, "fastx.env": false, "permissions.ini": false, "apps/a/b.ini": false, "forms/x.ini": false,
		"theme.ini": true, "headers.ini": true, "motd.html": true, "error-404.html": true, "error-404.ini": false, "apps/motd.html": false,
	} {
		if got := Object(name); got != want {
			t.Errorf("Object(%q) = %t", name, got)
		}
	}
}

func TestSecurityFiles(t *testing.T) {
	t.Parallel()
	files := SecurityFiles()
	for _, name := range []string{"permissions.ini", "htpasswd", "transporter-secret.ini", "nats-server.conf", "https.ini", "auth-ssh.ini", "admin.secret"} {
		if !slices.Contains(files, name) {
			t.Errorf("%s may vanish unnoticed", name)
		}
	}
	if slices.Contains(files, "fastx.env") || !slices.IsSorted(files) {
		t.Errorf("SecurityFiles() = %v", files)
	}
	for _, name := range files {
		if k, ok := KindOf(name); !ok || k.Pattern != name {
			t.Errorf("%s is no plain name of a file", name)
		}
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	words := []string{"command", "geometry", "groups", "FX_LISTEN", "full", "limited", "admin"}
	for word, want := range map[string]string{
		"comand": "command", "Command": "command", "gerometry": "geometry", "goups": "groups", "fx_listen": "FX_LISTEN",
		"FX_LSITEN": "FX_LISTEN", "ful": "full", "admins": "admin", "colour": "", "x": "", "": "", strings.Repeat("g", 100): "",
	} {
		if got := Suggest(word, words); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", word, got, want)
		}
	}
}
