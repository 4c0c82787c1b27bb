package connector

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// quick reads what DecodeJSON reads, in one pass over the text and with maps of the right size from the start. It gives up
// at whatever it does not like: the careful reader then reads the text again and says what is wrong with it, and where. So
// all that quick must be right about is what it accepts.
type quick struct {
	text string
	at   int
	// values and names are the members of the objects and lists under way, the innermost last.
	values []any
	names  []string
}

// quickly returns the value of text; false when the careful reader must look.
func quickly(text []byte) (any, bool) {
	q := quick{text: string(text), values: make([]any, 0, 64), names: make([]string, 0, 64)}
	if !utf8.ValidString(q.text) {
		return nil, false
	}
	v, ok := q.value(0)
	if !ok {
		return nil, false
	}
	q.space()
	return v, q.at == len(q.text)
}

func (q *quick) space() {
	for q.at < len(q.text) {
		switch q.text[q.at] {
		case ' ', '\t', '\n', '\r':
			q.at++
		default:
			return
		}
	}
}

// next skips spaces and returns the byte that follows; 0 at the end.
func (q *quick) next() byte {
	q.space()
	if q.at >= len(q.text) {
		return 0
	}
	return q.text[q.at]
}

func (q *quick) value(depth int) (any, bool) {
	if depth > maxDepth {
		return nil, false
	}
	switch c := q.next(); {
	case c == '"':
		return q.str()
	case c == '{':
		return q.object(depth)
	case c == '[':
		return q.list(depth)
	case c == '-' || c >= '0' && c <= '9':
		return q.number()
	case c == 'n':
		return nil, q.word("null")
	case c == 't':
		return true, q.word("true")
	case c == 'f':
		return false, q.word("false")
	default:
		return nil, false
	}
}

func (q *quick) word(w string) bool {
	if !strings.HasPrefix(q.text[q.at:], w) {
		return false
	}
	q.at += len(w)
	return true
}

// str reads a string; its opening quote stands at the place.
func (q *quick) str() (string, bool) {
	begin := q.at + 1
	for i := begin; i < len(q.text); i++ {
		switch c := q.text[i]; {
		case c == '"':
			q.at = i + 1
			return q.text[begin:i], true
		case c == '\\':
			return q.escaped(begin-1, i)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped reads a string with escapes; from is its opening quote, i its first backslash.
func (q *quick) escaped(from, i int) (string, bool) {
	for ; i < len(q.text); i++ {
		switch c := q.text[i]; {
		case c == '\\':
			i++
		case c == '"':
			q.at = i + 1
			out, err := jsontext.AppendUnquote(nil, q.text[from:q.at])
			return string(out), err == nil
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// number reads a number as JSON writes it: no plus, no leading zero, digits on both sides of the point.
func (q *quick) number() (any, bool) {
	begin := q.at
	if q.text[q.at] == '-' {
		q.at++
	}
	first := q.at
	if q.digits() == 0 || q.text[first] == '0' && q.at-first > 1 {
		return nil, false
	}
	whole := true
	if q.at < len(q.text) && q.text[q.at] == '.' {
		whole = false
		if q.at++; q.digits() == 0 {
			return nil, false
		}
	}
	if q.at < len(q.text) && q.text[q.at]|0x20 == 'e' {
		whole = false
		q.at++
		if q.at < len(q.text) && (q.text[q.at] == '+' || q.text[q.at] == '-') {
			q.at++
		}
		if q.digits() == 0 {
			return nil, false
		}
	}
	text := q.text[begin:q.at]
	if whole && len(text) < 19 { // it fits for sure
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil
	}
	return number(text), true
}

// digits skips digits and says how many.
func (q *quick) digits() int {
	begin := q.at
	for q.at < len(q.text) && q.text[q.at] >= '0' && q.text[q.at] <= '9' {
		q.at++
	}
	return q.at - begin
}

func (q *quick) object(depth int) (any, bool) {
	q.at++
	values, names := len(q.values), len(q.names)
	for c := q.next(); c != '}'; {
		if c != '"' {
			return nil, false
		}
		name, ok := q.str()
		if !ok || q.next() != ':' {
			return nil, false
		}
		q.at++
		v, ok := q.value(depth + 1)
		if !ok {
			return nil, false
		}
		q.names, q.values = append(q.names, name), append(q.values, v)
		if c = q.next(); c == ',' {
			q.at++
			if c = q.next(); c == '}' {
				return nil, false
			}
		} else if c != '}' {
			return nil, false
		}
	}
	q.at++
	out := make(map[string]any, len(q.names)-names)
	for i, name := range q.names[names:] {
		out[name] = q.values[values+i]
	}
	once := len(out) == len(q.names)-names // no name twice
	q.values, q.names = q.values[:values], q.names[:names]
	return out, once
}

func (q *quick) list(depth int) (any, bool) {
	q.at++
	values := len(q.values)
	for c := q.next(); c != ']'; {
		v, ok := q.value(depth + 1)
		if !ok {
			return nil, false
		}
		q.values = append(q.values, v)
		if c = q.next(); c == ',' {
			q.at++
			if c = q.next(); c == ']' {
				return nil, false
			}
		} else if c != ']' {
			return nil, false
		}
	}
	q.at++
	out := make([]any, len(q.values)-values)
	copy(out, q.values[values:])
	q.values = q.values[:values]
	return out, true
}
