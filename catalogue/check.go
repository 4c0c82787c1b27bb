package catalogue

import (
	"fmt"
	"regexp"
	"slices"

	"waybill/expr"
	"waybill/source"
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// What a schema may say; an empty one says nothing.
var (
	types   = []string{"object", "array", "string", "integer", "number", "boolean"}
	formats = []string{"money", "email", "phone", "date", "date-time", "uri"}
)

func (p *parser) name(name string, at source.Span, what string) {
	if !namePattern.MatchString(name) {
		p.faults.Add(Codes, "E425", at, fmt.Sprintf("%q cannot be %s.", name, what), "Write lower-case letters, digits and underscores: visit.")
	}
}

// whole checks the schema of a noun and everything inside it.
func (p *parser) whole(s *expr.Schema, n *source.Node) {
	if slices.Contains(types, s.Type) && (s.Type != "object" || s.Format != "") || len(s.Properties) == 0 {
		p.faults.Add(Codes, "E423", n.Span, "An event's data are a group of fields, but this schema names none.", "Add: type: object, and under `properties` the fields.")
	}
	p.shape(s, n)
}

// shape checks what a schema says of one value, and of those inside it.
func (p *parser) shape(s *expr.Schema, n *source.Node) {
	if s == nil || n == nil {
		return
	}
	p.one(s.Type, n.Get("type"), "type", types)
	p.one(s.Format, n.Get("format"), "format", formats)
	p.required(s, n.Get("required"))
	properties := n.Get("properties")
	if len(s.Properties) > 0 && slices.Contains(types, s.Type) && s.Type != "object" {
		p.faults.Add(Codes, "E423", n.KeySpan("properties"), fmt.Sprintf("Only an object has properties, but this is of the type %s.", s.Type), "Write type: object.")
	}
	for name, inner := range s.Properties {
		p.shape(inner, properties.Get(name))
	}
	p.shape(s.Items, n.Get("items"))
	p.shape(s.Values, n.Get("values"))
}

// one checks a word that is one of a few.
func (p *parser) one(value string, n *source.Node, what string, known []string) {
	if value == "" || n == nil || slices.Contains(known, value) {
		return
	}
	p.faults.Add(Codes, "E423", n.Span, fmt.Sprintf("There is no %s %q. There are: %s.", what, value, source.Listed(known)), source.DidYouMean(value, known))
}

// required checks that each field that must be given is one.
func (p *parser) required(s *expr.Schema, n *source.Node) {
	if n == nil || s.Open || s.Values != nil {
		return
	}
	var known []string
	for name := range s.Properties {
		known = append(known, name)
	}
	for i, name := range s.Required {
		if !slices.Contains(known, name) && i < len(n.Items) {
			p.faults.Add(Codes, "E424", n.Items[i].Span, fmt.Sprintf("%q must be given, but `properties` has no such field, so nothing would ever fit.", name),
				firstOf(source.DidYouMean(name, known), fmt.Sprintf("Add it under `properties`: %s: {type: string}, or remove it here.", name)))
		}
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
