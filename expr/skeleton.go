//go:build !cel

package expr

import "waybill/source"

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
