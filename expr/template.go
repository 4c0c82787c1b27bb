package expr

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"cel.dev/cel-go/common/types"

	"waybill/source"
)

// Template is a compiled scalar.
type Template struct {
	literal string   // when there is no expression
	value   any      // its value, in the form its target takes
	only    *Program // when it is exactly one ${...} whose type is kept
	parts   []part
	to      Target
	text    string
	span    source.Span
}

// part is a literal stretch or an expression of an interpolated text.
type part struct {
	text    string
	program *Program
}

// piece is a stretch of a template as written.
type piece struct {
	from, to   int
	expression bool
	text       string // of a literal, $${ read as ${
}

// split cuts a template into literal stretches and expressions; open is the offset of a ${ that is never closed, or -1.
func split(text string) (pieces []piece, open int) {
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			pieces = append(pieces, piece{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			literal.WriteString("${")
			i += 3
		case strings.HasPrefix(text[i:], "${"):
			end := closes(text, i+2)
			if end < 0 {
				return nil, i
			}
			flush()
			pieces = append(pieces, piece{from: i + 2, to: end, expression: true})
			i = end + 1
		default:
			literal.WriteByte(text[i])
			i++
		}
	}
	flush()
	return pieces, -1
}

// closes finds the } that ends an expression, past braces and quoted texts inside it; -1 when there is none.
func closes(text string, from int) int {
	depth := 0
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '\'', '"':
			i = quoteEnd(text, i) - 1
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// Template compiles one scalar: plain text is literal; exactly one ${...} keeps the expression's type; else it is text
// with typed interpolation, each value encoded for its target and never evaluated twice; $${ is a literal ${.
func (e *Env) Template(n *source.Node, to Target) (*Template, source.Faults) {
	return e.template(n, to, "")
}

func (e *Env) template(n *source.Node, to Target, where string) (*Template, source.Faults) {
	var faults source.Faults
	text, ok := n.Scalar()
	if !ok {
		span, kind := source.Span{}, source.Null
		if n != nil {
			span, kind = n.Span, n.Kind
		}
		faults.Add(Codes, "E210", span, fmt.Sprintf("A single value is needed here, but this is %s.", kind), "")
		return nil, faults
	}
	t := &Template{to: to, text: text.Value, span: text.Span}
	pieces, open := split(text.Value)
	switch {
	case open >= 0:
		return nil, notClosed(text, open)
	case len(pieces) == 0 || len(pieces) == 1 && !pieces[0].expression:
		if len(pieces) == 1 {
			t.literal = pieces[0].text
		}
		value, message, hint := literalValue(to.Schema, n, t.literal)
		if message != "" {
			faults.Add(Codes, "E210", n.Span, message, hint)
			return nil, faults
		}
		t.value = value
		return t, nil
	case len(pieces) == 1 && to.Encode == Plain:
		program, faults := e.compile(text.Slice(pieces[0].from, pieces[0].to), to, where)
		if program == nil {
			return nil, faults
		}
		t.only = program
		return t, faults
	}
	return e.interpolation(t, text, pieces, where)
}

// notClosed faults a ${ without its }: cut off by a comment, or forgotten.
func notClosed(text source.Text, open int) source.Faults {
	var faults source.Faults
	if comment, span := text.Comment(); comment != "" {
		faults.Add(source.Codes, "E112", span, fmt.Sprintf("The value is cut at ` #`: YAML reads only %s.", cut(text.Value, 60)),
			"Put the whole value in single quotes.")
		return faults
	}
	span := text.PosAt(open)
	span.Len = 2
	faults.Add(Codes, "E209", span, "This ${ has no } that closes it.", "Write $${ if the two characters themselves are meant.")
	return faults
}

func (e *Env) interpolation(t *Template, text source.Text, pieces []piece, where string) (*Template, source.Faults) {
	var faults source.Faults
	if kind := kindOf(t.to.Schema); kind != "" && kind != "string" {
		faults.Add(Codes, "E206", text.Span, fmt.Sprintf("%s takes %s, but this is text with expressions in it.",
			capital(pathWords(where)), schemaWords(t.to.Schema)), "Write exactly one ${...} to keep the type of its value.")
	}
	for _, piece := range pieces {
		if !piece.expression {
			t.parts = append(t.parts, part{text: piece.text})
			continue
		}
		program, more := e.compile(text.Slice(piece.from, piece.to), Target{Known: t.to.Known}, where)
		faults = append(faults, more...)
		if program != nil {
			faults = append(faults, t.interpolated(program)...)
		}
		t.parts = append(t.parts, part{program: program})
	}
	if faults.Bad() {
		return nil, faults
	}
	return t, faults
}

// interpolated checks that a value can stand in text.
func (t *Template) interpolated(p *Program) source.Faults {
	var faults source.Faults
	out := p.ast.OutputType()
	switch {
	case p.optional:
		faults.Add(Codes, "E205", p.Span(), "This may be absent, and text cannot leave it out.", `Give a default: .orValue("").`)
	case out.TypeName() == moneyType.TypeName():
		faults.Add(Codes, "E206", p.Span(), "Money has no single form in text.", "Write x.format() for people, x.decimal() for systems.")
	case out.Kind() == types.ListKind:
		faults.Add(Codes, "E206", p.Span(), "A list has no single form in text.", `Write x.join(", ").`)
	case out.Kind() == types.MapKind || out.Kind() == types.StructKind:
		faults.Add(Codes, "E206", p.Span(), "An object has no single form in text.", "Write the field that is meant.")
	case (out.Kind() == types.DynKind || out.Kind() == types.AnyKind) && !t.to.Lenient:
		faults.Add(Codes, "E207", p.Span(), "The type of this value is not known, and it goes into text.", "Convert it: string(x).")
	}
	return faults
}

// Eval gives its value, as Program.Eval does.
func (t *Template) Eval(vars map[string]any, r Reads) (any, error) {
	switch {
	case t.only != nil:
		return t.only.Eval(vars, r)
	case t.parts == nil:
		return t.value, nil
	}
	var out strings.Builder
	for _, part := range t.parts {
		if part.program == nil {
			out.WriteString(part.text)
			continue
		}
		v, err := part.program.Eval(vars, r)
		if err != nil {
			return nil, err
		}
		switch v.(type) {
		case nil, absent, []any, map[string]any:
			return nil, part.program.explain(fmt.Errorf("text is needed, but this is %s", words(v)))
		}
		out.WriteString(encode(display(v), t.to.Encode))
	}
	if t.to.Schema != nil && (t.to.Schema.MaxLength > 0 || len(t.to.Schema.Enum) > 0) {
		if _, err := coerce(t.to.Schema, out.String(), ""); err != nil {
			return nil, t.programs()[0].explain(err)
		}
	}
	return out.String(), nil
}

// encode makes a value safe for where it goes.
func encode(s string, how Encoding) string {
	switch how {
	case PathSegment:
		if s == "." || s == ".." {
			return strings.ReplaceAll(s, ".", "%2E") // it must never climb in a path
		}
		return url.PathEscape(s)
	case QueryValue:
		return url.QueryEscape(s)
	case JSONString:
		quoted, err := json.Marshal(s)
		if err != nil {
			return ""
		}
		return string(quoted[1 : len(quoted)-1])
	default:
		return s
	}
}

// Literal reports whether it is plain text without expressions.
func (t *Template) Literal() (string, bool) {
	return t.literal, t.only == nil && t.parts == nil
}

// Text returns the template as written.
func (t *Template) Text() string { return t.text }

// Span returns its place.
func (t *Template) Span() source.Span { return t.span }

// NeedsBook reports whether any part calls table() or pairing().
func (t *Template) NeedsBook() bool {
	for _, p := range t.programs() {
		if p.book {
			return true
		}
	}
	return false
}

// Uses lists the paths it reads.
func (t *Template) Uses() []string {
	all := map[string]bool{}
	for _, p := range t.programs() {
		for _, use := range p.uses {
			all[use] = true
		}
	}
	return longest(all)
}

func (t *Template) programs() []*Program {
	if t.only != nil {
		return []*Program{t.only}
	}
	var out []*Program
	for _, part := range t.parts {
		if part.program != nil {
			out = append(out, part.program)
		}
	}
	return out
}
