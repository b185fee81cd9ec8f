package syntax

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style is where a quoted value stands. All files share one quoting rule and differ
// only in what must be quoted.
type Style int

// The styles.
const (
	StyleINI Style = iota
	StyleEnv
)

// What may stand without quotes. Ini values begin and end with a visible ASCII character, do not
// begin with a quote and hold no #, ; or \, which some other readers of
// ini files treat specially. Dotenv values hold nothing that a shell would.
var (
	bareINI = regexp.MustCompile(`^[!$%&(-:<-\[\]-_a-~]([^#;\\]*[!"$-:<-\[\]-~])?$`)
	bareEnv = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./=-]+$`)
)

// Bare is the expression that a value has to match to stand without quotes.
func (s Style) Bare() *regexp.Regexp {
	if s == StyleEnv {
		return bareEnv
	}
	return bareINI
}

// Quote writes a value so that it is read back as it is: bare where that is
// possible, else between double quotes with a backslash before each " and \.
// A value with control characters cannot be written.
func Quote(style Style, value string) (string, error) {
	if strings.ContainsFunc(value, unicode.IsControl) || !utf8.ValidString(value) {
		return "", errors.New("a value is UTF-8 without line breaks or other control characters")
	}
	if style.Bare().MatchString(value) {
		return value, nil
	}
	return `"` + escaper.Replace(value) + `"`, nil
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// fault is why a value cannot be read, at an offset of its bytes.
type fault struct {
	at              int
	summary, remedy string
}

// unquote reads a value. A value that does not begin with a quote is meant as it stands.
func unquote(raw string) (string, *fault) {
	if raw == "" {
		return "", nil
	}
	switch raw[0] {
	case '"':
		return unquoteDouble(raw)
	case '\'':
		end := strings.IndexByte(raw[1:], '\'') + 1
		return raw[1:max(end, 1)], closing(raw, end)
	case '`':
		return "", &fault{0, "a value cannot begin with a back quote", `put the whole value between double quotes`}
	default:
		return raw, nil
	}
}

func unquoteDouble(raw string) (string, *fault) {
	var b strings.Builder
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			return b.String(), closing(raw, i)
		case '\\':
			i++
			if i == len(raw) || raw[i] != '"' && raw[i] != '\\' {
				return "", &fault{i - 1, `between double quotes a backslash stands only before " and \`, `write \\ for a backslash`}
			}
		}
		b.WriteByte(raw[i])
	}
	return "", closing(raw, 0)
}

// closing checks that the quote at end closes the value. 0 says that there was none.
func closing(raw string, end int) *fault {
	switch {
	case end <= 0:
		return &fault{0, "the closing quote is missing", "add it at the end of the value"}
	case end < len(raw)-1:
		return &fault{end + 1, "text follows the closing quote",
			`put the whole value between double quotes, with a backslash before each " and \ in it`}
	}
	return nil
}
