package webserver

import (
	"math"
	"net/http"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// node is a node as the API shows it.
type node struct {
	Node     string            `json:"node"`
	Version  string            `json:"version"`
	Services []string          `json:"services"`
	Metadata map[string]string `json:"metadata"`
	Load     transporter.Load  `json:"load"`
	Sessions *int              `json:"sessions,omitempty"` // absent from events: only the manager counts
	Drain    bool              `json:"drain"`
	Age      float64           `json:"age_s"` // seconds since its last heartbeat
}

func newNode(b transporter.Beat, age time.Duration) node {
	n := node{
		Node: b.Node, Version: b.Version, Services: list(b.Services), Metadata: b.Metadata,
		Load: b.Load, Drain: b.Drain, Age: math.Round(max(age, 0).Seconds()*10) / 10,
	}
	if n.Metadata == nil {
		n.Metadata = map[string]string{}
	}
	return n
}

// nodeConfig is a node's configuration as the API shows it.
type nodeConfig struct {
	Node       string    `json:"node"`
	Version    string    `json:"version"`
	Generation int       `json:"generation"`
	Digest     string    `json:"digest"`
	Accepted   bool      `json:"accepted"`
	Problems   diag.List `json:"problems"`
	Since      time.Time `json:"since"`
	Shared     string    `json:"shared"`
}

func newNodeConfig(n transporter.Node) nodeConfig {
	c := n.Config
	return nodeConfig{n.Node, n.Version, c.Generation, c.Digest, c.Accepted, diag.List(list(c.Problems)), c.Since, c.Shared}
}

func (w *Webserver) listNodes(rw http.ResponseWriter, r *http.Request, who *caller) error {
	known, err := w.as(who).Nodes(r.Context(), transporter.ActNodes)
	if err != nil {
		return err
	}
	nodes := make([]node, len(known))
	for i, n := range known {
		nodes[i] = newNode(n.Beat, w.o.Now().Sub(n.Heard))
		nodes[i].Sessions = &n.Sessions
	}
	return writeJSON(rw, http.StatusOK, struct {
		Nodes []node `json:"nodes"`
	}{nodes})
}

func (w *Webserver) config(rw http.ResponseWriter, r *http.Request, who *caller) error {
	known, err := w.as(who).Nodes(r.Context(), transporter.ActConfig)
	if err != nil {
		return err
	}
	nodes := make([]nodeConfig, len(known))
	for i, n := range known {
		nodes[i] = newNodeConfig(n)
	}
	return writeJSON(rw, http.StatusOK, struct {
		Nodes []nodeConfig `json:"nodes"`
	}{nodes})
}

// drain keeps new sessions away from a node, or with DELETE lets them come again.
func (w *Webserver) drain(rw http.ResponseWriter, r *http.Request, who *caller) error {
	on := r.Method == http.MethodPost
	name, err := nodeName(r.PathValue("node"))
	if err != nil {
		return err
	}
	if err := w.as(who).Drain(r.Context(), name, on); err != nil {
		return err
	}
	return writeJSON(rw, http.StatusOK, struct {
		Node  string `json:"node"`
		Drain bool   `json:"drain"`
	}{name, on})
}
