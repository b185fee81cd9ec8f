package admin

import (
	"context"
	"net/http"
	"strconv"
)

// RollbackRequest asks a node to write the files of a generation back into FX_CONFIG_DIR.
type RollbackRequest struct {
	Generation  int    `json:"-"`            // the path says it
	DryRun      bool   `json:"dry_run"`      // only say what would be done
	KeepSecrets bool   `json:"keep_secrets"` // leave secrets that differ as they are now
	Origin      string `json:"origin"`       // who asked, for the history
}

// RollbackReport is what a rollback did, or would do.
type RollbackReport struct {
	Generation  int           `json:"generation"`   // the one that was gone back to
	Files       []FileDiff    `json:"files"`        // from what they were, secrets masked
	KeptSecrets []string      `json:"kept_secrets"` // those that differ and stay: "transporter-secret.ini: user.seed"
	Left        []string      `json:"left"`         // files that differ and that the history does not bring back
	Reload      *ReloadReport `json:"reload,omitempty"`
}

// rollback answers with what became of it. Without an origin it is the peer's own.
func (s *Server) rollback(r *http.Request) (any, error) {
	n, err := number(r.PathValue("generation"))
	if err != nil {
		return nil, err
	}
	var req RollbackRequest
	if err := readJSON(r, &req); err != nil {
		return nil, err
	}
	if req.Origin == "" {
		req.Origin, _ = s.actingUser(r) // a uid without a name goes unnamed
	}
	req.Generation = n
	return s.node.Rollback(r.Context(), req)
}

// Rollback has the node write the files of a generation back, or say what that would do.
func (c *Client) Rollback(ctx context.Context, r RollbackRequest) (RollbackReport, error) {
	return call[RollbackReport](ctx, c, http.MethodPost, "/v1/config/"+strconv.Itoa(r.Generation)+"/rollback", r)
}
