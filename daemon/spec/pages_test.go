package spec

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// TestPagesAreBalanced writes what administrators slip into their files: none of it reaches
// beyond the place where the page shows it.
func TestPagesAreBalanced(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"plain & simple":                "plain &amp; simple",
		"<p>one<p>two":                  "<p>one</p><p>two</p>",
		"</div></main><b>x":             "<b>x</b>",
		"a<!-- never closed":            "a",
		"<script>alert(1)":              "",
		"<b><script>x</script>y</b>":    "<b>y</b>",
		"<textarea>never closed":        "<textarea>never closed</textarea>",
		"<svg><script>x</script></svg>": "<svg></svg>",
		`<p onclick=x STYLE="a" id=i>`:  `<p id="i"></p>`,
		"<a href='java\tscript:x'>y":    "<a>y</a>",
		`<img src="//elsewhere/x.png">`: "<img/>",
		`<img src="data:image/png;base64,iVBORw0KGgo//w==">`: `<img src="data:image/png;base64,iVBORw0KGgo//w=="/>`,
		"<html><body onload=x><p>whole page":                 "<p>whole page</p>",
		"<plaintext>":                                        "", "a<noscript><!-- </noscript>b": "ab",
	} {
		cfg, _ := Load(probeInput(map[string]string{"motd.html": text}))
		if got := cfg.Pages.MOTD; got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"large": strings.Repeat("x", maxLook+1), "deep": strings.Repeat("<b>", 5000)} {
		cfg, problems := Load(probeInput(map[string]string{"error-404.html": text}))
		if len(problems) != 1 || !problems.HasErrors() || problems[0].File != "error-404.html" || cfg.Pages.Errors[404] != "" {
			t.Errorf("%s:\n%s", name, problems.Text())
		}
	}
	if cfg, problems := Load(probeInput(map[string]string{"error-404.html": strings.Repeat("x", maxLook)})); len(problems) > 0 || len(cfg.Pages.Errors[404]) != maxLook {
		t.Errorf("at the limit:\n%s", problems.Text())
	}
}

// FuzzBalanced holds the one property that pages rely on: what was made sound stays as it is, so that
// a browser, too, finds nothing left open in it.
func FuzzBalanced(f *testing.F) {
	for _, s := range []string{"<p>a<p>b", "<table><b>x", "<svg><style>x", "</p>", "<a><a>", "<select><b>", "<!--", "<math><mtext><table>", "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := balanced([]byte(text))
		if err != nil {
			return
		}
		if again, err := balanced([]byte(first)); err != nil || again != first {
			t.Fatalf("%q became %q and then %q (%v)", text, first, again, err)
		}
		body := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
		nodes, err := html.ParseFragment(strings.NewReader("<div>"+first+"</div><p id=after>"), body)
		if err != nil || len(nodes) == 0 || !strings.HasSuffix(render(t, nodes), `</div><p id="after"></p>`) {
			t.Fatalf("%q became %q, which swallows what follows", text, first)
		}
	})
}

func render(t *testing.T, nodes []*html.Node) string {
	t.Helper()
	var b strings.Builder
	for _, n := range nodes {
		if err := html.Render(&b, n); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestColours(t *testing.T) {
	t.Parallel()
	if c := Colour("#000000").Contrast("#ffffff"); c < 20.99 || c > 21.01 {
		t.Errorf("black on white has a contrast of %f", c)
	}
	if c := Colour("#777777").Contrast("#777777"); c != 1 {
		t.Errorf("a colour on itself has a contrast of %f", c)
	}
	if a, b := Colour("#1160c9").Contrast(SurfaceLight), SurfaceLight.Contrast("#1160c9"); a != b || a < 5.9 || a > 6.1 {
		t.Errorf("contrasts %f and %f", a, b)
	}
	if c := Colour("#000000").Mix("#ffffff", 0.5); c != "#808080" {
		t.Errorf("half black, half white is %s", c)
	}
}

func TestTheLooksAreWatched(t *testing.T) {
	t.Parallel()
	in := probeInput(map[string]string{"theme.ini": "logo = /srv/a.png\ncss = /srv/a.css\n"})
	if got := strings.Join(in.References(), " "); got != "/srv/a.css /srv/a.png" {
		t.Errorf("the references are %s", got)
	}
	good := map[string]string{"/srv/a.png": "\x89PNG\r\n\x1a\nrest", "/srv/a.css": "a {}"}
	for name, text := range good {
		in.Set = in.Set.With(fileset.File{Name: name, Data: []byte(text)})
	}
	theme := Theme{Logo: "/srv/a.png", CSS: "/srv/a.css"}
	if data, ext, ok := theme.LogoIn(in.Set); !ok || ext != ".png" || string(data) != good["/srv/a.png"] || string(theme.CSSIn(in.Set)) != "a {}" {
		t.Errorf("the logo is %q, ending in %q (%t), the style sheet %q", data, ext, ok, theme.CSSIn(in.Set))
	}
	for name, text := range map[string]string{"/srv/a.png": "no picture", "/srv/a.css": "\xff"} {
		in.Set = in.Set.With(fileset.File{Name: name, Data: []byte(text)})
	}
	if _, _, ok := theme.LogoIn(in.Set); ok || theme.CSSIn(in.Set) != nil {
		t.Error("what cannot be used is used")
	}
	if _, problems := in.Load(in.Set); problems.HasErrors() || len(problems) != 2 {
		t.Errorf("what is wrong with them:\n%s", problems.Text())
	}
}

func TestBasePaths(t *testing.T) {
	t.Parallel()
	s, _ := Lookup(httpsFile, "", "base_path")
	for _, good := range []string{"", "/fastx", "/a/b-c_d/e.f", "/~user", "/1"} {
		if err := s.Check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"/", "fastx", "/fastx/", "//fastx", "/a//b", "/a/../b", "/..", "/.hidden", "/a b", "/a?b", "/a#b", "/{x}", "/a%20b", "/a;b", "/\"", "/grün",
		"https://x/fastx", "/" + strings.Repeat("a", 200),
	} {
		if s.Check(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestProxiesAreTrustedInEveryForm writes one network in the forms that an address of it may have.
func TestProxiesAreTrustedInEveryForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.1.2.3": "10.1.2.3/32", "::ffff:10.1.2.3": "10.1.2.3/32", "::ffff:10.1.2.3/104": "10.0.0.0/8",
		"2001:db8::1": "2001:db8::1/128", "fe80::1%eth0": "fe80::1/128", "2001:db8::7/64": "2001:db8::/64",
	} {
		if got, err := parseNetwork(text); err != nil || got.String() != want {
			t.Errorf("%s is %s (%v), want %s", text, got, err, want)
		}
	}
}
