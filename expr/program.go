package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"waybill"
	"waybill/source"
)

// Program is a compiled expression.
type Program struct {
	text     source.Text
	scope    *scope
	ast      *cel.Ast
	program  cel.Program
	to       Target
	schema   *Schema
	optional bool
	test     bool // the value must be checked when it is there
	proves   []string
	uses     []string
	book     bool
	traced   func() (cel.Program, error)
}

// Program compiles a bare expression (when, lane, each and other expression-only fields).
func (e *Env) Program(text source.Text, to Target) (*Program, source.Faults) {
	return e.compile(text, to, "")
}

// compile is Program for the place called where: an entry of an object.
func (e *Env) compile(text source.Text, to Target, where string) (*Program, source.Faults) {
	s, err := e.scope()
	if err != nil {
		var faults source.Faults
		faults.Add(Codes, "E201", text.Span, "The names of this expression cannot be declared: "+err.Error()+".", "")
		return nil, faults
	}
	t := &translator{env: e, scope: s, text: text}
	if t.hopeless() {
		return nil, t.faults
	}
	parsed, issues := s.env.Parse(text.Value)
	if issues.Err() != nil {
		return nil, t.syntax(issues.Errors())
	}
	t.parsed = ast.Copy(parsed.NativeRep())
	checked, issues := s.env.Check(parsed)
	if issues.Err() != nil {
		return nil, t.types(issues.Errors())
	}
	p := &Program{text: text, scope: s, ast: checked, to: to}
	faults := p.inspect(e)
	faults = append(faults, p.result(where)...)
	if p.program, err = s.env.Program(checked, programOptions(checked.NativeRep())...); err != nil {
		faults.Add(Codes, "E218", text.Span, capital(err.Error())+".", "")
	}
	if faults.Bad() {
		return nil, faults
	}
	p.traced = sync.OnceValues(func() (cel.Program, error) {
		return s.env.Program(checked, cel.EvalOptions(cel.OptTrackState), cel.CostLimit(MaxCost), cel.MemoryLimit(MaxMemory))
	})
	return p, faults
}

func (p *Program) inspect(e *Env) source.Faults {
	native := p.ast.NativeRep()
	in := &inspector{env: e, scope: p.scope, ast: native, text: p.text, uses: map[string]bool{}, locals: map[string]int{}}
	known := facts{}
	for _, path := range p.to.Known {
		known[path] = true
	}
	in.visit(native.Expr(), known)
	p.book = in.book
	p.uses = longest(in.uses)
	p.proves = slices.Sorted(maps.Keys(provenTrue(native.Expr())))
	p.schema = in.schemaOf(native.Expr())
	return in.faults
}

// result checks what the expression gives against its target.
func (p *Program) result(where string) source.Faults {
	var faults source.Faults
	t := p.ast.OutputType()
	if t.Kind() == types.OpaqueKind && t.TypeName() == "optional_type" {
		p.optional = true
		t = t.Parameters()[0]
	}
	if p.optional && (p.to.Required || kindOf(p.to.Schema) == "boolean") {
		message := "This may be absent, but a value is needed here."
		if where != "" {
			message = fmt.Sprintf("%q must be given, but this may be absent.", where)
		}
		faults.Add(Codes, "E205", p.Span(), message, "Give a default with .orValue(...), or use it where has(...) is true.")
	}
	f := p.scope.types.fit(p.to.Schema, t, p.schema, where)
	switch {
	case f.bad != "":
		faults.Add(Codes, "E206", p.Span(), f.bad, f.hint)
	case f.dyn && !p.to.Lenient && t.Kind() != types.NullTypeKind:
		faults.Add(Codes, "E207", p.Span(),
			fmt.Sprintf("The type of this value is not known, and %s takes %s.", pathWords(where), schemaWords(p.to.Schema)),
			conversionHint(p.to.Schema))
	}
	p.test = f.dyn || f.test
	if p.schema == nil {
		p.schema = p.scope.types.schemaFor(t)
	}
	return faults
}

func conversionHint(s *Schema) string {
	switch kindOf(s) {
	case "string":
		if s.Format == "date-time" {
			return "Convert it: timestamp(x)."
		}
		return "Convert it: string(x)."
	case "integer":
		return "Convert it: int(x)."
	case "number":
		return "Convert it: double(x)."
	case "boolean":
		return "Convert it: bool(x), or compare it."
	case "money":
		return `Convert it: money(int(x), "INR"), or money_of(string(x), "INR").`
	}
	return ""
}

// longest drops paths that only lead to longer ones.
func longest(uses map[string]bool) []string {
	leads := map[string]bool{}
	for path := range uses {
		for i := range len(path) {
			if path[i] == '.' || path[i] == '[' {
				leads[path[:i]] = true
			}
		}
	}
	all := slices.Sorted(maps.Keys(uses))
	return slices.DeleteFunc(all, func(p string) bool { return leads[p] })
}

// steady are the functions that take time and give results in proportion to what they are given, at most. A program of
// nothing else, without loops, is bounded by its own length and by its data, and needs no tracking.
var steady = map[string]bool{ // a table that nothing changes
	"size": true, "contains": true, "startsWith": true, "endsWith": true, "lowerAscii": true, "upperAscii": true, "trim": true,
	"string": true, "int": true, "double": true, "bool": true, "timestamp": true, "duration": true,
	"orValue": true, "or": true, "value": true, "hasValue": true, "optional.of": true, "optional.none": true,
	"substring": true, "charAt": true, "indexOf": true, "first": true, "last": true, "@present": true, "@present_value": true,
	"coalesce": true, "first_non_empty": true, "sum": true, "by": true, "table": true, "pairing": true,
	"money": true, "money_of": true, "minor_of": true, "decimal": true, "negate": true,
	"phone": true, "phone_valid": true, "mask_phone": true, "email": true, "email_valid": true, "mask_email": true,
	"first_name": true, "last_name": true, "title_case": true, "clean": true, "slug": true, "fold": true, "digits": true, "limit": true,
	"hash_sha256": true, "short_id": true, "date": true, "format_date": true, "parse_date": true, "unix": true, "unix_ms": true,
	"to_unix": true, "to_unix_ms": true, "add_days": true,
	"getFullYear": true, "getMonth": true, "getDate": true, "getDayOfWeek": true, "getHours": true, "getMinutes": true,
}

// programOptions puts limits on programs that could grow.
func programOptions(a *ast.AST) []cel.ProgramOption {
	grows := false
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			grows = true
		case ast.CallKind:
			name := e.AsCall().FunctionName()
			grows = grows || !steady[name] && name != "@in" && strings.IndexByte("_!-", name[0]) < 0 // nor an operator
		}
	}))
	if !grows {
		return []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	}
	return []cel.ProgramOption{
		cel.EvalOptions(cel.OptOptimize), cel.CostLimit(MaxCost), cel.MemoryLimit(MaxMemory),
	}
}

func (p *Program) activation(vars map[string]any, r Reads) interpreter.Activation {
	if p.book {
		return &bookActivation{activation{vars: vars, decls: p.scope.decls, reads: r}}
	}
	return &activation{vars: vars, decls: p.scope.decls}
}

// Eval gives the value: nil, bool, int64, float64, string, time.Time, time.Duration, []any, map[string]any, or Absent.
// Money is map[string]any{"minor": int64, "currency": string}. vars hold the same kinds of value. A result that is part
// of vars is not copied: neither may be changed afterwards.
func (p *Program) Eval(vars map[string]any, r Reads) (any, error) {
	out, _, err := p.program.Eval(p.activation(vars, r))
	if err != nil {
		return nil, p.explain(err)
	}
	v, err := toGo(out)
	if err != nil {
		return nil, p.explain(err)
	}
	if v == nil && p.to.Schema != nil {
		v = Absent
	}
	if p.test {
		if v, err = coerce(p.to.Schema, v, ""); err != nil {
			return nil, p.explain(err)
		}
	}
	if v == Absent && p.to.Required {
		return nil, p.explain(errors.New("the value is absent, but must be given"))
	}
	return v, nil
}

// Bool is Eval for a condition.
func (p *Program) Bool(vars map[string]any, r Reads) (bool, error) {
	v, err := p.Eval(vars, r)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, p.explain(fmt.Errorf("true or false is needed, but this is %s", words(v)))
	}
	return b, nil
}

// Str is Eval for text; Absent gives "". Numbers, true and false, times and money are written out.
func (p *Program) Str(vars map[string]any, r Reads) (string, error) {
	v, err := p.Eval(vars, r)
	if err != nil {
		return "", err
	}
	switch v.(type) {
	case []any, map[string]any:
		if _, money := asMoneyAny(v); !money {
			return "", p.explain(fmt.Errorf("text is needed, but this is %s", words(v)))
		}
	}
	return display(v), nil
}

// explain turns an error of evaluation into words with the place in the file.
func (p *Program) explain(err error) error {
	span := p.Span()
	if typed, ok := errors.AsType[*types.Err](err); ok {
		if r, ok := p.ast.NativeRep().SourceInfo().GetOffsetRange(typed.NodeID()); ok {
			at := byteOffset(p.text.Value, int(r.Start))
			if _, key, ok := strings.Cut(err.Error(), "no such key: "); ok {
				// The place is that of the chain's last step; the missing one may stand before it.
				if i := strings.LastIndex(p.text.Value[:at], "."+key); i >= 0 {
					at = i + 1
				}
			}
			span = p.text.PosAt(at)
		}
	}
	message, hint := runtimeWords(err.Error())
	return failure(span, err.Error(), message, &waybill.Error{
		Kind:    waybill.Invalid,
		Message: fmt.Sprintf("%s:%d:%d: %s, in: %s", span.File, span.Line, span.Col, message, cut(p.text.Value, 120)),
		Hint:    hint,
	})
}

func runtimeWords(message string) (words, hint string) {
	switch {
	case strings.HasPrefix(message, "no such key: "), strings.HasPrefix(message, "no such attribute"):
		name := message[strings.Index(message, ": ")+2:]
		return fmt.Sprintf("%q is not there", cut(strings.Trim(name, `"`), 60)), "Read it with .? if it may be missing."
	case strings.Contains(message, "cost limit exceeded"):
		return "the expression took too long and was stopped", "Go through fewer items, or split the work into steps."
	case strings.Contains(message, "memory limit exceeded"):
		return "the expression grew too large and was stopped", "Go through fewer items, or cut long texts with limit()."
	case strings.HasPrefix(message, "no such overload"), strings.Contains(message, "no matching overload"):
		return "a value is of a kind that this function or operator does not take", "Convert it first: string(x), int(x), double(x)."
	case strings.Contains(message, "divi") && strings.Contains(message, "zero"), strings.Contains(message, "modulus by zero"):
		return "this divides by zero", "Guard it: b != 0 ? a / b : 0."
	case strings.Contains(message, "index out of bounds"):
		return "the list has no such item", "Ask for it with list[?0]."
	case strings.Contains(message, "overflow"):
		return "the number is too large", ""
	case strings.Contains(message, "optional.none() dereference"):
		return "the value is absent", "Give a default with .orValue(...)."
	}
	return cut(message, 300), ""
}

// Text returns the expression as written.
func (p *Program) Text() string { return p.text.Value }

// Span returns its place.
func (p *Program) Span() source.Span { return p.text.Span }

// Schema returns the static type of its value; nil is any.
func (p *Program) Schema() *Schema { return p.schema }

// MayBeAbsent reports whether the value is an optional, so that Eval may give Absent.
func (p *Program) MayBeAbsent() bool { return p.optional }

// Proves lists the optional paths that are present whenever the expression is true: order.customer.phone.
func (p *Program) Proves() []string { return slices.Clone(p.proves) }

// Uses lists the paths it reads.
func (p *Program) Uses() []string { return slices.Clone(p.uses) }

// NeedsBook reports whether it calls table() or pairing().
func (p *Program) NeedsBook() bool { return p.book }
