package spec

import (
	"crypto/x509"
	"fmt"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// SeedOf returns what a component shows at the transporter: its own seed, else the one of
// the section [transporter].
func (t Transporter) SeedOf(c Component) Seed {
	if s := t.Seeds[c]; s.Current != "" {
		return s
	}
	return t.Default
}

// transporter reads transporter-secret.ini, or the node's own file in its place.
func (l *loader) transporter() {
	name := l.transporterName()
	if l.cfg.Env.TransporterSecret != "" {
		l.ownSecret(name)
	}
	b := &bus{Transporter: Transporter{Seeds: map[Component]Seed{}}}
	doc := l.decode(name, transporterFile, b)
	l.settleForm(doc, b)
	l.checkCA(doc, b)
	l.cfg.Transporter = b.Transporter
}

// ownSecret checks the file that FX_TRANSPORTER_SECRET names.
func (l *loader) ownSecret(name string) {
	if l.away() {
		return
	}
	if f, ok := l.in.Set.Lookup(name); !ok || f.Err != nil {
		at := l.origins["FX_TRANSPORTER_SECRET"]
		l.at(at.file, at.line, diag.Error, "missing", "FX_TRANSPORTER_SECRET",
			fmt.Sprintf("%s is not there or cannot be read", name), "write the file, or remove the key")
		return
	}
	l.keyFile(name)
}

// settleForm decides between seeds and tokens. A token with no form beside it says form = token.
func (l *loader) settleForm(doc *syntax.Doc, b *bus) {
	token := l.tokenLine(doc, "token")
	l.tokenLine(doc, "previous_token")
	form := find(doc, "transporter", "form")
	switch {
	case form.Num == 0 && token.Num != 0:
		b.Form = "token"
	case b.Form == "nkey" && token.Num != 0:
		l.at(doc.Name, token, diag.Warning, "unused", token.Name(), "is not used with form = nkey", "remove it, or write form = token")
	case b.Form == "token" && token.Num == 0:
		l.at(doc.Name, form, diag.Error, "missing", "transporter.token", "is missing with form = token", "write the token of nats-server.conf")
	}
	if b.Form == "token" {
		b.Default, b.Seeds = b.token, map[Component]Seed{}
	}
	l.checkSeeds(doc, b)
}

// tokenLine finds a token wherever it stands, and refuses a second one.
func (l *loader) tokenLine(doc *syntax.Doc, key string) syntax.Line {
	var first syntax.Line
	for _, line := range doc.Entries() {
		switch {
		case line.Key != key:
		case first.Num == 0:
			first = line
		case line.Section != first.Section:
			l.at(doc.Name, line, diag.Error, "set-twice", key,
				fmt.Sprintf("is set twice, here and on line %d, column %d", first.Num, first.Col), "keep one of the two")
		}
	}
	return first
}

// checkSeeds wants, where there are transporter nodes, a seed for each component that runs here.
// Without urls nobody asks for one.
func (l *loader) checkSeeds(doc *syntax.Doc, b *bus) {
	if len(b.URLs) == 0 || b.Form != "nkey" || l.in.Alone {
		return
	}
	urls := find(doc, "transporter", "urls")
	for _, c := range l.cfg.Env.Services {
		if b.SeedOf(c).Current == "" && find(doc, string(c), "seed").Num == 0 && find(doc, "transporter", "seed").Num == 0 {
			l.at(doc.Name, urls, diag.Error, "missing", string(c)+".seed", "is missing, and this node runs the "+string(c),
				"write the seed, or take "+string(c)+" out of SERVICES")
		}
	}
}

// checkCA looks into the CA file, where it could be read.
func (l *loader) checkCA(doc *syntax.Doc, b *bus) {
	if b.TLSCAFile == "" {
		return
	}
	l.mustExist(doc.Name, find(doc, "transporter", "tls_ca_file"), "transporter.tls_ca_file", b.TLSCAFile)
	f, ok := l.in.Set.Lookup(b.TLSCAFile)
	if !ok || f.Err != nil || x509.NewCertPool().AppendCertsFromPEM(f.Data) {
		return
	}
	l.at(doc.Name, find(doc, "transporter", "tls_ca_file"), diag.Error, "bad-ca", "transporter.tls_ca_file",
		fmt.Sprintf("%s holds no PEM certificate", show(f.Name)), "name a file that holds the CA certificates")
}
