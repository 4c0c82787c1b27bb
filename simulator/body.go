package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// readForm reads fields with bracket nesting: metadata[order_id]=SO-1, types[]=a, items[0][price]=p. Values are texts.
func readForm(values url.Values) (map[string]any, error) {
	out := map[string]any{}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		parts := strings.Split(strings.ReplaceAll(key, "]", ""), "[")
		if len(parts) > 8 {
			return nil, fmt.Errorf("parameter %s nests too deep", key)
		}
		for _, value := range values[key] {
			nested, err := nest(out, parts, value)
			if err != nil {
				return nil, fmt.Errorf("parameter %s: %w", key, err)
			}
			out, _ = nested.(map[string]any)
		}
	}
	return out, nil
}

func nest(in any, parts []string, value string) (any, error) {
	if len(parts) == 0 {
		if in != nil {
			return nil, errors.New("is given twice")
		}
		return value, nil
	}
	part := parts[0]
	_, err := strconv.Atoi(part)
	_, isMap := in.(map[string]any)
	if list, isList := in.([]any); isList || (in == nil && (part == "" || err == nil)) {
		i, inside := index(part, len(list))
		if !inside || part == "" {
			list = append(list, nil)
			i = len(list) - 1
		}
		below, err := nest(list[i], parts[1:], value)
		list[i] = below
		return list, err
	}
	if in != nil && !isMap {
		return nil, errors.New("is both a value and a group")
	}
	fields, _ := in.(map[string]any)
	if fields == nil {
		fields = map[string]any{}
	}
	below, err := nest(fields[part], parts[1:], value)
	fields[part] = below
	return fields, err
}

// writeJSON renders a value; escaped writes it in ASCII with \u00e9 and \/, as Meta does.
func writeJSON(v any, escaped bool) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	body := bytes.TrimRight(out.Bytes(), "\n")
	if !escaped {
		return body, nil
	}
	var ascii bytes.Buffer
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case r == '/':
			ascii.WriteString(`\/`)
		case r < utf8.RuneSelf:
			ascii.WriteByte(body[0])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&ascii, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&ascii, `\u%04x`, r)
		}
		body = body[size:]
	}
	return ascii.Bytes(), nil
}

// writeForm renders a map with bracket nesting, in the order of its names.
func writeForm(v map[string]any) []byte {
	values := url.Values{}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, below := range v {
				walk(name+"["+key+"]", below)
			}
		case []any:
			for i, below := range v {
				walk(name+"["+strconv.Itoa(i)+"]", below)
			}
		case nil:
		default:
			values.Set(name, text(v))
		}
	}
	for key, below := range v {
		walk(key, below)
	}
	return []byte(values.Encode())
}
