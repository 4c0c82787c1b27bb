package translate

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"waybill"
	"waybill/connector"
	"waybill/expr"
)

// cleaner makes empty values absent, in place.
type cleaner struct {
	placeholders []string
	found        []string
}

// clean returns what stays of a value; ok is false when nothing does. Members of lists keep their places.
func (c *cleaner) clean(v any, at string) (out any, ok bool) {
	switch v := v.(type) {
	case nil:
		return nil, false
	case string:
		if v == "" {
			return nil, false
		}
		if slices.Contains(c.placeholders, v) {
			c.found = append(c.found, at)
			return nil, false
		}
		return v, true
	case []any:
		for i, inner := range v {
			if kept, ok := c.clean(inner, at); ok {
				v[i] = kept
			}
		}
		return v, len(v) > 0
	case map[string]any:
		for name, inner := range v {
			kept, ok := c.clean(inner, name)
			if !ok {
				delete(v, name)
				continue
			}
			if _, text := kept.(string); !text {
				v[name] = kept
			}
		}
		return v, len(v) > 0
	default:
		return v, true
	}
}

// Lines says how each field of an event came to be, from the mapping that made it and the event's own data; nil when this
// translator has no such mapping.
func (t *Translator) Lines(e *waybill.Event, data map[string]any) []waybill.MappedField {
	m := t.mappingAt(e.Mapped)
	if m == nil {
		return nil
	}
	out := make([]waybill.MappedField, 0, len(m.Leaves))
	for _, leaf := range m.Leaves {
		value, there := valueAt(data, leaf.Names())
		line := waybill.MappedField{Target: e.Noun + "." + leaf.Path, Source: leaf.Source, File: m.Span.File, Line: leaf.Line}
		switch {
		case there:
			line.Value = Readable(value)
		case reads(leaf.Source, e.Mapped.LeftOut):
			line.Note = "a placeholder of " + t.manifest.Title + ": left out"
		default:
			line.Note = "absent: left out"
		}
		out = append(out, line)
	}
	return out
}

func (t *Translator) mappingAt(by waybill.MappedBy) *connector.Mapping {
	for _, list := range t.byType {
		for _, m := range list {
			if m.Span.File == by.File && m.Span.Line == by.Line {
				return m
			}
		}
	}
	return nil
}

// reads reports whether an expression reads one of the fields.
func reads(source string, fields []string) bool {
	return slices.ContainsFunc(fields, func(name string) bool { return strings.Contains(source, name) })
}

func valueAt(data map[string]any, path []string) (any, bool) {
	var at any = data
	for _, name := range path {
		switch inner := at.(type) {
		case map[string]any:
			value, ok := inner[name]
			if !ok {
				return nil, false
			}
			at = value
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(inner) {
				return nil, false
			}
			at = inner[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// maxValue cuts long values in the mapping view.
const maxValue = 80

// Readable writes a value as people read it, shortened: money as INR 1,299.00.
func Readable(value any) string {
	switch v := value.(type) {
	case string:
		if r := []rune(v); len(r) > maxValue {
			return string(r[:maxValue]) + "…"
		}
		return v
	case map[string]any:
		minor, okMinor := v["minor"].(int64)
		currency, okCurrency := v["currency"].(string)
		if okMinor && okCurrency && len(v) == 2 {
			return currency + " " + decimal(minor, currency)
		}
		return fmt.Sprintf("%d fields", len(v))
	case []any:
		return fmt.Sprintf("%d entries", len(v))
	default:
		return fmt.Sprint(v)
	}
}

// digits are the currencies that do not have two digits after the point (ISO 4217).
func digits(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	default:
		return 2
	}
}

func decimal(minor int64, currency string) string {
	sign := ""
	text := strconv.FormatInt(minor, 10)
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	n := digits(currency)
	for len(text) <= n {
		text = "0" + text
	}
	whole, part := text[:len(text)-n], text[len(text)-n:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if n == 0 {
		return sign + whole
	}
	return sign + whole + "." + part
}

// block says that an expression of a mapping could not be followed: a value that is not there is told from one of
// another kind, and both from an expression that is wrong.
func (w *work) block(m *connector.Mapping, err error) {
	var f *expr.Failure
	if !errors.As(err, &f) {
		w.wrong(m, waybill.MappingWrong, "", err.Error(), m.Span.Line)
		return
	}
	cause := waybill.MappingWrong
	switch {
	case f.Lacks:
		cause = waybill.MissingValue
	case f.Misfit:
		cause = waybill.FormatChanged
	}
	code, words := "", f.Words
	for _, leaf := range m.Leaves {
		if leaf.Holds(f.Span.Pos) {
			code, words = leaf.Path, leaf.Path+": "+f.Words
		}
	}
	w.wrong(m, cause, code, words, f.Span.Line)
}

// misfit says that the data of an event does not fit the catalogue's schema.
func (w *work) misfit(m *connector.Mapping, misfits []expr.Misfit) {
	cause := waybill.FormatChanged
	said := make([]string, len(misfits))
	for i, f := range misfits {
		said[i] = f.Path + ": " + f.Words
		if f.Missing {
			cause = waybill.MissingValue
		}
	}
	line := m.Span.Line
	for _, leaf := range m.Leaves {
		if leaf.Path == misfits[0].Path {
			line = leaf.Line
		}
	}
	w.wrong(m, cause, misfits[0].Path, strings.Join(said, "; "), line)
}

func (w *work) wrong(m *connector.Mapping, cause waybill.Cause, code, words string, line int) {
	w.result.Blocked = &Blocked{
		Cause: cause, Code: code, File: m.Span.File, Line: line,
		Words: fmt.Sprintf("%s sent %s, which should become %s, but %s (%s:%d)", w.t.manifest.Title, w.in.Item.Type, m.Event, words, m.Span.File, line),
	}
}
