package generation

import (
	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// Probe judges a set as Offer would and changes nothing: what is wrong with it, and whether it would be accepted,
// be it with objects held back. Whether the services could take it is not known before they are asked.
func (k *Keeper) Probe(set fileset.Set) (problems diag.List, accepted bool) {
	j := k.judge(set)
	return j.problems, j.accepted
}
