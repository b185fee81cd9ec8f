package daemon_test

import (
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// TestTheExamplesOfPageMdAreGood loads what PAGE.md shows: nothing is wrong with it, and all of it is taken.
func TestTheExamplesOfPageMdAreGood(t *testing.T) {
	t.Parallel()
	set := fileset.New()
	for name, text := range map[string]string{
		"theme.ini":                 document(t, "PAGE.md", "ini"),
		"announcements.html":        document(t, "PAGE.md", "html"),
		"headers.ini":               document(t, "PAGE.md", "headers"),
		"/etc/fastx/theme/logo.svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
		"/etc/fastx/theme/ours.css": ".brand { letter-spacing: .05em }",
	} {
		set = set.With(fileset.File{Name: name, Data: []byte(text), Mode: 0o644})
	}
	cfg, problems := spec.Load(spec.Input{Set: set, Hostname: "node"})
	if len(problems) > 0 {
		t.Errorf("the examples have problems:\n%s", problems.Text())
	}
	if cfg.Theme.Title != "Example & Sons" || cfg.Theme.Accent != "#0b6b3a" || cfg.Pages.Announcements == "" || len(cfg.Headers) != 3 {
		t.Errorf("the examples mean %+v, %q, %v", cfg.Theme, cfg.Pages.Announcements, cfg.Headers)
	}
}
