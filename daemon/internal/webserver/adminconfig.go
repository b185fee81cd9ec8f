package webserver

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

type configPage struct {
	frame
	State  configState
	Levels []levelGroup
	Names  []string // of the levels
	MaySet bool
}

// configState is what configuration each node runs, and what is wrong with it.
type configState struct {
	*words
	Base     string
	Nodes    []configNode
	Problems []problemView
	Differ   bool // nodes run different files
	Rejected int
}

// configNode is one node's part of it.
type configNode struct {
	nodeConfig
	Odd              bool // it runs other files than most nodes do
	Errors, Warnings int
}

// problemView is a problem with the nodes that have it; All when every node has.
type problemView struct {
	diag.Diagnostic
	Nodes []string
	All   bool
}

// levelGroup are nodes that log alike.
type levelGroup struct {
	Nodes      []string
	Writer     string // the node that is to write the file
	Components []levelRow
	Text       string // what loglevel.ini says, or would
}

type levelRow struct{ Component, Level string }

func (w *Webserver) configPage(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	nodes, err := w.as(who).Nodes(r.Context(), transporter.ActConfig)
	if err != nil {
		return err
	}
	f := w.frame(r, "", "config.js", who)
	f.Title = f.T("nav.config")
	return w.render(rw, http.StatusOK, "admin-config.html", configPage{
		f, newConfigState(f.words, f.Base, nodes), w.levelGroups(nodes), []string{"debug", "info", "warn", "error"}, who.may(transporter.ActLogLevel),
	})
}

func (w *Webserver) configState(r *http.Request, who *caller) (configState, error) {
	nodes, err := w.as(who).Nodes(r.Context(), transporter.ActConfig)
	return newConfigState(w.page.wordsFor(r), w.base(), nodes), err
}

func newConfigState(texts *words, base string, nodes []transporter.Node) configState {
	s := configState{words: texts, Base: base}
	most := mostRun(nodes)
	for _, n := range nodes {
		c := configNode{nodeConfig: newNodeConfig(n), Odd: n.Config.Shared != "" && n.Config.Shared != most}
		s.Differ = s.Differ || c.Odd
		if !c.Accepted {
			s.Rejected++
		}
		for _, p := range c.Problems {
			if p.Severity == diag.Error {
				c.Errors++
			} else {
				c.Warnings++
			}
		}
		s.Nodes = append(s.Nodes, c)
	}
	s.Problems = problemsOf(nodes)
	return s
}

// mostRun is the digest of the files that most nodes run; of equally many the one of the first by name. A node
// of an older version does not say.
func mostRun(nodes []transporter.Node) string {
	count, best := map[string]int{}, ""
	for _, n := range nodes {
		count[n.Config.Shared]++
	}
	for _, n := range nodes {
		if n.Config.Shared != "" && (best == "" || count[n.Config.Shared] > count[best]) {
			best = n.Config.Shared
		}
	}
	return best
}

// problemsOf lists each problem once, errors first, with the nodes that have it.
func problemsOf(nodes []transporter.Node) []problemView {
	var out []problemView
	at := map[diag.Diagnostic]int{}
	for _, n := range nodes {
		for _, p := range n.Config.Problems {
			i, known := at[p]
			if !known {
				i, at[p] = len(out), len(out)
				out = append(out, problemView{Diagnostic: p})
			}
			out[i].Nodes = append(out[i].Nodes, n.Node)
		}
	}
	for i := range out {
		out[i].All = len(out[i].Nodes) == len(nodes)
	}
	slices.SortStableFunc(out, func(a, b problemView) int {
		return cmp.Or(severity(a)-severity(b), strings.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col)
	})
	return out
}

func severity(p problemView) int {
	if p.Severity == diag.Error {
		return 0
	}
	return 1
}

// Where is file:line:col, as far as it is known.
func (p problemView) Where() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
}

// levelGroups puts nodes together that log alike: on one share that is all of them.
func (w *Webserver) levelGroups(nodes []transporter.Node) []levelGroup {
	var out []levelGroup
	at := map[string]int{}
	for _, n := range nodes {
		if len(n.Levels) == 0 {
			continue // an older version, which does not say
		}
		text := levelText(n.Levels)
		i, known := at[text]
		if !known {
			i, at[text] = len(out), len(out)
			out = append(out, levelGroup{Writer: n.Node, Text: text})
		}
		out[i].add(n, w.node())
	}
	return out
}

// add joins a node. The file is written by this node where it is one of the group.
func (g *levelGroup) add(n transporter.Node, this string) {
	g.Nodes = append(g.Nodes, n.Node)
	if n.Node == this {
		g.Writer = this
	}
	for _, c := range slices.Sorted(maps.Keys(n.Levels)) {
		if !slices.ContainsFunc(g.Components, func(r levelRow) bool { return r.Component == c }) {
			g.Components = append(g.Components, levelRow{c, n.Levels[c]})
		}
	}
	slices.SortFunc(g.Components, func(a, b levelRow) int { return strings.Compare(a.Component, b.Component) })
}

// levelText is what loglevel.ini has to say for these levels.
func levelText(levels map[string]string) string {
	var b strings.Builder
	for _, c := range slices.Sorted(maps.Keys(levels)) {
		if levels[c] != "" {
			fmt.Fprintf(&b, "%s = %s\n", c, levels[c])
		}
	}
	return b.String()
}

type historyPage struct {
	frame
	Of          string // the node
	Before      int    // 0: from the newest on
	Generations []transporter.Generation
	Older       int // the generation before which the next page begins, 0 for none
}

func (w *Webserver) historyPage(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	q, err := readHistoryQuery(r)
	if err != nil {
		return err
	}
	page, err := w.as(who).History(r.Context(), q.node, q.before, q.limit)
	if err != nil {
		return err
	}
	p := historyPage{frame: w.frame(r, q.node, "history.js", who), Of: q.node, Before: q.before, Generations: page.Generations}
	if page.More && len(page.Generations) > 0 {
		p.Older = page.Generations[len(page.Generations)-1].Generation
	}
	return w.render(rw, http.StatusOK, "admin-history.html", p)
}

type generationPage struct {
	frame
	Of string
	transporter.GenerationReply
}

func (w *Webserver) generationPage(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	g, err := w.generationOf(r, who)
	if err != nil {
		return err
	}
	f := w.frame(r, "", "history.js", who)
	f.Title = f.T("generation", g.Generation.Generation, r.PathValue("node"))
	return w.render(rw, http.StatusOK, "admin-generation.html", generationPage{f, r.PathValue("node"), g})
}

// Has reports whether a file was changed by the generation.
func (p generationPage) Has(name string) bool { return slices.Contains(p.Changed, name) }

type diffPage struct {
	frame
	Of       string
	From, To int
	Files    []fileDiff
}

// fileDiff is how one file differs, line by line.
type fileDiff struct {
	transporter.FileDiff
	Lines []diffLine
}

// diffLine is a line of a unified diff and what it is: "added", "removed", "place" or "".
type diffLine struct{ Kind, Text string }

func (w *Webserver) diffPage(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	c, err := w.compare(r, who)
	if err != nil {
		return err
	}
	p := diffPage{frame: w.frame(r, "", "history.js", who), Of: c.Node, From: c.From, To: c.To}
	p.Title = p.T("diff", c.From, c.To, c.Node)
	for _, f := range c.Files {
		p.Files = append(p.Files, fileDiff{f, diffLines(f.Diff)})
	}
	return w.render(rw, http.StatusOK, "admin-diff.html", p)
}

// diffLines takes a unified diff apart, without its head, which says again which file it is.
func diffLines(diff string) []diffLine {
	var out []diffLine
	inside := false
	for line := range strings.Lines(diff) {
		inside = inside || strings.HasPrefix(line, "@@") || strings.HasPrefix(line, "Binary ")
		if !inside {
			continue
		}
		kind := map[byte]string{'+': "added", '-': "removed", '@': "place"}[line[0]]
		out = append(out, diffLine{kind, strings.TrimSuffix(line, "\n")})
	}
	return out
}
