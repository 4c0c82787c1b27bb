// Package expr is the expression language of Waybill: CEL behind our own types, with static types from JSON Schema,
// cost and memory limits, a business function library, and issues in plain words. It is the only importer of cel-go.
//
// Expressions are pure: no clock, no randomness, no I/O, no secrets. Evaluation is safe for concurrent use. A field that
// its schema does not require is optional by type: it is read with .? or after has(); an expression that forgets is
// refused when it is compiled. Expr must not know what flows, connectors or events are.
package expr

import "waybill/source"

// Schema is the subset of JSON Schema (2020-12) by which the catalogue and the manifests type values. It decodes
// strictly from YAML and JSON.
type Schema struct {
	Type        string             `yaml:"type" json:"type,omitempty"`     // object array string integer number boolean; empty is any
	Format      string             `yaml:"format" json:"format,omitempty"` // money email phone date date-time uri
	Title       string             `yaml:"title" json:"title,omitempty"`
	Description string             `yaml:"description" json:"description,omitempty"`
	Properties  map[string]*Schema `yaml:"properties" json:"properties,omitempty"`
	Required    []string           `yaml:"required" json:"required,omitempty"`
	Items       *Schema            `yaml:"items" json:"items,omitempty"`
	Enum        []string           `yaml:"enum" json:"enum,omitempty"`
	Open        bool               `yaml:"open" json:"open,omitempty"`     // an object with further fields of any type
	Values      *Schema            `yaml:"values" json:"values,omitempty"` // a map: every value has this schema
	MaxItems    int                `yaml:"max_items" json:"maxItems,omitempty"`
	MaxLength   int                `yaml:"max_length" json:"maxLength,omitempty"`
	Examples    []any              `yaml:"examples" json:"examples,omitempty"`
}

// Config is what the function library takes from the workspace.
type Config struct {
	Zone     string  // IANA zone for dates; UTC when empty
	Region   string  // default phone region: IN
	Currency string  // default currency: INR
	Tables   []Table // the tables that table() may name
	// Connections are the names pairing() may name.
	Connections []string
}

// Table is a translation table as the checker sees it.
type Table struct {
	Name      string
	Keys      []string // every left-hand value, for the totality check against an enum
	Otherwise bool     // it answers for values it does not list
}

// Reads is what an expression may read of the book while it is evaluated, within the step's transaction.
type Reads interface {
	// Table returns the value for key in the named table. ok is false when the table refuses or asks for it.
	Table(name, key string) (value string, ok bool, err error)
	// Pairing returns the id that the object typ with id in connection from has in connection to.
	Pairing(typ, from, id, to string) (string, bool, error)
}

// Var declares a name an expression may use.
type Var struct {
	Name   string
	Schema *Schema // nil is any (dyn)
	// Optional says the whole variable may be absent (the output of a step with `when`).
	Optional bool
}

// Target says what an expression must give.
type Target struct {
	Schema *Schema // nil: anything
	// Known are the paths already proven present (the Proves of an enclosing `when`): order.customer.phone.
	Known []string
	// Encode is how text interpolation is encoded for its target.
	Encode Encoding
	// Lenient lets a value of unknown type through (mappings over provider payloads); it is checked when evaluated.
	Lenient bool
	// Required refuses a result that may be absent (a lane, a match, an id).
	Required bool
}

// Encoding is how interpolated values are made safe for where they go.
type Encoding int

// The encodings.
const (
	Plain Encoding = iota
	PathSegment
	QueryValue
	JSONString
)

// Absent is what a program gives when its value is an optional that holds nothing: the entry is left out.
type absent struct{}

// Absent is the one absent value.
var Absent any = absent{} // a constant in all but name

// The limits of one expression.
const (
	MaxSize   = 8 << 10 // characters
	MaxNodes  = 5000
	MaxCost   = 100_000 // CEL's cost units when evaluated
	MaxMemory = 4 << 20 // elements and characters held at once
)

// Codes are this package's codes.
var Codes = map[string]source.Explanation{ // a table that nothing changes
	"E201": {Title: "expression cannot be read", Text: "The expression is not complete or holds something CEL does not know. " +
		"Look for a missing bracket, a text whose quote is not closed, or a word such as `and` where CEL writes &&."},
	"E202": {Title: "unknown name", Text: "An expression may use the event by its noun, the outputs of earlier steps by their " +
		"ids, and the functions of the library."},
	"E203": {Title: "unknown field", Text: "The object has no field of that name. Fields come from the event's or action's schema."},
	"E204": {Title: "types do not fit", Text: "A function or operator was given values of kinds it does not take. Whole numbers " +
		"and decimals do not mix in arithmetic; text joins only with text: use string(x), double(x) or int(x)."},
	"E205": {Title: "may be absent", Text: "The schema does not require this field, so it may be missing. Read it with .? " +
		"(the entry is then left out when it is absent), give a default with .orValue(...), or use it where has(...) has " +
		"shown that it is there."},
	"E206": {Title: "wrong kind of result", Text: "The expression gives another kind of value than its place takes."},
	"E207": {Title: "unknown type", Text: "The type of this value is not known before it is there, and it goes where a known type " +
		"is needed. Convert it: string(x), int(x), double(x), bool(x), timestamp(x), phone(x), email(x)."},
	"E208": {Title: "unknown function", Text: "No function or method of that name exists. `waybill eval` lists the library."},
	"E209": {Title: "${ is not closed", Text: "Every ${ needs its }. A } inside a quoted text does not count. Write $${ for the " +
		"two characters themselves."},
	"E210": {Title: "wrong value", Text: "The value written here is not what its place takes."},
	"E211": {Title: "table does not cover every value", Text: "The value has a fixed list of possibilities, and the table has no " +
		"row for some of them and no `otherwise`. Add rows, or an otherwise."},
	"E212": {Title: "unknown table", Text: "table() takes the name of a file in tables/, written as plain text."},
	"E213": {Title: "unknown connection", Text: "pairing() takes names of connections of this workspace, written as plain text."},
	"E214": {Title: "expression too large", Text: "An expression may have at most 8,192 characters and 5,000 parts. Split it into " +
		"steps with `set`."},
	"E215": {Title: "unknown entry", Text: "The target takes no entry of that name."},
	"E216": {Title: "missing entry", Text: "The target needs an entry that is not given."},
	"E217": {Title: "comparison that is never true", Text: "The value has a fixed list of possibilities, and the text it is compared " +
		"with is none of them."},
	"E218": {Title: "invalid literal", Text: "A pattern, time or time span written in the expression is not valid."},
}

// Line is one leaf of an Object: its path, its expression as written and its value in words.
type Line struct {
	Path   string
	Source string
	Value  string
	Absent bool
	Span   source.Span
}
