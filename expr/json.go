package expr

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// EncodeJSON writes plain data the same way every time: names sorted, whole numbers exact, times as RFC 3339. What maps,
// lists and texts hold most is written here; whatever else there is, the library writes, to the same bytes.
func EncodeJSON(value any) ([]byte, error) {
	if b, ok := appendPlain(make([]byte, 0, 512), value); ok {
		return slices.Clip(b), nil
	}
	return json.Marshal(value, json.Deterministic(true))
}

// appendPlain appends a value; false at the first that is left to the library.
func appendPlain(b []byte, value any) ([]byte, bool) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), true
	case bool:
		return strconv.AppendBool(b, v), true
	case int64:
		return strconv.AppendInt(b, v, 10), true
	case int:
		return strconv.AppendInt(b, int64(v), 10), true
	case string:
		return appendText(b, v)
	case []any:
		return appendList(b, v)
	case map[string]any:
		return appendObject(b, v)
	default:
		return b, false
	}
}

// appendText appends a text; one with anything to escape is quoted by the library.
func appendText(b []byte, s string) ([]byte, bool) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == 0x7f || c >= utf8.RuneSelf {
			quoted, err := jsontext.AppendQuote(b, s)
			return quoted, err == nil
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), true
}

func appendList(b []byte, list []any) ([]byte, bool) {
	if list == nil {
		return b, false
	}
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendPlain(b, item); !ok {
			return b, false
		}
	}
	return append(b, ']'), true
}

func appendObject(b []byte, m map[string]any) ([]byte, bool) {
	if m == nil {
		return b, false
	}
	var few [16]string
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendText(b, name); !ok {
			return b, false
		}
		b = append(b, ':')
		if b, ok = appendPlain(b, m[name]); !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}
