package spec

import "testing"

func TestParseMemory(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Memory{
		"256M": 256 << 20, "8G": 8 << 30, "16384K": 16 << 20, "2T": 2 << 40, "268435457": 256<<20 + 1, "4194304T": 1 << 62,
	} {
		if got, f := parseMemory(text); f != nil || got != want {
			t.Errorf("parseMemory(%q) = %d, %v; want %d", text, got, f, want)
		}
	}
	for _, text := range []string{"", "0", "-1G", "1.5G", "8g", "8GB", "G", "15M", "512", "4194305T", "99999999999999999999"} {
		if got, f := parseMemory(text); f == nil {
			t.Errorf("parseMemory(%q) = %d; want it refused", text, got)
		}
	}
}
