package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Suggest returns the candidate that word was probably meant to be, "" when none is near: a third of its letters, at
// most three, may be wrong, missing, doubled or swapped.
func Suggest(word string, candidates []string) string {
	if len(word) > 64 || word == "" {
		return ""
	}
	lower := strings.ToLower(word)
	best, bestDistance := "", min(3, 1+len(word)/4)+1
	for _, c := range candidates {
		if c == word || len(c) > 64 {
			continue
		}
		if d := distance(lower, strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean returns the sentence that offers the nearest candidate, or "".
func DidYouMean(word string, candidates []string) string {
	if s := Suggest(word, candidates); s != "" {
		return fmt.Sprintf("Did you mean %q?", s)
	}
	return ""
}

// Listed names candidates in words, sorted, at most 20 of them.
func Listed(candidates []string) string {
	sorted := slices.Sorted(slices.Values(candidates))
	if len(sorted) > 20 {
		return strings.Join(sorted[:20], ", ") + fmt.Sprintf(" and %d more", len(sorted)-20)
	}
	return strings.Join(sorted, ", ")
}

// distance counts the edits from a to b: insert, delete, replace, and swap of neighbours.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
