package spec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestBad loads each directory of testdata/bad, a small configuration named after the one fault
// that it holds, and compares what is said about it with testdata/bad.txt, which is
// thereby the catalogue of all messages.
func TestBad(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, dir := range subdirs(t, "testdata/bad") {
		_, problems := Load(readCase(t, dir))
		fmt.Fprintf(&got, "== %s\n%s", filepath.Base(dir), problems.Text())
		if len(problems) == 0 {
			t.Errorf("%s: no fault was found", dir)
		}
		if !slices.IsSortedFunc(problems, byPlace) {
			t.Errorf("%s: the problems are not in file order", dir)
		}
	}
	golden(t, "testdata/bad.txt", got.String())
}

// TestGood loads each directory of testdata/good, which has nothing to say about, and
// compares what it means.
func TestGood(t *testing.T) {
	t.Parallel()
	for _, dir := range subdirs(t, "testdata/good") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			cfg, problems := Load(readCase(t, dir))
			if len(problems) > 0 {
				t.Errorf("unexpected problems:\n%s", problems.Text())
			}
			text, err := json.MarshalIndent(cfg, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, dir+".json", string(text)+"\n")
		})
	}
}

func byPlace(a, b diag.Diagnostic) int {
	if a.File != b.File {
		return strings.Compare(a.File, b.File)
	}
	return a.Line - b.Line
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it); got\n%s", file, got)
	}
}

func subdirs(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s holds no cases", dir)
	}
	return out
}

// readCase makes an Input of a directory. Files below _abs get absolute names; secrets belong to root
// and have mode 0600. The file _case changes that, a line each:
//
//	env KEY=VALUE           a variable of the process environment
//	mode FILE 0644          a file's mode
//	owner FILE UID:GID      a file's owner
//	data FILE "…"           a file's bytes as a Go string
//	error FILE text         a file that cannot be read
func readCase(t *testing.T, dir string) Input {
	t.Helper()
	in := Input{
		Environ: map[string]string{}, Hostname: "node1", DaemonUID: 990, DaemonGID: 991,
		NodeFile: "/etc/default/fastx4", Defaults: "/usr/lib/fastxd/defaults.env",
		Dirs: Dirs{Config: "/etc/fastx", Var: "/var/fastx", Local: "/var/lib/fastx-local", Temp: "/tmp", Run: "/run/fastx"},
	}
	files := caseFiles(t, dir)
	script := files["_case"].Data
	delete(files, "_case")
	for lines := bufio.NewScanner(bytes.NewReader(script)); lines.Scan(); {
		applyLine(t, &in, files, lines.Text())
	}
	for _, f := range files {
		in.Set = in.Set.With(f)
	}
	return in
}

func caseFiles(t *testing.T, dir string) map[string]fileset.File {
	t.Helper()
	files := map[string]fileset.File{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		name = strings.TrimPrefix(name, "_abs")
		files[name] = newFile(name, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// newFile gives a file the mode that it should have.
func newFile(name string, data []byte) fileset.File {
	f := fileset.File{Name: name, Data: data, Mode: 0o644}
	if k, _ := KindOf(name); k.Secret || strings.HasSuffix(name, ".key") {
		f.Mode = 0o600
	}
	return f
}

func applyLine(t *testing.T, in *Input, files map[string]fileset.File, line string) {
	t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	name, arg, _ := strings.Cut(rest, " ")
	f := files[name]
	var err error
	switch verb {
	case "env":
		key, value, _ := strings.Cut(rest, "=")
		in.Environ[key] = value
		return
	case "mode":
		var mode uint64
		mode, err = strconv.ParseUint(arg, 8, 32)
		f.Mode = fs.FileMode(mode)
	case "owner":
		_, err = fmt.Sscanf(arg, "%d:%d", &f.UID, &f.GID)
	case "data":
		var text string
		text, err = strconv.Unquote(arg)
		f = newFile(name, []byte(text))
	case "error":
		f = fileset.File{Name: name, Err: errors.New(arg)}
	default:
		t.Fatalf("unknown line %q", line)
	}
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	files[name] = f
}
