package expr

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Misfit is one place where data does not fit its schema.
type Misfit struct {
	Path    string // order.customer.email, without the noun: customer.email
	Words   string // in plain words
	Missing bool   // a required field has no value
}

// Conform makes data fit the schema: empty values (null, absent, "") are left out, times become RFC 3339 text, whole
// numbers become text where text is wanted (ids), money becomes exactly {minor, currency}. Everything that still does
// not fit is said, at most 20 places. The data given is not changed.
func (s *Schema) Conform(data map[string]any) (map[string]any, []Misfit) {
	c := conformer{}
	value, _ := c.value(s, data, nil)
	out, _ := value.(map[string]any)
	return out, c.misfits
}

type conformer struct{ misfits []Misfit }

const maxMisfits = 20

func (c *conformer) misfit(path []string, missing bool, format string, args ...any) {
	if len(c.misfits) < maxMisfits {
		c.misfits = append(c.misfits, Misfit{Path: strings.Join(path, "."), Words: fmt.Sprintf(format, args...), Missing: missing})
	}
}

// value returns what to keep; ok is false when there is nothing.
func (c *conformer) value(s *Schema, v any, path []string) (out any, ok bool) {
	if v == nil || v == Absent || v == "" {
		return nil, false
	}
	if s == nil {
		return plainData(v), true
	}
	switch {
	case s.Format == "money":
		return c.money(v, path)
	case s.Type == "object":
		return c.object(s, v, path)
	case s.Type == "array":
		return c.list(s, v, path)
	case s.Type == "string":
		return c.text(s, v, path)
	case s.Type == "integer":
		if n, isInt := v.(int64); isInt {
			return n, true
		}
	case s.Type == "number":
		switch v.(type) {
		case int64, float64:
			return v, true
		}
	case s.Type == "boolean":
		if b, isBool := v.(bool); isBool {
			return b, true
		}
	default:
		return plainData(v), true
	}
	c.misfit(path, false, "%s is wanted, but this is %s", wantedWords(s), valueWords(v))
	return nil, false
}

func wantedWords(s *Schema) string {
	switch s.Type {
	case "integer":
		return "a whole number"
	case "number":
		return "a number"
	case "boolean":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "a group of fields"
	default:
		return "text"
	}
}

func valueWords(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("the text %q", shortText(v))
	case bool:
		return strconv.FormatBool(v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case []any:
		return "a list"
	case map[string]any:
		return "a group of fields"
	default:
		return "a value of another kind"
	}
}

func shortText(s string) string {
	if utf8.RuneCountInString(s) <= 40 {
		return s
	}
	return string([]rune(s)[:40]) + "…"
}

func (c *conformer) object(s *Schema, v any, path []string) (any, bool) {
	m, isMap := v.(map[string]any)
	if !isMap {
		c.misfit(path, false, "a group of fields is wanted, but this is %s", valueWords(v))
		return nil, false
	}
	out := make(map[string]any, len(m))
	for name, inner := range m {
		field := s.Properties[name]
		if field == nil {
			field = s.Values
			if field == nil && !s.Open {
				c.misfit(append(slices.Clip(path), name), false, "there is no field of this name")
				continue
			}
		}
		if kept, ok := c.value(field, inner, append(slices.Clip(path), name)); ok {
			out[name] = kept
		}
	}
	for _, name := range s.Required {
		if _, there := out[name]; there {
			continue
		}
		if f := s.Properties[name]; f != nil && f.Type == "object" && f.Format == "" && len(f.Required) == 0 {
			out[name] = map[string]any{} // a group all of whose fields may be absent is there even when they are
			continue
		}
		if _, given := m[name]; !given || m[name] == nil || m[name] == "" || m[name] == Absent {
			c.misfit(append(slices.Clip(path), name), true, "it must have a value, but there is none")
		}
	}
	return out, true
}

func (c *conformer) list(s *Schema, v any, path []string) (any, bool) {
	list, isList := v.([]any)
	if !isList {
		c.misfit(path, false, "a list is wanted, but this is %s", valueWords(v))
		return nil, false
	}
	if s.MaxItems > 0 && len(list) > s.MaxItems {
		c.misfit(path, false, "it has %d entries; at most %d are taken", len(list), s.MaxItems)
		return nil, false
	}
	out := make([]any, 0, len(list))
	for i, inner := range list {
		if kept, ok := c.value(s.Items, inner, append(slices.Clip(path), strconv.Itoa(i))); ok {
			out = append(out, kept)
		}
	}
	return out, true
}

func (c *conformer) text(s *Schema, v any, path []string) (any, bool) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case int64:
		text = strconv.FormatInt(v, 10)
	case time.Time:
		if s.Format == "date" {
			text = v.UTC().Format(time.DateOnly)
		} else {
			text = v.UTC().Format(time.RFC3339Nano)
		}
	default:
		c.misfit(path, false, "text is wanted, but this is %s", valueWords(v))
		return nil, false
	}
	switch {
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, text):
		c.misfit(path, false, "%q is not one of %s", shortText(text), strings.Join(s.Enum, ", "))
		return nil, false
	case s.MaxLength > 0 && utf8.RuneCountInString(text) > s.MaxLength:
		c.misfit(path, false, "it is longer than %d characters", s.MaxLength)
		return nil, false
	case s.Format == "date-time":
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			c.misfit(path, false, "%q is no time such as 2026-10-01T10:00:00Z", shortText(text))
			return nil, false
		}
		text = at.UTC().Format(time.RFC3339Nano)
	case s.Format == "date":
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			c.misfit(path, false, "%q is no date such as 2026-10-01", shortText(text))
			return nil, false
		}
	}
	return text, true
}

func (c *conformer) money(v any, path []string) (any, bool) {
	m, _ := v.(map[string]any)
	minor, ok := m["minor"].(int64)
	written, _ := m["currency"].(string)
	currency := strings.ToUpper(written)
	if !ok || len(currency) != 3 {
		c.misfit(path, false, "money is wanted ({minor, currency}), but this is %s", valueWords(v))
		return nil, false
	}
	if len(m) == 2 && currency == written {
		return m, true // it is money already; nothing changes it
	}
	return map[string]any{"minor": minor, "currency": currency}, true
}

// plainData leaves out empty values and writes times as text, where no schema says more.
func plainData(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case map[string]any:
		out := maps.Clone(v)
		for name, inner := range out {
			if inner == nil || inner == Absent {
				delete(out, name)
				continue
			}
			out[name] = plainData(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = plainData(inner)
		}
		return out
	default:
		return v
	}
}
