// Package diag holds one diagnostic (what is wrong, where, and what to do) and lists of them.
//
// Every part of the project that judges a file speaks in these values, so that
// fastxctl, the log, the page, the HTTP API, Terraform, Ansible and Puppet all
// show the same sentence:
//
//	file:line:col: key: what is wrong; what to do
//
// A diagnostic never holds a secret: the code that builds one names the key, not its value.
package diag

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Severity tells whether a problem stops a configuration from being accepted.
type Severity string

const (
	// Error stops the object it stands in from being accepted.
	Error Severity = "error"
	// Warning is worth a look but changes nothing.
	Warning Severity = "warning"
)

// Diagnostic is one problem at one place. The JSON form is the one that the
// HTTP API and fastxctl --json print.
type Diagnostic struct {
	File     string   `json:"file"` // relative to FX_CONFIG_DIR, or absolute when it lies outside; "" when no file is to blame
	Line     int      `json:"line"` // 1-based; 0 when the whole file is meant
	Col      int      `json:"col"`  // 1-based, in bytes; 0 when unknown
	Key      string   `json:"key"`  // as the user types it, with its section: "transporter.urls"; "" when no key is meant
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`    // stable, machine readable: "unknown-key"
	Summary  string   `json:"summary"` // what is wrong, lower case, without a final stop
	Remedy   string   `json:"remedy"`  // what to do
}

// String prints the one-line form: file:line:col: key: summary; remedy.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.File)
		if d.Line > 0 {
			fmt.Fprintf(&b, ":%d", d.Line)
			if d.Col > 0 {
				fmt.Fprintf(&b, ":%d", d.Col)
			}
		}
		b.WriteString(": ")
	}
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	if d.Key != "" {
		b.WriteString(d.Key + ": ")
	}
	b.WriteString(d.Summary)
	if d.Remedy != "" {
		b.WriteString("; " + d.Remedy)
	}
	return b.String()
}

// List is a set of diagnostics. The zero value is empty and ready to use.
type List []Diagnostic

// Sort puts the list into file order: file, line, column, then key and code,
// so that the same input always prints the same text.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(
			strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			strings.Compare(a.Key, b.Key), strings.Compare(a.Code, b.Code), strings.Compare(a.Summary, b.Summary))
	})
}

// HasErrors reports whether any diagnostic is an Error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Of returns the diagnostics of one severity, in their order.
func (l List) Of(s Severity) List {
	var out List
	for _, d := range l {
		if d.Severity == s {
			out = append(out, d)
		}
	}
	return out
}

// MarshalJSON prints a JSON array, which is empty and never null when there are no problems.
func (l List) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]Diagnostic(l))
}

// Text prints one diagnostic a line, each ended by a newline.
func (l List) Text() string {
	var b strings.Builder
	for _, d := range l {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}

// Counts prints "2 errors, 1 warning", naming only what there is.
func (l List) Counts() string {
	var parts []string
	for _, s := range []Severity{Error, Warning} {
		switch n := len(l.Of(s)); n {
		case 0:
		case 1:
			parts = append(parts, "1 "+string(s))
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, s))
		}
	}
	if len(parts) == 0 {
		return "no problems"
	}
	return strings.Join(parts, ", ")
}

// Err returns nil when the list holds no errors, else an error that prints all of them.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return listError{l.Of(Error)}
}

type listError struct{ list List }

func (e listError) Error() string { return strings.TrimSuffix(e.list.Text(), "\n") }
