package render

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// vector is the form of spec.json.
type vector struct {
	Files []struct {
		Path     string
		Kind     string
		Mode     string
		Comment  string
		Settings Settings
	}
	Modes map[string]string
}

func (v vector) files(t *testing.T) []File {
	t.Helper()
	var out []File
	for _, f := range v.Files {
		out = append(out, File{f.Path, f.Kind, modeOf(t, f.Mode), f.Comment, f.Settings})
	}
	return out
}

func modeOf(t *testing.T, text string) fs.FileMode {
	t.Helper()
	if text == "" {
		return 0
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	return fs.FileMode(mode)
}

func readVector(t *testing.T, dir string) vector {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "spec.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func vectors(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/vectors/*")
	if err != nil || len(dirs) < 10 {
		t.Fatalf("%d vectors: %v", len(dirs), err)
	}
	return dirs
}

// TestVectors renders each spec.json and compares every byte and mode.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, dir := range vectors(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			v := readVector(t, dir)
			set, problems := Render(v.files(t)...)
			if len(problems) > 0 || set.Len() != len(v.Files) {
				t.Fatalf("%d of %d files were written\n%s", set.Len(), len(v.Files), problems.Text())
			}
			want := filepath.Join(dir, "want")
			if *update {
				writeWant(t, want, set)
			}
			compare(t, set, readWant(t, want))
			for name, mode := range v.Modes {
				if f, _ := set.Lookup(name); f.Mode != modeOf(t, mode) {
					t.Errorf("%s has mode %04o, want %s", name, f.Mode, mode)
				}
			}
		})
	}
}

// onDisk is where a vector keeps a file that has an absolute name.
func onDisk(name string) string {
	if filepath.IsAbs(name) {
		return "_abs" + name
	}
	return name
}

func writeWant(t *testing.T, dir string, set fileset.Set) {
	t.Helper()
	for _, f := range set.Files() {
		path := filepath.Join(dir, onDisk(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readWant(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[strings.TrimPrefix(name, "_abs")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compare(t *testing.T, set fileset.Set, want map[string]string) {
	t.Helper()
	if set.Len() != len(want) {
		t.Errorf("got the files %v, want %d", set.Names(), len(want))
	}
	for _, f := range set.Files() {
		if string(f.Data) != want[f.Name] {
			t.Errorf("%s: got\n%s\nwant\n%s", f.Name, f.Data, want[f.Name])
		}
	}
}

// TestRoundTrip holds that what was rendered loads without errors, means what it was made of, and is rendered
// to the same bytes again.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, dir := range vectors(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			files := readVector(t, dir).files(t)
			set, _ := Render(files...)
			_, problems := spec.Load(spec.Input{Set: set, NodeFile: "/etc/default/fastx4"})
			problems = slices.DeleteFunc(problems, func(d diag.Diagnostic) bool {
				return d.Code == "missing" && strings.Contains(d.Summary, "is not there")
			})
			if problems.HasErrors() { // but for certificates, which are the machine's
				t.Errorf("Load refuses what Render wrote:\n%s", problems.Text())
			}
			parsed, problems := Parse(set)
			if len(problems) > 0 {
				t.Errorf("Parse:\n%s", problems.Text())
			}
			again, problems := Render(parsed...)
			if len(problems) > 0 {
				t.Errorf("Render again:\n%s", problems.Text())
			}
			for _, f := range again.Files() {
				if first, _ := set.Lookup(f.Name); !first.Equal(f) {
					t.Errorf("%s: first\n%s\nagain\n%s", f.Name, first.Data, f.Data)
				}
			}
			for _, f := range files {
				sameMeaning(t, f, parsed)
			}
		})
	}
}

// sameMeaning compares a file's settings with what was parsed, as plain text.
func sameMeaning(t *testing.T, f File, parsed []File) {
	t.Helper()
	for _, p := range parsed {
		if p.Path != f.Path {
			continue
		}
		if got, want := plain(p.Settings), plain(f.Settings); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read %v, written %v", f.Path, got, want)
		}
		if p.Comment != f.Comment {
			t.Errorf("%s: comment %q, want %q", f.Path, p.Comment, f.Comment)
		}
	}
}

func plain(s Settings) map[string]string {
	out := map[string]string{}
	for section, keys := range s {
		for key, value := range keys {
			items, list, _ := itemsOf(value)
			text := strings.Join(items, ",")
			if value == nil {
				continue
			}
			if strings.Contains(text, ",") && !list {
				text = strings.Join(split(text), ",")
			}
			out[section+"."+key] = text
		}
	}
	return out
}

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

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file File
		want string
	}{
		"unknown file":        {File{Path: "app/x.ini"}, "app/x.ini: is no file that is made of settings; write it as it is\n"},
		"another dialect":     {File{Path: "nats-server.conf"}, "nats-server.conf: is no file that is made of settings; write it as it is\n"},
		"unknown key":         {one("apps/x.ini", "", "comand", "x"), `apps/x.ini: comand: is not a known key; did you mean "command"?` + "\n"},
		"unknown section":     {one("apps/x.ini", "x", "a", "x"), "apps/x.ini: x.a: is not a known key; remove it, or move it to the file and section where it belongs\n"},
		"old name":            {one("/etc/default/fastx4", "", "SERVICEDIR", "user"), "/etc/default/fastx4: SERVICEDIR: is not a known key; write SERVICES\n"},
		"stray token":         {one("transporter-secret.ini", "", "token", "abcdefgh"), "transporter-secret.ini: token: is not a known key; remove it, or move it to the file and section where it belongs\n"},
		"a node's key shared": {one("fastx.env", "", "SERVICES", "user"), "fastx.env: SERVICES: is not a known key; remove it, or move it to the file and section where it belongs\n"},
		"refused value":       {one("apps/x.ini", "", "geometry", "huge"), "apps/x.ini: geometry: is refused; \"huge\" is not a geometry; write a size such as 1280x800, or rootless\n"},
		"published secret":    {one("transporter-secret.ini", "transporter", "token", "thisisasecret"), "transporter-secret.ini: transporter.token: is refused; is an example that stands in public documentation; make a new one\n"},
		"list for one value":  {one("apps/x.ini", "", "name", []string{"a"}), "apps/x.ini: name: is not a list; give one value\n"},
		"comma in an item":    {one("apps/x.ini", "", "groups", []string{"a,b"}), "apps/x.ini: groups: has an item that is empty, begins or ends with a space, or holds a comma; write each item on its own, without spaces around it\n"},
		"line break":          {one("apps/x.ini", "", "name", "a\nb"), "apps/x.ini: name: cannot be written; a value is UTF-8 without line breaks or other control characters\n"},
		"wrong type":          {one("apps/x.ini", "", "name", 1.5), "apps/x.ini: name: is of the type float64; give a string, a bool, an integer or a list of strings\n"},
		"wrong type in list":  {one("apps/x.ini", "", "groups", []any{"a", nil}), "apps/x.ini: groups: is of the type <nil>; give a string, a bool, an integer or a list of strings\n"},
		"open key":            {one("headers.ini", "", "a=b", "c"), "headers.ini: holds a key, a section or a comment that cannot be written; leave out =, line breaks and other special characters\n"},
		"open section":        {one("forward.ini", "a]", "b", "c"), "forward.ini: holds a key, a section or a comment that cannot be written; leave out =, line breaks and other special characters\n"},
		"bad comment":         {File{Path: "apps/x.ini", Comment: "a\rb"}, "apps/x.ini: holds a key, a section or a comment that cannot be written; leave out =, line breaks and other special characters\n"},
		"tab in a key":        {one("headers.ini", "", "a\tb", "c"), "headers.ini: holds a key, a section or a comment that cannot be written; leave out =, line breaks and other special characters\n"},
		"bad user":            {one("htpasswd", "", "a:b", "c"), "htpasswd: a:b: is not a user name with one hash; give user = hash\n"},
		"bad hash":            {one("htpasswd", "", "a", "secret"), "htpasswd: a: is refused; the password is not hashed with bcrypt; make it with htpasswd -B\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.file.Path == "/etc/default/fastx4" {
				test.file.Kind = "fastx.env"
			}
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

func one(path, section, key string, value any) File {
	return File{Path: path, Settings: Settings{section: {key: value}}}
}

func TestParseKeepsWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	set := fileset.New(
		fileset.File{Name: "apps/x.ini", Data: []byte("; mine\ncommand = 'x'\ngroups[] = a\ngroups[] = b\nstartDbus = maybe\nnew = 1\n"), Mode: 0o600},
		fileset.File{Name: "motd.html", Data: []byte("hello")})
	files, problems := Parse(set)
	want := []File{{Path: "apps/x.ini", Mode: 0o600, Settings: Settings{"": {
		"command": "x", "groups": []string{"a", "b"}, "startDbus": "maybe", "new": "1"}}}}
	if !reflect.DeepEqual(files, want) || len(problems) > 0 {
		t.Errorf("got %+v\n%s", files, problems.Text())
	}
}

func FuzzRender(f *testing.F) {
	f.Add("command", "xterm", "note")
	f.Add("0", "z'z", " ")
	f.Add("a\tb", "c", "d\t")
	f.Add("a=b", " \"'`;#\\", "x\ny")
	f.Fuzz(func(t *testing.T, key, value, comment string) {
		files := []File{
			{Path: "apps/x.ini", Comment: comment, Settings: Settings{"": {"name": value}, "nodeMetadataFilter": {key: value}, "schedule.data": {key: value}}},
			{Path: "fastx.env", Settings: Settings{"": {"METADATA_" + key: value}}},
			{Path: "forward.ini", Settings: Settings{key: {key: value}}},
		}
		for _, file := range files {
			set, problems := Render(file)
			if len(problems) > 0 {
				continue
			}
			parsed, problems := Parse(set)
			if len(problems) > 0 {
				t.Fatal(problems.Text())
			}
			again, _ := Render(parsed...)
			if !again.Equal(set) {
				t.Errorf("written\n%s\nand again\n%s", set.Files()[0].Data, again.Files()[0].Data)
			}
			if got := parsed[0].Settings[""]["name"]; file.Path == "apps/x.ini" && got != value {
				t.Errorf("%q is read back as %q", value, got)
			}
		}
	})
}
