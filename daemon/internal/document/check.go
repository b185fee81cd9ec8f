package document

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// nodeFile is the node file's usual name.
const nodeFile = "/etc/default/fastx4"

// shows are the languages of blocks that show a file of the configuration, and have to name it.
var shows = []string{"ini", "env", "conf", "htpasswd", "html", "svg"}

// others are the languages of all other blocks. "" is a drawing.
var others = []string{"", "sh", "console", "nginx", "haproxy", "json", "yaml", "hcl", "puppet", "go"}

// Problems executes the blocks that show files: each is judged by the checker under its name, beside the other files that
// its document shows. It returns all that is wrong with them; what the running version only does not act on yet is not.
func Problems(blocks []Block) []string {
	var out []string
	for _, b := range blocks {
		_, known := spec.KindOf(b.Name)
		switch {
		case slices.Contains(others, b.Language) && b.Name == "":
		case !slices.Contains(shows, b.Language):
			out = append(out, fmt.Sprintf("%s: nobody executes a block of %q; use one of %s and name the file", b, b.Info(), strings.Join(shows, ", ")))
		case !known && b.Name != nodeFile:
			out = append(out, fmt.Sprintf("%s: %q is no file of the configuration; write ```%s NAME", b, b.Name, b.Language))
		default:
			out = append(out, b.problems(blocks)...)
		}
	}
	return out
}

func (b Block) problems(all []Block) []string {
	set := fileset.New(b.file())
	for _, other := range all {
		if _, taken := set.Lookup(other.Name); other.Document == b.Document && other.Name != "" && !taken {
			set = set.With(other.file())
		}
	}
	in := spec.Input{Set: WithReferences(set), Hostname: "node", NodeFile: nodeFile}
	_, problems := spec.Load(in)
	var out []string
	for _, p := range problems {
		if p.File == b.Name && p.Code != "not-acted-on" {
			p.File, p.Line = b.Document, p.Line+b.Line
			out = append(out, p.String())
		}
	}
	return out
}

func (b Block) file() fileset.File {
	return fileset.File{Name: b.Name, Data: []byte(Fill(b.Text)), Mode: 0o600}
}

// placeholders are the words that stand for secrets. The last is the one that the published guide prints, which no checker
// accepts.
var placeholders = regexp.MustCompile(`\b(SEED|PUBLIC_KEY|HASH|thisisasecret)\b`)

// Fill replaces the words that stand for secrets with secrets, SEED and PUBLIC_KEY with two that belong together.
func Fill(text string) string {
	return placeholders.ReplaceAllStringFunc(text, func(word string) string {
		switch seed, public := keys(); word {
		case "SEED":
			return seed
		case "PUBLIC_KEY":
			return public
		case "HASH":
			return "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
		}
		return strings.ToLower(rand.Text())
	})
}

var keys = sync.OnceValues(func() (seed, public string) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		panic(err) // there are no random numbers
	}
	text, err := pair.Seed()
	if err != nil {
		panic(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		panic(err)
	}
	return string(text), public
})

// WithReferences adds a stand-in for each file that keys of the set name and that is not in it.
func WithReferences(set fileset.Set) fileset.Set {
	for {
		known := len(set.Names())
		for _, name := range spec.References(set) {
			if _, there := set.Lookup(name); !there {
				set = set.With(fileset.File{Name: name, Data: standIn(name), Mode: 0o600})
			}
		}
		if len(set.Names()) == known {
			return set
		}
	}
}

// standIn is what a file of such a name may hold: a picture, a style sheet, host keys, or a certificate with its key.
func standIn(name string) []byte {
	if strings.HasSuffix(name, "known_hosts") {
		return []byte("gate.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n")
	}
	switch path.Ext(name) {
	case ".svg":
		return []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)
	case ".css":
		return []byte(".brand { letter-spacing: .05em }\n")
	}
	return certificate()
}

var certificate = sync.OnceValue(func() []byte {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
})
