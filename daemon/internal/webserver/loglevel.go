package webserver

import (
	"cmp"
	"net/http"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// nodeLevels are a node's log levels as loglevel.ini gives them; "" is as "**" says.
type nodeLevels struct {
	Node   string            `json:"node"`
	Levels map[string]string `json:"levels"`
}

func newNodeLevels(n transporter.Node) nodeLevels {
	l := nodeLevels{n.Node, n.Levels}
	if l.Levels == nil {
		l.Levels = map[string]string{} // a node of an older version says nothing
	}
	return l
}

func (w *Webserver) logLevels(rw http.ResponseWriter, r *http.Request, who *caller) error {
	known, err := w.as(who).Nodes(r.Context(), transporter.ActConfig)
	if err != nil {
		return err
	}
	nodes := make([]nodeLevels, len(known))
	for i, n := range known {
		nodes[i] = newNodeLevels(n)
	}
	return writeJSON(rw, http.StatusOK, struct {
		Nodes []nodeLevels `json:"nodes"`
	}{nodes})
}

// setLogLevel has a node, this one unless another is named, write levels into loglevel.ini.
func (w *Webserver) setLogLevel(rw http.ResponseWriter, r *http.Request, who *caller) error {
	var body struct {
		Node   string            `json:"node"`
		Levels map[string]string `json:"levels"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	node, err := nodeName(cmp.Or(body.Node, w.node()))
	if err != nil {
		return err
	}
	reply, err := w.as(who).SetLogLevel(r.Context(), node, body.Levels)
	if err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, struct {
		Node string `json:"node"`
		transporter.LogLevelReply
	}{node, reply})
}
