// Package catalogue holds the business events that flows are written against: their schemas, what makes a fact of each
// the same fact, their status order, and the paths people search by.
package catalogue

// Catalogue is a set of event definitions.
type Catalogue struct{}
