// Package expr is the expression language of Waybill: CEL behind our own types, with static types from JSON Schema,
// cost and memory limits, a business function library, and issues in plain words. It is the only importer of cel-go.
//
// Expressions are pure: no clock, no randomness, no I/O, no secrets. Evaluation is safe for concurrent use.
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
var Absent any = absent{}

// Env knows names, types and functions; it is immutable.
type Env struct{}

// NewEnv returns an environment with the function library and no names.
func NewEnv(cfg Config) (*Env, error) { panic("unwritten") }

// With returns an environment that also knows vars.
func (e *Env) With(vars ...Var) *Env { panic("unwritten") }

// Names lists the variables, sorted.
func (e *Env) Names() []string { panic("unwritten") }

// Functions lists the names that functions and methods have, sorted; step ids differ from them.
func (e *Env) Functions() []string { panic("unwritten") }

// Program compiles a bare expression (when, lane, each and other expression-only fields).
func (e *Env) Program(text source.Text, to Target) (*Program, source.Faults) { panic("unwritten") }

// Template compiles one scalar: plain text is literal; exactly one ${...} keeps the expression's type; else it is text
// with typed interpolation, each value encoded for its target and never evaluated twice; $${ is a literal ${.
func (e *Env) Template(n *source.Node, to Target) (*Template, source.Faults) { panic("unwritten") }

// Object compiles a YAML value whose scalars are templates against a schema: unknown entries, missing required ones and
// wrong types are faults. An absent value leaves its entry out.
func (e *Env) Object(n *source.Node, to Target) (*Object, source.Faults) { panic("unwritten") }

// Program is a compiled expression.
type Program struct{}

// Eval gives the value: nil, bool, int64, float64, string, time.Time, time.Duration, []any, map[string]any, or Absent.
// Money is map[string]any{"minor": int64, "currency": string}. vars hold the same kinds of value.
func (p *Program) Eval(vars map[string]any, r Reads) (any, error) { panic("unwritten") }

// Bool is Eval for a condition.
func (p *Program) Bool(vars map[string]any, r Reads) (bool, error) { panic("unwritten") }

// Str is Eval for text; Absent gives "".
func (p *Program) Str(vars map[string]any, r Reads) (string, error) { panic("unwritten") }

// Text returns the expression as written; Span its place.
func (p *Program) Text() string      { panic("unwritten") }
func (p *Program) Span() source.Span { panic("unwritten") }

// Schema returns the static type of its value; nil is any.
func (p *Program) Schema() *Schema { panic("unwritten") }

// MayBeAbsent reports whether the value is an optional, so that Eval may give Absent.
func (p *Program) MayBeAbsent() bool { panic("unwritten") }

// Proves lists the optional paths that are present whenever the expression is true: order.customer.phone.
func (p *Program) Proves() []string { panic("unwritten") }

// Uses lists the paths it reads.
func (p *Program) Uses() []string { panic("unwritten") }

// NeedsBook reports whether it calls table() or pairing().
func (p *Program) NeedsBook() bool { panic("unwritten") }

// Explain says why a condition was false: the smallest clause that decided, and what its names stood for.
func (p *Program) Explain(vars map[string]any, r Reads) (clause string, values map[string]string) {
	panic("unwritten")
}

// Template is a compiled scalar.
type Template struct{}

// Eval gives its value, as Program.Eval does.
func (t *Template) Eval(vars map[string]any, r Reads) (any, error) { panic("unwritten") }

// Literal reports whether it is plain text without expressions.
func (t *Template) Literal() (string, bool) { panic("unwritten") }

// Text returns the template as written; Span its place.
func (t *Template) Text() string      { panic("unwritten") }
func (t *Template) Span() source.Span { panic("unwritten") }

// NeedsBook reports whether any part calls table() or pairing(); Uses lists the paths it reads.
func (t *Template) NeedsBook() bool { panic("unwritten") }
func (t *Template) Uses() []string  { panic("unwritten") }

// Object is a compiled YAML value.
type Object struct{}

// Eval gives its value; entries whose value is Absent are left out.
func (o *Object) Eval(vars map[string]any, r Reads) (any, error) { panic("unwritten") }

// Lines says of each leaf which expression gave which value, for the journey's mapping view.
func (o *Object) Lines(vars map[string]any, r Reads) []Line { panic("unwritten") }

// NeedsBook reports whether any part calls table() or pairing().
func (o *Object) NeedsBook() bool { panic("unwritten") }

// Uses lists the paths it reads.
func (o *Object) Uses() []string { panic("unwritten") }

// Has reports whether the object has an entry of that name at its top, which may still be left out when evaluated.
func (o *Object) Has(key string) bool { panic("unwritten") }

// Line is one leaf of an Object: its path, its expression as written and its value in words.
type Line struct {
	Path   string
	Source string
	Value  string
	Absent bool
	Span   source.Span
}
