package spec

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Redact returns a file's text with each secret replaced by what mask makes of
// it, so that a history shows that a secret changed and never what it is. What cannot be
// read, and with it might hide a secret, is masked whole.
func Redact(f fileset.File, mask func(secret []byte) string) []byte {
	if f.Err != nil || len(f.Data) == 0 {
		return nil
	}
	if text, ok := redact(f, mask); ok {
		return []byte(text)
	}
	return []byte(mask(f.Data) + "\n")
}

// redact returns false when the whole file has to be masked.
func redact(f fileset.File, mask func([]byte) string) (string, bool) {
	k, known := KindOf(f.Name)
	switch {
	case !known && path.IsAbs(f.Name):
		return redactOutside(f, mask)
	case !known: // it may be a copy of anything
		return "", false
	case k.Dialect == DialectOpaque:
		return string(f.Data), !k.Secret && !bytes.Contains(f.Data, []byte("PRIVATE KEY"))
	case k.Dialect == DialectINI:
		return redactINI(f, k, mask)
	case k.Dialect == DialectEnv:
		return redactEnv(f, mask)
	case k.Dialect == DialectHtpasswd:
		doc, problems := syntax.ParseHtpasswd(f.Name, f.Data)
		return doc.Map(func(l syntax.Line) (string, bool) { return mask([]byte(l.Value)), true }, maskText(mask)), !problems.HasErrors()
	default:
		return redactNATS(f, mask)
	}
}

// redactOutside handles files outside FX_CONFIG_DIR: certificates and dotenv files are shown, everything else,
// such as a private key, a script or the node's own transporter secret, is not.
func redactOutside(f fileset.File, mask func([]byte) string) (string, bool) {
	if onlyCertificates(f.Data) {
		return string(f.Data), true
	}
	doc, _ := syntax.ParseEnv(f.Name, f.Data)
	for _, l := range doc.Entries() {
		if _, ok := Lookup(envFile, "", l.Key); !ok {
			return "", false
		}
	}
	return redactEnv(f, mask)
}

func onlyCertificates(data []byte) bool {
	const begin, cert = "-----BEGIN ", "-----BEGIN CERTIFICATE-----"
	n := bytes.Count(data, []byte(begin))
	return n > 0 && n == bytes.Count(data, []byte(cert))
}

func redactEnv(f fileset.File, mask func([]byte) string) (string, bool) {
	doc, problems := syntax.ParseEnv(f.Name, f.Data)
	return doc.MapValues(func(l syntax.Line) (string, bool) {
		_, known := Lookup(envFile, "", l.Key)
		return mask([]byte(l.Value)), !known || credentials.MatchString(l.Value)
	}), readable(problems)
}

// redactINI masks the secret keys, in a file for secrets also those that are not known.
func redactINI(f fileset.File, k Kind, mask func([]byte) string) (string, bool) {
	doc, problems := syntax.ParseINI(f.Name, f.Data)
	if hasStrayName(doc, k.Pattern) {
		return "", false
	}
	var comments func(string) string
	if k.Secret { // what was replaced is often left behind as a comment
		comments = maskText(mask)
	}
	return doc.Map(func(l syntax.Line) (string, bool) {
		s, ok := Lookup(k.Pattern, l.Section, l.Key)
		return mask([]byte(l.Value)), s.Secret || k.Secret && !ok || credentials.MatchString(l.Value)
	}, comments), readable(problems)
}

// maskText masks a comment, but for the one that every file of ours begins with.
func maskText(mask func([]byte) string) func(string) string {
	return func(text string) string {
		if "# "+text == Header {
			return text
		}
		return mask([]byte(text))
	}
}

// hasStrayName reports whether a key or section may itself be a secret.
func hasStrayName(doc *syntax.Doc, pattern string) bool {
	for _, l := range doc.Entries() {
		if _, ok := Lookup(pattern, l.Section, l.Key); !ok && MayBeSecret(pattern, l.Key) {
			return true
		}
	}
	for _, l := range doc.Sections() {
		if !sectionsOf(pattern)[l.Section] && MayBeSecret(pattern, l.Section) {
			return true
		}
	}
	return false
}

// readable reports whether every line could be read; a key that is set twice can.
func readable(problems diag.List) bool {
	for _, p := range problems {
		if p.Code == "syntax" {
			return false
		}
	}
	return true
}

var (
	// credentials are a user or password inside a URL.
	credentials = regexp.MustCompile(`://[^/\s"']*@`)
	// natsSecret is a key of nats-server.conf whose value is a secret, in any of its spellings.
	natsSecret = regexp.MustCompile(`(?i)\b(token|pass|password|seed|key_pin|preshared_key|pre_shared_key)["']?(\s*[:=]\s*|\s+)("[^"\n]*"|'[^'\n]*'|[^\s,;{}\]]+)`)
	// natsURL is a URL with credentials.
	natsURL = regexp.MustCompile(`://([^/\s"'@]*)@`)
	// natsComment is the text of a comment. A # or // within a string counts too: a mask too many does no harm.
	natsComment = regexp.MustCompile(`(?m)(?:^|\s)(?:#|//)[ \t]*([^\s\n][^\n]*)$`)
	// natsHidden is where a secret can hide from the other expressions: variables, escapes and blocks of text.
	// What is left of a URL with credentials is one too, with a password that holds @, / or a quote.
	natsHidden = regexp.MustCompile(`[$\\(]|://[^\s]*@[^\s]*@|://[^\s@]*['"/][^\s]*@`)
	// natsSeed is an nkey seed wherever it stands.
	natsSeed = regexp.MustCompile(`\bS[A-Z][A-Z2-7]{56}\b`)
)

// hashes are bcrypt hashes, whose dollars are no variables.
var hashes = regexp.MustCompile(`\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}`)

// redactNATS masks the values of secret keys, credentials in URLs, seeds and comments. A file that may
// hide a secret in another way is masked whole.
func redactNATS(f fileset.File, mask func([]byte) string) (string, bool) {
	if _, problems := natsconf.Parse(f.Name, f.Data); problems.HasErrors() {
		return "", false
	}
	if natsHidden.MatchString(hashes.ReplaceAllString(string(f.Data), "")) {
		return "", false
	}
	text := replaceGroup(natsComment, string(f.Data), 1, func(secret []byte) string { return maskText(mask)(string(secret)) })
	text = replaceGroup(natsSecret, text, 3, mask)
	text = replaceGroup(natsURL, text, 1, mask)
	return replaceGroup(natsSeed, text, 0, mask), true
}

// replaceGroup replaces one group of each match by its mask; quotes around it are no part of the secret.
func replaceGroup(re *regexp.Regexp, text string, group int, mask func([]byte) string) string {
	var b strings.Builder
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		from, to := m[2*group], m[2*group+1]
		b.WriteString(text[last:from] + mask([]byte(strings.Trim(text[from:to], `"'`))))
		last = to
	}
	return b.String() + text[last:]
}
