package connector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"waybill"
)

// maxDepth is how deep a body may nest.
const maxDepth = 64

// DecodeJSON reads one JSON value into nil, bool, int64, float64, string, []any and map[string]any. Whole numbers are
// exact: one beyond int64 becomes its digits as text, so an id keeps every digit. Duplicate names, bad UTF-8, anything
// after the value and nesting beyond 64 are refused with an error of kind Invalid.
func DecodeJSON(text []byte) (any, error) {
	if value, ok := quickly(text); ok {
		return value, nil
	}
	return carefully(text)
}

// carefully reads with the JSON library, which says what is wrong and where.
func carefully(text []byte) (any, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	value, err := decodeValue(d, 0)
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return value, nil
		}
		if err == nil {
			err = errors.New("there is more after the value")
		}
	}
	return nil, &waybill.Error{Kind: waybill.Invalid, Message: "the body is no readable JSON", Err: err}
}

func decodeValue(d *jsontext.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	token, err := d.ReadToken()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty or cut off")
		}
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return nil, nil // null is a value
	case 't', 'f':
		return token.Bool(), nil
	case '"':
		return token.String(), nil
	case '0':
		return number(token.String()), nil
	case '{':
		return decodeObject(d, depth)
	default:
		return decodeList(d, depth)
	}
}

func decodeObject(d *jsontext.Decoder, depth int) (any, error) {
	out := map[string]any{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if out[key], err = decodeValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return out, err
}

func decodeList(d *jsontext.Decoder, depth int) (any, error) {
	out := []any{}
	for d.PeekKind() != ']' {
		value, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	_, err := d.ReadToken()
	return out, err
}

// number keeps whole numbers exact.
func number(text string) any {
	if strings.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
		return text
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return text
}

// Found is one place of a body.
type Found struct {
	Pointer string // RFC 6901, without wildcards
	Value   any
}

// Find gives every place that a pointer with wildcards names, in order: /entry/*/changes/*. A star stands for every
// member of a list. What is not there is not found; that is no error.
func Find(body any, pointer string) []Found {
	return find(nil, body, "", segments(pointer))
}

func find(out []Found, at any, path string, rest []string) []Found {
	if len(rest) == 0 {
		return append(out, Found{Pointer: path, Value: at})
	}
	if rest[0] == "*" {
		list, _ := at.([]any)
		for i, member := range list {
			out = find(out, member, path+"/"+strconv.Itoa(i), rest[1:])
		}
		return out
	}
	value, ok := step(at, rest[0])
	if !ok {
		return out
	}
	return find(out, value, path+"/"+escape(rest[0]), rest[1:])
}

// At gives the value at a pointer without wildcards; ok is false when nothing is there.
func At(body any, pointer string) (value any, ok bool) {
	value = body
	for _, name := range segments(pointer) {
		if value, ok = step(value, name); !ok {
			return nil, false
		}
	}
	return value, true
}

// Bind fills the stars of a pointer with the places the item itself has: /entry/*/id for the item
// /entry/1/changes/0 is /entry/1/id. each is the pattern that found the item.
func Bind(pointer, each, item string) string {
	pattern, own, want := segments(each), segments(item), segments(pointer)
	var places []string
	for i, name := range pattern {
		if name == "*" && i < len(own) {
			places = append(places, own[i])
		}
	}
	var out strings.Builder
	for _, name := range want {
		if name == "*" && len(places) > 0 {
			name, places = places[0], places[1:]
		}
		out.WriteByte('/')
		out.WriteString(escape(name))
	}
	return out.String()
}

func step(at any, name string) (any, bool) {
	switch at := at.(type) {
	case map[string]any:
		value, ok := at[name]
		return value, ok
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(at) {
			return nil, false
		}
		return at[i], true
	default:
		return nil, false
	}
}

// segments splits a pointer into its unescaped names.
func segments(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if strings.Contains(pointer, "~") {
		for i, part := range parts {
			parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		}
	}
	return parts
}

func escape(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func checkPointer(pointer string) error {
	if pointer != "" && !strings.HasPrefix(pointer, "/") {
		return fmt.Errorf("%q is no pointer; it begins with a slash: /%s", pointer, pointer)
	}
	return nil
}

// DecodeBody reads a body in the format its webhook states: json, or form (a field given twice becomes a list). The
// error is of kind Invalid.
func DecodeBody(format string, body []byte) (any, error) {
	switch format {
	case "", "json":
		return DecodeJSON(body)
	case "form":
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, &waybill.Error{Kind: waybill.Invalid, Message: "the body is no readable form", Err: err}
		}
		out := make(map[string]any, len(fields))
		for name, values := range fields {
			if len(values) == 1 {
				out[name] = values[0]
				continue
			}
			list := make([]any, len(values))
			for i, v := range values {
				list[i] = v
			}
			out[name] = list
		}
		return out, nil
	default:
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: fmt.Sprintf("bodies in the format %q are not read yet", format)}
	}
}
