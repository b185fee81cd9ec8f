package manual

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/document"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// FuzzSchema writes anything into a file: what the checker has no error for, the schema accepts.
func FuzzSchema(f *testing.F) {
	for _, file := range exampleSet(true).Files() {
		f.Add(file.Name, file.Data)
	}
	good, err := filepath.Glob("../../spec/testdata/good/*/*.ini")
	if err != nil || len(good) == 0 {
		f.Fatal("there are no good files", err)
	}
	for _, at := range good {
		data, err := os.ReadFile(at)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(at), data)
	}
	f.Add("/etc/default/fastx4", []byte("SERVICES=user\nexport METADATA_x='a b'\n"))
	schema := compile(f, Schema())
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if _, known := spec.KindOf(name); !known && name != "/etc/default/fastx4" {
			return
		}
		set := fileset.New(fileset.File{Name: name, Data: data, Mode: 0o600})
		_, problems := spec.Load(spec.Input{Set: document.WithReferences(set), Hostname: "node", NodeFile: "/etc/default/fastx4", Format: newest})
		if slices.ContainsFunc(problems, func(d diag.Diagnostic) bool { return d.File == name && d.Severity == diag.Error }) ||
			slices.ContainsFunc(problems, lenient) {
			return
		}
		if err := schema.Validate(plain(t, instance(t, set))); err != nil {
			t.Errorf("the checker accepts %s with %q, the schema does not: %v", name, data, err)
		}
	})
}

// newest is a format that no tree has, so that none is newer than the node.
const newest = 1 << 30

// lenient reports whether the checker passes over what it does not know.
func lenient(d diag.Diagnostic) bool { return d.Code == "newer-format" }
