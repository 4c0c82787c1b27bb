// Package translate says what an item means: it turns one item of an arrival, and what was fetched for it, into business
// events. It is pure and explains itself.
package translate

// Translator translates the items of one connection.
type Translator struct{}
