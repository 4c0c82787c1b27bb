package translate

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"waybill/connector"
)

// Others gives JSON bodies like one that came in, but about other objects: in each of them one field that a fact key reads
// is another. They are no more than tries, for a mapping may make nothing of them.
func (t *Translator) Others(body []byte) [][]byte {
	var out [][]byte
	for _, path := range t.keyed() {
		data, err := connector.DecodeJSON(body)
		if err != nil || !another(data, strings.Split(path, ".")) {
			continue
		}
		if text, err := json.Marshal(data); err == nil {
			out = append(out, text)
		}
	}
	return out
}

// keyed are the fields of a body that fact keys read, each once.
func (t *Translator) keyed() []string {
	var out []string
	for _, typ := range slices.Sorted(maps.Keys(t.byType)) {
		for _, m := range t.byType[typ] {
			if m.FactKey == nil {
				continue
			}
			for _, use := range m.FactKey.Uses() {
				if path, ok := strings.CutPrefix(use, "body."); ok && !slices.Contains(out, path) {
					out = append(out, path)
				}
			}
		}
	}
	return out
}

// another changes the text or whole number at a path.
func another(data any, path []string) bool {
	object, ok := data.(map[string]any)
	if !ok {
		return false
	}
	if len(path) > 1 {
		return another(object[path[0]], path[1:])
	}
	switch v := object[path[0]].(type) {
	case string:
		object[path[0]] = v + "-2"
	case int64:
		object[path[0]] = v + 1
	default:
		return false
	}
	return true
}
