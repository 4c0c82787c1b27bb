package flow

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"waybill/expr"
	"waybill/source"
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// either is the type of a value that has one type or the other: a field is required only when both require it, and of
// any type where the two disagree.
func either(a, b *expr.Schema) *expr.Schema {
	if a == b {
		return a
	}
	if a == nil || b == nil || a.Type != b.Type || a.Format != b.Format {
		return nil
	}
	out := &expr.Schema{Type: a.Type, Format: a.Format, Title: a.Title, Description: a.Description, Open: a.Open || b.Open}
	if len(a.Properties) > 0 || len(b.Properties) > 0 {
		out.Properties = map[string]*expr.Schema{}
		for name, p := range a.Properties {
			out.Properties[name] = p
			if q, both := b.Properties[name]; both {
				out.Properties[name] = orAny(either(p, q))
			}
		}
		for name, q := range b.Properties {
			if _, both := a.Properties[name]; !both {
				out.Properties[name] = q
			}
		}
		for _, name := range a.Required {
			if slices.Contains(b.Required, name) {
				out.Required = append(out.Required, name)
			}
		}
	}
	if a.Items != nil && b.Items != nil {
		out.Items = either(a.Items, b.Items)
	}
	if a.Values != nil && b.Values != nil {
		out.Values = either(a.Values, b.Values)
	}
	if len(a.Enum) > 0 && len(b.Enum) > 0 {
		out.Enum = slices.Clone(a.Enum)
		for _, v := range b.Enum {
			if !slices.Contains(out.Enum, v) {
				out.Enum = append(out.Enum, v)
			}
		}
	}
	if reflect.DeepEqual(a, out) {
		return a
	}
	return out
}

func orAny(s *expr.Schema) *expr.Schema {
	if s == nil {
		return &expr.Schema{}
	}
	return s
}

// valueType is the type of a value written in YAML whose scalars are templates. It has been compiled without faults.
func valueType(n *source.Node, at scope) *expr.Schema {
	s, _ := typeOf(n, at)
	return s
}

// typeOf also reports whether the value may be absent.
func typeOf(n *source.Node, at scope) (*expr.Schema, bool) {
	switch n.Kind {
	case source.Map:
		out := &expr.Schema{Type: "object", Properties: map[string]*expr.Schema{}}
		for _, e := range n.Entries {
			inner, maybe := typeOf(e.Value, at)
			out.Properties[e.Key] = orAny(inner)
			if !maybe {
				out.Required = append(out.Required, e.Key)
			}
		}
		return out, false
	case source.List:
		out := &expr.Schema{Type: "array"}
		for i, item := range n.Items {
			inner, _ := typeOf(item, at)
			if i == 0 {
				out.Items = inner
			} else {
				out.Items = either(out.Items, inner)
			}
		}
		return out, false
	case source.Null:
		return nil, false
	case source.Scalar:
	}
	t, _ := n.Scalar()
	if strings.HasPrefix(t.Value, "${") && strings.HasSuffix(t.Value, "}") && strings.Count(t.Value, "${") == 1 {
		p, faults := at.env.Program(t.Slice(2, len(t.Value)-1), at.to(nil))
		if faults.Bad() {
			return nil, false
		}
		return p.Schema(), p.MayBeAbsent()
	}
	switch n.Value().(type) {
	case int64:
		return &expr.Schema{Type: "integer"}, false
	case float64:
		return &expr.Schema{Type: "number"}, false
	case bool:
		return &expr.Schema{Type: "boolean"}, false
	default:
		return &expr.Schema{Type: "string"}, false
	}
}

// pathIn walks a dotted path through a schema. It returns the part that is not there, the names that are, and "" when
// the path is fine.
func pathIn(s *expr.Schema, path []string) (wrong string, there []string) {
	for _, name := range path {
		if s == nil || s.Type == "" || s.Format == "money" {
			if s != nil && s.Format == "money" && name != "minor" && name != "currency" {
				return name, []string{"minor", "currency"}
			}
			return "", nil
		}
		if s.Values != nil {
			s = s.Values
			continue
		}
		next, ok := s.Properties[name]
		if !ok {
			if s.Open {
				return "", nil
			}
			return name, sortedNames(s.Properties)
		}
		s = next
	}
	return "", nil
}

// column checks the path of an event's field.
func (c *compiler) column(t source.Text, schema *expr.Schema) {
	parts := strings.Split(t.Value, ".")
	if parts[0] != c.flow.Noun || len(parts) < 2 {
		c.fault("E320", t.Span, fmt.Sprintf("%q is no field of the event. A column begins with the event's noun: %s.id.", t.Value, c.flow.Noun), "")
		return
	}
	wrong, there := pathIn(schema, parts[1:])
	if wrong == "" {
		return
	}
	off := strings.Index(t.Value, "."+wrong) + 1
	span := t.PosAt(off)
	span.Len = len(wrong)
	c.fault("E320", span, fmt.Sprintf("The event has no field %q here. Fields here: %s.", wrong, source.Listed(there)),
		source.DidYouMean(wrong, there))
}
