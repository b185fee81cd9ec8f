package webserver

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed words/*.json
var wordFiles embed.FS

// languages are those that words/ has a file for; the first one is for everybody else.
var languages = []string{"en", "de"}

// words are all texts of the page in one language, by their keys: the files words/*.json.
// Those whose key begins with "js." are the modules' own, and reach them as a module.
//
// What the components answer, such as which limit refuses a start, is in English.
type words struct {
	Lang  string
	texts map[string]string
}

func readWords() (map[string]*words, error) {
	all := make(map[string]*words)
	for _, lang := range languages {
		data, err := wordFiles.ReadFile("words/" + lang + ".json")
		if err != nil {
			return nil, fmt.Errorf("read the page's texts: %w", err)
		}
		w := &words{Lang: lang}
		if err := json.Unmarshal(data, &w.texts); err != nil {
			return nil, fmt.Errorf("read the page's texts in %s: %w", lang, err)
		}
		all[lang] = w
	}
	return all, nil
}

// T is the text of a key with {1}, {2} … replaced by the arguments. A key that is missing
// is its own text, so that a page is never refused for it; a test finds it.
func (w *words) T(key string, args ...any) string {
	text, ok := w.texts[key]
	if !ok {
		return key
	}
	for i, arg := range args {
		text = strings.ReplaceAll(text, "{"+strconv.Itoa(i+1)+"}", fmt.Sprint(arg))
	}
	return text
}

// N is the text of a key for a number: key.one or key.other.
func (w *words) N(key string, n int) string {
	if n == 1 {
		return w.T(key+".one", n)
	}
	return w.T(key+".other", n)
}

// Cut is the text of a key, split where its {1} stands, for what is markup there.
func (w *words) Cut(key string) [2]string {
	before, after, _ := strings.Cut(w.T(key), "{1}")
	return [2]string{before, after}
}

// module is what the page's scripts import.
func (w *words) module() ([]byte, error) {
	own := make(map[string]string)
	for key, text := range w.texts {
		if rest, ok := strings.CutPrefix(key, "js."); ok {
			own[rest] = text
		}
	}
	data, err := json.Marshal(own)
	return fmt.Appendf(nil, "export default %s;\n", data), err
}

// wordsFor are the texts in the language that a browser likes best of those there are.
func (p *page) wordsFor(r *http.Request) *words {
	best, quality := languages[0], 0.0
	for item := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, rest, _ := strings.Cut(strings.TrimSpace(item), ";")
		lang, _, _ := strings.Cut(strings.ToLower(tag), "-")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.TrimSpace(rest), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil {
				continue
			}
		}
		if q > quality && slices.Contains(languages, lang) {
			best, quality = lang, q
		}
	}
	return p.words[best]
}
