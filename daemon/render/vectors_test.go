package render

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
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
	Files []File
	Modes map[string]string // what comes out, in octal
}

func readVector(t testing.TB, dir string) vector {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "spec.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return v
}

// kinds are those of the files with absolute names, as Parse wants them.
func (v vector) kinds() map[string]string {
	out := map[string]string{}
	for _, f := range v.Files {
		if f.Kind != "" {
			out[f.Path] = f.Kind
		}
	}
	return out
}

const rejected = "reject-"

// vectors are the folders of the vectors that are written, or of those that are refused.
func vectors(t testing.TB, refused bool) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/vectors/*")
	if err != nil {
		t.Fatal(err)
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return strings.HasPrefix(filepath.Base(dir), rejected) != refused })
	if len(dirs) < 30 {
		t.Fatalf("there are only %d vectors", len(dirs))
	}
	return dirs
}

// TestVectors renders each spec.json and compares every byte and mode.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, dir := range vectors(t, false) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			v := readVector(t, dir)
			set, problems := Render(v.Files...)
			if len(problems) > 0 || set.Len() != len(v.Files) {
				t.Fatalf("%d of %d files were written\n%s", set.Len(), len(v.Files), problems.Text())
			}
			want := filepath.Join(dir, "want")
			if *update {
				writeWant(t, want, set)
			}
			compare(t, set, readWant(t, want))
			for _, f := range set.Files() {
				if f.Mode != modeOf(t, v.Modes[f.Name]) {
					t.Errorf("%s has mode %04o, want %q", f.Name, f.Mode, v.Modes[f.Name])
				}
			}
		})
	}
}

// TestRejections wants of each vector that is named after a fault that this one is found, and nothing else.
func TestRejections(t *testing.T) {
	t.Parallel()
	for _, dir := range vectors(t, true) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			v := readVector(t, dir)
			set, problems := Render(v.Files...)
			if len(problems) != 1 || set.Len() != len(v.Files)-1 {
				t.Fatalf("%d of %d files were written, and the one fault is:\n%s", set.Len(), len(v.Files), problems.Text())
			}
			want := filepath.Join(dir, "want")
			if *update {
				writeWant(t, want, fileset.New(fileset.File{Name: "error.txt", Data: []byte(problems.Text())}))
			}
			if said := readWant(t, want)["error.txt"]; said != problems.Text() {
				t.Errorf("got  %swant %s", problems.Text(), said)
			}
		})
	}
}

func modeOf(t *testing.T, text string) fs.FileMode {
	t.Helper()
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	return fs.FileMode(mode)
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
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
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

func readWant(t testing.TB, dir string) map[string]string {
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
	if names := slices.Sorted(maps.Keys(want)); !slices.Equal(set.Names(), names) {
		t.Errorf("got the files %v, want %v", set.Names(), names)
	}
	for _, f := range set.Files() {
		if string(f.Data) != want[f.Name] {
			t.Errorf("%s: got\n%s\nwant\n%s", f.Name, f.Data, want[f.Name])
		}
	}
}

// TestEverythingIsInAVector wants every kind of file, every key that is written and all that nats-server.conf can hold in
// a vector: what is in none is not held to the same bytes in the other languages.
func TestEverythingIsInAVector(t *testing.T) {
	t.Parallel()
	kinds, keys, parts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, dir := range vectors(t, false) {
		for _, f := range readVector(t, dir).Files {
			kind, _ := spec.KindOf(f.kind())
			kinds[kind.Pattern] = true
			for section, settings := range f.Settings {
				for key := range settings {
					s, _ := spec.Lookup(kind.Pattern, section, key)
					keys[kind.Pattern+":"+s.Name()] = true
				}
			}
			if f.NATS != nil {
				fields("", reflect.ValueOf(*f.NATS), parts)
			}
		}
	}
	for _, k := range spec.Kinds() {
		if !kinds[k.Pattern] {
			t.Errorf("%s is in no vector", k.Pattern)
		}
	}
	for _, s := range spec.Settings() {
		if id := s.File + ":" + s.Name(); !keys[id] && s.Now == "" && s.Scope != spec.ScopeProcess && !anywhere(s) {
			t.Errorf("%s is in no vector", id)
		}
	}
	for part, given := range parts {
		if !given && part != ".Authorization.Form" && part != ".LeafNodes" {
			t.Errorf("natsconf.Config%s is in no vector", part)
		}
	}
}

// anywhere reports whether a setting is read in any section and written in none.
func anywhere(s spec.Setting) bool { return s.Section == "*" && s.Key != "*" }

// fields notes of each field of a value whether it holds something. What only one of several values holds is held.
func fields(name string, v reflect.Value, held map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if held[name] = held[name] || !v.IsNil(); !v.IsNil() {
			fields(name, v.Elem(), held)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fields(name+"."+v.Type().Field(i).Name, v.Field(i), held)
		}
	case reflect.Slice:
		held[name] = held[name] || v.Len() > 0
		for i := range v.Len() {
			fields(name+"[]", v.Index(i), held)
		}
	default:
		held[name] = held[name] || !v.IsZero()
	}
}

// TestRoundTrip holds that what was rendered loads without errors, means what it was made of, and is rendered
// to the same bytes again.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, dir := range vectors(t, false) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			v := readVector(t, dir)
			set, _ := Render(v.Files...)
			_, problems := spec.Load(spec.Input{Set: set, NodeFile: spec.NodeFile})
			problems = slices.DeleteFunc(problems, func(d diag.Diagnostic) bool {
				return d.Code == "missing" && strings.Contains(d.Summary, "is not there")
			})
			if problems.HasErrors() { // but for certificates, which are the machine's
				t.Errorf("Load refuses what Render wrote:\n%s", problems.Text())
			}
			parsed := sameAgain(t, set, v.kinds())
			for i, f := range slices.SortedFunc(slices.Values(v.Files), func(a, b File) int { return strings.Compare(a.Path, b.Path) }) {
				sameMeaning(t, f, parsed[i])
			}
		})
	}
}

// sameAgain reads what Render wrote, wants it to be rendered to the same bytes again, and returns what was read.
func sameAgain(t testing.TB, set fileset.Set, kinds map[string]string) []File {
	t.Helper()
	parsed, problems := Parse(set, kinds)
	if problems.HasErrors() || len(parsed) != set.Len() {
		t.Fatalf("%d of %d files were read\n%s", len(parsed), set.Len(), problems.Text())
	}
	again, problems := Render(parsed...)
	if len(problems) > 0 {
		t.Fatalf("Render again:\n%s", problems.Text())
	}
	for _, f := range set.Files() {
		if second, _ := again.Lookup(f.Name); !second.Equal(f) {
			t.Errorf("%s: first\n%s\nagain\n%s", f.Name, f.Data, second.Data)
		}
	}
	return parsed
}

// sameMeaning compares what a file was made of with what was read of it; settings as plain text.
func sameMeaning(t *testing.T, written, read File) {
	t.Helper()
	if got, want := plain(read.Settings), plain(written.Settings); !maps.Equal(got, want) {
		t.Errorf("%s: read %v, written %v", written.Path, got, want)
	}
	if read.Path != written.Path || read.Comment != strings.TrimRight(written.Comment, "\n") || !bytes.Equal(read.Content, written.Content) {
		t.Errorf("read %+v, written %+v", read, written)
	}
	if written.NATS != nil && !reflect.DeepEqual(*read.NATS, written.NATS.Complete()) {
		t.Errorf("read %#v, written %#v", *read.NATS, written.NATS.Complete())
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
