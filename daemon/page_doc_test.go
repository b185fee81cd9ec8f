package daemon_test

import (
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/document"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// TestTheExamplesOfPageMdAreTaken loads what PAGE.md shows and looks at what it means. That nothing is wrong with
// it is tested with all other examples, in internal/document.
func TestTheExamplesOfPageMdAreTaken(t *testing.T) {
	t.Parallel()
	set := fileset.New()
	for name, language := range map[string]string{"theme.ini": "ini", "announcements.html": "html", "headers.ini": "ini"} {
		text := document.One(t, "PAGE.md", language+" "+name)
		set = set.With(fileset.File{Name: name, Data: []byte(text), Mode: 0o644})
	}
	cfg, problems := spec.Load(spec.Input{Set: document.WithReferences(set), Hostname: "node"})
	if cfg.Theme.Title != "Example & Sons" || cfg.Theme.Accent != "#0b6b3a" || cfg.Pages.Announcements == "" || len(cfg.Headers) != 3 {
		t.Errorf("the examples mean %+v, %q, %v\n%s", cfg.Theme, cfg.Pages.Announcements, cfg.Headers, problems.Text())
	}
}
