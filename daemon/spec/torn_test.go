package spec

import (
	"strings"
	"testing"
)

// TestNoSettingIsTooOddToRead gives every setting what a torn or slipped write leaves of a value.
func TestNoSettingIsTooOddToRead(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		whole := s.probeText()
		before, value, _ := strings.Cut(whole, "=")
		value = strings.TrimSpace(value)
		odd := []string{"", " ", "\"\"", "''", "0", "-1", "#", ",", "[]", "\x00", value + "\x00"}
		for size := range value {
			odd = append(odd, value[:size])
		}
		for _, v := range odd {
			for _, text := range []string{before + "= " + v, before + "=" + v + "\n", strings.TrimSuffix(before, " ") + "[]=" + v + "\n"} {
				Load(probeInput(map[string]string{s.probeFile(): text})) // must not panic
			}
		}
	}
}

// TestAnEmptyColourIsNone is what a write of theme.ini leaves that stops before the value.
func TestAnEmptyColourIsNone(t *testing.T) {
	t.Parallel()
	cfg, problems := Load(probeInput(map[string]string{"theme.ini": "accent =\naccent_dark = \"\"\n"}))
	if len(problems) > 0 || cfg.Theme != (Theme{}) {
		t.Errorf("it means %+v\n%s", cfg.Theme, problems.Text())
	}
}
