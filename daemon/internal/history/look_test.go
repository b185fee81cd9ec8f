package history

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// threeGenerations is a history of an application that comes, a change outside, and its end.
func threeGenerations(t *testing.T) *History {
	t.Helper()
	h := open(t, filepath.Join(t.TempDir(), "history"), 0, &bytes.Buffer{})
	record(t, h, gen(1, "start", "fastx.env", "A=1\n", "keys.ini", "secret = one\n"))
	record(t, h, gen(2, "ann", "fastx.env", "A=1\n", "apps/x.ini", "name = X\n", "keys.ini", "secret = two\n"))
	record(t, h, gen(3, "bob", "fastx.env", "A=2\n", "keys.ini", "secret = two\n", "/etc/default/fastx4", "SERVICES=user\n"))
	return h
}

func numbers(page []Entry) (out []int) {
	for _, e := range page {
		out = append(out, e.Generation)
	}
	return out
}

func TestTheHistoryIsReadInPages(t *testing.T) {
	t.Parallel()
	h := threeGenerations(t)
	for _, c := range []struct {
		before, n int
		want      []int
		more      bool
	}{
		{0, 0, []int{3, 2, 1}, false}, {0, 2, []int{3, 2}, true}, {2, 2, []int{1}, false}, {3, 1, []int{2}, true},
		{1, 5, nil, false}, {99, 5, nil, false}, {-1, 5, nil, false},
	} {
		page, more, err := h.Page(c.before, c.n)
		if got := numbers(page); err != nil || !slices.Equal(got, c.want) || more != c.more {
			t.Errorf("%d before %d: %v, more %v, %v; want %v, more %v", c.n, c.before, got, more, err, c.want, c.more)
		}
	}
	page, _, err := h.Page(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"/etc/default/fastx4", "apps/x.ini", "fastx.env"}, {"apps/x.ini", "keys.ini"}, {"fastx.env", "keys.ini"}} {
		if !slices.Equal(page[i].Changed, want) {
			t.Errorf("generation %d changed %q, want %q", page[i].Generation, page[i].Changed, want)
		}
	}
	if page[0].Origin != "bob" || page[0].When.Second() != 3 {
		t.Errorf("the newest is %+v", page[0])
	}
}

func TestAGenerationShowsItsFilesWithoutSecrets(t *testing.T) {
	t.Parallel()
	h := threeGenerations(t)
	e, files, err := h.Files(3)
	if err != nil || e.Origin != "bob" || len(e.Changed) != 3 {
		t.Fatalf("%+v, %v", e, err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		if strings.Contains(f.Text, "two") {
			t.Errorf("%s tells a secret: %s", f.Name, f.Text)
		}
	}
	if want := []string{"/etc/default/fastx4", "fastx.env", "keys.ini"}; !slices.Equal(names, want) || files[1].Text != "A=2\n" {
		t.Errorf("the files are %q, want %q", names, want)
	}
}

func TestGenerationsAreComparedFileByFile(t *testing.T) {
	t.Parallel()
	h := threeGenerations(t)
	for _, c := range []struct {
		from, to int
		want     string
		holds    []string
	}{
		{1, 2, "added apps/x.ini, changed keys.ini", []string{"+name = X\n", "-secret = sha256:", "+secret = sha256:"}},
		{2, 3, "added /etc/default/fastx4, removed apps/x.ini, changed fastx.env", []string{"-A=1\n", "+A=2\n", "+SERVICES=user\n", "-name = X\n"}},
		{3, 2, "removed /etc/default/fastx4, added apps/x.ini, changed fastx.env", []string{"+A=1\n"}},
		{2, 2, "", nil},
	} {
		changes, err := h.Changes(t.Context(), c.from, c.to)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		var text strings.Builder
		for _, d := range changes {
			said = append(said, fmt.Sprintf("%s %s", d.Kind, d.Name))
			text.WriteString(d.Diff)
		}
		if got := strings.Join(said, ", "); got != c.want {
			t.Errorf("%d to %d: %s, want %s", c.from, c.to, got, c.want)
		}
		for _, part := range c.holds {
			if !strings.Contains(text.String(), part) {
				t.Errorf("%d to %d lacks %q:\n%s", c.from, c.to, part, text.String())
			}
		}
	}
}

func TestAGenerationThatIsNotThere(t *testing.T) {
	t.Parallel()
	h := threeGenerations(t)
	_, _, missing := h.Files(7)
	_, from := h.Changes(t.Context(), 7, 1)
	_, to := h.Changes(t.Context(), 1, 7)
	for _, err := range []error{missing, from, to} {
		if !errors.Is(err, ErrNotRecorded) || !strings.Contains(err.Error(), "generation 7 is not recorded") {
			t.Errorf("it says %v", err)
		}
	}
}
