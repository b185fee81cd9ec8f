package daemon

import (
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// TestARestartIsWaitedForAsTheTableSays changes each environment key in the node file: a node says that it waits for a
// restart exactly where the settings table does.
func TestARestartIsWaitedForAsTheTableSays(t *testing.T) {
	t.Parallel()
	p, err := placeIn(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.nodeFile = defaultNode
	for _, s := range spec.SettingsOf("fastx.env") {
		value := "elsewhere"
		if s.Type == spec.TypePath {
			value = "/elsewhere"
		}
		set := fileset.New(fileset.File{Name: p.nodeFile, Data: []byte(s.Key + "=" + value + "\n")})
		waits := p.waits(nil, set)
		if want := s.Reload == spec.RestartProcess; want != (len(waits) > 0) || want && waits[0].Key != s.Key {
			t.Errorf("%s is of the class %s, and the node waits for %v", s.Key, s.Reload, waits)
		}
	}
}
