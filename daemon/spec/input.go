package spec

import (
	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// Load is the package's Load for one more set of the same node.
func (in Input) Load(set fileset.Set) (*Config, diag.List) {
	in.Set = set
	return Load(in)
}

// ReferencesOf is References for one more set of the same node.
func (in Input) ReferencesOf(set fileset.Set) []string {
	in.Set = set
	return in.References()
}
