// Package suggest finds the word that a mistyped one probably means.
//
// It owns the maximum distance of two words. It does not own the words.
package suggest

import "strings"

// maxDistance is the maximum edit distance of a suggestion.
const maxDistance = 2

// Closest returns the word that another one probably means, or "" if there is none.
func Closest(typed string, words []string) string {
	if nearest := Nearest(typed, words, func(string) int { return maxDistance }); len(nearest) > 0 {
		return nearest[0]
	}
	return ""
}

// Nearest returns the words that are nearest to another one, in their order. most is how
// far from it each word may be.
func Nearest(typed string, words []string, most func(word string) int) (nearest []string) {
	least := 0
	for _, w := range words {
		d := distance(strings.ToLower(typed), strings.ToLower(w))
		switch {
		case d > most(w) || len(nearest) > 0 && d > least:
		case len(nearest) > 0 && d == least:
			nearest = append(nearest, w)
		default:
			nearest, least = []string{w}, d
		}
	}
	return nearest
}

// distance is how many letters must be changed, added, removed or swapped with the next
// one to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := range len(a) {
		for j := range len(b) {
			change := rows[i][j]
			if a[i] != b[j] {
				change++
			}
			rows[i+1][j+1] = min(change, rows[i+1][j]+1, rows[i][j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				rows[i+1][j+1] = min(rows[i+1][j+1], rows[i-1][j-1]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
