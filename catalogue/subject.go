package catalogue

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"waybill"
	"waybill/expr"
	"waybill/source"
)

// template is a text with ${path} parts; it gives nothing unless every path has a value.
type template struct {
	texts []string   // one more than paths
	paths [][]string // dotted paths
}

// template reads a text with ${path} parts, whose fields the schema must have.
func (p *parser) template(text source.Text) template {
	var t template
	rest, at := text.Value, 0
	for {
		before, behind, found := strings.Cut(rest, "${")
		t.texts = append(t.texts, before)
		if !found {
			return t
		}
		from := at + len(before) + len("${")
		path, after, closed := strings.Cut(behind, "}")
		if !closed {
			p.faults.Add(Codes, "E421", text.Slice(from-len("${"), len(text.Value)).Span, "This ${ is not closed.", "Write for example: Visit ${id}")
			return t
		}
		field := text.Slice(from, from+len(path))
		if path == "" {
			p.faults.Add(Codes, "E422", field.Span, "This names no field.", "Write for example: Visit ${id}")
		}
		t.paths = append(t.paths, p.path(field, nil))
		rest, at = after, from+len(path)+len("}")
	}
}

func (t template) fill(data map[string]any) (string, bool) {
	var out strings.Builder
	for i, path := range t.paths {
		value := Text(data, path)
		if value == "" {
			return "", false
		}
		out.WriteString(t.texts[i])
		out.WriteString(value)
	}
	out.WriteString(t.texts[len(t.texts)-1])
	return out.String(), true
}

// SubjectOf says what an event is about, as pages say it: Order SO-1001. It is empty when nothing names it.
func (d *Definition) SubjectOf(data map[string]any) string {
	for _, t := range d.subject {
		if text, ok := t.fill(data); ok {
			return text
		}
	}
	return ""
}

// Search gives the keys people find an event by, normalised, each once.
func (d *Definition) Search(data map[string]any) []waybill.SearchKey {
	var out []waybill.SearchKey
	for _, s := range d.search {
		value := at(data, s.path)
		var text string
		if money, ok := value.(map[string]any); ok {
			minor, _ := money["minor"].(int64)
			text = strconv.FormatInt(minor, 10)
		} else if text = plain(value); text == "" {
			continue
		}
		key := waybill.SearchKey{Kind: s.kind, Value: Normal(s.kind, text, d.region)}
		if key.Value != "" && !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}

// SearchedBy returns the kind of search key that a field of the event's data is, empty when people do not search by it.
func (d *Definition) SearchedBy(path []string) string {
	for _, s := range d.search {
		if slices.Equal(s.path, path) {
			return s.kind
		}
	}
	return ""
}

// Normal writes the value of a field so that the same one always reads the same, whoever wrote it.
func (d *Definition) Normal(path []string, value string) string {
	return Normal(d.SearchedBy(path), value, d.region)
}

// Identity tells the object that the whole of the event's data is about from all others of its noun: by its own number
// where it has one, else by its id in the connection that it came by. It is empty when the data has no id.
func (d *Definition) Identity(connection string, data map[string]any) string {
	for _, a := range d.about {
		if len(a.at) > 0 {
			continue
		}
		for _, id := range a.ids {
			value := Text(data, id.path)
			if value != "" && slices.Equal(id.path, []string{"id"}) && id.kind != "email" && id.kind != "phone" {
				return identity(id.kind, connection, value)
			}
		}
	}
	if value := Text(data, []string{"id"}); value != "" {
		return identity("connection", connection, value)
	}
	return ""
}

func identity(kind, connection, value string) string {
	if kind == "connection" {
		kind = "connection " + connection
	}
	return kind + " " + value
}

// Object is a business object that an event's data describes.
type Object struct {
	Type    string
	Name    string // as pages say it
	Aliases []waybill.Alias
	Fields  map[string]any // the part of the data that describes it
}

// Objects gives the business objects an event is about. An alias of kind "connection" is the id the object has in the
// connection the event came by. An object without any alias is left out: nothing tells it from another.
func (d *Definition) Objects(connection string, data map[string]any) []Object {
	var out []Object
	for _, a := range d.about {
		fields, ok := at(data, a.at).(map[string]any)
		if !ok || (len(a.when) > 0 && Text(data, a.when) == "") {
			continue
		}
		o := Object{Type: a.typ, Fields: fields}
		for _, name := range a.name {
			if o.Name = Text(fields, name); o.Name != "" {
				break
			}
		}
		for _, id := range a.ids {
			value := Normal(id.kind, Text(fields, id.path), d.region)
			if value == "" {
				continue
			}
			kind := id.kind
			if kind == "connection" {
				kind = connection
			}
			o.Aliases = append(o.Aliases, waybill.Alias{Kind: kind, Value: value})
		}
		if len(o.Aliases) > 0 {
			out = append(out, o)
		}
	}
	return out
}

// Normal writes a value so that the same one always reads the same: e-mails in small letters, phone numbers in E.164,
// other values without spaces around them. A phone number that cannot be read keeps its digits.
func Normal(kind, value, region string) string {
	value = strings.TrimSpace(value)
	switch kind {
	case "email":
		return strings.ToLower(value)
	case "phone":
		return phone(value, region)
	default:
		return value
	}
}

func phone(value, region string) string {
	if isE164(value) || value == "" {
		return value
	}
	if n, err := phonenumbers.Parse(value, region); err == nil {
		return phonenumbers.Format(n, phonenumbers.E164)
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, value)
}

func isE164(value string) bool {
	if len(value) < 9 || len(value) > 16 || value[0] != '+' {
		return false
	}
	for _, c := range value[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// at gives the value at a path of data, nil when there is none; an empty path is the data itself.
func at(data map[string]any, path []string) any {
	var value any = data
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// Text gives the plain value at a path as text, empty when there is none.
func Text(data map[string]any, path []string) string { return plain(at(data, path)) }

func plain(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case int64:
		return strconv.FormatInt(value, 10)
	default:
		return ""
	}
}

// Subjects gives the business objects an event is about as Waybill keeps them: with the fields the event tells and the
// time and rank of the fact, so that an older one never overwrites a newer. They have no id yet.
func (d *Definition) Subjects(e *waybill.Event, data map[string]any) []waybill.Subject {
	var out []waybill.Subject
	for _, o := range d.Objects(e.Connection, data) {
		fields, err := expr.EncodeJSON(o.Fields)
		if err != nil {
			continue // data that conforms always encodes
		}
		out = append(out, waybill.Subject{
			Type: o.Type, Name: o.Name, Aliases: o.Aliases, Fields: fields, Rank: e.Rank, FactTime: e.OccurredAt,
		})
	}
	return out
}
