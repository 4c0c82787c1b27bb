package workspace

import (
	"fmt"
	"slices"

	"waybill/catalogue"
	"waybill/connector"
	"waybill/flow"
	"waybill/source"
)

// rawOverride is a file of events/ that says how the provider's types are understood, beside or instead of the manifest:
// for every connection of a connector, or for one connection.
type rawOverride struct {
	Connector  source.Text  `yaml:"connector"`
	Connection source.Text  `yaml:"connection"`
	Mappings   *source.Node `yaml:"mappings,required"`
	Node       *source.Node `yaml:",node"`
}

// events reads events/: own events first, as own mappings may tell them.
func (l *loader) events() {
	built, err := catalogue.Load()
	if err != nil {
		l.fault("E364", at("events"), err.Error(), "")
		built = &catalogue.Catalogue{}
	}
	l.w.Catalogue = built
	var defs []*catalogue.Definition
	for _, n := range l.nodes("events") {
		if n.Get("noun") != nil || n.Get("mappings") == nil {
			own, faults := catalogue.Parse(n)
			l.add(faults)
			if l.noun(own, built, defs) {
				defs = append(defs, own...)
			}
			continue
		}
		var raw rawOverride
		l.add(source.Decode(n, &raw))
		if (raw.Connector.Value == "") == (raw.Connection.Value == "") {
			l.fault("E367", n.Span, "Own mappings are for one connector or for one connection.", "Add: connection: NAME")
			continue
		}
		l.overrides = append(l.overrides, raw)
	}
	for _, d := range defs {
		d.Own = true
	}
	l.w.Catalogue = built.With(defs).In(l.w.Region)
}

// noun reports whether a noun is new: what the catalogue has, connectors tell, and one of the workspace's is defined once.
func (l *loader) noun(own []*catalogue.Definition, built *catalogue.Catalogue, before []*catalogue.Definition) bool {
	if len(own) == 0 {
		return false
	}
	name, at := own[0].Noun, own[0].NounAt
	if slices.Contains(built.Nouns(), name) {
		l.fault("E353", at, fmt.Sprintf("The catalogue has the noun %q already: connectors tell it, so its fields stay as they are.", name),
			"Choose another noun for what is your own; what a connection sends becomes one of the catalogue's events by a mapping.")
		return false
	}
	if l.w.Env != nil && flow.Reserved(l.w.Env, name) {
		l.faults.Add(catalogue.Codes, "E425", at, fmt.Sprintf("%q is a word of the expression language.", name), "Choose another noun.")
		return false
	}
	for _, d := range before {
		if d.Noun == name {
			l.fault("E353", at, fmt.Sprintf("The noun %q is defined in %s:%d already.", name, d.NounAt.File, d.NounAt.Line),
				"Write all its events there, or choose another noun.")
			return false
		}
	}
	return true
}

// mappings returns the workspace's own mappings for a connection: they take the place of every mapping of the manifest
// for their provider types.
func (l *loader) mappings(connection string, m *connector.Manifest) []*connector.Mapping {
	var own []*connector.Mapping
	for i := range l.overrides {
		o := &l.overrides[i]
		if (o.Connection.Value != connection && o.Connector.Value != m.Name) || o.Mappings == nil {
			continue
		}
		mappings, faults := connector.ParseMappings(m, o.Mappings, l.w.Env)
		l.add(faults)
		own = append(own, mappings...)
	}
	return own
}

// overridden faults mappings for what is not there.
func (l *loader) overridden() {
	for _, o := range l.overrides {
		if name := o.Connection; name.Value != "" && l.w.Connections[name.Value] == nil {
			l.faults.Add(flow.Codes, "E303", name.Span, fmt.Sprintf("There is no connection %q.", name.Value), source.DidYouMean(name.Value, sortedKeys(l.w.Connections)))
		}
		if o.Connector.Value != "" {
			l.manifest(o.Connector)
		}
	}
}
