// Package subject holds the pure rules about business objects: which ones an event is about, when two tellings are of
// the same one, and what stays when they are brought together.
//
// It promises that an older fact never overwrites a newer one, in whatever order they come, and that bringing the same
// fact in twice changes nothing. It must not know the book: who keeps subjects hands them in.
package subject

import (
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"waybill"
	"waybill/catalogue"
	"waybill/connector"
)

// Of gives the business objects an event is about, without ids: its order, its customer.
func Of(d *catalogue.Definition, e *waybill.Event, data map[string]any) []waybill.Subject {
	return d.Subjects(e, data)
}

// Same reports whether two subjects are one: of one type, with an alias in common.
func Same(a, b waybill.Subject) bool {
	if a.Type != b.Type {
		return false
	}
	return slices.ContainsFunc(a.Aliases, func(x waybill.Alias) bool { return slices.Contains(b.Aliases, x) })
}

// Merge brings what a newer telling says into what is kept. The one whose fact is newer (by time, then rank) wins field
// by field; fields only one of them has stay; aliases add up. The id of have stays.
func Merge(have, told waybill.Subject) waybill.Subject {
	older, newer := have, told
	if newerThan(have, told) {
		older, newer = told, have
	}
	out := have
	out.FactTime, out.Rank = newer.FactTime, newer.Rank
	out.Name = newer.Name
	if out.Name == "" {
		out.Name = older.Name
	}
	out.Aliases = slices.Clone(have.Aliases)
	for _, alias := range told.Aliases {
		if !slices.Contains(out.Aliases, alias) {
			out.Aliases = append(out.Aliases, alias)
		}
	}
	out.Fields = lay(older.Fields, newer.Fields)
	if told.UpdatedAt.After(have.UpdatedAt) {
		out.UpdatedAt = told.UpdatedAt
	}
	return out
}

// newerThan reports whether a's fact is newer than b's.
func newerThan(a, b waybill.Subject) bool {
	if !a.FactTime.Equal(b.FactTime) {
		return a.FactTime.After(b.FactTime)
	}
	return a.Rank > b.Rank
}

// lay puts the fields of over on those of under; groups of fields are laid field by field, except money.
func lay(under, over []byte) []byte {
	high, err := decode(over)
	if err != nil {
		return under
	}
	low, err := decode(under)
	if err != nil {
		return over
	}
	out, err := json.Marshal(Lay(low, high), json.Deterministic(true))
	if err != nil {
		return over
	}
	return out
}

// decode keeps whole numbers exact.
func decode(text []byte) (map[string]any, error) {
	if len(text) == 0 {
		return nil, nil // nothing is known yet
	}
	value, err := connector.DecodeJSON(text)
	fields, _ := value.(map[string]any)
	return fields, err
}

// Lay gives the fields of low with those of high laid over them, group by group, money as a whole. Neither is changed.
func Lay(low, high map[string]any) map[string]any {
	out := maps.Clone(low)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range high {
		inner, isMap := value.(map[string]any)
		before, wasMap := out[name].(map[string]any)
		if _, money := inner["minor"]; isMap && wasMap && !money {
			out[name] = Lay(before, inner)
			continue
		}
		out[name] = value
	}
	return out
}

// contacts are the kinds of alias that are no system's own id.
var contacts = []string{"email", "phone", "order"} // a list that nothing changes

// Pairings gives what a subject's aliases say of two systems: the same object has this id here and that id there.
func Pairings(s waybill.Subject) []waybill.Pairing {
	var own []waybill.Alias
	for _, alias := range s.Aliases {
		if !slices.Contains(contacts, alias.Kind) {
			own = append(own, alias)
		}
	}
	slices.SortFunc(own, func(a, b waybill.Alias) int { return strings.Compare(a.Kind+"\x00"+a.Value, b.Kind+"\x00"+b.Value) })
	var out []waybill.Pairing
	for i, a := range own {
		for _, b := range own[i+1:] {
			if a.Kind != b.Kind {
				out = append(out, waybill.Pairing{Type: s.Type, ConnA: a.Kind, IDA: a.Value, ConnB: b.Kind, IDB: b.Value})
			}
		}
	}
	return out
}
