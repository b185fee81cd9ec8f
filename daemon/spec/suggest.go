package spec

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest returns the candidate that was most likely meant by a word, or "" when none is near.
func Suggest(word string, candidates []string) string {
	best, least := "", (len(word)+2)/3+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if d < least && d < len(c) {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap with their
// neighbour that lead from a to b.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	var rows [65][65]int
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			rows[i][j] = step(&rows, a, b, i, j)
		}
	}
	return rows[len(a)][len(b)]
}

func step(rows *[65][65]int, a, b string, i, j int) int {
	if i == 0 || j == 0 {
		return i + j
	}
	same := 1
	if a[i-1] == b[j-1] {
		same = 0
	}
	d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+same)
	if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
		d = min(d, rows[i-2][j-2]+1)
	}
	return d
}

// didYouMean makes a remedy of the word's likely meaning.
func didYouMean(word string, candidates []string, otherwise string) string {
	if near := Suggest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return otherwise
}
