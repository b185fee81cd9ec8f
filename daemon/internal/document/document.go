// Package document reads the code blocks of the documentation, so that tests can execute them. Only tests import it.
//
// A block that shows a file of the configuration names it after the language, where readers do not see it:
//
//	```ini apps/xterm.ini
//
// SEED, PUBLIC_KEY, HASH and thisisasecret stand in such a block where a secret of one's own has to be written; Fill
// puts one there.
package document

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Block is one fenced block of code.
type Block struct {
	Document string // the document's name
	Line     int    // of the fence that opens it
	Language string
	Name     string // of the file that it shows; "" = none
	Text     string
}

// Info is what stands behind the opening fence.
func (b Block) Info() string { return strings.TrimSpace(b.Language + " " + b.Name) }

func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Document, b.Line) }

var fence = regexp.MustCompile("^( *)(`{3,}|~{3,})(.*)$")

// Blocks returns the code blocks of a document in Markdown. One that is not closed is an error.
func Blocks(document string, text []byte) ([]Block, error) {
	var out []Block
	var open []string // the fence that is open, as the expression splits it
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		m := fence.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		last := len(out) - 1
		switch {
		case open == nil && m != nil:
			open = m
			language, name, _ := strings.Cut(strings.TrimSpace(m[3]), " ")
			out = append(out, Block{Document: document, Line: number, Language: language, Name: strings.TrimSpace(name)})
		case open == nil:
		case m != nil && strings.HasPrefix(m[2], open[2]) && strings.TrimSpace(m[3]) == "":
			open = nil
		default:
			out[last].Text += strings.TrimPrefix(line, open[1])
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block of code is not closed", out[len(out)-1])
	}
	return out, nil
}

// made are the folders that hold no documents of ours.
var made = []string{"bin", "build", "dist", "run", "testdata"}

// Tree returns the code blocks of every document below root, by the documents' names below it.
func Tree(root string) ([]Block, error) {
	var out []Block
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && at != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(made, d.Name())):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(at) != ".md":
			return nil
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		blocks, err := Blocks(filepath.ToSlash(name), bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
		out = append(out, blocks...)
		return err
	})
	return out, err
}

// One returns the text of the one block of a document that has this language and, where it shows a file, name.
func One(t testing.TB, file, info string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Blocks(file, text)
	if err != nil {
		t.Fatal(err)
	}
	blocks = slices.DeleteFunc(blocks, func(b Block) bool { return b.Info() != info })
	if len(blocks) != 1 {
		t.Fatalf("%s has %d blocks of %s", file, len(blocks), info)
	}
	return blocks[0].Text
}
