package simulator

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"waybill/expr"
)

// complaint is the first thing a provider finds wrong with what it was sent.
type complaint struct {
	param   string // metadata[order_id] in a form, metadata.order_id in JSON
	problem string // missing, unknown, invalid
	words   string
}

// inspector compares values with a schema as a provider does.
type inspector struct {
	form    bool // values are texts, names nest in brackets
	unknown bool // unknown parameters are refused
}

// inspect returns the value in the types the schema states, and the first complaint.
func (in inspector) inspect(s *expr.Schema, v any, name string) (any, *complaint) {
	if s == nil {
		return v, nil
	}
	if in.form {
		v = typed(s.Type, v)
	}
	if !hasType(s.Type, v) {
		return v, &complaint{name, "invalid", "must be " + article(s.Type)}
	}
	switch v := v.(type) {
	case map[string]any:
		return in.object(s, v, name)
	case []any:
		if s.MaxItems > 0 && len(v) > s.MaxItems {
			return v, &complaint{name, "invalid", fmt.Sprintf("may have at most %d entries", s.MaxItems)}
		}
		out := make([]any, len(v))
		for i := range v {
			item, c := in.inspect(s.Items, v[i], in.join(name, strconv.Itoa(i)))
			if c != nil {
				return v, c
			}
			out[i] = item
		}
		return out, nil
	case string:
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			return v, &complaint{name, "invalid", "must be one of " + strings.Join(s.Enum, ", ")}
		}
		if s.MaxLength > 0 && utf8.RuneCountInString(v) > s.MaxLength {
			return v, &complaint{name, "invalid", fmt.Sprintf("may have at most %d characters", s.MaxLength)}
		}
	}
	return v, nil
}

func (in inspector) object(s *expr.Schema, v map[string]any, name string) (any, *complaint) {
	for _, required := range s.Required {
		if v[required] == nil || v[required] == "" {
			return v, &complaint{in.join(name, required), "missing", "is required"}
		}
	}
	out := make(map[string]any, len(v))
	for _, key := range slices.Sorted(maps.Keys(v)) {
		below := s.Properties[key]
		if below == nil {
			below = s.Values
			if below == nil && !s.Open && in.unknown && len(s.Properties) > 0 {
				return v, &complaint{in.join(name, key), "unknown", "is not known"}
			}
		}
		if v[key] == nil { // null stands for nothing
			out[key] = nil
			continue
		}
		value, c := in.inspect(below, v[key], in.join(name, key))
		if c != nil {
			return v, c
		}
		out[key] = value
	}
	return out, nil
}

func (in inspector) join(name, key string) string {
	switch {
	case name == "":
		return key
	case in.form:
		return name + "[" + key + "]"
	default:
		return name + "." + key
	}
}

// typed reads a form's text as what the schema wants, if it can be.
func typed(want string, v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	switch want {
	case "integer":
		if n, err := asInt(s); err == nil {
			return n
		}
	case "number":
		if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case "boolean":
		if s == "true" || s == "false" {
			return s == "true"
		}
	}
	return v
}

func asInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func hasType(want string, v any) bool {
	switch want {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "integer":
		_, ok := v.(int64)
		return ok
	case "number":
		_, isInt := v.(int64)
		_, isFloat := v.(float64)
		return isInt || isFloat
	case "boolean":
		_, ok := v.(bool)
		return ok
	default:
		return true
	}
}

func article(typ string) string {
	if strings.ContainsRune("aio", rune(typ[0])) {
		return "an " + typ
	}
	return "a " + typ
}
