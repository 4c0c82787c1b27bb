// Package catalogue holds the business events that flows are written against: their schemas, what makes two tellings one
// fact, their status order, what people search by, and which business objects they are about.
//
// It promises that an event's data, once Conform has accepted it, has every required field, only known fields, exact
// money and times in RFC 3339; and that rules over data (what an order's amounts come to) are pure. It must not know
// providers: their words are turned into these by mappings.
package catalogue

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"waybill/expr"
	"waybill/source"
)

// Catalogue is an immutable set of event definitions.
type Catalogue struct {
	byType map[string]*Definition
}

// Definition is one type of business event.
type Definition struct {
	Type    string // payment.succeeded
	Noun    string // payment: the name flows use for its data
	Name    string // succeeded
	Title   string // A payment came in
	Fact    string // what makes it the same fact, in words
	Rank    int    // the status order: a higher one never loses to a lower
	Schema  *expr.Schema
	Becomes []string // types it is told as instead of itself, by what its data comes to; see Derive
	Time    string   // the path of the object's own time; empty: the event's
	Own     bool     // the workspace's, not ours
	Span    source.Span
	NounAt  source.Span // where its noun is written

	computed []string // required fields that Derive works out
	subject  []template
	search   []searchPath
	about    []about
	region   string
}

// Conform makes an event's data fit its schema, or says where it does not: see expr.Schema.Conform.
func (d *Definition) Conform(data map[string]any) (map[string]any, []expr.Misfit) {
	return d.Schema.Conform(data)
}

// searchPath is a path whose value people search by.
type searchPath struct {
	kind string
	path []string
}

// about says which business object part of the data describes.
type about struct {
	typ  string
	at   []string
	when []string
	name [][]string
	ids  []idPath
}

type idPath struct {
	kind string // email, phone, connection (its own id there), or another kind of number
	path []string
}

//go:embed events
var files embed.FS

// Load returns the built-in events.
func Load() (*Catalogue, error) {
	defs, faults := Read(files, "events")
	if err := faults.Err(); err != nil {
		return nil, fmt.Errorf("read the built-in events: %w", err)
	}
	return (&Catalogue{}).With(defs), nil
}

// Read parses every file of a folder of events.
func Read(fsys fs.FS, dir string) ([]*Definition, source.Faults) {
	names, err := fs.Glob(fsys, dir+"/*.yaml")
	if err != nil {
		names = nil
	}
	var defs []*Definition
	var faults source.Faults
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			faults.Add(Codes, "E421", source.Span{Pos: source.Pos{File: name, Line: 1, Col: 1}, Len: 1}, err.Error(), "")
			continue
		}
		node, bad := source.Parse(name, text)
		faults = append(faults, bad...)
		if node == nil || bad.Bad() {
			continue
		}
		own, bad := Parse(node)
		faults = append(faults, bad...)
		defs = append(defs, own...)
	}
	return defs, faults
}

// With returns a catalogue that also has defs; one of the same type takes the place of the one there was.
func (c *Catalogue) With(defs []*Definition) *Catalogue {
	out := &Catalogue{byType: make(map[string]*Definition, len(c.byType)+len(defs))}
	maps.Copy(out.byType, c.byType)
	for _, d := range defs {
		out.byType[d.Type] = d
	}
	return out
}

// In returns the catalogue for a region (IN): where phone numbers without a country code are from.
func (c *Catalogue) In(region string) *Catalogue {
	out := &Catalogue{byType: make(map[string]*Definition, len(c.byType))}
	for typ, d := range c.byType {
		own := *d
		own.region = region
		out.byType[typ] = &own
	}
	return out
}

// Type returns the definition of a type, nil when there is none.
func (c *Catalogue) Type(typ string) *Definition { return c.byType[typ] }

// Find returns the definition of a type, and whether there is one.
func (c *Catalogue) Find(typ string) (*Definition, bool) {
	d, ok := c.byType[typ]
	return d, ok
}

// Names lists every type, sorted.
func (c *Catalogue) Names() []string { return slices.Sorted(maps.Keys(c.byType)) }

// Nouns lists every noun, sorted.
func (c *Catalogue) Nouns() []string {
	var out []string
	for _, d := range c.byType {
		if !slices.Contains(out, d.Noun) {
			out = append(out, d.Noun)
		}
	}
	slices.Sort(out)
	return out
}

// Expand gives the types that are really told for a type: order.paid is told as order.part_paid, order.paid_in_full or
// order.overpaid. Any other type is told as itself; an unknown one gives nothing.
func (c *Catalogue) Expand(typ string) []string {
	d := c.byType[typ]
	switch {
	case d == nil:
		return nil
	case len(d.Becomes) > 0:
		return slices.Clone(d.Becomes)
	default:
		return []string{typ}
	}
}

// MappingSchema is the schema that a mapping or an emit must fill: fields that are worked out may be left out.
func (d *Definition) MappingSchema() *expr.Schema {
	if len(d.computed) == 0 {
		return d.Schema
	}
	s := *d.Schema
	s.Required = slices.DeleteFunc(slices.Clone(s.Required), func(f string) bool { return slices.Contains(d.computed, f) })
	return &s
}

// Codes are the faults of event definitions.
var Codes = map[string]source.Explanation{ // a table that nothing changes
	"E421": {Title: "unusable event", Text: "An event definition names its noun, its schema and its events: noun: order."},
	"E422": {Title: "path without a field", Text: "A path named in subject, search, about, time or computed leads to no field of the schema."},
	"E423": {Title: "unusable schema", Text: "A field's type is object, array, string, integer, number or boolean; without one it may be anything. " +
		"Its format, where it has one, is money, email, phone, date, date-time or uri. The schema of a noun is an object with properties."},
	"E424": {Title: "required field that there is not", Text: "`required` lists fields that stand under `properties` beside it. One that does not " +
		"could never be given, so nothing would ever fit the schema."},
	"E425": {Title: "unusable noun", Text: "Expressions call an event's data by its noun, so nouns and the names of events are lower-case letters, digits and " +
		"underscores, beginning with a letter, at most 64 characters."},
}

type rawNoun struct {
	Noun     source.Text              `yaml:"noun,required"`
	Title    string                   `yaml:"title,required"`
	Subject  []source.Text            `yaml:"subject,one_or_more"`
	Time     source.Text              `yaml:"time"`
	Search   map[string][]source.Text `yaml:"search"`
	About    []rawAbout               `yaml:"about"`
	Computed []source.Text            `yaml:"computed"`
	Schema   *expr.Schema             `yaml:"schema,required"`
	Events   *source.Node             `yaml:"events,required"`
	Node     *source.Node             `yaml:",node"`
}

type rawAbout struct {
	Type string                 `yaml:"type,required"`
	At   source.Text            `yaml:"at"`
	When source.Text            `yaml:"when"`
	Name []source.Text          `yaml:"name,one_or_more"`
	IDs  map[string]source.Text `yaml:"ids,required"`
}

type rawEvent struct {
	Title   string        `yaml:"title,required"`
	Rank    int           `yaml:"rank"`
	Fact    string        `yaml:"fact,required"`
	Becomes []source.Text `yaml:"becomes"`
}

// Parse reads one noun and its events.
func Parse(node *source.Node) ([]*Definition, source.Faults) {
	var raw rawNoun
	p := &parser{faults: source.Decode(node, &raw)}
	if p.faults.Bad() || raw.Schema == nil {
		return nil, p.faults
	}
	complete(raw.Schema)
	p.schema = raw.Schema
	p.whole(raw.Schema, raw.Node.Get("schema"))
	p.name(raw.Noun.Value, raw.Noun.Span, "a noun")
	base := Definition{Noun: raw.Noun.Value, Schema: raw.Schema, Time: raw.Time.Value, NounAt: raw.Noun.Span}
	p.path(raw.Time, nil)
	for _, field := range raw.Computed {
		p.path(field, nil)
		base.computed = append(base.computed, field.Value)
	}
	for _, text := range raw.Subject {
		base.subject = append(base.subject, p.template(text))
	}
	for _, kind := range slices.Sorted(maps.Keys(raw.Search)) {
		for _, path := range raw.Search[kind] {
			base.search = append(base.search, searchPath{kind: kind, path: p.path(path, nil)})
		}
	}
	for _, a := range raw.About {
		base.about = append(base.about, p.about(a))
	}
	return p.events(raw.Events, base), p.faults
}

// events reads the events of a noun.
func (p *parser) events(n *source.Node, base Definition) []*Definition {
	if n.Kind != source.Map || len(n.Entries) == 0 {
		p.faults.Add(Codes, "E421", n.Span, "Events are a group of names: created, updated.", "")
	}
	var defs []*Definition
	for _, e := range n.Entries {
		var ev rawEvent
		p.faults = append(p.faults, source.Decode(e.Value, &ev)...)
		p.name(e.Key, e.KeySpan, "the name of an event")
		d := base
		d.Name, d.Type, d.Title, d.Rank, d.Fact = e.Key, base.Noun+"."+e.Key, ev.Title, ev.Rank, ev.Fact
		d.Span = e.KeySpan
		for _, told := range ev.Becomes {
			if n.Get(told.Value) == nil {
				p.faults.Add(Codes, "E421", told.Span, fmt.Sprintf("%s has no event %q, so %s could not be told as that.", base.Noun, told.Value, d.Type), "")
			}
			d.Becomes = append(d.Becomes, base.Noun+"."+told.Value)
		}
		defs = append(defs, &d)
	}
	return defs
}

type parser struct {
	schema *expr.Schema
	faults source.Faults
}

// complete fills in what a schema may leave out: one with properties is an object.
func complete(s *expr.Schema) {
	if s == nil {
		return
	}
	if s.Type == "" && s.Properties != nil {
		s.Type = "object"
	}
	for _, inner := range s.Properties {
		complete(inner)
	}
	complete(s.Items)
	complete(s.Values)
}

// path splits a dotted path below prefix and checks that the schema has it.
func (p *parser) path(t source.Text, prefix []string) []string {
	if t.Value == "" {
		return nil
	}
	path := strings.Split(t.Value, ".")
	at := p.schema
	for _, name := range slices.Concat(prefix, path) {
		if at == nil || at.Properties[name] == nil {
			var known []string
			if at != nil {
				known = slices.Collect(maps.Keys(at.Properties))
			}
			p.faults.Add(Codes, "E422", t.Span, fmt.Sprintf("The schema has no field %q.", strings.Join(slices.Concat(prefix, path), ".")),
				source.DidYouMean(name, known))
			break
		}
		at = at.Properties[name]
	}
	return path
}

func (p *parser) about(raw rawAbout) about {
	a := about{typ: raw.Type, at: p.path(raw.At, nil), when: p.path(raw.When, nil)}
	for _, name := range raw.Name {
		a.name = append(a.name, p.path(name, a.at))
	}
	for _, kind := range slices.Sorted(maps.Keys(raw.IDs)) {
		a.ids = append(a.ids, idPath{kind: kind, path: p.path(raw.IDs[kind], a.at)})
	}
	return a
}
