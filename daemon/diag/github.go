package diag

import (
	"fmt"
	"strings"
)

// GitHub prints the diagnostic as a workflow command, from which GitHub makes an annotation at the line:
//
//	::error file=apps/xterm.ini,line=2,col=1,title=unknown-key::apps/xterm.ini:2:1: comand: …
//
// The message begins with the place, since the log of a workflow shows nothing else. Whatever stands
// in a diagnostic, it ends neither the command nor a property.
func (d Diagnostic) GitHub() string {
	var props []string
	add := func(name, value string) {
		if value != "" {
			props = append(props, name+"="+propertyEscapes.Replace(value))
		}
	}
	add("file", d.File)
	if d.File != "" && d.Line > 0 {
		add("line", fmt.Sprint(d.Line))
		if d.Col > 0 {
			add("col", fmt.Sprint(d.Col))
		}
	}
	add("title", d.Code)
	return "::" + string(d.Severity) + " " + strings.Join(props, ",") + "::" + messageEscapes.Replace(d.String())
}

// The escapes of @actions/core, which the runner takes back.
var (
	messageEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
