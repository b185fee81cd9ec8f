// Package generation holds an accepted configuration and the keeper that accepts or rejects one.
package generation

import (
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Generation is one accepted configuration. It is immutable: services hold on
// to the one they were given and swap the pointer when a new one is committed.
type Generation struct {
	Number   int          // counts up on this node, over restarts too
	Digest   string       // of the effective set, "sha256:…"
	Origin   string       // who asked: "start", "watch", "hangup", "cluster", or a name given to fastxctl reload --origin
	Accepted time.Time    // when
	Config   *spec.Config // what it means
	Set      fileset.Set  // the effective files: an object held back stands here as it last was good
	Problems diag.List    // warnings, and errors of objects held back
	HeldBack []string     // files of the objects held back
	LeftOut  []string     // those of them that do not even have a last good file
}

// OriginLastGood is the origin of a generation that runs because the files at hand are broken.
const OriginLastGood = "last-good"

// OriginUnknown is the origin of a generation that somebody asked for without saying who.
const OriginUnknown = "unknown"

// Status is what a node tells others of its configuration.
type Status struct {
	Generation int       `json:"generation"`          // the one that runs
	Digest     string    `json:"digest"`              // of what was last seen, accepted or not
	Accepted   bool      `json:"accepted"`            // whether what was last seen is what runs
	Problems   diag.List `json:"problems"`            // of what was last seen
	Since      time.Time `json:"since"`               // when the running generation was accepted
	Rejected   time.Time `json:"rejected,omitzero"`   // since when the files at hand are not what runs; zero while they are
	HeldBack   []string  `json:"held_back,omitempty"` // files of objects that run as they last were good, or not at all
	LeftOut    []string  `json:"left_out,omitempty"`  // those of them that do not run at all
}
