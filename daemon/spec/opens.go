package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

const natsFile = "nats-server.conf"

// RelativePath is the code of a certificate's path in nats-server.conf that does not begin at the root.
const RelativePath = "relative-path"

// clientsPerNode is how often a node that runs everything connects: each component, and the node itself.
const clientsPerNode = 5

func (in Input) nats(f fileset.File) parsedNATS {
	return in.Memo.nats(f.Name, f.Data, clientsPerNode*in.Nodes)
}

// nats reads nats-server.conf.
func (l *loader) nats() {
	f, ok := l.in.Set.Lookup(natsFile)
	if !ok || f.Err != nil || len(f.Data) == 0 {
		return
	}
	read := l.in.nats(f)
	conf := read.config
	l.cfg.NATS = conf
	l.add(read.problems...)
	for _, n := range read.files {
		if !path.IsAbs(n.Path) {
			l.add(n.Problem(f.Name, diag.Warning, RelativePath, fmt.Sprintf("%s depends on the directory that the transporter is started in", show(n.Path)),
				"write the whole path from / on; fastxd transporter wants it"))
		}
	}
	// Its group may be that of the account that nats-server runs as, which nobody here knows.
	if conf != nil && conf.ClearSecret() && f.Mode&0o006 != 0 {
		l.file(f.Name, diag.Error, "secret-exposed", "holds a secret in the clear and can be read or changed by everyone",
			"run chmod o-rwx "+f.Name+", or use nkeys, of which only the public half stands here")
	}
	l.natsKeys(conf)
}

// natsKeys refuses private keys that everyone can read. Who owns them, and their group, is nats-server's affair.
func (l *loader) natsKeys(conf *natsconf.Config) {
	for _, t := range tlsBlocks(conf) {
		f, ok := l.in.Set.Lookup(path.Clean(t.KeyFile))
		if ok && path.IsAbs(f.Name) && f.Mode&0o006 != 0 && !l.hasErrors(f.Name) {
			l.file(f.Name, diag.Error, "secret-exposed", "holds a private key and can be read or changed by everyone", "run chmod o-rwx "+f.Name)
		}
	}
}

// tlsBlocks are those for clients and for routes, as far as there are any.
func tlsBlocks(conf *natsconf.Config) []*natsconf.TLS {
	if conf == nil {
		return nil
	}
	out := []*natsconf.TLS{conf.TLS}
	if conf.Cluster != nil {
		out = append(out, conf.Cluster.TLS)
	}
	return slices.DeleteFunc(out, func(t *natsconf.TLS) bool { return t == nil })
}

// checkOpens holds what fastxd shows against what the nats-server.conf beside it asks for, which a tree
// for transporter nodes has. While keys are rotated, the one before counts too.
func (l *loader) checkOpens() {
	t, conf := l.cfg.Transporter, l.cfg.NATS
	doc := l.docs[l.transporterName()]
	if conf == nil || doc == nil || l.broken(natsFile) || l.broken(doc.Name) {
		return
	}
	first := firstSecret(doc)
	switch form := conf.Authorization.Form; {
	case first.Num == 0 || form == natsconf.Accounts || form == natsconf.External:
	case form == natsconf.Password:
		l.shut(doc.Name, first, "form-mismatch", natsFile+" asks for a user and a password, which fastxd has none of", "give the components nkeys, or one token")
	case form == natsconf.Token && t.Form == "token":
		if conf.Authorization.Token != "" && !l.in.Memo.opens(conf, t.Default.Current) && !l.in.Memo.opens(conf, t.Default.Previous) {
			l.shut(doc.Name, first, "token-mismatch", "does not open the "+natsFile+" beside it",
				"make the two match; where a bcrypt hash stands there, the clear text belongs here")
		}
	case form == natsconf.Token:
		l.shut(doc.Name, first, "form-mismatch", natsFile+" asks for a token, and here is a seed", "write form = token and the token, or list the public keys there")
	case t.Form == "token":
		l.shut(doc.Name, first, "form-mismatch", natsFile+" asks for one of several users, and here is a token", "write each component's seed here, or the token there")
	default:
		l.checkKeys(doc, conf)
	}
}

// broken reports whether what a file says is not to be relied on. Who may read it is another matter.
func (l *loader) broken(file string) bool {
	return slices.ContainsFunc(l.problems, func(d diag.Diagnostic) bool {
		return d.File == file && d.Severity == diag.Error && d.Code != "secret-exposed" && d.Code != "secret-owner"
	})
}

func (l *loader) shut(file string, line syntax.Line, code, summary, remedy string) {
	l.at(file, line, diag.Warning, code, line.Name(), summary, remedy)
}

// checkKeys wants of every section that one of its seeds is a user's.
func (l *loader) checkKeys(doc *syntax.Doc, conf *natsconf.Config) {
	users := conf.NKeys()
	for _, section := range append([]string{"transporter"}, componentNames()...) {
		seed, previous := find(doc, section, "seed"), find(doc, section, "previous_seed")
		line := seed
		if line.Num == 0 {
			line = previous
		}
		if line.Num != 0 && !slices.Contains(users, PublicKey(seed.Value)) && !slices.Contains(users, PublicKey(previous.Value)) {
			l.shut(doc.Name, line, "key-mismatch", "its public key is none of the users of the "+natsFile+" beside it",
				"list the public key there (nk -pubout prints it), or write the seed of one that is")
		}
	}
}

func componentNames() []string {
	var out []string
	for _, c := range Components() {
		out = append(out, string(c))
	}
	return out
}

// PublicKey is a seed's public half; "" for what is no seed, which is no key of anyone's.
func PublicKey(seed string) string {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return ""
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return ""
	}
	return public
}

// firstSecret is the first line that holds a token or a seed.
func firstSecret(doc *syntax.Doc) syntax.Line {
	for _, line := range doc.Entries() {
		if strings.HasSuffix(line.Key, "seed") || strings.HasSuffix(line.Key, "token") {
			return line
		}
	}
	return syntax.Line{}
}

// transporterName is the file that says who we are at the transporter.
func (l *loader) transporterName() string {
	if own := l.cfg.Env.TransporterSecret; own != "" {
		return own
	}
	return transporterFile
}
