package spec

import "testing"

func TestMemoryIsReadAndPrinted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		bytes Memory
		shown string
	}{
		"256M":      {256 << 20, "256M"},
		"8G":        {8 << 30, "8G"},
		"16384K":    {16 << 20, "16M"},
		"1536M":     {1536 << 20, "1536M"},
		"2T":        {2 << 40, "2T"},
		"268435456": {256 << 20, "256M"},
		"268435457": {256<<20 + 1, "268435457"},
	} {
		got, f := parseMemory(text)
		if f != nil || got != want.bytes || got.String() != want.shown {
			t.Errorf("parseMemory(%q) = %d, printed %q, %v; want %d, %q", text, got, got.String(), f, want.bytes, want.shown)
		}
		if again, f := parseMemory(got.String()); f != nil || again != got {
			t.Errorf("%q is read back as %d, %v", got.String(), again, f)
		}
	}
	if s := Memory(0).String(); s != "" {
		t.Errorf("no limit is printed as %q", s)
	}
	for _, text := range []string{"", "0", "-1G", "1.5G", "8g", "8GB", "G", "15M", "512", "4194304T", "99999999999999999999"} {
		if got, f := parseMemory(text); f == nil {
			t.Errorf("parseMemory(%q) = %d; want it refused", text, got)
		}
	}
}
