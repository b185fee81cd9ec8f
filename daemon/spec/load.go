package spec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// format is Format as text, so that a test can build a program of another one:
// -ldflags "-X github.com/fastx-kit/fastx-kit/daemon/spec.format=2".
var format = "1"

// Format is the newest format of a tree (FX_FORMAT) that this version knows.
var Format = formatOf(format)

// formatOf reads the format that a program was built with. A program that does not know its own must not judge a tree.
func formatOf(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("this program was built with the format %q; formats are whole numbers from 1 on", text))
	}
	return n
}

// Input is all that a node's configuration depends on.
type Input struct {
	Set       fileset.Set       // the files of FX_CONFIG_DIR, and under their absolute names the node file, the package's defaults and what References names
	Environ   map[string]string // the process environment
	Dirs      Dirs
	NodeFile  string // the node file's name in the set; "" = none
	Defaults  string // the name of the package's defaults.env in the set; "" = none
	Hostname  string // the node's name where FX_NODE_NAME gives none
	Format    int    // the newest format this node knows; 0 = Format
	DaemonUID int
	DaemonGID int
	Machine   *Machine // where the directories lie; nil = not known, and they are not judged
	Nodes     int      // how many nodes the cluster has; 0 = not known, and many are assumed

	// Alone says that the set is one file without the tree that it belongs to, so that what it says of
	// other files, and what others have to say first, is not judged.
	Alone bool

	// Away says that the files outside the tree, which keys name, are not at hand: they lie on the machines that the tree is
	// for. So what is wrong with them is not judged, nor whether they are there.
	Away bool

	Memo *Memo // remembers from one set to the next how files were parsed; nil = nothing does
}

// Load says what the files mean and everything that is wrong with them, in file order.
//
// It touches nothing but its input. The Config is complete even when there are errors: what
// cannot be used keeps its default, and an error stands under the file
// that is to blame, so that a caller may hold back single objects.
//
//  1. The environment comes first: it says which format the tree has and which files count.
//  2. Every file's name, readability, emptiness and owner are checked.
//  3. Each file is read into its part of the Config.
//  4. What files say about each other, and about the machine, is checked.
func Load(in Input) (*Config, diag.List) {
	if in.Format == 0 {
		in.Format = Format
	}
	l := &loader{in: in, cfg: &Config{}, docs: map[string]*syntax.Doc{}, origins: map[string]origin{}}
	l.environment() // 1
	l.checkFiles()  // 2
	l.transporter() // 3
	l.nats()
	l.profiles()
	l.apps()
	l.permissions()
	l.htpasswd()
	l.accounts()
	l.pam()
	l.https()
	l.authSSH()
	l.logLevel()
	l.theme()
	l.pages()
	l.headers()
	l.icons()
	l.removed()
	l.others()
	l.checkApps() // 4
	l.checkOpens()
	l.checkScripts()
	l.checkPlace()
	l.problems.Sort()
	in.Memo.keep(in.Set.Names())
	return l.cfg, l.problems
}

// loader carries what one Load has gathered.
type loader struct {
	in       Input
	cfg      *Config
	docs     map[string]*syntax.Doc // by file name
	origins  map[string]origin      // by environment key: the strongest file that sets it
	problems diag.List
	lenient  bool // the tree is of a newer format: unknown keys only warn
}

// away reports whether files outside the tree are not to be judged.
func (l *loader) away() bool { return l.in.Alone || l.in.Away }

func (l *loader) add(problems ...diag.Diagnostic) { l.problems = append(l.problems, problems...) }

// at reports a problem with a line of a file; with the zero Line, with the whole file.
func (l *loader) at(file string, line syntax.Line, s diag.Severity, code, key, summary, remedy string) {
	l.add(diag.Diagnostic{File: file, Line: line.Num, Col: line.Col, Key: key,
		Severity: s, Code: code, Summary: summary, Remedy: remedy})
}

// read parses a file that is in the set. Each file is read once.
func (l *loader) read(name string, parse func(string, []byte) (*syntax.Doc, diag.List)) (*syntax.Doc, bool) {
	f, ok := l.in.Set.Lookup(name)
	if !ok || f.Err != nil {
		return &syntax.Doc{Name: name}, false
	}
	if doc, ok := l.docs[name]; ok {
		return doc, true
	}
	doc, problems := l.in.Memo.parse(name, f.Data, parse)
	l.add(l.discreet(name, problems)...)
	l.docs[name] = doc
	return doc, true
}

// discreet blanks the names of keys and sections that may themselves be secrets, pasted in the wrong place.
func (l *loader) discreet(file string, problems diag.List) diag.List {
	pattern := file
	if file == l.cfg.Env.TransporterSecret {
		pattern = transporterFile
	}
	for i, p := range problems {
		section, key := "", p.Key
		if at := strings.LastIndexByte(p.Key, '.'); at >= 0 {
			section, key = p.Key[:at], p.Key[at+1:]
		}
		_, known := Lookup(pattern, section, key)
		if !known && !sectionsOf(pattern)[p.Key] && (MayBeSecret(pattern, key) || MayBeSecret(pattern, section)) {
			problems[i].Key = ""
		}
	}
	return problems
}

// logLevel reads loglevel.ini.
func (l *loader) logLevel() {
	l.cfg.LogLevel = LogLevel{"**": "info"}
	l.decode(logLevelFile, logLevelFile, &l.cfg.LogLevel)
}

// removed reads removed.ini.
func (l *loader) removed() {
	doc := l.decode(removedFile, removedFile, &l.cfg.Removed)
	line := find(doc, "removed", "files")
	for _, name := range l.cfg.Removed {
		if _, there := l.in.Set.Lookup(name); there {
			l.at(removedFile, line, diag.Error, "removed-is-there", "removed.files",
				fmt.Sprintf("%s is said to be gone and is there", show(name)), "remove the file, or its name here")
		}
		if _, known := KindOf(name); !known {
			l.at(removedFile, line, diag.Warning, "unknown-file", "removed.files",
				fmt.Sprintf("%s is no file of this configuration", show(name)), didYouMean(name, SecurityFiles(), "remove its name here"))
		}
	}
}

// others reads the files that this version does not act on, for what is wrong in them all the same.
func (l *loader) others() {
	for _, f := range l.in.Set.Files() {
		k, known := KindOf(f.Name)
		if !known || k.Acted {
			continue
		}
		if k.Dialect == DialectINI {
			l.decode(f.Name, k.Pattern, nil)
		}
		l.at(f.Name, syntax.Line{}, diag.Warning, "not-acted-on", "", "is not acted on by this version yet", "it may stay")
	}
}
