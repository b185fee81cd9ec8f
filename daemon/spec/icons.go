package spec

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"path"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// MaxIcon is the most bytes of one icon.
const MaxIcon = 128 << 10

// icons takes over the files of icons/ that are pictures. What is none is left out, whatever it
// is called: a link in that folder may lead anywhere.
func (l *loader) icons() {
	for _, f := range l.in.Set.Files() {
		dir, base := path.Split(f.Name)
		if dir != "icons/" || f.Err != nil {
			continue
		}
		kind, problem := iconType(f)
		if problem != "" {
			l.at(f.Name, syntax.Line{}, diag.Warning, "no-icon", "", problem, "replace it by a small .png or .svg, or move it away")
			continue
		}
		l.cfg.Icons = append(l.cfg.Icons, Icon{Name: base, Type: kind, Data: f.Data})
	}
}

// iconType says what kind of picture a file is, or why it is none.
func iconType(f fileset.File) (kind, problem string) {
	switch ext := path.Ext(f.Name); {
	case len(f.Data) > MaxIcon:
		return "", fmt.Sprintf("is larger than %d KiB and is not shown", MaxIcon>>10)
	case ext == ".png" && bytes.HasPrefix(f.Data, []byte("\x89PNG\r\n\x1a\n")):
		return "image/png", ""
	case ext == ".svg" && isSVG(f.Data):
		return "image/svg+xml", ""
	case ext == ".png" || ext == ".svg":
		return "", "is not the " + ext[1:] + " picture that its name says and is not shown"
	default:
		return "", "is neither .png nor .svg and is not shown"
	}
}

// isSVG reports whether the document's first element is an svg.
func isSVG(data []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if start, ok := token.(xml.StartElement); ok {
			return start.Name.Local == "svg"
		}
	}
}
