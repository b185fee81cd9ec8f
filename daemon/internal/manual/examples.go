package manual

import (
	"embed"
	"io/fs"
	"path"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// examples is a configuration with a file of each kind that has a form. Where secrets of one's own
// have to be written, SEED, PUBLIC_KEY, HASH and thisisasecret stand, which the checker refuses.
//
//go:embed all:examples
var examples embed.FS

// Example returns the example of a kind of file: its name and its text. There is none for a file that is taken as
// it is and not acted on.
func Example(k spec.Kind) (name, text string) {
	all, err := fs.Sub(examples, "examples")
	if err != nil {
		panic(err) // the name is a constant
	}
	_ = fs.WalkDir(all, ".", func(at string, d fs.DirEntry, err error) error {
		if ok, _ := path.Match(k.Pattern, at); err != nil || !ok || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(all, at)
		name, text = at, string(data)
		return err
	})
	return name, text
}
