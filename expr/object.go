package expr

import (
	"fmt"
	"maps"
	"slices"

	"waybill/source"
)

// Object is a compiled YAML value.
type Object struct {
	template *Template // a scalar
	list     []*Object
	entries  []entry
	isList   bool
	isMap    bool
}

// entry is one entry of an object, in the order written.
type entry struct {
	key   string
	value *Object
}

// Object compiles a YAML value whose scalars are templates against a schema: unknown entries, missing required ones and
// wrong types are faults. An absent value leaves its entry out. A nil or empty node is an object without entries.
func (e *Env) Object(n *source.Node, to Target) (*Object, source.Faults) {
	if n == nil || n.Kind == source.Null {
		empty := &source.Node{Kind: source.Map}
		if n != nil {
			empty.Span = n.Span
		}
		n = empty
	}
	return e.object(n, to, "")
}

func (e *Env) object(n *source.Node, to Target, where string) (*Object, source.Faults) {
	o := &Object{}
	var faults source.Faults
	switch n.Kind {
	case source.Scalar:
		o.template, faults = e.template(n, to, where)
	case source.List:
		o.isList = true
		faults = e.items(o, n, to, where)
	case source.Map:
		o.isMap = true
		faults = e.entries(o, n, to, where)
	default:
		faults.Add(Codes, "E210", n.Span, "A value is missing here.", `Write "" for an empty text, or remove the entry.`)
	}
	if faults.Bad() {
		return nil, faults
	}
	return o, faults
}

func (e *Env) items(o *Object, n *source.Node, to Target, where string) source.Faults {
	var faults source.Faults
	if kind := kindOf(to.Schema); kind != "" && kind != "array" {
		faults.Add(Codes, "E206", n.Span, fmt.Sprintf("%s takes %s, but this is a list.", capital(pathWords(where)), schemaWords(to.Schema)), "")
		return faults
	}
	if to.Schema != nil && to.Schema.MaxItems > 0 && len(n.Items) > to.Schema.MaxItems {
		faults.Add(Codes, "E210", n.Span, fmt.Sprintf("At most %d items are taken here.", to.Schema.MaxItems), "")
	}
	inner := to
	inner.Required, inner.Schema = false, items(to.Schema)
	for i, item := range n.Items {
		compiled, more := e.object(item, inner, fmt.Sprintf("%s[%d]", where, i))
		faults = append(faults, more...)
		o.list = append(o.list, compiled)
	}
	return faults
}

func (e *Env) entries(o *Object, n *source.Node, to Target, where string) source.Faults {
	var faults source.Faults
	schema := to.Schema
	switch kind := kindOf(schema); kind {
	case "":
		schema = &Schema{}
	case "object":
	case "money":
		schema = moneyShape()
	default:
		faults.Add(Codes, "E206", n.Span,
			fmt.Sprintf("%s takes %s, but this is a group of fields.", capital(pathWords(where)), schemaWords(schema)), "")
		return faults
	}
	for _, written := range n.Entries {
		inner := to
		property, known := schema.Properties[written.Key]
		switch {
		case known:
		case schema.Values != nil:
			property = schema.Values
		case len(schema.Properties) > 0 && !schema.Open:
			faults = append(faults, unknownEntry(written, where, schema))
			continue
		}
		inner.Schema, inner.Required = property, slices.Contains(schema.Required, written.Key)
		value, more := e.object(written.Value, inner, join(where, written.Key))
		faults = append(faults, more...)
		o.entries = append(o.entries, entry{written.Key, value})
	}
	for _, key := range schema.Required {
		if n.Get(key) == nil {
			message := fmt.Sprintf("%q must be given.", join(where, key))
			if property := schema.Properties[key]; property != nil && property.Title != "" {
				message = fmt.Sprintf("%q (%s) must be given.", join(where, key), property.Title)
			}
			faults.Add(Codes, "E216", n.Span, message, "")
		}
	}
	return faults
}

func unknownEntry(written source.Entry, where string, schema *Schema) source.Fault {
	names := slices.Sorted(maps.Keys(schema.Properties))
	message := fmt.Sprintf("%q is not taken here.", written.Key)
	if where != "" {
		message = fmt.Sprintf("%q is not taken by %q.", written.Key, where)
	}
	return source.Fault{
		Code: "E215", Severity: source.Error, Span: written.KeySpan, Title: Codes["E215"].Title,
		Message: message + " Entries here: " + source.Listed(names) + ".", Hint: source.DidYouMean(written.Key, names),
	}
}

// Eval gives its value; entries whose value is Absent are left out, and so are inner objects of which nothing is left.
func (o *Object) Eval(vars map[string]any, r Reads) (any, error) {
	v, err := o.eval(vars, r)
	if err == nil && v == Absent && o.isMap {
		return map[string]any{}, nil
	}
	return v, err
}

func (o *Object) eval(vars map[string]any, r Reads) (any, error) {
	switch {
	case o.isMap:
		out := make(map[string]any, len(o.entries))
		for _, e := range o.entries {
			v, err := e.value.eval(vars, r)
			if err != nil {
				return nil, err
			}
			if v != Absent {
				out[e.key] = v
			}
		}
		if len(out) == 0 && len(o.entries) > 0 {
			return Absent, nil
		}
		return out, nil
	case o.isList:
		out := make([]any, 0, len(o.list))
		for _, item := range o.list {
			v, err := item.eval(vars, r)
			if err != nil {
				return nil, err
			}
			if v != Absent {
				out = append(out, v)
			}
		}
		return out, nil
	}
	return o.template.Eval(vars, r)
}

// Lines says of each leaf which expression gave which value, for the journey's mapping view. A leaf that cannot be
// evaluated has the reason as its value.
func (o *Object) Lines(vars map[string]any, r Reads) []Line { return o.lines("", vars, r) }

func (o *Object) lines(path string, vars map[string]any, r Reads) []Line {
	var out []Line
	for _, e := range o.entries {
		out = append(out, e.value.lines(join(path, e.key), vars, r)...)
	}
	for i, item := range o.list {
		out = append(out, item.lines(fmt.Sprintf("%s[%d]", path, i), vars, r)...)
	}
	if o.template == nil {
		return out
	}
	line := Line{Path: path, Source: o.template.text, Span: o.template.span}
	v, err := o.template.Eval(vars, r)
	switch {
	case err != nil:
		line.Value = err.Error()
	case v == Absent:
		line.Absent = true
	default:
		line.Value = cut(display(v), 500)
	}
	return append(out, line)
}

// NeedsBook reports whether any part calls table() or pairing().
func (o *Object) NeedsBook() bool {
	return slices.ContainsFunc(o.templates(), (*Template).NeedsBook)
}

// Uses lists the paths it reads.
func (o *Object) Uses() []string {
	all := map[string]bool{}
	for _, t := range o.templates() {
		for _, use := range t.Uses() {
			all[use] = true
		}
	}
	return longest(all)
}

// Has reports whether the object has an entry of that name at its top, which may still be left out when evaluated.
func (o *Object) Has(key string) bool {
	return slices.ContainsFunc(o.entries, func(e entry) bool { return e.key == key })
}

func (o *Object) templates() []*Template {
	var out []*Template
	if o.template != nil {
		out = append(out, o.template)
	}
	for _, e := range o.entries {
		out = append(out, e.value.templates()...)
	}
	for _, item := range o.list {
		out = append(out, item.templates()...)
	}
	return out
}
