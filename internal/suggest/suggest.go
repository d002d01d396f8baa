// Package suggest finds the word that a mistyped one probably means.
//
// It owns how far apart two words may be. It does not own the words.
package suggest

import "strings"

// maxDistance is how many letters a word may differ from the one that is meant.
const maxDistance = 2

// Closest returns the word that another one probably means; empty if there is
// none.
func Closest(typed string, words []string) string {
	best, at := "", maxDistance+1
	for _, w := range words {
		if d := distance(strings.ToLower(typed), strings.ToLower(w)); d < at {
			best, at = w, d
		}
	}
	return best
}

// distance is how many letters must be changed, added or removed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
