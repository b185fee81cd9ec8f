package webserver

import (
	"net/http"
	"strconv"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// What a request may ask for at most.
const (
	maxNodeName   = 253 // bytes; a host's name has no more
	maxGeneration = 1 << 30
	defaultPage   = 50
	maxPage       = 200
)

// nodeName is a node's name out of a path or a query; what cannot be one is not asked about.
func nodeName(name string) (string, error) {
	if name == "" || len(name) > maxNodeName {
		return "", transporter.Errorf(transporter.NotFound, "there is no node %q", clip(name, 80))
	}
	return name, nil
}

// number reads a number that a request says, from 1 to most; "" is otherwise.
func number(name, text string, otherwise, most int) (int, error) {
	if text == "" && otherwise > 0 {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, transporter.Errorf(transporter.Invalid, "%q has to be a number from 1 to %d", name, most)
	}
	return n, nil
}

// historyQuery is which page of which node's history a request asks for.
type historyQuery struct {
	node          string
	before, limit int // before 0: from the newest on
}

func readHistoryQuery(r *http.Request) (q historyQuery, err error) {
	values := r.URL.Query()
	if q.node, err = nodeName(r.PathValue("node")); err != nil {
		return q, err
	}
	if values.Get("before") != "" {
		if q.before, err = number("before", values.Get("before"), 0, maxGeneration); err != nil {
			return q, err
		}
	}
	q.limit, err = number("limit", values.Get("limit"), defaultPage, maxPage)
	return q, err
}

func (w *Webserver) history(rw http.ResponseWriter, r *http.Request, who *caller) error {
	q, err := readHistoryQuery(r)
	if err != nil {
		return err
	}
	page, err := w.as(who).History(r.Context(), q.node, q.before, q.limit)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, struct {
		Node        string                   `json:"node"`
		Generations []transporter.Generation `json:"generations"`
		More        bool                     `json:"more"`
	}{q.node, list(page.Generations), page.More})
}

func (w *Webserver) generation(rw http.ResponseWriter, r *http.Request, who *caller) error {
	g, err := w.generationOf(r, who)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, struct {
		Node string `json:"node"`
		transporter.Generation
		Files []transporter.GenerationFile `json:"files"`
	}{r.PathValue("node"), g.Generation, list(g.Files)})
}

// generationOf is the generation that a path names, of the node that it names.
func (w *Webserver) generationOf(r *http.Request, who *caller) (transporter.GenerationReply, error) {
	node, err := nodeName(r.PathValue("node"))
	if err != nil {
		return transporter.GenerationReply{}, err
	}
	n, err := number("generation", r.PathValue("generation"), 0, maxGeneration)
	if err != nil {
		return transporter.GenerationReply{}, err
	}
	g, err := w.as(who).Generation(r.Context(), node, n)
	g.Changed = list(g.Changed)
	return g, err
}

// comparison is how two generations of a node differ.
type comparison struct {
	Node  string                 `json:"node"`
	From  int                    `json:"from"`
	To    int                    `json:"to"`
	Files []transporter.FileDiff `json:"files"`
}

func (w *Webserver) diff(rw http.ResponseWriter, r *http.Request, who *caller) error {
	c, err := w.compare(r, who)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, c)
}

func (w *Webserver) compare(r *http.Request, who *caller) (c comparison, err error) {
	values := r.URL.Query()
	if c.Node, err = nodeName(r.PathValue("node")); err != nil {
		return c, err
	}
	if c.From, err = number("from", values.Get("from"), 0, maxGeneration); err != nil {
		return c, err
	}
	if c.To, err = number("to", values.Get("to"), 0, maxGeneration); err != nil {
		return c, err
	}
	files, err := w.as(who).Diff(r.Context(), c.Node, c.From, c.To)
	c.Files = list(files)
	return c, err
}
