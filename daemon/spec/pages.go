package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// pages reads what administrators put on the page.
func (l *loader) pages() {
	p := &l.cfg.Pages
	p.MOTD, p.Announcements, p.Errors = l.page(motdFile), l.page(announcementsFile), map[int]string{}
	for _, name := range l.filesOf(errorFile) {
		text := strings.TrimSuffix(strings.TrimPrefix(name, "error-"), ".html")
		status, err := strconv.Atoi(text)
		if err != nil || len(text) != 3 || status < 400 || status > 599 || status == 401 { // who is not signed in gets the sign-in page
			l.file(name, diag.Warning, "unknown-status", "is shown for no error", "name it after an HTTP status, such as error-404.html")
			continue
		}
		p.Errors[status] = l.page(name)
	}
}

// page reads one file of HTML. It is "" when there is none, or none that can be used.
func (l *loader) page(name string) string {
	f, ok := l.in.Set.Lookup(name)
	if !ok || f.Err != nil {
		return ""
	}
	bad := badByte(f.Data)
	switch {
	case len(f.Data) > maxLook:
		l.file(name, diag.Error, "too-large", fmt.Sprintf("is larger than %d KiB", maxLook>>10), "make it smaller")
		return ""
	case bad >= 0 && f.Data[bad] == 0:
		l.at(name, positionOf(f.Data, bad), diag.Error, "syntax", "", "the control character 0x00 cannot stand here", "remove it")
		return ""
	case bad >= 0:
		l.at(name, positionOf(f.Data, bad), diag.Error, "syntax", "", "the text is not UTF-8", "save the file as UTF-8")
		return ""
	}
	l.warnOfForbidden(name, f.Data)
	text, err := balanced(f.Data)
	if err != nil {
		l.file(name, diag.Error, "syntax", "cannot be read as HTML: "+err.Error(), "write plainer HTML")
	}
	return text
}

// badByte is where a text is no longer UTF-8, or holds a NUL; -1 when it is sound.
func badByte(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return i
		}
		i += n
	}
	return -1
}

// positionOf is the line and column, in bytes, of an offset.
func positionOf(data []byte, offset int) syntax.Line {
	before := data[:offset]
	return syntax.Line{Num: 1 + bytes.Count(before, []byte("\n")), Col: offset - bytes.LastIndexByte(before, '\n')}
}

// forbidden are the elements that do nothing on the page, and why.
var forbidden = map[string]string{
	"script": "scripts do not run here", "style": "style sheets do not apply here; theme.ini names one that does",
	"iframe": "nothing is embedded here", "frame": "nothing is embedded here", "frameset": "nothing is embedded here",
	"object": "nothing is embedded here", "embed": "nothing is embedded here", "applet": "nothing is embedded here",
	"base": "it belongs into the head of a page", "meta": "it belongs into the head of a page", "link": "it belongs into the head of a page",
	"title": "it belongs into the head of a page", "plaintext": "the rest of the page would be its text", "noscript": "it is for pages with scripts",
}

// warnOfForbidden names what is left out of the page, each where it stands.
func (l *loader) warnOfForbidden(name string, data []byte) {
	z := html.NewTokenizer(bytes.NewReader(data))
	for at := 0; ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		start := at
		at += len(z.Raw())
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		token, line := z.Token(), positionOf(data, start)
		if why, bad := forbidden[token.Data]; bad {
			l.at(name, line, diag.Warning, "left-out", "", "<"+token.Data+"> is left out: "+why, "remove it")
			continue
		}
		for _, a := range token.Attr {
			if why := forbiddenAttribute(a); why != "" {
				l.at(name, line, diag.Warning, "left-out", "", show(a.Key)+" of <"+token.Data+"> is left out: "+why, "remove it")
			}
		}
	}
}

// forbiddenAttribute says why an attribute does nothing on the page, or "".
func forbiddenAttribute(a html.Attribute) string {
	value := strings.ToLower(strings.Join(strings.Fields(a.Val), ""))
	switch {
	case strings.HasPrefix(a.Key, "on"), strings.HasPrefix(value, "javascript:"):
		return "scripts do not run here"
	case a.Key == "style":
		return "styles within a tag do not apply here"
	case (a.Key == "src" || a.Key == "srcset") && (strings.Contains(value, "//")) && !strings.HasPrefix(value, "data:"):
		return "pictures of other servers are not loaded here"
	}
	return ""
}

// maxRounds is how often a text may change its meaning by being written down and read again.
const maxRounds = 5

// balanced makes HTML of HTML that closes all it opens and nothing else, so that no slip of an
// administrator swallows the rest of a page, without what is forbidden. What comes out
// is read by a browser as it was read here: it would come out the same again.
func balanced(data []byte) (string, error) {
	text := string(data)
	for range maxRounds {
		before := text
		var err error
		if text, err = reduced(text); err != nil || text == before {
			return text, err
		}
	}
	return "", errors.New("its elements stand where they cannot")
}

// reduced parses HTML, leaves out what is forbidden, and writes it again.
func reduced(text string) (string, error) {
	place := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	nodes, err := html.ParseFragment(strings.NewReader(text), place)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	var b strings.Builder
	for _, n := range nodes {
		if !clean(n) {
			continue
		}
		if err := html.Render(&b, n); err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(b.String()), nil
}

// clean takes what is forbidden out of a node and reports whether anything is left of it. Comments
// are nobody's business.
func clean(n *html.Node) bool {
	if _, bad := forbidden[n.Data]; bad && n.Type == html.ElementNode || n.Type == html.CommentNode || n.Type == html.DoctypeNode {
		return false
	}
	n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool { return forbiddenAttribute(a) != "" })
	for child := n.FirstChild; child != nil; {
		next := child.NextSibling
		if !clean(child) {
			n.RemoveChild(child)
		}
		child = next
	}
	return true
}
