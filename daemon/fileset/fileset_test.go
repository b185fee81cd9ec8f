package fileset

import (
	"errors"
	"slices"
	"testing"
)

func file(name, data string) File { return File{Name: name, Data: []byte(data), Mode: 0o644} }

func TestNewSortsAndKeepsTheCallersSlice(t *testing.T) {
	t.Parallel()
	in := []File{file("b", "2"), file("a", "1")}
	s := New(in...)
	if got := s.Names(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("names = %v", got)
	}
	if in[0].Name != "b" {
		t.Error("New sorted the caller's slice")
	}
}

func TestNewLetsNoDuplicateWin(t *testing.T) {
	t.Parallel()
	s := New(file("a", "1"), file("b", "x"), file("a", "2"), file("b", "x"))
	if s.Len() != 2 {
		t.Fatalf("len = %d, want 2", s.Len())
	}
	if a, _ := s.Lookup("a"); !errors.Is(a.Err, ErrDuplicate) || a.Data != nil {
		t.Errorf("a = %+v, want ErrDuplicate and no data", a)
	}
	if b, _ := s.Lookup("b"); b.Err != nil || string(b.Data) != "x" {
		t.Errorf("b = %+v, want the equal files counted once", b)
	}
}

func TestSetIsImmutable(t *testing.T) {
	t.Parallel()
	s := New(file("a", "1"), file("c", "3"))
	before := s.Digest()
	s.With(file("b", "2"))
	s.With(file("a", "9"))
	s.Without("a")
	s.Files()[0].Name = "z"
	if s.Digest() != before {
		t.Error("the set changed")
	}
}

func TestWithAndWithout(t *testing.T) {
	t.Parallel()
	s := New(file("a", "1"), file("c", "3"))
	for _, tc := range []struct {
		name string
		got  Set
		want []string
	}{
		{"add", s.With(file("b", "2")), []string{"a", "b", "c"}},
		{"replace", s.With(file("c", "4")), []string{"a", "c"}},
		{"remove", s.Without("a"), []string{"c"}},
		{"remove the absent", s.Without("x"), []string{"a", "c"}},
		{"add to nothing", Set{}.With(file("a", "")), []string{"a"}},
	} {
		if got := tc.got.Names(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if f, ok := s.With(file("c", "4")).Lookup("c"); !ok || string(f.Data) != "4" {
		t.Errorf("replaced file = %+v", f)
	}
}

func TestSubTakesOnlyThePrefix(t *testing.T) {
	t.Parallel()
	s := New(file("apps/a.ini", ""), file("apps", ""), file("appsx", ""), file("apps/b.ini", ""))
	if got := New(s.Sub("apps/")...).Names(); !slices.Equal(got, []string{"apps/a.ini", "apps/b.ini"}) {
		t.Errorf("Sub = %v", got)
	}
}

func TestDigestSeesEverything(t *testing.T) {
	t.Parallel()
	base := file("a", "12")
	seen := map[string]string{}
	for name, s := range map[string]Set{
		"base":             New(base),
		"empty":            {},
		"data":             New(file("a", "13")),
		"name":             New(file("b", "12")),
		"mode":             New(File{Name: "a", Data: base.Data, Mode: 0o600}),
		"owner":            New(File{Name: "a", Data: base.Data, Mode: 0o644, UID: 7}),
		"group":            New(File{Name: "a", Data: base.Data, Mode: 0o644, GID: 7}),
		"error":            New(File{Name: "a", Data: base.Data, Mode: 0o644, Err: ErrLoop}),
		"other error":      New(File{Name: "a", Data: base.Data, Mode: 0o644, Err: ErrTooDeep}),
		"way":              New(File{Name: "a", Data: base.Data, Mode: 0o644, Above: []Dir{{Name: "/", Mode: 0o755}}}),
		"way, frozen":      New(File{Name: "a", Data: base.Data, Mode: 0o644, Above: []Dir{{Name: "/", Mode: 0o755, ReadOnly: true}}}),
		"other way":        New(File{Name: "a", Data: base.Data, Mode: 0o644, Above: []Dir{{Name: "/", Mode: 0o775}}}),
		"moved boundary":   New(file("a1", "2")),
		"split":            New(file("a", "1"), file("a2", "")),
		"two files":        New(base, file("b", "")),
		"name into data":   New(file("", "a12")),
		"shifted by frame": New(file("a\x00", "12")),
	} {
		d := s.Digest()
		if other, dup := seen[d]; dup {
			t.Errorf("%q and %q have one digest", name, other)
		}
		seen[d] = name
	}
	if got, want := (Set{}).Digest(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; got != want {
		t.Errorf("digest of nothing = %s", got)
	}
}

func TestEqualAgreesWithDigest(t *testing.T) {
	t.Parallel()
	a, b := New(file("a", "1"), file("b", "2")), New(file("b", "2"), file("a", "1"))
	if !a.Equal(b) || a.Digest() != b.Digest() {
		t.Error("the order of the arguments matters")
	}
	if c := b.With(File{Name: "b", Data: []byte("2"), Mode: 0o600}); a.Equal(c) || a.Digest() == c.Digest() {
		t.Error("a mode makes no difference")
	}
}

func TestDiffTellsWhatBecameOfEachFile(t *testing.T) {
	t.Parallel()
	old := New(file("a", "1"), file("b", "2"), file("d", "4"))
	now := New(file("b", "x"), file("c", "3"), file("d", "4"), file("e", "5"))
	want := []Change{{"a", Removed}, {"b", Changed}, {"c", Added}, {"e", Added}}
	if got := old.Diff(now); !slices.Equal(got, want) {
		t.Errorf("Diff = %v, want %v", got, want)
	}
	if got := now.Diff(now); got != nil {
		t.Errorf("Diff with itself = %v", got)
	}
	if got := want[0].String(); got != "a removed" {
		t.Errorf("String = %q", got)
	}
}

// FuzzDiff holds Diff, Equal and Digest to each other.
func FuzzDiff(f *testing.F) {
	f.Add("a", "1", "b", "2", "a", "1", "c", "3")
	f.Add("", "", "", "", "a\x00", "", "a", "\x00")
	f.Fuzz(func(t *testing.T, n1, d1, n2, d2, n3, d3, n4, d4 string) {
		a, b := New(file(n1, d1), file(n2, d2)), New(file(n3, d3), file(n4, d4))
		same := len(a.Diff(b)) == 0
		if a.Equal(b) != same || (a.Digest() == b.Digest()) != same {
			t.Errorf("Diff says %v, Equal %v, digests %s %s", a.Diff(b), a.Equal(b), a.Digest(), b.Digest())
		}
		got := a
		for _, c := range a.Diff(b) {
			if file, ok := b.Lookup(c.Name); ok {
				got = got.With(file)
			} else {
				got = got.Without(c.Name)
			}
		}
		if !got.Equal(b) {
			t.Error("following the changes does not lead to the other set")
		}
	})
}
