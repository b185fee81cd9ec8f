package browsertest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestEveryRuleOfAccessibilityBites shows the checker a page that breaks every rule, and one that breaks none.
func TestEveryRuleOfAccessibilityBites(t *testing.T) {
	t.Parallel()
	files := httptest.NewServer(http.FileServer(http.Dir("testdata")))
	t.Cleanup(files.Close)
	b := Open(t, "")
	b.Look(Phone)
	b.Go(files.URL + "/bad.html")
	problems := b.Accessibility()
	for _, want := range []string{
		"lang: page", "title: page", "zoom: page", "landmark: <p>", "heading: page: there are 0", "heading: <h4>",
		"name: <button>", "name: <input>", "alt: <img>", "id: <p#twice>", "contrast: <p.pale>", "contrast: <input>",
		"focus: <button.bare>", "target: <button.small>", `tab-order: <button> "Jumps`, `tab-order: <button> "Out of reach`,
		`aria-hidden: <button> "Not heard`, `aria: <p> "A misspelled attribute": there is no aria-labeledby`, `aria: <p> "No such role"`,
		`aria: <p> "Refers to nothing"`, `aria: <p> "A value that is none"`, "scroll: <div#roll.roll>", "width: ", "list: <p>", "group-name: <nav>",
		"group-name: <fieldset>", "dialog: <dialog>", "label: <label>",
	} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, want) }) {
			t.Errorf("a planted %q is not found", want)
		}
	}
	b.Go("data:text/html,<!doctype html><html lang=en><title>Good</title><main><h1>Good</h1><a href=%23>A link</a> in a sentence")
	if problems := b.Accessibility(); len(problems) > 0 {
		t.Errorf("a good page: %q", problems)
	}
}
