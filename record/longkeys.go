package record

import (
	"encoding/hex"
	"unicode/utf8"
)

// What outside systems, and builders, use as a key may be of any length; an entry of an index may not (PostgreSQL refuses
// more than 2,700 bytes). Most keys are hashed anyway. Those that are kept to be read go through indexed.

// maxIndexed is the longest text, in bytes, that an index holds as it is; maxShown is how much is left of a longer one.
const (
	maxIndexed = 1000
	maxShown   = 200
)

// indexed is a text as an index can hold it: a longer one keeps its beginning, for people, and ends in a hash of the whole,
// so that it counts to its last character.
func indexed(text string) string {
	if len(text) <= maxIndexed {
		return text
	}
	end := maxShown
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "~" + hex.EncodeToString(hash12(text))
}
