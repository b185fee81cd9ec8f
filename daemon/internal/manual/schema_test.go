package manual

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/document"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// compile makes a validator of a schema, which thereby proves to be one.
func compile(t testing.TB, schema map[string]any) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", plain(t, schema)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain is a value as JSON has it.
func plain(t testing.TB, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// instance is a configuration in the form that the schema describes.
func instance(t testing.TB, set fileset.Set) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, f := range set.Files() {
		if _, known := spec.KindOf(f.Name); known {
			out[f.Name] = string(f.Data)
		}
	}
	files, problems := render.Parse(set, nil)
	if problems.HasErrors() {
		t.Fatal(problems.Err())
	}
	for _, f := range files {
		if f.Settings != nil {
			out[f.Path] = f.Settings
		}
	}
	return out
}

// TestSchemaAcceptsRealConfigurations validates every good configuration that other tests have: the loader's, what the
// renderer writes, the starter's and the manual's own examples.
func TestSchemaAcceptsRealConfigurations(t *testing.T) {
	t.Parallel()
	sets := map[string]fileset.Set{
		"starter":  render.Starter(render.StarterOptions{User: "ada", PasswordHash: "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"}),
		"examples": exampleSet(true),
	}
	for _, pattern := range []string{"../../spec/testdata/good/*", "../../render/testdata/vectors/*/want"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil || len(dirs) == 0 {
			t.Fatalf("%s holds no configurations: %v", pattern, err)
		}
		for _, dir := range dirs {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				continue
			}
			set, err := fileset.Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			sets[dir] = set
		}
	}
	schema := compile(t, Schema())
	for name, set := range sets {
		if err := schema.Validate(plain(t, instance(t, set))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefusesWhatIsNoConfiguration spoils a good configuration in one place at a time.
func TestSchemaRefusesWhatIsNoConfiguration(t *testing.T) {
	t.Parallel()
	schema := compile(t, Schema())
	for name, bad := range map[string]map[string]any{
		"unknown file":     {"apps.ini": map[string]any{}},
		"unknown section":  {"https.ini": map[string]any{"tls": map[string]any{}}},
		"unknown key":      {"apps/x.ini": map[string]any{"": map[string]any{"comand": "x"}}},
		"key elsewhere":    {"permissions.ini": map[string]any{"": map[string]any{"default": "full"}}},
		"node's in shared": {"fastx.env": map[string]any{"": map[string]any{"SERVICES": []string{"manager"}}}},
		"settings as text": {"https.ini": "enabled = false"},
		"text as settings": {"motd.html": map[string]any{}},
		"hash":             {"htpasswd": map[string]any{"": map[string]any{"ada": "secret"}}},
		"list as text":     {"apps/x.ini": map[string]any{"": map[string]any{"groups": "a, b"}}},
		"item with comma":  {"apps/x.ini": map[string]any{"": map[string]any{"groups": []string{"a,b"}}}},
		"secret's form":    {"transporter-secret.ini": map[string]any{"user": map[string]any{"seed": "SEED"}}},
	} {
		if schema.Validate(plain(t, bad)) == nil {
			t.Errorf("%s: the schema accepts %v", name, bad)
		}
	}
	node := map[string]any{"": map[string]any{"SERVICES": []string{"manager"}, "METADATA_zone": "a"}}
	if err := schema.Validate(plain(t, map[string]any{"/etc/default/fastx4": node})); err != nil {
		t.Errorf("the node file: %v", err)
	}
	if err := compile(t, NodeFileSchema()).Validate(plain(t, node)); err != nil {
		t.Errorf("the node file alone: %v", err)
	}
}

// values are texts of each type, good and bad ones; the checker says which are which.
var values = map[spec.Type][]string{
	spec.TypeText:     {"a", "", "a b", "ä"},
	spec.TypeCommand:  {"xterm -ls", "", " "},
	spec.TypeBool:     {"true", "false"},
	spec.TypeCount:    {"0", "1", "31", "32", "10000", "10001", "-1"},
	spec.TypeDuration: {"90s", "30m", "1h30m", "1.5h", ".5s", "0", "-0s", "+5m", "100us", "5", "5 m", "-5m", "m", "1d", ""},
	spec.TypeList:     {"a", "a, b", ""},
	spec.TypePath:     {"/a", "/", "", "a", "./a"},
	spec.TypeGeometry: {"1280x800", "rootless", "", "1280", "01x100", "1280x800x2", "Rootless"},
	spec.TypeSize:     {"1280x800", "16x16", "", "rootless", "1280 x 800"},
	spec.TypeLevel:    {"full", "root", ""},
	spec.TypeAddress:  {":3300", "0.0.0.0:3300", "[::1]:3300", "host:0", "", "3300", "host", "h:03300", "a b:1"},
	spec.TypeURLs:     {"tls://h:4222", "h:4222", "TLS://h", "wss://h", "nats://[::1]:4222", "nats://u@h", "http://h:1", "tls://h/x", ""},
	spec.TypeNetworks: {"10.0.0.0/8", "::1", "fe80::1%eth0", "::ffff:10.0.0.0/104", "ten", "10.0.0.0/8 x"},
	spec.TypeServices: {"manager", "manager, user", "socket, user", "luncher"},
	spec.TypeNode:     {"node1", "node-1.example.com", "-node", "a b", ""},
	spec.TypeSeed:     {"SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEQ", "SU", "SEED", ""},
	spec.TypeToken:    {"a b", "hunter2hunter2", ""},
	spec.TypeMemory:   {"16M", "8G", "17179869184", "G", "8g", "08G", "-1"},
	spec.TypePercent:  {"200%", "200", "0%", "%"},
	spec.TypeBase:     {"/fastx", "/a/b", "", "/", "fastx", "/fastx/", "/.."},
	spec.TypeColour:   {"#1160c9", "#ABCDEF", "", "blue", "#fff"},
}

// TestSchemaAgreesWithTheChecker holds the schema of every setting against what the checker says of texts of its
// type: it accepts all that the checker does, and refuses what the checker refuses.
func TestSchemaAgreesWithTheChecker(t *testing.T) {
	t.Parallel()
	for _, s := range spec.Settings() {
		schema := compile(t, settingSchema(s))
		texts := append(slices.Clone(values[s.Type]), s.Allowed...)
		if len(values[s.Type]) < 2 {
			t.Errorf("there are no values of the type %s", s.Type)
		}
		for _, text := range texts {
			items := []string{text}
			value := render.Typed(s, text)
			if list, ok := value.([]string); ok {
				items = list
			}
			refused, invalid := s.Check(items...), schema.Validate(plain(t, value))
			if s.Type == spec.TypeServices && len(items) == 1 && slices.Contains([]string{"socket", "forward"}, text) {
				refused = nil // that no component is left is a matter of the whole list
			}
			if (refused == nil) != (invalid == nil) {
				t.Errorf("%s %s: of %q the checker says %v, the schema %v", s.File, s.Name(), text, refused, invalid)
			}
		}
	}
}

// TestSchemaSaysWhatTheTableSays looks for each row in the schema of its file.
func TestSchemaSaysWhatTheTableSays(t *testing.T) {
	t.Parallel()
	for _, k := range spec.Kinds() {
		file := plain(t, FileSchema(k)).(map[string]any)
		if k.Pattern == "fastx.env" {
			file = plain(t, NodeFileSchema()).(map[string]any)
		}
		if file["$schema"] != draft {
			t.Errorf("%s: the schema does not say of which draft it is", k.Pattern)
		}
		for _, s := range spec.SettingsOf(k.Pattern) {
			got := find(file, s)
			if got == nil || !strings.Contains(fmt.Sprint(got["description"]), s.Doc) || got["x-reload"] != string(s.Reload) ||
				(got["writeOnly"] == true) != s.Secret || (got["default"] != nil) != (s.Default != "") || (got["deprecated"] == true) != (s.Now != "") {
				t.Errorf("%s %s is described as %v", s.File, s.Name(), got)
			}
		}
	}
}

// find is the schema of a row in that of its file.
func find(file map[string]any, s spec.Setting) map[string]any {
	sections, _ := file["properties"].(map[string]any)
	section, _ := sections[s.Section].(map[string]any)
	if s.Section == "*" {
		section, _ = file["additionalProperties"].(map[string]any)
	}
	keys, _ := section["properties"].(map[string]any)
	out, _ := keys[s.Key].(map[string]any)
	switch {
	case s.Key == "*":
		out, _ = section["additionalProperties"].(map[string]any)
	case strings.HasSuffix(s.Key, "*"):
		open, _ := section["patternProperties"].(map[string]any)
		for _, schema := range maps.All(open) {
			out, _ = schema.(map[string]any)
		}
	}
	return out
}

// exampleSet is the manual's examples as files, with or without real secrets in the place of the words that stand for them.
func exampleSet(real bool) fileset.Set {
	var files []fileset.File
	for _, k := range spec.Kinds() {
		if name, text := Example(k); text != "" {
			if real {
				text = document.Fill(text)
			}
			files = append(files, fileset.File{Name: name, Data: []byte(text), Mode: 0o600})
		}
	}
	return fileset.New(files...)
}

// TestTheExamplesAreAConfiguration loads the examples together: nothing is wrong with them but what this version does not
// act on yet. As they stand, with words where secrets have to be, they are refused.
func TestTheExamplesAreAConfiguration(t *testing.T) {
	t.Parallel()
	_, problems := spec.Load(spec.Input{Set: document.WithReferences(exampleSet(true)), Hostname: "node"})
	for _, p := range problems {
		if p.Code != "not-acted-on" {
			t.Errorf("an example is not good: %s", p)
		}
	}
	_, problems = spec.Load(spec.Input{Set: document.WithReferences(exampleSet(false)), Hostname: "node"})
	for _, f := range exampleSet(false).Files() {
		refused := slices.ContainsFunc(problems, func(d diag.Diagnostic) bool { return d.File == f.Name && d.Severity == diag.Error })
		if stands := document.Fill(string(f.Data)) != string(f.Data); stands != refused {
			t.Errorf("%s: words stand for secrets is %t, and it is refused is %t", f.Name, stands, refused)
		}
	}
}

// TestEveryFileHasAnExample wants one of each kind that has a form.
func TestEveryFileHasAnExample(t *testing.T) {
	t.Parallel()
	for _, k := range spec.Kinds() {
		named := slices.ContainsFunc(spec.SettingsOf(k.Pattern), func(s spec.Setting) bool { return s.Key != "*" })
		if name, text := Example(k); (k.Acted || named) != (text != "") {
			t.Errorf("%s: acted on is %t, it has keys is %t, and its example is %q", k.Pattern, k.Acted, named, name)
		}
	}
}
