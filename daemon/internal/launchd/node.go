package launchd

import (
	"os"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// NodeName is this node's name as its node file has it now, else the host's name: what fastxd takes for it. It
// is asked for anew each time, since a node may be renamed while sessions run.
func NodeName(nodeFile string) string {
	data, _ := fileset.ReadFile(nodeFile)
	doc, _ := syntax.ParseEnv(nodeFile, data)
	name, _ := os.Hostname()
	for _, line := range doc.Entries() {
		if line.Key == "FX_NODE_NAME" && line.Value != "" {
			name = line.Value
		}
	}
	return name
}
