package expr

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// adapter shows plain Go data to CEL without copying it: maps and lists are wrapped as they are met.
type adapter struct{ types.Adapter }

// NativeToValue wraps v for CEL.
func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case string:
		return types.String(v)
	case int64:
		return types.Int(v)
	case map[string]any:
		if m, ok := asMoney(v); ok {
			return m
		}
		return types.NewStringInterfaceMap(a, v)
	case []any:
		return types.NewDynamicList(a, v)
	case absent:
		return types.OptionalNone
	case ref.Val:
		return v
	}
	return a.Adapter.NativeToValue(v)
}

// decl is a variable as evaluation needs it.
type decl struct {
	optional bool
	object   bool // an absent one stands as an empty object, so that .? and has() work on it
	convert  func(any) (any, error)
}

// activation hands variables to CEL.
type activation struct {
	vars  map[string]any
	decls map[string]*decl
	reads Reads
}

// ResolveName finds a variable.
func (a *activation) ResolveName(name string) (any, bool) {
	d, known := a.decls[name]
	if !known {
		return nil, false
	}
	v, ok := a.vars[name]
	if !ok || v == Absent || (v == nil && d.optional) {
		switch {
		case !d.optional:
			return nil, false
		case d.object:
			return map[string]any{}, true
		}
		return types.OptionalNone, true
	}
	if d.convert != nil {
		converted, err := d.convert(v)
		if err != nil {
			return types.WrapErr(err), true
		}
		v = converted
	}
	if d.optional && !d.object {
		return types.OptionalOf(adapter{types.DefaultTypeAdapter}.NativeToValue(v)), true
	}
	return v, true
}

// Parent is nil: there is one level of names.
func (a *activation) Parent() interpreter.Activation { return nil }

// toGo turns what CEL gave into plain Go data; Absent for an optional that holds nothing.
func toGo(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("the number %d is too large", uint64(v))
		}
		return int64(v), nil
	case types.Double:
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Bytes:
		return string(v), nil
	case types.Timestamp:
		return v.Time, nil
	case types.Duration:
		return v.Duration, nil
	case *types.Optional:
		if !v.HasValue() {
			return Absent, nil
		}
		return toGo(v.GetValue())
	case moneyVal:
		return v.plain(), nil
	case *types.Err:
		return nil, v
	case traits.Mapper:
		return goMap(v)
	case traits.Lister:
		return goList(v)
	}
	return nil, fmt.Errorf("a result of type %s cannot be used", v.Type().TypeName())
}

func goMap(m traits.Mapper) (any, error) {
	if plain, ok := m.Value().(map[string]any); ok {
		return plain, nil
	}
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.Value().(string)
		if !ok {
			name = fmt.Sprint(key.Value())
		}
		value, err := toGo(m.Get(key))
		if err != nil {
			return nil, err
		}
		if value != Absent {
			out[name] = value
		}
	}
	return out, nil
}

func goList(l traits.Lister) (any, error) {
	out := []any{}
	for it := l.Iterator(); it.HasNext() == types.True; {
		value, err := toGo(it.Next())
		if err != nil {
			return nil, err
		}
		if value != Absent {
			out = append(out, value)
		}
	}
	return out, nil
}

// coerce checks a value of unknown origin against a schema and gives it the form the schema takes. It is how lenient
// targets keep their promise when they are evaluated.
func coerce(s *Schema, v any, path string) (any, error) {
	if isAny(s) {
		return v, nil
	}
	if v == nil || v == Absent {
		return Absent, nil
	}
	switch kindOf(s) {
	case "money":
		if m, ok := asMoneyAny(v); ok {
			return m.plain(), nil
		}
	case "string":
		return coerceText(s, v, path)
	case "integer":
		v, _ = toInt(v) // it has no error to give
		if n, ok := v.(int); ok {
			v = int64(n)
		}
		if _, ok := v.(int64); ok {
			return v, nil
		}
	case "number":
		switch v.(type) {
		case float64, int64, int:
			return v, nil
		}
	case "boolean":
		if _, ok := v.(bool); ok {
			return v, nil
		}
	case "array":
		if list, ok := v.([]any); ok {
			return coerceList(s, list, path)
		}
	case "object":
		if m, ok := v.(map[string]any); ok {
			return coerceObject(s, m, path)
		}
	}
	return nil, fmt.Errorf("%s takes %s, but this is %s", pathWords(path), schemaWords(s), words(v))
}

func coerceText(s *Schema, v any, path string) (any, error) {
	if t, ok := v.(time.Time); ok && s.Format == "date-time" {
		return t, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%s takes %s, but this is %s", pathWords(path), schemaWords(s), words(v))
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		return nil, fmt.Errorf("%s takes one of %s, but this is %s", pathWords(path), strings.Join(s.Enum, ", "), words(v))
	}
	if s.Format == "date-time" {
		if _, err := toTime(text); err != nil {
			return nil, fmt.Errorf("%s: %w", pathWords(path), err)
		}
	}
	if s.MaxLength > 0 && utf8.RuneCountInString(text) > s.MaxLength {
		return nil, fmt.Errorf("%s takes at most %d characters, but this has %d", pathWords(path), s.MaxLength,
			utf8.RuneCountInString(text))
	}
	return text, nil
}

func coerceList(s *Schema, list []any, path string) (any, error) {
	if s.MaxItems > 0 && len(list) > s.MaxItems {
		return nil, fmt.Errorf("%s takes at most %d items, but this has %d", pathWords(path), s.MaxItems, len(list))
	}
	out := make([]any, 0, len(list))
	for i, item := range list {
		value, err := coerce(s.Items, item, fmt.Sprintf("%s[%d]", path, i))
		if err != nil {
			return nil, err
		}
		if value != Absent {
			out = append(out, value)
		}
	}
	return out, nil
}

func coerceObject(s *Schema, m map[string]any, path string) (any, error) {
	out := make(map[string]any, len(m))
	for key, value := range m {
		property, known := s.Properties[key]
		switch {
		case known:
		case s.Values != nil:
			property = s.Values
		case len(s.Properties) > 0 && !s.Open:
			continue // what the target does not know is not passed on
		}
		value, err := coerce(property, value, join(path, key))
		if err != nil {
			return nil, err
		}
		if value != Absent {
			out[key] = value
		}
	}
	for _, key := range s.Required {
		if _, ok := out[key]; !ok {
			return nil, fmt.Errorf("%s must be given, but is absent", pathWords(join(path, key)))
		}
	}
	return out, nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func pathWords(path string) string {
	if path == "" {
		return "the value"
	}
	return strconv.Quote(path)
}

// words shows a value in a message: short, and never a whole payload.
func words(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(cut(v, 40))
	case bool:
		return strconv.FormatBool(v)
	case int64, int, float64:
		return "the number " + display(v)
	case time.Time:
		return "the time " + display(v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case absent:
		return "absent"
	}
	return reflect.TypeOf(v).String()
}

// display writes a value as text: interpolation and pages use it.
func display(v any) string {
	switch v := v.(type) {
	case nil, absent:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration:
		return v.String()
	case map[string]any:
		if m, ok := asMoney(v); ok {
			return m.decimal() + " " + m.currency
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return words(v)
	}
	return string(text)
}

func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
