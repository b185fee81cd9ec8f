package drill

import (
	"path"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheTreeHasEveryKindOfFileAndNoErrors(t *testing.T) {
	t.Parallel()
	tree := Tree()
	cfg, problems := Input().Load(tree)
	if problems.HasErrors() {
		t.Fatal(problems.Text())
	}
	for _, k := range spec.Kinds() {
		there := slices.ContainsFunc(tree.Names(), func(name string) bool { ok, _ := path.Match(k.Pattern, name); return ok })
		if !there && !slices.Contains(cfg.Removed, k.Pattern) {
			t.Errorf("no file of the kind %s", k.Pattern)
		}
	}
	for _, f := range tree.Files() {
		other, problems := Input().Load(tree.With(Version(Version(f, 1), 2)))
		if problems.HasErrors() || other == nil {
			t.Errorf("another version of %s: %s", f.Name, problems.Text())
		}
	}
}
