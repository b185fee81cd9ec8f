package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
)

// UnmarshalJSON reads the form of a file that the vectors have; GRAMMAR.md states it. What it does not know is an error.
func (f *File) UnmarshalJSON(data []byte) error {
	var v struct {
		Path     string           `json:"path"`
		Kind     string           `json:"kind"`
		Mode     string           `json:"mode"` // octal
		Comment  string           `json:"comment"`
		Settings Settings         `json:"settings"`
		NATS     *natsconf.Config `json:"nats"`
		Content  *string          `json:"content"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return err
	}
	*f = File{Path: v.Path, Kind: v.Kind, Comment: v.Comment, Settings: v.Settings, NATS: v.NATS}
	if v.Content != nil {
		f.Content = []byte(*v.Content)
	}
	if v.Mode == "" {
		return nil
	}
	mode, err := strconv.ParseUint(v.Mode, 8, 16)
	if err != nil {
		return fmt.Errorf("%s: %q is not a mode; write it in octal, such as 0640", v.Path, v.Mode)
	}
	f.Mode = fs.FileMode(mode)
	return nil
}
