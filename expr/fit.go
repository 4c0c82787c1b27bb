package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"waybill/source"
)

// fitting is what came of comparing a type with a target's schema.
type fitting struct {
	bad  string // why it does not fit; empty when it does
	hint string
	dyn  bool // a part is of unknown type
	test bool // it fits by kind, but its value must be checked when it is there
}

func misfit(target *Schema, t *cel.Type, where, hint string) fitting {
	what := "This place"
	if where != "" {
		what = fmt.Sprintf("%q", where)
	}
	return fitting{bad: fmt.Sprintf("%s takes %s, but the expression gives %s.", what, schemaWords(target), typeWords(t)), hint: hint}
}

// fit compares the type t, and the schema src it came from when that is known, with a target.
func (p *provider) fit(target *Schema, t *cel.Type, src *Schema, where string) fitting {
	if isAny(target) {
		return fitting{}
	}
	switch t.Kind() {
	case types.DynKind, types.AnyKind, types.NullTypeKind, types.TypeParamKind:
		return fitting{dyn: true}
	}
	switch kindOf(target) {
	case "money":
		if t.TypeName() == moneyType.TypeName() {
			return fitting{}
		}
		return misfit(target, t, where, `Write money(minor, "INR"), or money_of("12.50", "INR").`)
	case "string":
		return fitText(target, t, src, where)
	case "integer":
		if t.Kind() == types.IntKind {
			return fitting{}
		}
		return misfit(target, t, where, "Write int(x).")
	case "number":
		if t.Kind() == types.IntKind || t.Kind() == types.DoubleKind {
			return fitting{}
		}
		return misfit(target, t, where, "Write double(x).")
	case "boolean":
		if t.Kind() == types.BoolKind {
			return fitting{}
		}
		return misfit(target, t, where, "Compare it: x == true, x > 0.")
	case "array":
		if t.Kind() != types.ListKind {
			return misfit(target, t, where, "Write [x] for a list of one.")
		}
		f := p.fit(target.Items, t.Parameters()[0], items(src), where)
		f.test = f.test || target.MaxItems > 0
		return f
	default:
		return p.fitObject(target, t, where)
	}
}

func items(s *Schema) *Schema {
	if s == nil {
		return nil
	}
	return s.Items
}

func fitText(target *Schema, t *cel.Type, src *Schema, where string) fitting {
	switch {
	case t.Kind() == types.TimestampKind && target.Format == "date-time":
		return fitting{}
	case t.Kind() == types.TimestampKind:
		return misfit(target, t, where, `Write date(x), format_date(x, "2 Jan 2006") or string(x).`)
	case t.TypeName() == moneyType.TypeName():
		return misfit(target, t, where, "Write x.format() for people, x.decimal() for systems.")
	case t.Kind() != types.StringKind:
		return misfit(target, t, where, "Write string(x).")
	case len(target.Enum) == 0:
		return fitting{test: target.MaxLength > 0 || target.Format == "date-time"}
	case src == nil || len(src.Enum) == 0:
		return fitting{test: true}
	}
	odd := slices.DeleteFunc(slices.Clone(src.Enum), func(v string) bool { return slices.Contains(target.Enum, v) })
	if len(odd) == 0 {
		return fitting{}
	}
	return fitting{
		bad:  fmt.Sprintf("The value may be %s, which %s does not take.", strings.Join(odd, ", "), pathWords(where)),
		hint: "Translate it with a table: table('name', x).",
	}
}

func (p *provider) fitObject(target *Schema, t *cel.Type, where string) fitting {
	if t.Kind() == types.MapKind {
		switch {
		case target.Values != nil:
			return p.fit(target.Values, t.Parameters()[1], nil, where)
		case len(target.Properties) == 0:
			return fitting{}
		}
		return fitting{dyn: true}
	}
	o := p.objects[t.TypeName()]
	if o == nil {
		return misfit(target, t, where, "")
	}
	out := fitting{dyn: o.schema.Open && len(target.Properties) > 0}
	for _, field := range slices.Sorted(maps.Keys(o.fields)) {
		to, known := target.Properties[field]
		switch {
		case known:
		case target.Values != nil:
			to = target.Values
		case len(target.Properties) == 0 || target.Open:
			continue
		default:
			return fitting{
				bad:  fmt.Sprintf("%q of %s is no entry of %s.", field, typeWords(t), pathWords(where)),
				hint: "Write the entries one by one.",
			}
		}
		f := p.fit(to, o.fields[field].Type, o.schema.Properties[field], join(where, field))
		if f.bad != "" {
			return f
		}
		out.dyn, out.test = out.dyn || f.dyn, out.test || f.test
	}
	for _, field := range target.Required {
		if _, ok := o.fields[field]; !ok || o.optional(field) {
			return fitting{bad: fmt.Sprintf("%s must be given, but %s may be without it.", pathWords(join(where, field)), typeWords(t))}
		}
	}
	return out
}

// schemaFor gives the schema of a CEL type, nil for any.
func (p *provider) schemaFor(t *cel.Type) *Schema {
	switch t.Kind() {
	case types.StringKind:
		return &Schema{Type: "string"}
	case types.IntKind:
		return &Schema{Type: "integer"}
	case types.DoubleKind:
		return &Schema{Type: "number"}
	case types.BoolKind:
		return &Schema{Type: "boolean"}
	case types.TimestampKind:
		return &Schema{Type: "string", Format: "date-time"}
	case types.ListKind:
		return &Schema{Type: "array", Items: p.schemaFor(t.Parameters()[0])}
	case types.MapKind:
		value := p.schemaFor(t.Parameters()[1])
		return &Schema{Type: "object", Values: value, Open: value == nil}
	case types.StructKind:
		if t.TypeName() == moneyType.TypeName() {
			return &Schema{Type: "object", Format: "money"}
		}
		if o := p.objects[t.TypeName()]; o != nil {
			return o.schema
		}
	}
	return nil
}

// literalValue reads a plain YAML scalar for a target; text is what it says once $${ is read.
func literalValue(s *Schema, n *source.Node, text string) (value any, message, hint string) {
	v := n.Value()
	kind := kindOf(s)
	switch {
	case text != n.Text:
		v = text
	case kind == "string" && !n.Quoted && n.Tag == "!!bool":
		return nil, fmt.Sprintf("Text is needed here, but this is %s.", text), fmt.Sprintf("Write %q in quotes if it is meant as text.", text)
	case kind != "" && kind != "boolean" && kind != "integer" && kind != "number":
		v = text // numbers, too, are kept as written where text is taken
	}
	out, err := coerce(s, v, "")
	if err == nil {
		return out, "", ""
	}
	switch {
	case s != nil && len(s.Enum) > 0:
		hint = source.DidYouMean(text, s.Enum)
	case (kind == "integer" || kind == "number" || kind == "boolean") && n.Quoted:
		hint = "Remove the quotes."
	}
	return nil, strings.Replace(err.Error(), "the value", "This", 1) + ".", hint
}
