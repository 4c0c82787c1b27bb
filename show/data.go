package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"unicode/utf8"
)

// token is a piece of a body with its class: key, str, num, lit, or none.
type token struct{ Class, Text string }

// body is a request's or answer's bytes, ready to be shown: as text only, numbers as they stand, cut where it is long.
type body struct {
	Tokens []token
	Bytes  int
	Cut    bool
	Binary bool // it is no text; shown as hex
}

// maxShown is how many bytes of one body a page shows.
const maxShown = 32 << 10

// showBody prepares bytes for a page. JSON is indented without being decoded, so that every digit stays as it came.
func showBody(raw []byte) body {
	b := body{Bytes: len(raw)}
	if len(raw) > maxShown {
		raw, b.Cut = raw[:maxShown], true
	}
	if len(raw) == 0 {
		return b
	}
	if !b.Cut && json.Valid(raw) {
		var out bytes.Buffer
		if json.Indent(&out, raw, "", "  ") == nil {
			b.Tokens = tokens(out.Bytes())
			return b
		}
	}
	if text := bytes.TrimRight(raw, "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f"); !utf8.Valid(raw) && (!b.Cut || !utf8.Valid(text)) {
		b.Binary = true
		b.Tokens = []token{{Text: fmt.Sprintf("% x", raw[:min(len(raw), 1024)])}}
		return b
	}
	b.Tokens = []token{{Text: string(raw)}}
	return b
}

// tokens splits valid, indented JSON into its pieces. Order and bytes stay: joined again they are the input.
func tokens(raw []byte) []token {
	var list []token
	plain := 0
	flush := func(to int) {
		if to > plain {
			list = append(list, token{"", string(raw[plain:to])})
		}
	}
	for i := 0; i < len(raw); {
		class, end := "", i+1
		switch c := raw[i]; {
		case c == '"':
			class, end = "str", stringEnd(raw, i)
			if end < len(raw) && raw[end] == ':' {
				class = "key"
			}
		case c == '-' || c >= '0' && c <= '9':
			class, end = "num", runEnd(raw, i, "+-.eE0123456789")
		case c >= 'a' && c <= 'z':
			class, end = "lit", runEnd(raw, i, "truefalsn")
		}
		if class != "" {
			flush(i)
			list = append(list, token{class, string(raw[i:end])})
			plain = end
		}
		i = end
	}
	flush(len(raw))
	return list
}

func stringEnd(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

func runEnd(raw []byte, i int, set string) int {
	for i < len(raw) && strings.IndexByte(set, raw[i]) >= 0 {
		i++
	}
	return i
}

// decode reads JSON with numbers kept as their digits; what is no JSON is nil.
func decode(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// column is a declared column's value in one event.
type column struct{ Name, Value string }

// columnsOf reads the declared columns of an event's data. A path starts with the event's noun, which the data does
// not repeat; what is absent is left out.
func columnsOf(data []byte, paths []string) []column {
	v := decode(data)
	var list []column
	for _, path := range paths {
		parts := strings.Split(path, ".")
		got := lookup(v, parts[1:])
		if got == nil {
			got = lookup(v, parts)
		}
		if text := valueText(got); text != "" {
			list = append(list, column{columnName(path), text})
		}
	}
	return list
}

// columnName says a column's path in words: order.customer.email is Customer email.
func columnName(path string) string {
	if _, rest, ok := strings.Cut(path, "."); ok {
		path = rest
	}
	return sayName(path)
}

func lookup(v any, path []string) any {
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// valueText is a value of event data for people: money as money, numbers as they stand, the rest as text.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case map[string]any:
		if minor, currency, ok := asMoney(v); ok {
			return money(minor, currency)
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return shorten(string(raw), 120)
}

func asMoney(m map[string]any) (minor, currency string, ok bool) {
	n, isNumber := m["minor"].(json.Number)
	c, isText := m["currency"].(string)
	return n.String(), c, isNumber && isText && len(m) == 2
}

// amountOf finds the amount of an event: the first money in its data, the shallow ones first.
func amountOf(data []byte) string {
	level := []any{decode(data)}
	for range 3 {
		var next []any
		for _, v := range level {
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			names := make([]string, 0, len(m))
			for name := range m {
				names = append(names, name)
			}
			sort.Slice(names, func(i, j int) bool {
				return strings.Contains(names[i], "paid") && !strings.Contains(names[j], "paid") ||
					strings.Contains(names[i], "paid") == strings.Contains(names[j], "paid") && names[i] < names[j]
			})
			for _, name := range names {
				if inner, isMap := m[name].(map[string]any); isMap {
					if minor, currency, found := asMoney(inner); found {
						return money(minor, currency)
					}
					next = append(next, inner)
				}
			}
		}
		level = next
	}
	return ""
}

// expression is a value's source as people read it: without the braces where it is one expression and nothing else.
func expression(source string) string {
	inner, ok := strings.CutPrefix(source, "${")
	if !ok || !strings.HasSuffix(inner, "}") || strings.Contains(inner, "${") {
		return source
	}
	return strings.TrimSpace(strings.TrimSuffix(inner, "}"))
}

// shorten cuts a text to n runes, with an ellipsis.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// pathOnly returns the path and query of a redirect target when it stays on this host, else "/".
func pathOnly(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsAny(target, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI() + fragment(u)
}

func fragment(u *url.URL) string {
	if u.Fragment == "" {
		return ""
	}
	return "#" + u.EscapedFragment()
}
