package webserver

import (
	"io/fs"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// usedWords finds the keys that templates and modules ask for. A key that ends in a dot or a
// hyphen is completed at run time and stands for all that begin with it.
func usedWords(t *testing.T) map[string]bool {
	t.Helper()
	inTemplate := regexp.MustCompile(`\.(T|N|Cut) "([^"]+)"`)
	inModule := regexp.MustCompile(`\bt\('([^']+)'`)
	used := map[string]bool{}
	for name, text := range assetTexts(t) {
		for _, m := range inTemplate.FindAllStringSubmatch(text, -1) {
			if m[1] == "N" {
				used[m[2]+".one"], used[m[2]+".other"] = true, true
				continue
			}
			used[m[2]] = true
		}
		if path.Ext(name) == ".js" {
			for _, m := range inModule.FindAllStringSubmatch(text, -1) {
				used["js."+m[1]] = true
			}
		}
	}
	for _, inCode := range []string{"sign-in", "sessions", "state.", "failure.", "nav.", "generation", "diff", "diff.", "severity.", "nodes.state.", "start.favourites", "start.others"} {
		used[inCode] = true
	}
	return used
}

// assetTexts are all templates and modules by name.
func assetTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := fs.WalkDir(assets, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(assets, name)
		texts[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestEveryTextIsInEveryLanguage compares what pages ask for with what the files hold.
func TestEveryTextIsInEveryLanguage(t *testing.T) {
	t.Parallel()
	all, err := readWords()
	if err != nil {
		t.Fatal(err)
	}
	used := usedWords(t)
	open := func(key string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(u string) bool {
			return strings.HasSuffix(u, ".") && strings.HasPrefix(key, u)
		})
	}
	holes := regexp.MustCompile(`\{\d\}`)
	first := all[languages[0]]
	for lang, w := range all {
		for key := range used {
			if _, ok := w.texts[key]; !ok && !strings.HasSuffix(key, ".") {
				t.Errorf("words/%s.json lacks %q, which a page asks for", lang, key)
			}
		}
		for key, text := range w.texts {
			if !used[key] && !open(key) {
				t.Errorf("words/%s.json: nobody asks for %q", lang, key)
			}
			if text == "" {
				t.Errorf("words/%s.json: %q is empty", lang, key)
			}
			if got, want := holes.FindAllString(text, -1), holes.FindAllString(first.texts[key], -1); !slices.Equal(sorted(got), sorted(want)) {
				t.Errorf("words/%s.json: %q has the places %v, %s has %v", lang, key, got, languages[0], want)
			}
		}
		if len(w.texts) != len(first.texts) {
			t.Errorf("words/%s.json has %d texts, %s has %d", lang, len(w.texts), languages[0], len(first.texts))
		}
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// TestTemplatesHoldNoTexts finds what a translator would never see: letters outside of tags and actions.
func TestTemplatesHoldNoTexts(t *testing.T) {
	t.Parallel()
	markup := regexp.MustCompile(`(?s)\{\{.*?\}\}|<code>.*?</code>|<pre class="log".*?</pre>|<[^>]*>`)
	word := regexp.MustCompile(`\pL{2,}`)
	for name, text := range assetTexts(t) {
		if path.Ext(name) != ".html" {
			continue
		}
		for line := range strings.Lines(markup.ReplaceAllString(text, " ")) {
			line = strings.NewReplacer("fastx-kit", "", "&nbsp;", "").Replace(line)
			if found := word.FindString(line); found != "" {
				t.Errorf("%s holds the text %q; put it into words/", name, strings.TrimSpace(line))
			}
		}
	}
}

// TestABrowserGetsItsLanguage reads the page as browsers of several countries do.
func TestABrowserGetsItsLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for accept, want := range map[string]string{
		"": "en", "de": "de", "de-AT,en;q=0.5": "de", "en-GB,de;q=0.9": "en", "fr,de;q=0.3,en;q=0.2": "de", "xx": "en",
		"de;q=0,en": "en", "de;q=nonsense": "en",
	} {
		body := w.do("GET", "/", nil, header("Accept-Language", accept)).want(t, http.StatusOK).body
		if !strings.Contains(body, `<html lang="`+want+`"`) {
			t.Errorf("Accept-Language %q does not get %s", accept, want)
		}
	}
	german := w.do("GET", "/", nil, header("Accept-Language", "de")).body
	if !strings.Contains(german, "Anmelden") || strings.Contains(german, "Sign in") {
		t.Errorf("the German page says %s", german)
	}
	missing := w.do("GET", "/nowhere", nil, header("Accept-Language", "de")).want(t, http.StatusNotFound).body
	if !strings.Contains(missing, "<title>Hier ist nichts · "+thisNode+"</title>") {
		t.Errorf("a German page that is not there has the title of %.400s", missing)
	}
}

func TestTextsTakeTheirArguments(t *testing.T) {
	t.Parallel()
	w := &words{texts: map[string]string{"x": "{2} before {1}", "n.one": "one", "n.other": "{1} many", "c": "a {1} b"}}
	for got, want := range map[string]string{
		w.T("x", "a", 2): "2 before a", w.T("gone"): "gone", w.N("n", 1): "one", w.N("n", 3): "3 many", w.Cut("c")[1]: " b",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
