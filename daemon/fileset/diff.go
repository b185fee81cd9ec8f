package fileset

// Op says what became of a file between two sets.
type Op string

// The three things that can become of a file.
const (
	Added   Op = "added"
	Removed Op = "removed"
	Changed Op = "changed"
)

// Change is one file that differs between two sets.
type Change struct {
	Name string
	Op   Op
}

// String prints "apps/xterm.ini added".
func (c Change) String() string { return c.Name + " " + string(c.Op) }

// Diff returns what has to happen to s to make it other, sorted by name.
func (s Set) Diff(other Set) []Change {
	var out []Change
	a, b := s.files, other.files
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			out = append(out, Change{a[0].Name, Removed})
			a = a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			out = append(out, Change{b[0].Name, Added})
			b = b[1:]
		default:
			if !a[0].Equal(b[0]) {
				out = append(out, Change{a[0].Name, Changed})
			}
			a, b = a[1:], b[1:]
		}
	}
	return out
}
