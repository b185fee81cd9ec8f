package natsconf

import (
	"regexp"
	"strings"
)

// Upstream's parser opens the files that the text includes and looks variables
// up in the process environment, and it cannot be told not to. So the words that
// make it do so are masked first: the first letter of every "include" and every
// dollar sign become control bytes that the file may not hold otherwise. The
// text keeps its length and with it all positions; unmask brings the letters back.
const (
	maskLower    = "\x01" // i
	maskUpper    = "\x02" // I
	maskDotted   = "\x04" // half of İ, which upstream's ToLower takes for an i
	maskVariable = "\x03" // $ where a value may begin
	maskDollar   = "\x05" // $ after a quotation mark: never a variable
)

var (
	reserved = regexp.MustCompile(`[\x00-\x05]|\\x0[0-5]`)
	keyword  = regexp.MustCompile(`(?i)(?:i|İ)nclude`)
	dollar   = regexp.MustCompile(`["']?\$`)
	original = strings.NewReplacer(maskLower, "i", maskUpper, "I", maskDotted+maskDotted, "İ", maskVariable, "$", maskDollar, "$")
)

// mask hides what would make the parser reach beyond the text.
func mask(text string) string {
	text = keyword.ReplaceAllStringFunc(text, func(word string) string {
		rest := word[len(word)-len("nclude"):]
		switch word[0] {
		case 'i':
			return maskLower + rest
		case 'I':
			return maskUpper + rest
		}
		return maskDotted + maskDotted + rest
	})
	return dollar.ReplaceAllStringFunc(text, func(s string) string {
		if len(s) > 1 {
			return s[:1] + maskDollar
		}
		return maskVariable
	})
}

func unmask(text string) string { return original.Replace(text) }

// isInclude reports whether a key is a masked include directive. An "include"
// that is spelled with a separator or in quotes is an ordinary key upstream, but
// one that upstream knows nothing of, so nothing is lost by treating it alike.
func isInclude(key string) bool { return keyword.FindString(unmask(key)) == unmask(key) && key != "" }
